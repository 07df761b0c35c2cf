// SPDX-License-Identifier: Apache-2.0
#include "network/slices.h"

#include "base/map.h"

struct group {
	struct informer_object *members[SLICES_MAX];
	size_t count;
};

struct slices {
	struct map groups; // "namespace/service" -> struct group
	void (*on_change)(void *arg, struct str service);
	void *arg;
};

static struct str service_of(struct arena *a, const struct informer_object *slice)
{
	struct str namespace, name;
	if (!slice || !str_cut(slice->key, '/', &namespace, &name))
		return STR_NONE;
	struct json *labels = json_at(informer_parse(a, slice), "metadata.labels");
	struct json *service = json_get(labels, STR("kubernetes.io/service-name"));
	if (!service || service->type != JSON_STRING || service->text.n == 0)
		return STR_NONE;
	return arena_fmt(a, "%.*s/%.*s", STR_FMT(namespace), STR_FMT(service->text));
}

static void leave(struct slices *s, struct str service, struct str slice)
{
	struct group *g = map_get(&s->groups, service);
	for (size_t i = 0; g && i < g->count; i++)
		if (str_eq(g->members[i]->key, slice)) {
			informer_object_unref(g->members[i]);
			g->members[i] = g->members[--g->count];
			break;
		}
	if (g && g->count == 0)
		free(map_remove(&s->groups, service));
}

static void join(struct slices *s, struct str service, const struct informer_object *slice)
{
	struct group *g = map_get(&s->groups, service);
	if (!g) {
		g = MEM_NEW(struct group);
		map_set(&s->groups, service, g);
	}
	if (g->count < SLICES_MAX)
		g->members[g->count++] = informer_object_ref(slice);
}

static void on_slice(void *arg, const struct informer_object *before, const struct informer_object *now)
{
	struct slices *s = arg;
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct str was = service_of(&a, before), is = service_of(&a, now);
	if (was.n)
		leave(s, was, before->key);
	if (is.n)
		join(s, is, now);
	if (was.n && !str_eq(was, is))
		s->on_change(s->arg, was);
	if (is.n)
		s->on_change(s->arg, is);
}

struct slices *slices_create(struct informer *cache, void (*on_change)(void *arg, struct str service), void *arg)
{
	static const struct informer_events events = {.on_change = on_slice};
	struct slices *s = MEM_NEW(struct slices);
	map_init(&s->groups);
	s->on_change = on_change;
	s->arg = arg;
	informer_listen(cache, &events, s);
	return s;
}

void slices_destroy(struct slices *s)
{
	if (!s)
		return;
	map_each(entry, &s->groups) {
		struct group *g = entry->value;
		for (size_t i = 0; i < g->count; i++)
			informer_object_unref(g->members[i]);
		free(g);
	}
	map_finish(&s->groups);
	free(s);
}

size_t slices_of(const struct slices *s, struct arena *a, struct str service, const struct json **out)
{
	const struct group *g = map_get(&s->groups, service);
	for (size_t i = 0; g && i < g->count; i++)
		out[i] = informer_parse(a, g->members[i]);
	return g ? g->count : 0;
}
