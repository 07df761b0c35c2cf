// SPDX-License-Identifier: Apache-2.0
#include "controllers/cluster.h"

#include "controllers/pod_cache.h"

void cluster_init(struct cluster *c, struct transport *t)
{
	*c = (struct cluster){.transport = t, .loop = t->loop};
	map_init(&c->informers);
}

void cluster_finish(struct cluster *c)
{
	pod_cache_destroy(c->pods);
	map_each(slot, &c->informers)
		informer_destroy(slot->value);
	map_finish(&c->informers);
}

struct informer *cluster_informer(struct cluster *c, const char *path)
{
	struct informer *i = map_get(&c->informers, str_of(path));
	if (!i) {
		i = informer_create(c->transport, str_of(path));
		map_set(&c->informers, str_of(path), i);
	}
	return i;
}

struct pod_cache *cluster_pods(struct cluster *c)
{
	if (!c->pods)
		c->pods = pod_cache_create(cluster_informer(c, "/api/v1/pods"));
	return c->pods;
}

struct json *cluster_object(struct arena *a, const struct informer *i, struct str key)
{
	const struct informer_object *o = informer_get(i, key);
	struct json *object;
	// Strings of the tree point into the text, which the cache may let go while answers are awaited.
	if (!o || json_parse(a, arena_str(a, o->text), NULL, &object, NULL) < 0)
		return NULL;
	return object;
}
