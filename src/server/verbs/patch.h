// SPDX-License-Identifier: Apache-2.0
// The steps of a patch, for the verb and for the subresources that are patched in a form of their own (scale).
#ifndef SERVER_PATCH_H
#define SERVER_PATCH_H

#include "api/patch.h"
#include "server/call.h"

int patch_read(struct call *c, enum api_patch *kind, struct json **document, struct err *e);
void patch_respond_unreadable(struct call *c, struct err *e); // the answer to a failed patch_read
int patch_apply(struct call *c, enum api_patch kind, const struct json *document, const struct api_type *type,
		struct json **object, struct err *e);
int patch_conform(struct call *c, struct json *object, const struct api_type *type, const struct api_resource *r,
		  enum api_strictness strictness, struct err *e);

#endif
