// SPDX-License-Identifier: Apache-2.0
#include "api/rules/same.h"

#include "api/rules/among.h"
#include "api/rules/value.h"

static bool is_empty(const struct json *v)
{
	if (!v || v->type == JSON_NULL)
		return true;
	return v->type == JSON_ARRAY && v->count == 0;
}

static bool same_members(const struct json *a, const struct json *b, bool only_absent)
{
	struct index members_of_b CLEAN_INDEX;
	index_init(&members_of_b, b, NULL);
	json_each(child, a) {
		const struct json *other = index_get(&members_of_b, child->key);
		if (!(other && only_absent) && !same(child, other))
			return false;
	}
	return true;
}

static bool same_objects(const struct json *a, const struct json *b)
{
	return same_members(a, b, false) && same_members(b, a, true);
}

bool same(const struct json *a, const struct json *b)
{
	if (a == b)
		return true;
	if (is_empty(a) || is_empty(b))
		return is_empty(a) && is_empty(b);
	if (a->type == JSON_OBJECT && b->type == JSON_OBJECT)
		return same_objects(a, b);
	if (a->type != JSON_ARRAY || b->type != JSON_ARRAY)
		return json_equal(a, b);
	if (a->count != b->count)
		return false;
	for (const struct json *x = a->first, *y = b->first; x; x = x->next, y = y->next)
		if (!same(x, y))
			return false;
	return true;
}

bool same_field(const struct json *a, const struct json *b, const char *name)
{
	return same(field(a, name), field(b, name));
}
