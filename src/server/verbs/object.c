// SPDX-License-Identifier: Apache-2.0
#include "server/verbs/verbs.h"

struct str object_key(struct arena *a, const struct api_resource *r, struct str namespace, struct str name)
{
	if (!r->namespaced)
		return arena_fmt(a, "%.*s/%.*s", STR_FMT(r->store_prefix), STR_FMT(name));
	return arena_fmt(a, "%.*s/%.*s/%.*s", STR_FMT(r->store_prefix), STR_FMT(namespace), STR_FMT(name));
}

struct str collection_prefix(struct arena *a, const struct api_resource *r, struct str namespace)
{
	if (!r->namespaced || str_empty(namespace))
		return arena_fmt(a, "%.*s/", STR_FMT(r->store_prefix));
	return arena_fmt(a, "%.*s/%.*s/", STR_FMT(r->store_prefix), STR_FMT(namespace));
}

struct json *object_parse(struct arena *a, struct blob *stored)
{
	struct json *tree;
	struct err e CLEAN_ERR = ERR_EMPTY;
	MUST(json_parse(a, blob_str(stored), NULL, &tree, &e) == 0);
	return tree;
}

int decode_body(struct call *c, const struct api_type *type, const struct api_resource *r,
		enum api_strictness strictness, struct json **out, struct err *e)
{
	enum api_media media = API_JSON;
	struct str content_type = call_header(c, "Content-Type");
	if (!str_empty(content_type) && api_media_of(content_type, &media, e) < 0)
		return -1;
	return api_decode(c->arena, c->body, media, type, r, strictness, c->warnings, out, e);
}

struct api_context api_context_of(struct call *c)
{
	return (struct api_context){.arena = c->arena,
				    .now_ns = loop_wall(c->loop),
				    .namespace = c->route.resource->namespaced ? c->route.namespace : STR_NONE,
				    .name = c->route.name,
				    .subresource = c->route.subresource,
				    .user = c->user.name,
				    .warnings = c->warnings};
}
