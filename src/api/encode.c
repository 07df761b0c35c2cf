// SPDX-License-Identifier: Apache-2.0
// Trees to canonical JSON, the bytes that are stored and served.
#include "api/object.h"

enum { FIELDS_MAX = 255 }; // no type has more; tools/schema_gen.py sees to it

struct hole { // where the digits of metadata.resourceVersion belong
	size_t at;
};

static int by_key(const void *a, const void *b)
{
	return str_cmp((*(const struct json *const *)a)->key, (*(const struct json *const *)b)->key);
}

static void encode_object(struct buf *out, const struct api_type *t, const struct json *object, struct hole *hole,
			  bool top);

static void encode_value(struct buf *out, const struct api_field *f, const struct json *v)
{
	if (f->value == API_OBJECT && v->type == JSON_OBJECT)
		encode_object(out, f->type, v, NULL, false);
	else
		json_write(out, v);
}

static void encode_list(struct buf *out, const struct api_field *f, const struct json *list)
{
	buf_add_byte(out, '[');
	json_each(v, list) {
		if (v != list->first)
			buf_add_byte(out, ',');
		encode_value(out, f, v);
	}
	buf_add_byte(out, ']');
}

static void encode_entry(struct buf *out, const struct api_field *f, const struct json *v, bool first)
{
	if (!first)
		buf_add_byte(out, ',');
	json_write_string(out, v->key);
	buf_add_byte(out, ':');
	if (f->shape == API_MAP_OF_LISTS)
		encode_list(out, f, v);
	else
		encode_value(out, f, v);
}

static bool is_sorted(const struct json *map)
{
	json_each(v, map)
		if (v->next && str_cmp(v->key, v->next->key) > 0)
			return false;
	return true;
}

static void encode_map(struct buf *out, const struct api_field *f, const struct json *map)
{
	buf_add_byte(out, '{');
	if (is_sorted(map)) {
		json_each(v, map)
			encode_entry(out, f, v, v == map->first);
	} else {
		const struct json **sorted = mem_alloc(map->count * sizeof *sorted);
		size_t n = 0;
		json_each(v, map)
			sorted[n++] = v;
		qsort(sorted, n, sizeof *sorted, by_key);
		for (size_t i = 0; i < n; i++)
			encode_entry(out, f, sorted[i], i == 0);
		free(sorted);
	}
	buf_add_byte(out, '}');
}

// What stands for a field that the tree does not have; false: nothing.
static bool encode_absent(struct buf *out, const struct api_field *f, struct hole *hole)
{
	bool always = !f->omit_empty;
	if (f->shape != API_ONE || f->pointer || f->value == API_TIME || f->value == API_MICRO_TIME ||
	    f->value == API_ANY) {
		if (always)
			BUF_LIT(out, "null");
		return always;
	}
	switch (f->value) {
	case API_OBJECT:
		encode_object(out, f->type, NULL, hole, false);
		return true;
	case API_QUANTITY:
		BUF_LIT(out, "\"0\"");
		return true;
	case API_INT_OR_STRING:
		BUF_LIT(out, "0");
		return true;
	case API_BOOL:
		BUF_LIT(out, "false");
		break;
	case API_STRING:
	case API_BYTES:
	case API_DURATION:
		BUF_LIT(out, "\"\"");
		break;
	default:
		BUF_LIT(out, "0");
		break;
	}
	return always;
}

// Whether absence of the field leaves no trace.
static bool vanishes(const struct api_field *f)
{
	bool has_zero = f->value == API_OBJECT || f->value == API_QUANTITY || f->value == API_INT_OR_STRING;
	return f->omit_empty && (f->pointer || f->shape != API_ONE || !has_zero);
}

static bool is_zero(const struct api_field *f, const struct json *v)
{
	if (f->shape != API_ONE)
		return v->type == JSON_NULL || v->count == 0;
	if (!f->omit_empty || v->type == JSON_NULL)
		return v->type == JSON_NULL;
	if (f->pointer)
		return false;
	return (v->type == JSON_STRING && v->text.n == 0 && f->value != API_INT_OR_STRING) ||
	       (v->type == JSON_INT && v->integer == 0) || (v->type == JSON_BOOL && !v->boolean);
}

static void encode_present(struct buf *out, const struct api_field *f, const struct json *v, struct hole *hole)
{
	if (f->shape == API_LIST && v->type == JSON_ARRAY)
		encode_list(out, f, v);
	else if (f->shape >= API_MAP && v->type == JSON_OBJECT)
		encode_map(out, f, v);
	else if (f->value == API_OBJECT && v->type == JSON_OBJECT)
		encode_object(out, f->type, v, hole, false);
	else
		json_write(out, v);
}

// The value of one field, or nothing: false.
static bool encode_field(struct buf *out, const struct api_field *f, const struct json *v, struct hole *hole, bool top)
{
	struct hole *below = top && str_eq(f->name, STR("metadata")) ? hole : NULL;
	if (hole && !top && str_eq(f->name, STR("resourceVersion"))) {
		BUF_LIT(out, "\"\"");
		hole->at = out->n - 1;
		return true;
	}
	if (!v || is_zero(f, v))
		return encode_absent(out, f, below);
	encode_present(out, f, v, below);
	return true;
}

static void encode_object(struct buf *out, const struct api_type *t, const struct json *object, struct hole *hole,
			  bool top)
{
	const struct json *values[FIELDS_MAX];
	memset(values, 0, t->field_count * sizeof *values);
	json_each(v, object) {
		const struct api_field *f = api_field_find(t, v->key);
		if (f)
			values[f - t->fields] = v;
	}
	buf_add_byte(out, '{');
	bool first = true;
	// The name is written first and taken back where no value follows.
	for (size_t i = 0; i < t->field_count; i++) {
		if (!values[i] && !hole && vanishes(&t->fields[i]))
			continue;
		size_t before = out->n;
		buf_reserve(out, t->fields[i].name.n + 4);
		if (!first)
			buf_add_byte(out, ',');
		buf_add_byte(out, '"');
		buf_add(out, t->fields[i].name);
		BUF_LIT(out, "\":");
		if (encode_field(out, &t->fields[i], values[i], hole, top))
			first = false;
		else
			out->n = before;
	}
	buf_add_byte(out, '}');
}

void api_encode(struct buf *out, const struct api_resource *r, const struct json *object, size_t *revision_at)
{
	struct hole hole = {0};
	encode_object(out, r->type, object, revision_at ? &hole : NULL, true);
	if (revision_at)
		*revision_at = hole.at;
}
