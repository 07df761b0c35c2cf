// SPDX-License-Identifier: Apache-2.0
#include "controllers/pod_gc.h"

#include "base/times.h"
#include "controllers/conditions.h"
#include "controllers/disruption.h"

#define OUT_OF_SERVICE "node.kubernetes.io/out-of-service"

enum { PARALLEL = 32, ENDED_MAX = 12500 };
static const int64_t look_ns = 20 * TIME_S, quarantine_ns = 40 * TIME_S;

struct pod_gc {
	struct cluster *cluster;
	struct informer *nodes;
	struct pod_cache *pods;
	struct reconciler *reconciler; // of pods that are to go
	struct map missing;	       // node -> since when, on the heap
	struct timer look;
};

static void handle(void *arg, struct sync *s)
{
	static const struct disruption plain = {NULL, NULL, true},
				       without_node = {"DeletionByPodGC", "PodGC: node no longer exists", true};
	struct pod_gc *c = arg;
	const struct pod *p = pod_cache_get(c->pods, s->key);
	if (!p)
		return;
	bool node_gone = !str_empty(p->node) && !informer_get(c->nodes, p->node);
	disruption_delete(s, p, node_gone ? &without_node : &plain, loop_wall(c->cluster->loop));
}

// Whether the node has been gone for so long that it will not come back.
static bool node_is_gone(struct pod_gc *c, struct str node)
{
	int64_t now_ns = loop_now(c->cluster->loop);
	int64_t *since = map_get(&c->missing, node);
	if (informer_get(c->nodes, node)) {
		free(map_remove(&c->missing, node));
		return false;
	}
	if (!since) {
		since = MEM_NEW(int64_t);
		*since = now_ns;
		map_set(&c->missing, node, since);
	}
	return now_ns - *since >= quarantine_ns;
}

// An administrator says so by a taint: whatever ran there does not any more.
static bool node_is_switched_off(struct pod_gc *c, struct arena *a, struct str node)
{
	const struct informer_object *o = informer_get(c->nodes, node);
	if (!o || !str_contains(o->text, STR("\"" OUT_OF_SERVICE "\"")))
		return false;
	const struct json *object = informer_parse(a, o);
	bool declared = false;
	json_each(taint, json_at(object, "spec.taints"))
		declared |= json_str_is(taint, "key", OUT_OF_SERVICE);
	return declared && !condition_is(json_at(object, "status.conditions"), "Ready", "True");
}

// Whether nobody else will ever take the pod away.
static bool is_left_over(struct pod_gc *c, struct arena *a, const struct pod *p)
{
	if (str_empty(p->node))
		return p->deleting;
	return node_is_gone(c, p->node) || (p->deleting && node_is_switched_off(c, a, p->node));
}

static int compare_age(const void *left, const void *right)
{
	const struct pod *x = *(struct pod *const *)left, *y = *(struct pod *const *)right;
	return x->created_ns < y->created_ns ? -1 : x->created_ns > y->created_ns;
}

static void look_fire(struct timer *t)
{
	struct pod_gc *c = CONTAINER_OF(t, struct pod_gc, look);
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	timer_start(c->cluster->loop, &c->look, look_ns);
	if (!informer_synced(c->nodes) || !informer_synced(pod_cache_informer(c->pods)))
		return;
	struct pod_list all = pod_cache_all(c->pods, &a), ended = {ARENA_ARRAY(&a, struct pod *, all.n + 1), 0};
	for (size_t i = 0; i < all.n; i++) {
		struct pod *p = all.p[i];
		if (is_left_over(c, &a, p))
			reconciler_add(c->reconciler, p->key);
		else if (pod_terminal(p) && !p->deleting)
			ended.p[ended.n++] = p;
	}
	if (ended.n <= ENDED_MAX)
		return;
	qsort(ended.p, ended.n, sizeof *ended.p, compare_age);
	for (size_t i = 0; i < ended.n - ENDED_MAX; i++)
		reconciler_add(c->reconciler, ended.p[i]->key);
}

void *pod_gc_start(struct cluster *cluster)
{
	struct pod_gc *c = MEM_NEW(struct pod_gc);
	c->cluster = cluster;
	c->nodes = cluster_informer(cluster, "/api/v1/nodes");
	c->pods = cluster_pods(cluster);
	c->reconciler = reconciler_create(cluster->transport, PARALLEL, handle, c);
	map_init(&c->missing);
	c->look = (struct timer){.fire = look_fire, .loop = cluster->loop};
	timer_start(cluster->loop, &c->look, look_ns);
	return c;
}

void pod_gc_stop(void *controller)
{
	struct pod_gc *c = controller;
	timer_stop(&c->look);
	reconciler_destroy(c->reconciler);
	map_each(slot, &c->missing)
		free(slot->value);
	map_finish(&c->missing);
	free(c);
}
