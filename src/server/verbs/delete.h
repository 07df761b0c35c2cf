// SPDX-License-Identifier: Apache-2.0
// What a deletion does to an object: it goes at once, or is marked and waits for its grace period or its finalizers.
#ifndef SERVER_DELETE_H
#define SERVER_DELETE_H

#include "server/verbs/change.h"

// From body and query; ERR_INVALID of kind DeleteOptions.
int delete_options_read(struct call *c, struct delete_options *out, struct err *e);
void delete_respond_options(struct call *c, struct err *e);

// Marks the object as the options ask; returns whether it goes now. Pure.
bool deletion_apply(struct arena *a, const struct api_resource *r, struct json *object, const struct delete_options *o,
		    int64_t now_ns);

// Deletes the object of the call's route; `answer` NULL: as the verb does.
void delete_object(struct call *c, const struct delete_options *o, void (*answer)(struct change *, struct blob *));

#endif
