// SPDX-License-Identifier: Apache-2.0
#include "controllers/owned.h"

#include "base/map.h"
#include "client/scan.h"

struct group {
	const struct informer_object **p;
	size_t n, room;
};

struct owned {
	struct map groups;  // owner's uid -> struct group
	struct map orphans; // namespace -> struct group
};

static struct map *map_of(struct owned *o, const struct informer_object *object, struct str *key)
{
	*key = owner_of(object->text).uid;
	if (!str_empty(*key))
		return &o->groups;
	struct str name;
	str_cut(object->key, '/', key, &name);
	return &o->orphans;
}

static void add(struct owned *o, const struct informer_object *object)
{
	struct str key;
	struct map *m = map_of(o, object, &key);
	struct group *g = map_get(m, key);
	if (!g) {
		g = MEM_NEW(struct group);
		map_set(m, key, g);
	}
	if (g->n == g->room) {
		g->room = g->room ? g->room * 2 : 4;
		g->p = mem_realloc(g->p, g->room * sizeof *g->p);
	}
	g->p[g->n++] = object;
}

static void drop(struct owned *o, const struct informer_object *object)
{
	struct str key;
	struct map *m = map_of(o, object, &key);
	struct group *g = map_get(m, key);
	for (size_t i = 0; g && i < g->n; i++) {
		if (g->p[i] == object) {
			g->p[i] = g->p[--g->n];
			break;
		}
	}
	if (!g || g->n > 0)
		return;
	map_remove(m, key);
	free(g->p);
	free(g);
}

static void on_change(void *arg, const struct informer_object *before, const struct informer_object *now)
{
	if (before)
		drop(arg, before);
	if (now)
		add(arg, now);
}

struct owned *owned_create(struct informer *i)
{
	static const struct informer_events events = {.on_change = on_change};
	struct owned *o = MEM_NEW(struct owned);
	map_init(&o->groups);
	map_init(&o->orphans);
	informer_listen(i, &events, o);
	return o;
}

static void finish_groups(struct map *m)
{
	map_each(slot, m) {
		struct group *g = slot->value;
		free(g->p);
		free(g);
	}
	map_finish(m);
}

void owned_destroy(struct owned *o)
{
	if (!o)
		return;
	finish_groups(&o->groups);
	finish_groups(&o->orphans);
	free(o);
}

static struct owned_list list_of(const struct map *m, struct str key)
{
	struct group *g = map_get(m, key);
	return g ? (struct owned_list){g->p, g->n} : (struct owned_list){NULL, 0};
}

struct owned_list owned_by(const struct owned *o, struct str uid)
{
	return list_of(&o->groups, uid);
}

struct owned_list owned_by_nobody(const struct owned *o, struct str namespace)
{
	return list_of(&o->orphans, namespace);
}
