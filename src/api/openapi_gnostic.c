// SPDX-License-Identifier: Apache-2.0
// A version 2 document as the protobuf message openapi.v2.Document, which older clients ask for. Only what our own
// documents hold is written. The numbers are those of gnostic's openapiv2/OpenAPIv2.proto.
#include "api/openapi_tree.h"
#include "base/encode.h"

enum { BYTES = 2 }; // wire type

static void put_bytes(struct buf *out, unsigned number, struct str bytes)
{
	encode_varint(out, number << 3 | BYTES);
	encode_varint(out, bytes.n);
	buf_add(out, bytes);
}

static void put_bool(struct buf *out, unsigned number, bool value)
{
	encode_varint(out, number << 3);
	buf_add_byte(out, value);
}

// What `write` makes of v, as a message within `out`.
static void put_message(struct buf *out, unsigned number, const struct json *v,
			void (*write)(struct buf *, const struct json *))
{
	struct buf inner CLEAN_BUF;
	buf_init(&inner);
	write(&inner, v);
	put_bytes(out, number, buf_str(&inner));
}

// name 1, value 2: an entry of the lists that stand for JSON objects
static void put_named(struct buf *out, unsigned number, const struct json *v,
		      void (*write)(struct buf *, const struct json *))
{
	struct buf inner CLEAN_BUF;
	buf_init(&inner);
	put_bytes(&inner, 1, v->key);
	put_message(&inner, 2, v, write);
	put_bytes(out, number, buf_str(&inner));
}

static void put_strings(struct buf *out, unsigned number, const struct json *list)
{
	json_each(v, list)
		put_bytes(out, number, v->text);
}

static bool is(const struct json *v, const char *key)
{
	return str_is(v->key, key);
}

static void write_any(struct buf *out, const struct json *v) // JSON is YAML
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	put_bytes(out, 2, json_text(&a, v));
}

static void put_extensions(struct buf *out, unsigned number, const struct json *object)
{
	json_each(v, object)
		if (str_starts(v->key, STR("x-")))
			put_named(out, number, v, write_any);
}

static void write_schema(struct buf *out, const struct json *schema);

static void write_schema_choice(struct buf *out, const struct json *schema) // the first of a oneof
{
	put_message(out, 1, schema, write_schema);
}

static void write_properties(struct buf *out, const struct json *properties)
{
	json_each(v, properties)
		put_named(out, 1, v, write_schema);
}

static void write_type(struct buf *out, const struct json *type)
{
	put_bytes(out, 1, type->text);
}

static void write_schema(struct buf *out, const struct json *schema)
{
	json_each(v, schema) {
		if (is(v, "$ref"))
			put_bytes(out, 1, v->text);
		else if (is(v, "format"))
			put_bytes(out, 2, v->text);
		else if (is(v, "description"))
			put_bytes(out, 4, v->text);
		else if (is(v, "required"))
			put_strings(out, 19, v);
		else if (is(v, "additionalProperties"))
			put_message(out, 21, v, write_schema_choice);
		else if (is(v, "type"))
			put_message(out, 22, v, write_type);
		else if (is(v, "items"))
			put_message(out, 23, v, write_schema_choice);
		else if (is(v, "properties"))
			put_message(out, 25, v, write_properties);
	}
	put_extensions(out, 31, schema);
}

static void write_body_parameter(struct buf *out, const struct json *p)
{
	put_bytes(out, 2, json_str(p, "name"));
	put_bytes(out, 3, json_str(p, "in"));
	if (json_is_true(p, "required"))
		put_bool(out, 4, true);
	put_message(out, 5, json_get(p, STR("schema")), write_schema);
}

static void write_query_parameter(struct buf *out, const struct json *p)
{
	put_bytes(out, 2, json_str(p, "in"));
	put_bytes(out, 3, json_str(p, "description"));
	put_bytes(out, 4, json_str(p, "name"));
	put_bytes(out, 6, json_str(p, "type"));
	put_bool(out, 20, json_is_true(p, "uniqueItems"));
}

static void write_path_parameter(struct buf *out, const struct json *p)
{
	put_bool(out, 1, json_is_true(p, "required"));
	put_bytes(out, 2, json_str(p, "in"));
	put_bytes(out, 3, json_str(p, "description"));
	put_bytes(out, 4, json_str(p, "name"));
	put_bytes(out, 5, json_str(p, "type"));
	put_bool(out, 19, json_is_true(p, "uniqueItems"));
}

static void write_non_body_parameter(struct buf *out, const struct json *p)
{
	if (json_str_is(p, "in", "path"))
		put_message(out, 4, p, write_path_parameter);
	else
		put_message(out, 3, p, write_query_parameter);
}

static void write_parameter(struct buf *out, const struct json *p)
{
	if (json_str_is(p, "in", "body"))
		put_message(out, 1, p, write_body_parameter);
	else
		put_message(out, 2, p, write_non_body_parameter);
}

static void write_parameters_item(struct buf *out, const struct json *p)
{
	put_message(out, 1, p, write_parameter);
}

static void write_response(struct buf *out, const struct json *response)
{
	const struct json *schema = json_get(response, STR("schema"));
	put_bytes(out, 1, json_str(response, "description"));
	if (schema)
		put_message(out, 2, schema, write_schema_choice);
}

static void write_response_value(struct buf *out, const struct json *response)
{
	put_message(out, 1, response, write_response);
}

static void write_responses(struct buf *out, const struct json *responses)
{
	json_each(v, responses)
		put_named(out, 1, v, write_response_value);
}

static void write_operation(struct buf *out, const struct json *operation)
{
	json_each(v, operation) {
		if (is(v, "tags"))
			put_strings(out, 1, v);
		else if (is(v, "description"))
			put_bytes(out, 3, v->text);
		else if (is(v, "operationId"))
			put_bytes(out, 5, v->text);
		else if (is(v, "produces"))
			put_strings(out, 6, v);
		else if (is(v, "consumes"))
			put_strings(out, 7, v);
		else if (is(v, "responses"))
			put_message(out, 9, v, write_responses);
		else if (is(v, "schemes"))
			put_strings(out, 10, v);
	}
	json_each(p, json_get(operation, STR("parameters")))
		put_message(out, 8, p, write_parameters_item);
	put_extensions(out, 13, operation);
}

static void write_path_item(struct buf *out, const struct json *path)
{
	static const struct {
		const char *method;
		unsigned number;
	} methods[] = {{"get", 2}, {"put", 3}, {"post", 4}, {"delete", 5}, {"patch", 8}};
	json_each(v, path)
		for (size_t i = 0; i < ARRAY_LEN(methods); i++)
			if (is(v, methods[i].method))
				put_message(out, methods[i].number, v, write_operation);
	json_each(p, json_get(path, STR("parameters")))
		put_message(out, 9, p, write_parameters_item);
}

static void write_paths(struct buf *out, const struct json *paths)
{
	json_each(v, paths)
		put_named(out, 2, v, write_path_item);
}

static void write_info(struct buf *out, const struct json *info)
{
	put_bytes(out, 1, json_str(info, "title"));
	put_bytes(out, 2, json_str(info, "version"));
}

void openapi_write_gnostic(struct buf *out, const struct json *document)
{
	put_bytes(out, 1, json_str(document, "swagger"));
	put_message(out, 2, json_get(document, STR("info")), write_info);
	put_message(out, 8, json_get(document, STR("paths")), write_paths);
	put_message(out, 9, json_get(document, STR("definitions")), write_properties);
}
