// SPDX-License-Identifier: Apache-2.0
// The steps of making an object, for others than the verb: create on update, the bootstrap.
#ifndef SERVER_CREATE_H
#define SERVER_CREATE_H

#include "server/admission/admission.h"

// Admission, preparation and validation of a decoded object. `ops` gets the further keys of the transaction.
int create_complete(struct call *c, const struct api_resource *r, struct json *object, struct store_snapshot *snapshot,
		    struct op_list *ops, struct err *e);

#endif
