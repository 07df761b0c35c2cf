// SPDX-License-Identifier: Apache-2.0
// From bytes to a valid object and back: what a write request passes through, in this order:
//   api_decode -> api_default -> api_prepare_create | api_prepare_update -> api_validate_* -> api_encode
// Pure: the time, uids and names to use come in with struct api_context. Trees live in the request's arena.
#ifndef API_OBJECT_H
#define API_OBJECT_H

#include "api/schema.h"

enum api_media { API_JSON, API_YAML, API_PROTOBUF };

enum api_strictness { API_IGNORE, API_WARN, API_STRICT }; // ?fieldValidation=

// Decodes one object of `type`, which is the resource's or its subresource's. Unless `resource` is NULL
// (DeleteOptions), apiVersion and kind must be the type's own (absent ones are filled in). Wrong JSON types fail with
// ERR_BAD_REQUEST naming the field. Unknown and duplicate fields: dropped; under API_WARN each adds a text to *warnings
// (a JSON array of strings, may be NULL), under API_STRICT they fail with ERR_BAD_REQUEST "strict decoding error:
// unknown field "spec.x", ...".
int api_decode(struct arena *a, struct str bytes, enum api_media media, const struct api_type *type,
	       const struct api_resource *resource, enum api_strictness strictness, struct json *warnings,
	       struct json **out, struct err *e);
// The same for a tree that is already parsed (the result of a patch): checks types, drops nulls and unknown fields.
int api_conform(struct arena *a, struct json *tree, const struct api_type *type, const struct api_resource *resource,
		enum api_strictness strictness, struct json *warnings, struct err *e);
// A stored object as a tree to compare new ones with: the same shape as api_decode gives (no nulls, no empty values
// that mean absence). Patches take the plain json_parse of the stored bytes instead, where nothing is left out.
int api_load(struct arena *a, struct str stored, const struct api_resource *r, struct json **out, struct err *e);
// The first document of a stream, as a tree of JSON's types: YAML 1.1 scalars (y, yes and on are true), keys become
// strings, merge keys (<<) are resolved. Depth and what aliases may multiply are bounded. ERR_BAD_REQUEST.
int api_yaml_parse(struct arena *a, struct str text, struct json *duplicates, struct json **out, struct err *e);
// The media type's name up to ';', without regard to case; -1 with ERR_UNSUPPORTED_MEDIA for others.
int api_media_of(struct str content_type, enum api_media *out, struct err *e);
// Adds to the array of warnings (NULL: none are wanted) unless the same is there; at most 100.
void api_warn(struct arena *a, struct json *warnings, struct str text);

// Fills in what the schema and the kind's rules say of absent fields; objects that are no pointers become {}. Runs
// again without effect.
void api_default(struct arena *a, const struct api_resource *r, struct json *object);

struct api_context {
	struct arena *arena;
	int64_t now_ns;
	struct str namespace; // of the request's path; empty for cluster-scoped resources
	struct str name;      // of the path; empty on create
	struct str subresource; // "" or "status", "scale", "ephemeralcontainers", "resize"...
	struct str uid;	      // a fresh one, for create
	struct str suffix;    // five random characters, for generateName
	struct str user;      // who asks
	struct json *warnings; // array of strings; rules may add (deprecations)
};

// Create: metadata from the context (namespace, uid, creationTimestamp, generated name, generation 1), what clients may
// not set is dropped (status of kinds with a status subresource, deletionTimestamp...). May fail: namespace mismatch.
int api_prepare_create(struct api_context *c, const struct api_resource *r, struct json *object, struct err *e);
// Update of `old`: system metadata is carried over, the status kept (or, for the status subresource, everything else),
// generation raised when the spec changed, uid and resourceVersion preconditions are the server's affair.
int api_prepare_update(struct api_context *c, const struct api_resource *r, struct json *object, const struct json *old,
		       struct err *e);

// Every broken rule as a cause with its field path; ERR_INVALID. Never changes the object.
int api_validate_create(struct api_context *c, const struct api_resource *r, const struct json *object, struct err *e);
int api_validate_update(struct api_context *c, const struct api_resource *r, const struct json *object,
			const struct json *old, struct err *e);

// Canonical JSON: fields in the schema's order, map keys sorted, empty values left out where the schema says so.
// Equal objects give equal bytes. *revision_at gets the offset at which the digits of metadata.resourceVersion
// belong (between its quotes; the encoded text has "resourceVersion":"" there, whatever the tree holds), for the
// store to fill in; pass NULL to encode the tree's own resourceVersion instead.
// The first two members are always "apiVersion" and "kind": items of a list leave them out by skipping a fixed prefix.
void api_encode(struct buf *out, const struct api_resource *r, const struct json *object, size_t *revision_at);

#endif
