// SPDX-License-Identifier: Apache-2.0
// What a write goes through. The input is two JSON texts with a NUL between: an object, which is created and then put
// over itself, and a patch, which is tried on it in all three ways. What was accepted must be accepted again, and be
// the same.
#include "api/object.h"
#include "api/patch.h"
#include "api/table.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

struct round {
	struct arena *arena;
	const struct api_resource *resource;
	struct api_context context;
	struct err e;
};

static int create(struct round *r, struct str text, struct json **out)
{
	if (api_decode(r->arena, text, API_JSON, r->resource->type, r->resource, API_IGNORE, NULL, out, &r->e))
		return -1;
	api_default(r->arena, r->resource, *out);
	if (api_prepare_create(&r->context, r->resource, *out, &r->e))
		return -1;
	return api_validate_create(&r->context, r->resource, *out, &r->e);
}

static void put_again(struct round *r, const struct json *old)
{
	struct json *again = json_clone(r->arena, old);
	r->context.name = json_str(old, "metadata.name");
	json_put_str(r->arena, json_get(again, STR("metadata")), "resourceVersion", STR("1"));
	api_default(r->arena, r->resource, again);
	MUST(api_prepare_update(&r->context, r->resource, again, old, &r->e) == 0);
	MUST(api_validate_update(&r->context, r->resource, again, old, &r->e) == 0);
	MUST(json_i64(again, "metadata.generation", 0) == json_i64(old, "metadata.generation", 0));
	api_table_cells(r->arena, r->resource, again, r->context.now_ns);
}

static void change(struct round *r, const struct json *old, const struct json *patch, enum api_patch kind)
{
	struct json *now = json_clone(r->arena, old);
	int failed = 0;
	if (kind == API_PATCH_JSON)
		failed = api_patch_json(r->arena, &now, patch, &r->e);
	else if (kind == API_PATCH_STRATEGIC)
		failed = api_patch_strategic(r->arena, r->resource->type, &now, patch, &r->e);
	else
		api_patch_merge(r->arena, &now, patch);
	if (!failed && api_conform(r->arena, now, r->resource->type, r->resource, API_IGNORE, NULL, &r->e) == 0) {
		api_default(r->arena, r->resource, now);
		if (api_prepare_update(&r->context, r->resource, now, old, &r->e) == 0)
			api_validate_update(&r->context, r->resource, now, old, &r->e);
	}
	err_clear(&r->e);
}

static const struct api_resource *resource_of(struct arena *a, struct str text)
{
	struct json *tree = NULL;
	struct str version, group = STR("");
	if (json_parse(a, text, NULL, &tree, NULL))
		return NULL;
	version = json_str(tree, "apiVersion");
	if (str_find(version, '/') >= 0)
		str_cut(version, '/', &group, &version);
	const struct api_resource *r = api_resource_by_kind(group, version, json_str(tree, "kind"));
	return r && !r->ephemeral ? r : NULL;
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct str text, patch_text;
	str_cut((struct str){(const char *)data, size}, 0, &text, &patch_text);
	struct round r = {.arena = &a, .resource = resource_of(&a, text)};
	if (!r.resource)
		return 0;
	r.context = (struct api_context){.arena = &a,
					 .now_ns = 1,
					 .namespace = r.resource->namespaced ? STR("ns") : STR(""),
					 .subresource = STR(""),
					 .uid = STR("u"),
					 .suffix = STR("abcde")};
	struct json *object = NULL, *patch = NULL;
	int created = create(&r, text, &object);
	err_clear(&r.e);
	if (created)
		return 0;
	put_again(&r, object);
	if (json_parse(&a, patch_text, NULL, &patch, &r.e) == 0)
		for (enum api_patch kind = API_PATCH_JSON; kind <= API_PATCH_STRATEGIC; kind++)
			change(&r, object, patch, kind);
	err_clear(&r.e);
	return 0;
}
