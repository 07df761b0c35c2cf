// SPDX-License-Identifier: Apache-2.0
#include "api/members.h"

enum { FEW = 16 }; // members that are found as fast by walking

// Stands for a member that is to be taken out.
static struct json gone;

static void fill_when_many(struct members *m)
{
	if (m->map.count || m->object->count <= FEW)
		return;
	json_each(child, m->object)
		map_set(&m->map, child->key, child);
}

void members_init(struct members *m, struct json *object)
{
	*m = (struct members){.object = object};
	map_init(&m->map);
	fill_when_many(m);
}

static bool is_gone(struct json *child, void *arg)
{
	const struct members *m = arg;
	return map_get(&m->map, child->key) == &gone;
}

void members_finish(struct members *m)
{
	if (m->removed)
		json_sweep(m->object, is_gone, m);
	map_finish(&m->map);
}

struct json *members_get(const struct members *m, struct str key)
{
	if (!m->map.count)
		return json_get(m->object, key);
	struct json *child = map_get(&m->map, key);
	return child == &gone ? NULL : child;
}

void members_set(struct members *m, struct str key, struct json *value)
{
	if (!m->map.count) {
		json_set(m->object, key, value);
		fill_when_many(m);
		return;
	}
	struct json *child = map_get(&m->map, key);
	if (child && child != &gone) { // becomes the value, where it stands
		struct json *next = child->next;
		*child = *value;
		child->key = key;
		child->next = next;
		return;
	}
	if (child == &gone) { // take the marked ones out before one of the same key is added
		json_sweep(m->object, is_gone, m);
		m->removed = false;
	}
	value->key = key;
	json_push(m->object, value);
	map_set(&m->map, key, value);
}

void members_remove(struct members *m, struct str key)
{
	if (!m->map.count) {
		json_remove(m->object, key);
	} else if (members_get(m, key)) {
		map_set(&m->map, key, &gone);
		m->removed = true;
	}
}

void json_sweep(struct json *parent, bool (*drop)(struct json *child, void *arg), void *arg)
{
	struct json *child = json_first(parent);
	if (!child)
		return;
	parent->first = parent->last = NULL;
	parent->count = 0;
	for (struct json *next; child; child = next) {
		next = child->next;
		if (!drop(child, arg))
			json_push(parent, child);
	}
}
