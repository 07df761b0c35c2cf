// SPDX-License-Identifier: Apache-2.0
// The verbs on stored objects. Each takes a call whose route names the resource, and answers it.
#ifndef SERVER_VERBS_H
#define SERVER_VERBS_H

#include "server/call.h"

void verb_get(struct call *c);
void verb_list(struct call *c);
void verb_watch(struct call *c);
void verb_create(struct call *c);
void verb_update(struct call *c);
void verb_patch(struct call *c);
void verb_delete(struct call *c);
void verb_delete_collection(struct call *c);

// "pods/default/web", "nodes/n1"
struct str object_key(struct arena *a, const struct api_resource *r, struct str namespace, struct str name);
// "pods/default/", "pods/", "nodes/"
struct str collection_prefix(struct arena *a, const struct api_resource *r, struct str namespace);
// The tree of a stored object; its strings point into the blob. Stored objects always parse.
struct json *object_parse(struct arena *a, struct blob *stored);

// Decodes the body as an object of the resource (by Content-Type), with the strictness asked for.
int decode_body(struct call *c, const struct api_type *type, const struct api_resource *r,
		enum api_strictness strictness, struct json **out, struct err *e);
// A fresh context for the api room's steps.
struct api_context api_context_of(struct call *c);

#endif
