// SPDX-License-Identifier: Apache-2.0
#include "controllers/service_index.h"

#include "api/selector.h"
#include "base/map.h"

struct service {
	struct service *next; // of the namespace
	struct str key;	      // in memory
	struct arena memory;
	struct api_selector *selector;
};

struct service_index {
	struct map namespaces; // -> struct service, a list
};

static struct str namespace_of(struct str key)
{
	struct str namespace, name;
	str_cut(key, '/', &namespace, &name);
	return namespace;
}

static void service_destroy(struct service *s)
{
	arena_finish(&s->memory);
	free(s);
}

static void drop(struct service_index *x, struct str key)
{
	struct str namespace = namespace_of(key);
	struct service *first = map_get(&x->namespaces, namespace);
	for (struct service **at = &first; *at; at = &(*at)->next) {
		if (!str_eq((*at)->key, key))
			continue;
		struct service *gone = *at;
		*at = gone->next;
		if (first)
			map_set(&x->namespaces, namespace, first);
		else
			map_remove(&x->namespaces, namespace);
		service_destroy(gone);
		return;
	}
}

static void add(struct service_index *x, const struct informer_object *o)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	const struct json *labels = json_at(informer_parse(&a, o), "spec.selector");
	if (!json_first(labels))
		return; // selects nothing: its endpoints are kept by someone else
	struct service *s = MEM_NEW(struct service);
	arena_init(&s->memory);
	s->key = arena_str(&s->memory, o->key);
	s->selector = api_selector_of_map(&s->memory, json_clone(&s->memory, labels));
	struct str namespace = namespace_of(o->key);
	s->next = map_get(&x->namespaces, namespace);
	map_set(&x->namespaces, namespace, s);
}

static void on_change(void *arg, const struct informer_object *before, const struct informer_object *now)
{
	if (before)
		drop(arg, before->key);
	if (now)
		add(arg, now);
}

struct service_index *service_index_create(struct informer *services)
{
	static const struct informer_events events = {.on_change = on_change};
	struct service_index *x = MEM_NEW(struct service_index);
	map_init(&x->namespaces);
	informer_listen(services, &events, x);
	return x;
}

void service_index_destroy(struct service_index *x)
{
	if (!x)
		return;
	map_each(slot, &x->namespaces) {
		for (struct service *s = slot->value, *next; s; s = next) {
			next = s->next;
			service_destroy(s);
		}
	}
	map_finish(&x->namespaces);
	free(x);
}

void service_index_each(const struct service_index *x, struct str namespace, const struct json *labels,
			void (*each)(void *arg, struct str service_key), void *arg)
{
	for (struct service *s = map_get(&x->namespaces, namespace); s; s = s->next) {
		if (api_selector_matches(s->selector, labels))
			each(arg, s->key);
	}
}
