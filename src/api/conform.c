// SPDX-License-Identifier: Apache-2.0
// Brings a tree into the shape of its type, in place: checks JSON types, writes numbers, quantities and times in their
// one form, drops nulls, zeros that mean absence, and unknown fields. After it two objects that mean the same are
// equal as trees. Recursion follows the schema's types, so it is as deep as they are.
#include "api/conform.h"

#include <stdio.h>

#include "api/quantity.h"
#include "base/encode.h"
#include "base/times.h"

struct frame { // the way down, for the paths in messages
	const struct frame *up;
	struct str key; // empty: an index
	size_t index;
};

struct walk {
	struct arena *arena;
	struct json *faults; // texts of unknown fields, or NULL
	struct err *e;
};

enum { FAULTS_MAX = 100 }; // told of one object; the rest is dropped silently

static struct str path_of(struct arena *a, const struct frame *f)
{
	if (!f)
		return STR_NONE;
	struct str up = path_of(a, f->up);
	if (f->key.n == 0)
		return arena_fmt(a, "%.*s[%zu]", STR_FMT(up), f->index);
	return up.n ? arena_fmt(a, "%.*s.%.*s", STR_FMT(up), STR_FMT(f->key)) : f->key;
}

static int refuse(struct walk *w, const struct frame *f, const char *what)
{
	struct str path = path_of(w->arena, f);
	return err_set(w->e, ERR_BAD_REQUEST, "%.*s %s", STR_FMT(path.n ? path : STR("the object")), what);
}

static int wrong_type(struct walk *w, const struct frame *f, const char *wanted, const struct json *v)
{
	char what[80];
	snprintf(what, sizeof what, "must be %s, not %s", wanted, json_type_name(v->type));
	return refuse(w, f, what);
}

static void set_text(struct json *v, struct str text)
{
	v->type = JSON_STRING;
	v->text = text;
}

static int conform_int(struct walk *w, const struct frame *f, struct json *v, int64_t min, int64_t max)
{
	if (v->type != JSON_INT && v->type != JSON_REAL)
		return wrong_type(w, f, "a whole number", v);
	if (v->type == JSON_REAL)
		return refuse(w, f, "must be a whole number of at most 64 bits");
	if (v->integer < min || v->integer > max)
		return refuse(w, f, "is out of the range of its type");
	return 0;
}

static int conform_quantity(struct walk *w, const struct frame *f, struct json *v)
{
	struct quantity q;
	if (v->type == JSON_STRING) {
		v->text = str_trim(v->text);
		if (quantity_parse(v->text, &q) < 0)
			return refuse(w, f, "is no quantity (a number with an optional suffix: 100m, 1.5Gi, 2e3)");
	} else if (v->type != JSON_INT && v->type != JSON_REAL) {
		return wrong_type(w, f, "a quantity", v);
	} else if (quantity_of(v, &q) < 0) {
		return refuse(w, f, "is no quantity");
	}
	if (v->type == JSON_STRING && quantity_stays(v->text))
		return 0;
	struct str text = quantity_text(w->arena, q);
	if (v->type != JSON_STRING || !str_eq(text, v->text))
		set_text(v, text);
	return 0;
}

// Of a micro time exactly six digits are taken, as Go's parser of that layout demands.
static bool has_micros(struct str text)
{
	return text.n > 26 && text.p[19] == '.' && (text.p[26] < '0' || text.p[26] > '9');
}

static int conform_time(struct walk *w, const struct frame *f, struct json *v, bool micro)
{
	struct far_time t;
	if (v->type != JSON_STRING)
		return wrong_type(w, f, "a time", v);
	bool lower_case = str_find(v->text, 't') >= 0 || str_find(v->text, 'z') >= 0;
	if (lower_case || far_time_parse(v->text, &t) < 0 || (micro && !has_micros(v->text)))
		return refuse(w, f, micro ? "is no time like 2006-01-02T15:04:05.000000Z"
					  : "is no time like 2006-01-02T15:04:05Z");
	struct str text = micro ? far_time_format_micro(w->arena, t) : far_time_format(w->arena, t);
	if (far_time_is_zero(t))
		v->type = JSON_NULL;
	else if (!str_eq(text, v->text))
		set_text(v, text);
	return 0;
}

static int conform_bytes(struct walk *w, const struct frame *f, struct json *v)
{
	struct str bytes;
	if (v->type != JSON_STRING)
		return wrong_type(w, f, "text in base64", v);
	if (decode_base64(w->arena, v->text, &bytes) < 0)
		return refuse(w, f, "is not base64");
	if (memchr(v->text.p, '\n', v->text.n) || memchr(v->text.p, '\r', v->text.n)) {
		struct buf b CLEAN_BUF;
		buf_init(&b);
		encode_base64(&b, bytes);
		set_text(v, arena_str(w->arena, buf_str(&b)));
	}
	return 0;
}

static int conform_int_or_string(struct walk *w, const struct frame *f, struct json *v)
{
	if (v->type == JSON_STRING)
		return 0;
	if (v->type != JSON_INT && v->type != JSON_REAL)
		return wrong_type(w, f, "a whole number or a string", v);
	return conform_int(w, f, v, INT32_MIN, INT32_MAX);
}

static int conform_object(struct walk *w, const struct frame *f, const struct api_type *t, struct json *object);

// One value that is not null.
static int conform_value(struct walk *w, const struct frame *f, const struct api_field *field, struct json *v)
{
	switch (field->value) {
	case API_STRING:
		return v->type == JSON_STRING ? 0 : wrong_type(w, f, "a string", v);
	case API_BOOL:
		return v->type == JSON_BOOL ? 0 : wrong_type(w, f, "true or false", v);
	case API_INT32:
		return conform_int(w, f, v, INT32_MIN, INT32_MAX);
	case API_INT64:
		return conform_int(w, f, v, INT64_MIN, INT64_MAX);
	case API_DOUBLE:
		return v->type == JSON_INT || v->type == JSON_REAL ? 0 : wrong_type(w, f, "a number", v);
	case API_BYTES:
		return conform_bytes(w, f, v);
	case API_QUANTITY:
		return conform_quantity(w, f, v);
	case API_INT_OR_STRING:
		return conform_int_or_string(w, f, v);
	case API_TIME:
	case API_MICRO_TIME:
		return conform_time(w, f, v, field->value == API_MICRO_TIME);
	case API_DURATION:
		return v->type == JSON_STRING ? 0 : wrong_type(w, f, "a duration", v);
	case API_ANY:
		return 0;
	case API_OBJECT:
		return conform_object(w, f, field->type, v);
	}
	return 0;
}

// A null inside a list or map stands for the zero of its type.
static void zero(const struct api_field *field, struct json *v)
{
	switch (field->value) {
	case API_OBJECT:
		v->type = JSON_OBJECT;
		v->first = v->last = NULL;
		v->count = 0;
		break;
	case API_STRING:
	case API_BYTES:
		set_text(v, STR(""));
		break;
	case API_QUANTITY:
		set_text(v, STR("0"));
		break;
	case API_BOOL:
		v->type = JSON_BOOL;
		v->boolean = false;
		break;
	case API_INT32:
	case API_INT64:
	case API_DOUBLE:
	case API_INT_OR_STRING:
		v->type = JSON_INT;
		v->integer = 0;
		break;
	default: // times and free JSON stay null
		break;
	}
}

static int conform_element(struct walk *w, const struct frame *f, const struct api_field *field, struct json *v)
{
	if (v->type == JSON_NULL) {
		zero(field, v);
		return 0;
	}
	return conform_value(w, f, field, v);
}

static int conform_list(struct walk *w, const struct frame *up, const struct api_field *field, struct json *list)
{
	if (list->type != JSON_ARRAY)
		return wrong_type(w, up, "an array", list);
	struct frame f = {up, STR_NONE, 0};
	json_each(v, list) {
		if (conform_element(w, &f, field, v) < 0)
			return -1;
		f.index++;
	}
	return 0;
}

static int conform_map(struct walk *w, const struct frame *up, const struct api_field *field, struct json *map)
{
	if (map->type != JSON_OBJECT)
		return wrong_type(w, up, "an object", map);
	for (struct json *v = map->first, *next; v; v = next) {
		next = v->next;
		struct frame f = {up, v->key, 0};
		if (field->shape == API_MAP_OF_LISTS && v->type == JSON_NULL) {
			json_unlink(map, v);
			continue;
		}
		int status = field->shape == API_MAP_OF_LISTS ? conform_list(w, &f, field, v)
							       : conform_element(w, &f, field, v);
		if (status < 0)
			return -1;
	}
	return 0;
}

// Whether the value says no more than its absence would.
static bool means_absent(const struct api_field *field, const struct json *v)
{
	if (field->shape != API_ONE)
		return v->count == 0 && !field->kept;
	if (field->pointer)
		return false;
	switch (v->type) {
	case JSON_STRING:
		return v->text.n == 0 && field->value != API_INT_OR_STRING;
	case JSON_INT:
		return v->integer == 0 && field->value != API_INT_OR_STRING;
	case JSON_BOOL:
		return !v->boolean;
	default:
		return false;
	}
}

static void unknown_field(struct walk *w, const struct frame *f)
{
	if (!w->faults || w->faults->count >= FAULTS_MAX)
		return;
	struct str path = path_of(w->arena, f);
	struct json *fault = json_string(w->arena, arena_fmt(w->arena, "unknown field \"%.*s\"", STR_FMT(path)));
	fault->key = f->key;
	json_push(w->faults, fault);
}

static int conform_field(struct walk *w, const struct frame *f, const struct api_field *field, struct json *v)
{
	switch (field->shape) {
	case API_ONE:
		return conform_value(w, f, field, v);
	case API_LIST:
		return conform_list(w, f, field, v);
	default:
		return conform_map(w, f, field, v);
	}
}

static int conform_object(struct walk *w, const struct frame *up, const struct api_type *t, struct json *object)
{
	if (object->type != JSON_OBJECT)
		return wrong_type(w, up, "an object", object);
	struct json *kept = NULL;
	for (struct json *v = object->first, *next; v; v = next) {
		next = v->next;
		struct frame f = {up, v->key, 0};
		const struct api_field *field = api_field_find(t, v->key);
		bool drop = !field || v->type == JSON_NULL;
		if (!field)
			unknown_field(w, &f);
		if (!drop) {
			if (conform_field(w, &f, field, v) < 0)
				return -1;
			drop = v->type == JSON_NULL || means_absent(field, v);
		}
		if (!drop) {
			kept = v;
			continue;
		}
		if (kept)
			kept->next = next;
		else
			object->first = next;
		object->count--;
	}
	object->last = kept;
	return 0;
}

int conform(struct arena *a, struct json *tree, const struct api_type *type, struct json *faults, struct err *e)
{
	struct walk w = {a, faults, e};
	return conform_object(&w, NULL, type, tree);
}
