// SPDX-License-Identifier: Apache-2.0
// Evicts pods that do not, or no longer, tolerate their node's NoExecute taints. What tolerates them for a time has it
// from when it is first seen on the tainted node: neither a taint nor a pod need say since when that is so.
#include "client/events.h"
#include "controllers/disruption.h"
#include "controllers/node_lifecycle.h"
#include "controllers/node_plan.h"

enum { PARALLEL = 64 };

struct taint_eviction {
	struct cluster *cluster;
	struct informer *nodes;
	struct pod_cache *pods;
	struct events *events;
	struct reconciler *reconciler; // of pods
	struct map clocks;	       // pod's key -> since when its time runs, as a pointer
};

static bool has_no_execute(struct str text)
{
	return str_contains(text, STR("\"NoExecute\""));
}

static void evict(struct taint_eviction *c, struct sync *s, const struct pod *p)
{
	static const struct disruption why = {"DeletionByTaintManager", "Taint manager: deleting due to NoExecute taint",
					      false};
	struct events_about about = {STR("v1"), STR("Pod"), p->namespace, p->name, p->uid, STR_NONE, STR_NONE};
	events_record(c->events, &about, EVENTS_NORMAL, "TaintManagerEviction", "Marking for deletion Pod %.*s",
		      STR_FMT(p->key));
	disruption_delete(s, p, &why, loop_wall(c->cluster->loop));
}

static int64_t time_to_stay(struct taint_eviction *c, struct arena *a, const struct pod *p)
{
	const struct informer_object *node = informer_get(c->nodes, p->node);
	if (!node || !has_no_execute(node->text))
		return -1;
	const struct json *taints = json_at(informer_parse(a, node), "spec.taints");
	return node_pod_stay(taints, json_at(pod_parse(a, p), "spec.tolerations"));
}

static int64_t clock_of(struct taint_eviction *c, struct str pod_key)
{
	int64_t since_ns = (int64_t)(intptr_t)map_get(&c->clocks, pod_key);
	if (since_ns == 0) {
		since_ns = loop_now(c->cluster->loop);
		map_set(&c->clocks, pod_key, (void *)(intptr_t)since_ns);
	}
	return since_ns;
}

static void handle(void *arg, struct sync *s)
{
	struct taint_eviction *c = arg;
	const struct pod *p = pod_cache_get(c->pods, s->key);
	int64_t stay_ns = p && !p->deleting ? time_to_stay(c, &s->arena, p) : -1;
	if (stay_ns < 0) {
		map_remove(&c->clocks, s->key);
		return;
	}
	int64_t left_ns = clock_of(c, s->key) + stay_ns - loop_now(c->cluster->loop);
	if (stay_ns == 0 || left_ns <= 0)
		evict(c, s, p);
	else
		reconciler_add_after(c->reconciler, s->key, left_ns);
}

static void on_node(void *arg, const struct informer_object *before, const struct informer_object *now)
{
	struct taint_eviction *c = arg;
	bool was = before && has_no_execute(before->text), is = now && has_no_execute(now->text);
	if (!now || (!was && !is))
		return;
	struct pod_list pods = pod_cache_on_node(c->pods, now->key);
	for (size_t i = 0; i < pods.n; i++)
		reconciler_add(c->reconciler, pods.p[i]->key);
}

static void on_pod(void *arg, const struct pod *before, const struct pod *now)
{
	struct taint_eviction *c = arg;
	if (!now)
		map_remove(&c->clocks, before->key);
	if (now && !str_empty(now->node) && !(before && str_eq(before->node, now->node)))
		reconciler_add(c->reconciler, now->key);
}

void *taint_eviction_start(struct cluster *cluster)
{
	static const struct informer_events on_nodes = {.on_change = on_node};
	static const struct pod_cache_events on_pods = {on_pod};
	struct taint_eviction *c = MEM_NEW(struct taint_eviction);
	c->cluster = cluster;
	c->nodes = cluster_informer(cluster, "/api/v1/nodes");
	c->pods = cluster_pods(cluster);
	c->events = events_create(cluster->transport, STR("taint-eviction-controller"), STR_NONE);
	c->reconciler = reconciler_create(cluster->transport, PARALLEL, handle, c);
	map_init(&c->clocks);
	reconciler_await(c->reconciler, c->nodes);
	reconciler_await(c->reconciler, pod_cache_informer(c->pods));
	informer_listen(c->nodes, &on_nodes, c);
	pod_cache_listen(c->pods, &on_pods, c);
	return c;
}

void taint_eviction_stop(void *controller)
{
	struct taint_eviction *c = controller;
	reconciler_destroy(c->reconciler);
	events_destroy(c->events);
	map_finish(&c->clocks);
	free(c);
}
