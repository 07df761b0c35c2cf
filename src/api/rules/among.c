// SPDX-License-Identifier: Apache-2.0
#include "api/rules/among.h"

#include "api/rules/value.h"

void seen_init(struct seen *s)
{
	s->count = 0;
	map_init(&s->many);
}

void seen_finish(struct seen *s)
{
	map_finish(&s->many);
}

bool seen_has(const struct seen *s, struct str text)
{
	if (s->count > SEEN_FEW)
		return map_has(&s->many, text);
	for (size_t i = 0; i < s->count; i++)
		if (str_eq(s->few[i], text))
			return true;
	return false;
}

bool seen_add(struct seen *s, struct str text)
{
	if (seen_has(s, text))
		return true;
	if (s->count < SEEN_FEW) {
		s->few[s->count++] = text;
		return false;
	}
	if (s->count == SEEN_FEW)
		for (size_t i = 0; i < SEEN_FEW; i++)
			map_set(&s->many, s->few[i], s);
	map_set(&s->many, text, s);
	s->count++;
	return false;
}

void seen_add_all(struct seen *s, const struct json *list, const char *name)
{
	json_each(element, list)
		seen_add(s, text_of(element, name));
}

enum { INDEX_FEW = 16 }; // members that are found as fast by walking

static struct str index_key(const struct index *x, const struct json *member)
{
	return x->name ? text_of(member, x->name) : member->key;
}

void index_init(struct index *x, const struct json *of, const char *name)
{
	*x = (struct index){.of = of, .name = name};
	map_init(&x->map);
	if (count_of(of) <= INDEX_FEW)
		return;
	json_each(member, of)
		if (!map_has(&x->map, index_key(x, member)))
			map_set(&x->map, index_key(x, member), member);
}

void index_finish(struct index *x)
{
	map_finish(&x->map);
}

const struct json *index_get(const struct index *x, struct str key)
{
	if (x->map.count)
		return map_get(&x->map, key);
	json_each(member, x->of)
		if (str_eq(index_key(x, member), key))
			return member;
	return NULL;
}
