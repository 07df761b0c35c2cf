// SPDX-License-Identifier: Apache-2.0
// The OpenAPI documents, put together of types and paths.
#include "api/openapi.h"

#include "api/openapi_tree.h"

#define KUBERNETES_VERSION "v1.36.0"

static void add_info(struct openapi *o, struct json *document)
{
	struct json *info = openapi_add(document, "info", json_object(o->arena));
	openapi_add_text(o, info, "title", STR("Kubernetes"));
	openapi_add_text(o, info, "version", STR(KUBERNETES_VERSION));
}

static struct json *bearer_token(struct openapi *o)
{
	struct json *schemes = json_object(o->arena);
	struct json *token = openapi_add(schemes, "BearerToken", json_object(o->arena));
	openapi_add_text(o, token, "description", STR("Bearer token"));
	openapi_add_text(o, token, "in", STR("header"));
	openapi_add_text(o, token, "name", STR("authorization"));
	openapi_add_text(o, token, "type", STR("apiKey"));
	return schemes;
}

static struct json *document_v2(struct arena *a)
{
	struct openapi o = {.arena = a, .version = 2, .schemas = json_object(a)};
	struct json *document = json_object(a), *paths = json_object(a);
	openapi_add_text(&o, document, "swagger", STR("2.0"));
	add_info(&o, document);
	for (size_t i = 0; i < api_resource_count; i++)
		openapi_add_paths(&o, paths, &api_resources[i]);
	for (size_t i = 0; i < api_type_count; i++)
		openapi_ref(&o, api_types[i]);
	openapi_add(document, "paths", paths);
	openapi_add(document, "definitions", o.schemas);
	openapi_add(document, "securityDefinitions", bearer_token(&o));
	return document;
}

void api_openapi_v2(struct buf *out)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	json_write(out, document_v2(&a));
}

void api_openapi_v2_protobuf(struct buf *out)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	openapi_write_gnostic(out, document_v2(&a));
}

bool api_openapi_v3(struct buf *out, struct str path)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct openapi o = {.arena = &a, .version = 3, .schemas = json_object(&a)};
	struct json *document = json_object(&a), *paths = json_object(&a);
	openapi_add_text(&o, document, "openapi", STR("3.0.0"));
	add_info(&o, document);
	for (size_t i = 0; i < api_resource_count; i++)
		if (str_eq(api_resources[i].path, path))
			openapi_add_paths(&o, paths, &api_resources[i]);
	if (paths->count == 0)
		return false;
	openapi_ref(&o, api_type_find(STR("v1.WatchEvent")));
	openapi_add(document, "paths", paths);
	struct json *components = openapi_add(document, "components", json_object(&a));
	openapi_add(components, "schemas", o.schemas);
	openapi_add(components, "securitySchemes", bearer_token(&o));
	json_write(out, document);
	return true;
}

void api_openapi_v3_paths(void (*each)(void *arg, struct str path), void *arg)
{
	struct str before = STR_NONE;
	for (size_t i = 0; i < api_resource_count; i++) {
		if (!str_eq(api_resources[i].path, before))
			each(arg, api_resources[i].path);
		before = api_resources[i].path;
	}
}
