// SPDX-License-Identifier: Apache-2.0
// The three patches (RFC 6902, RFC 7386, Kubernetes' strategic merge). Each changes `*object` (a private copy of the
// stored object) into the patched tree, or fails and leaves it to be thrown away. The result still has to go through
// api_conform and validation.
#ifndef API_PATCH_H
#define API_PATCH_H

#include "api/schema.h"

enum api_patch { API_PATCH_JSON, API_PATCH_MERGE, API_PATCH_STRATEGIC, API_PATCH_APPLY };

// By the request's Content-Type; -1 with ERR_UNSUPPORTED_MEDIA.
int api_patch_of(struct str content_type, enum api_patch *out, struct err *e);

// At most 10,000 operations. ERR_INVALID for an operation that cannot be done, ERR_BAD_REQUEST for a malformed one.
int api_patch_json(struct arena *a, struct json **object, const struct json *operations, struct err *e);
void api_patch_merge(struct arena *a, struct json **object, const struct json *patch);
// `$patch`, `$deleteFromPrimitiveList/x`, `$setElementOrder/x`, `$retainKeys`; lists by the schema's merge keys.
int api_patch_strategic(struct arena *a, const struct api_type *type, struct json **object, const struct json *patch,
			struct err *e);

#endif
