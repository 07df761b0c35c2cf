// SPDX-License-Identifier: Apache-2.0
// The heart of api_decode and api_conform (see object.h), private to this room.
#ifndef API_CONFORM_H
#define API_CONFORM_H

#include "api/schema.h"

// Brings the tree into the shape of `type`, in place. Wrong types fail with ERR_BAD_REQUEST and the field's path.
// Unknown fields are dropped; each adds the text `unknown field "spec.x"`, under its own key, to *faults, an array, or
// NULL.
int conform(struct arena *a, struct json *tree, const struct api_type *type, struct json *faults, struct err *e);

// A protobuf body (`k8s\0`, then runtime.Unknown) as a tree of `type`. Unknown numbers are skipped.
int protobuf_decode(struct arena *a, struct str bytes, const struct api_type *type, struct json **out, struct err *e);

// Of keys that stand twice in an object the last value stays, in the place of the first. Each repetition adds its key
// to *duplicates (100 at most), an array, or NULL.
void keep_last_of_each(struct arena *a, struct json *object, struct json *duplicates);

#endif
