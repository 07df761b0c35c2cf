// SPDX-License-Identifier: Apache-2.0
#include "base/json.h"

struct json *json_null(struct arena *a)
{
	return ARENA_NEW(a, struct json);
}

static struct json *make(struct arena *a, enum json_type type)
{
	struct json *v = ARENA_NEW(a, struct json);
	v->type = type;
	return v;
}

struct json *json_bool(struct arena *a, bool value)
{
	struct json *v = make(a, JSON_BOOL);
	v->boolean = value;
	return v;
}

struct json *json_int(struct arena *a, int64_t value)
{
	struct json *v = make(a, JSON_INT);
	v->integer = value;
	return v;
}

struct json *json_string(struct arena *a, struct str s)
{
	struct json *v = make(a, JSON_STRING);
	v->text = s;
	return v;
}

struct json *json_array(struct arena *a)
{
	return make(a, JSON_ARRAY);
}

struct json *json_object(struct arena *a)
{
	return make(a, JSON_OBJECT);
}

struct json *json_clone(struct arena *a, const struct json *value)
{
	if (!value)
		return NULL;
	struct json *copy = make(a, value->type);
	switch (value->type) {
	case JSON_ARRAY:
	case JSON_OBJECT:
		json_each(child, value) {
			struct json *c = json_clone(a, child);
			c->key = child->key.n ? arena_str(a, child->key) : child->key;
			json_push(copy, c);
		}
		break;
	case JSON_STRING:
	case JSON_REAL:
		copy->text = arena_str(a, value->text);
		break;
	case JSON_INT:
		copy->integer = value->integer;
		break;
	case JSON_BOOL:
		copy->boolean = value->boolean;
		break;
	case JSON_NULL:
		break;
	}
	return copy;
}

struct json *json_get(const struct json *object, struct str key)
{
	if (!object || object->type != JSON_OBJECT)
		return NULL;
	json_each(child, object)
		if (str_eq(child->key, key))
			return child;
	return NULL;
}

struct json *json_at(const struct json *value, const char *path)
{
	struct str rest = str_of(path), step;
	while (value && str_next(&rest, '.', &step)) {
		uint64_t i;
		if (value->type == JSON_ARRAY)
			value = str_to_u64(step, &i) == 0 ? json_index(value, i) : NULL;
		else
			value = json_get(value, step);
	}
	return (struct json *)value;
}

struct str json_str(const struct json *value, const char *path)
{
	const struct json *at = json_at(value, path);
	return at && at->type == JSON_STRING ? at->text : STR_NONE;
}

int64_t json_i64(const struct json *value, const char *path, int64_t otherwise)
{
	const struct json *at = json_at(value, path);
	return at && at->type == JSON_INT ? at->integer : otherwise;
}

bool json_is_true(const struct json *value, const char *path)
{
	const struct json *at = json_at(value, path);
	return at && at->type == JSON_BOOL && at->boolean;
}

bool json_str_is(const struct json *value, const char *path, const char *what)
{
	return str_is(json_str(value, path), what);
}

// Puts `fresh` where `old` stands.
static void replace(struct json *parent, struct json *old, struct json *fresh)
{
	if (old == fresh)
		return;
	fresh->next = old->next;
	if (parent->last == old)
		parent->last = fresh;
	if (parent->first == old) {
		parent->first = fresh;
		return;
	}
	struct json *before = parent->first;
	while (before->next != old)
		before = before->next;
	before->next = fresh;
}

struct json *json_set(struct json *object, struct str key, struct json *value)
{
	MUST(object->type == JSON_OBJECT);
	struct json *old = json_get(object, key);
	value->key = key;
	if (old)
		replace(object, old, value);
	else
		json_push(object, value);
	return value;
}

struct json *json_put(struct json *object, const char *key, struct json *value)
{
	return json_set(object, str_of(key), value);
}

void json_put_str(struct arena *a, struct json *object, const char *key, struct str s)
{
	json_put(object, key, json_string(a, s));
}

void json_put_int(struct arena *a, struct json *object, const char *key, int64_t value)
{
	json_put(object, key, json_int(a, value));
}

void json_put_bool(struct arena *a, struct json *object, const char *key, bool value)
{
	json_put(object, key, json_bool(a, value));
}

struct json *json_need_object(struct arena *a, struct json *object, const char *path)
{
	struct str rest = str_of(path), step;
	while (str_next(&rest, '.', &step)) {
		struct json *at = json_get(object, step);
		if (!at || at->type != JSON_OBJECT)
			at = json_set(object, arena_str(a, step), json_object(a));
		object = at;
	}
	return object;
}

struct json *json_need_array(struct arena *a, struct json *object, const char *key)
{
	struct json *at = json_get(object, str_of(key));
	if (!at || at->type != JSON_ARRAY)
		at = json_put(object, key, json_array(a));
	return at;
}

void json_unlink(struct json *parent, struct json *child)
{
	struct json *before = NULL;
	for (struct json *c = parent->first; c != child; c = c->next)
		before = c;
	if (before)
		before->next = child->next;
	else
		parent->first = child->next;
	if (parent->last == child)
		parent->last = before;
	parent->count--;
	child->next = NULL;
}

bool json_remove(struct json *object, struct str key)
{
	struct json *at = json_get(object, key);
	if (at)
		json_unlink(object, at);
	return at != NULL;
}

struct json *json_index(const struct json *array, size_t i)
{
	if (!array || array->type != JSON_ARRAY)
		return NULL;
	struct json *at = array->first;
	while (at && i--)
		at = at->next;
	return at;
}

struct json *json_push(struct json *parent, struct json *value)
{
	value->next = NULL;
	if (parent->last)
		parent->last->next = value;
	else
		parent->first = value;
	parent->last = value;
	parent->count++;
	return value;
}

void json_insert(struct json *array, size_t i, struct json *value)
{
	if (i >= array->count) {
		json_push(array, value);
		return;
	}
	if (i == 0) {
		value->next = array->first;
		array->first = value;
	} else {
		struct json *before = json_index(array, i - 1);
		value->next = before->next;
		before->next = value;
	}
	array->count++;
}

void json_remove_index(struct json *array, size_t i)
{
	struct json *at = json_index(array, i);
	if (at)
		json_unlink(array, at);
}

double json_double(const struct json *number)
{
	if (number->type == JSON_INT)
		return (double)number->integer;
	if (number->type != JSON_REAL)
		return 0;
	char digits[400];
	str_to_c(number->text, digits, sizeof digits);
	return strtod(digits, NULL);
}

static bool children_equal(const struct json *a, const struct json *b)
{
	if (a->count != b->count)
		return false;
	const struct json *guess = b->first; // usually both are in the same order
	json_each(x, a) {
		const struct json *y = guess;
		if (a->type == JSON_OBJECT && !(y && str_eq(x->key, y->key)))
			y = json_get(b, x->key);
		if (!y || !json_equal(x, y))
			return false;
		guess = y->next;
	}
	return true;
}

bool json_equal(const struct json *a, const struct json *b)
{
	if (a == b)
		return true;
	if (!a || !b)
		return false;
	bool numbers = (a->type == JSON_INT || a->type == JSON_REAL) && (b->type == JSON_INT || b->type == JSON_REAL);
	if (a->type != b->type)
		return numbers && json_double(a) == json_double(b);
	switch (a->type) {
	case JSON_NULL:
		return true;
	case JSON_BOOL:
		return a->boolean == b->boolean;
	case JSON_INT:
		return a->integer == b->integer;
	case JSON_REAL:
		return json_double(a) == json_double(b);
	case JSON_STRING:
		return str_eq(a->text, b->text);
	default:
		return children_equal(a, b);
	}
}

const char *json_type_name(enum json_type type)
{
	static const char *const names[] = {"null", "bool", "number", "number", "string", "array", "object"};
	return names[type];
}
