// SPDX-License-Identifier: Apache-2.0
// Pieces of OpenAPI documents as trees, private to this room: version 2 and 3 differ little, so one code makes both.
#ifndef API_OPENAPI_TREE_H
#define API_OPENAPI_TREE_H

#include "api/schema.h"

struct openapi {
	struct arena *arena;
	int version;		// 2 or 3
	struct json *schemas;	// of the types used so far, by definition name
};

// Adds at the end of an object, without a look for the same key.
static inline struct json *openapi_add(struct json *object, const char *key, struct json *value)
{
	value->key = str_of(key);
	return json_push(object, value);
}

static inline void openapi_add_text(struct openapi *o, struct json *object, const char *key, struct str text)
{
	openapi_add(object, key, json_string(o->arena, text));
}

// {"$ref": ...} to a type; the type and all below it come into o->schemas.
struct json *openapi_ref(struct openapi *o, const struct api_type *type);
// The same for the Patch definition, which has no table.
struct json *openapi_patch_ref(struct openapi *o);
struct json *openapi_kind(struct openapi *o, struct str group, struct str version, struct str kind);

// Adds the paths of a resource and its subresources.
void openapi_add_paths(struct openapi *o, struct json *paths, const struct api_resource *r);

// A version 2 document in gnostic's protobuf form (openapi.v2.Document).
void openapi_write_gnostic(struct buf *out, const struct json *document);

#endif
