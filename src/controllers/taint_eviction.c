// SPDX-License-Identifier: Apache-2.0
// Evicts pods that do not, or no longer, tolerate their node's NoExecute taints.
#include "client/events.h"
#include "controllers/node_lifecycle.h"
#include "controllers/node_plan.h"
#include "controllers/pod_cache.h"
#include "controllers/reconcile.h"

enum { PARALLEL = 64 };

struct taint_eviction {
	struct cluster *cluster;
	struct informer *nodes;
	struct pod_cache *pods;
	struct events *events;
	struct reconciler *reconciler; // of pods
};

static bool has_no_execute(struct str text)
{
	return str_contains(text, STR("\"NoExecute\""));
}

static void evict(struct taint_eviction *c, struct sync *s, const struct pod *p)
{
	struct arena *a = &s->arena;
	struct events_about about = {STR("v1"), STR("Pod"), p->namespace, p->name, p->uid, STR_NONE, STR_NONE};
	events_record(c->events, &about, EVENTS_NORMAL, "TaintManagerEviction", "Marking for deletion Pod %.*s",
		      STR_FMT(p->key));
	struct json *options = json_object(a);
	json_put_str(a, json_need_object(a, options, "preconditions"), "uid", p->uid);
	sync_send(s, "DELETE", client_path(a, STR("v1"), p->namespace, STR("pods"), p->name, STR_NONE), options, NULL,
		  NULL);
}

static void handle(void *arg, struct sync *s)
{
	struct taint_eviction *c = arg;
	const struct pod *p = pod_cache_get(c->pods, s->key);
	const struct informer_object *node = p && !p->deleting ? informer_get(c->nodes, p->node) : NULL;
	if (!node || !has_no_execute(node->text))
		return;
	struct json *taints = json_at(informer_parse(&s->arena, node), "spec.taints");
	struct json *tolerations = json_at(pod_parse(&s->arena, p), "spec.tolerations");
	int64_t stay_ns = node_pod_stay(taints, tolerations, loop_wall(c->cluster->loop));
	if (stay_ns == 0)
		evict(c, s, p);
	else if (stay_ns > 0)
		reconciler_add_after(c->reconciler, s->key, stay_ns);
}

static void on_node(void *arg, const struct informer_object *before, const struct informer_object *now)
{
	struct taint_eviction *c = arg;
	if (!now || !has_no_execute(now->text))
		return;
	struct pod_list pods = pod_cache_on_node(c->pods, now->key);
	for (size_t i = 0; i < pods.n; i++)
		reconciler_add(c->reconciler, pods.p[i]->key);
}

static void on_pod(void *arg, const struct pod *before, const struct pod *now)
{
	struct taint_eviction *c = arg;
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
	free(c);
}
