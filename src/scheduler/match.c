// SPDX-License-Identifier: Apache-2.0
#include "scheduler/match.h"

static int compare_labels(const void *left, const void *right)
{
	return str_cmp(((const struct label *)left)->key, ((const struct label *)right)->key);
}

static struct str text_of(struct arena *a, const struct json *value)
{
	return value->type == JSON_STRING ? arena_str(a, value->text) : STR_NONE;
}

struct labels labels_of(struct arena *a, const struct json *map)
{
	struct labels l = {ARENA_ARRAY(a, struct label, map ? map->count : 0), 0};
	json_each(value, map)
		l.p[l.n++] = (struct label){arena_str(a, value->key), text_of(a, value)};
	qsort(l.p, l.n, sizeof *l.p, compare_labels);
	return l;
}

const struct label *labels_find(struct labels l, struct str key)
{
	size_t low = 0, high = l.n;
	while (low < high) {
		size_t middle = (low + high) / 2;
		int order = str_cmp(l.p[middle].key, key);
		if (order == 0)
			return &l.p[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

// ---- compiling

static struct requirement *add(struct arena *a, struct matcher *m)
{
	struct requirement *more = ARENA_ARRAY(a, struct requirement, m->n + 1);
	if (m->n)
		memcpy(more, m->p, m->n * sizeof *more);
	m->p = more;
	return &m->p[m->n++];
}

static void add_value(struct arena *a, struct matcher *m, struct str key, enum match_operator op, struct str value)
{
	struct requirement *r = add(a, m);
	*r = (struct requirement){arena_str(a, key), op, ARENA_NEW(a, struct str), 1, 0};
	r->values[0] = arena_str(a, value);
}

static enum match_operator operator_of(struct str name)
{
	static const char *const names[] = {"In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"};
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (str_is(name, names[i]))
			return (enum match_operator)i;
	}
	return MATCH_NEVER;
}

static void add_expressions(struct arena *a, struct matcher *m, const struct json *expressions)
{
	json_each(expression, expressions) {
		struct requirement *r = add(a, m);
		const struct json *values = json_get(expression, STR("values"));
		*r = (struct requirement){.key = arena_str(a, json_str(expression, "key")),
					  .op = operator_of(json_str(expression, "operator")),
					  .values = ARENA_ARRAY(a, struct str, values ? values->count : 0)};
		json_each(value, values)
			r->values[r->count++] = text_of(a, value);
		bool numeric = r->op == MATCH_GREATER || r->op == MATCH_LESS;
		if (numeric && (r->count != 1 || str_to_i64(r->values[0], &r->number) < 0))
			r->op = MATCH_NEVER;
	}
}

struct matcher matcher_of_map(struct arena *a, const struct json *map)
{
	struct matcher m = {0};
	json_each(value, map)
		add_value(a, &m, value->key, MATCH_IN, value->type == JSON_STRING ? value->text : STR_NONE);
	return m;
}

struct matcher matcher_of_expressions(struct arena *a, const struct json *expressions)
{
	struct matcher m = {0};
	add_expressions(a, &m, expressions);
	return m;
}

struct matcher matcher_of_selector(struct arena *a, const struct json *label_selector)
{
	if (!label_selector || label_selector->type != JSON_OBJECT)
		return (struct matcher){.nothing = true};
	struct matcher m = matcher_of_map(a, json_get(label_selector, STR("matchLabels")));
	add_expressions(a, &m, json_get(label_selector, STR("matchExpressions")));
	return m;
}

void matcher_add_keys(struct arena *a, struct matcher *m, const struct json *keys, struct labels l, bool mismatch)
{
	if (m->nothing)
		return;
	json_each(key, keys) {
		const struct label *label = key->type == JSON_STRING ? labels_find(l, key->text) : NULL;
		if (label)
			add_value(a, m, label->key, mismatch ? MATCH_NOT_IN : MATCH_IN, label->value);
	}
}

// ---- matching

static bool has_value(const struct requirement *r, struct str value)
{
	for (size_t i = 0; i < r->count; i++) {
		if (str_eq(r->values[i], value))
			return true;
	}
	return false;
}

static bool holds(const struct requirement *r, const struct label *label)
{
	int64_t number;
	switch (r->op) {
	case MATCH_IN:
		return label && has_value(r, label->value);
	case MATCH_NOT_IN:
		return !label || !has_value(r, label->value);
	case MATCH_EXISTS:
		return label != NULL;
	case MATCH_ABSENT:
		return !label;
	case MATCH_GREATER:
		return label && str_to_i64(label->value, &number) == 0 && number > r->number;
	case MATCH_LESS:
		return label && str_to_i64(label->value, &number) == 0 && number < r->number;
	default:
		return false;
	}
}

bool matcher_matches(const struct matcher *m, struct labels l)
{
	if (m->nothing)
		return false;
	for (size_t i = 0; i < m->n; i++) {
		if (!holds(&m->p[i], labels_find(l, m->p[i].key)))
			return false;
	}
	return true;
}
