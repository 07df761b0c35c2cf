// SPDX-License-Identifier: Apache-2.0
// Types as OpenAPI schemas.
#include "api/openapi_tree.h"

#define MACHINERY "io.k8s.apimachinery.pkg."

static struct json *ref_to(struct openapi *o, struct str definition)
{
	const char *prefix = o->version == 2 ? "#/definitions/" : "#/components/schemas/";
	struct json *ref = json_object(o->arena);
	openapi_add_text(o, ref, "$ref", arena_fmt(o->arena, "%s%.*s", prefix, STR_FMT(definition)));
	return ref;
}

static struct json *typed(struct openapi *o, const char *type, const char *format)
{
	struct json *schema = json_object(o->arena);
	openapi_add_text(o, schema, "type", str_of(type));
	if (format)
		openapi_add_text(o, schema, "format", str_of(format));
	return schema;
}

// "a string or a number": version 3 can say it.
static struct json *either(struct openapi *o, const char *one, const char *other, const char *format)
{
	if (o->version == 2)
		return typed(o, "string", format);
	struct json *schema = json_object(o->arena), *choice = openapi_add(schema, "oneOf", json_array(o->arena));
	json_push(choice, typed(o, one, NULL));
	json_push(choice, typed(o, other, NULL));
	if (format)
		openapi_add_text(o, schema, "format", str_of(format));
	return schema;
}

static struct json *own_ref(struct openapi *o, const char *definition, struct json *schema, const char *doc)
{
	if (!json_get(o->schemas, str_of(definition))) {
		openapi_add_text(o, schema, "description", str_of(doc));
		openapi_add(o->schemas, definition, schema);
	}
	return ref_to(o, str_of(definition));
}

struct json *openapi_patch_ref(struct openapi *o)
{
	return own_ref(o, MACHINERY "apis.meta.v1.Patch", typed(o, "object", NULL), "A patch of an object.");
}

static struct json *any_ref(struct openapi *o, const struct api_field *f)
{
	if (str_is(f->name, "fieldsV1"))
		return own_ref(o, MACHINERY "apis.meta.v1.FieldsV1", typed(o, "object", NULL),
			       "A set of fields, as a tree of their names.");
	return own_ref(o, MACHINERY "runtime.RawExtension", typed(o, "object", NULL), "Any object.");
}

static struct json *value_schema(struct openapi *o, const struct api_field *f)
{
	switch (f->value) {
	case API_STRING:
		return typed(o, "string", NULL);
	case API_BOOL:
		return typed(o, "boolean", NULL);
	case API_INT32:
		return typed(o, "integer", "int32");
	case API_INT64:
		return typed(o, "integer", "int64");
	case API_DOUBLE:
		return typed(o, "number", "double");
	case API_BYTES:
		return typed(o, "string", "byte");
	case API_QUANTITY:
		return own_ref(o, MACHINERY "api.resource.Quantity", either(o, "string", "number", NULL),
			       "An amount with an optional suffix: 100m, 1.5Gi, 2e3.");
	case API_INT_OR_STRING:
		return own_ref(o, MACHINERY "util.intstr.IntOrString", either(o, "integer", "string", "int-or-string"),
			       "A whole number, or text such as a name or a percentage.");
	case API_TIME:
		return own_ref(o, MACHINERY "apis.meta.v1.Time", typed(o, "string", "date-time"),
			       "A point in time, to the second (RFC 3339).");
	case API_MICRO_TIME:
		return own_ref(o, MACHINERY "apis.meta.v1.MicroTime", typed(o, "string", "date-time"),
			       "A point in time, to the microsecond (RFC 3339).");
	case API_DURATION:
		return own_ref(o, MACHINERY "apis.meta.v1.Duration", typed(o, "string", NULL),
			       "A span of time: 1m30s.");
	case API_ANY:
		return any_ref(o, f);
	case API_OBJECT:
		return openapi_ref(o, f->type);
	}
	return json_object(o->arena);
}

static void add_list_type(struct openapi *o, struct json *schema, const struct api_field *f)
{
	static const char *const names[] = {NULL, "atomic", "set", "map"};
	if (f->list_keys) {
		struct json *keys = openapi_add(schema, "x-kubernetes-list-map-keys", json_array(o->arena));
		for (const struct str *key = f->list_keys; key->n; key++)
			json_push(keys, json_string(o->arena, *key));
	}
	if (f->list_type)
		openapi_add_text(o, schema, f->shape == API_LIST ? "x-kubernetes-list-type" : "x-kubernetes-map-type",
				 str_of(names[f->list_type]));
}

static void add_patch_strategy(struct openapi *o, struct json *schema, const struct api_field *f)
{
	if (f->merge_key.n)
		openapi_add_text(o, schema, "x-kubernetes-patch-merge-key", f->merge_key);
	if (f->patch_merge || f->patch_retain_keys)
		openapi_add_text(o, schema, "x-kubernetes-patch-strategy",
				 !f->patch_retain_keys ? STR("merge")
				 : f->patch_merge      ? STR("merge,retainKeys")
						       : STR("retainKeys"));
}

static struct json *list_of(struct openapi *o, struct json *items)
{
	struct json *list = typed(o, "array", NULL);
	openapi_add(list, "items", items);
	return list;
}

// Version 3 lets nothing stand beside a $ref but inside allOf.
static struct json *described(struct openapi *o, const struct api_field *f, struct json *schema)
{
	if (o->version == 3 && json_get(schema, STR("$ref"))) {
		struct json *wrapped = json_object(o->arena);
		json_push(openapi_add(wrapped, "allOf", json_array(o->arena)), schema);
		schema = wrapped;
	}
	if (f->doc.n)
		openapi_add_text(o, schema, "description", f->doc);
	return schema;
}

static void add_values(struct openapi *o, struct json *schema, const struct api_field *f)
{
	struct json *standard;
	if (o->version != 3 || f->shape != API_ONE)
		return;
	if (f->standard.n && json_parse(o->arena, f->standard, NULL, &standard, NULL) == 0)
		openapi_add(schema, "default", standard);
	if (f->enums) {
		struct json *values = openapi_add(schema, "enum", json_array(o->arena));
		for (const struct str *s = f->enums; s->n; s++)
			json_push(values, json_string(o->arena, *s));
	}
}

static struct json *field_schema(struct openapi *o, const struct api_field *f)
{
	struct json *schema = value_schema(o, f);
	if (f->shape == API_LIST || f->shape == API_MAP_OF_LISTS)
		schema = list_of(o, schema);
	if (f->shape == API_MAP || f->shape == API_MAP_OF_LISTS) {
		struct json *map = typed(o, "object", NULL);
		openapi_add(map, "additionalProperties", schema);
		schema = map;
	}
	schema = described(o, f, schema);
	add_values(o, schema, f);
	add_list_type(o, schema, f);
	add_patch_strategy(o, schema, f);
	return schema;
}

struct json *openapi_kind(struct openapi *o, struct str group, struct str version, struct str kind)
{
	struct json *gvk = json_object(o->arena);
	openapi_add_text(o, gvk, "group", group);
	openapi_add_text(o, gvk, "kind", kind);
	openapi_add_text(o, gvk, "version", version);
	return gvk;
}

// DeleteOptions and WatchEvent stand in every group version that is served.
static void add_kinds(struct openapi *o, struct json *schema, const struct api_type *t)
{
	if (t->kind.n == 0)
		return;
	struct json *kinds = openapi_add(schema, "x-kubernetes-group-version-kind", json_array(o->arena));
	json_push(kinds, openapi_kind(o, t->group, t->version, t->kind));
	if (!str_is(t->kind, "DeleteOptions") && !str_is(t->kind, "WatchEvent"))
		return;
	const struct api_resource *before = NULL;
	for (const struct api_resource *r = api_resources; r < api_resources + api_resource_count; r++) {
		bool seen = before && str_eq(before->group, r->group) && str_eq(before->version, r->version);
		if (r->group.n && !seen)
			json_push(kinds, openapi_kind(o, r->group, r->version, t->kind));
		before = r;
	}
}

static void add_type(struct openapi *o, const struct api_type *t)
{
	struct json *schema = typed(o, "object", NULL), *required = json_array(o->arena);
	struct json *properties = json_object(o->arena);
	schema->key = t->definition;
	json_push(o->schemas, schema); // before what it refers to, so that circles end
	if (t->doc.n)
		openapi_add_text(o, schema, "description", t->doc);
	for (size_t i = 0; i < t->field_count; i++) {
		struct json *property = field_schema(o, &t->fields[i]);
		property->key = t->fields[i].name;
		json_push(properties, property);
		if (t->fields[i].required)
			json_push(required, json_string(o->arena, t->fields[i].name));
	}
	openapi_add(schema, "properties", properties);
	if (required->count)
		openapi_add(schema, "required", required);
	if (t->atomic_map)
		openapi_add_text(o, schema, "x-kubernetes-map-type", STR("atomic"));
	add_kinds(o, schema, t);
}

struct json *openapi_ref(struct openapi *o, const struct api_type *type)
{
	if (!json_get(o->schemas, type->definition))
		add_type(o, type);
	return ref_to(o, type->definition);
}
