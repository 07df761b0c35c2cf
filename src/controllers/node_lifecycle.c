// SPDX-License-Identifier: Apache-2.0
#include "controllers/node_lifecycle.h"

#include "base/times.h"
#include "client/events.h"
#include "client/scan.h"
#include "controllers/conditions.h"
#include "controllers/node_plan.h"
#include "controllers/pod_cache.h"
#include "controllers/reconcile.h"

enum { PARALLEL = 32 };
static const int64_t look_ns = 5 * TIME_S, grace_ns = 50 * TIME_S;

enum sign { SIGN_LEASE, SIGN_STATUS, SIGNS };

struct heartbeat {
	uint64_t signs[SIGNS]; // hashes of what a living node changes
	int64_t seen_ns;       // by our own clock: the nodes' may be wrong
	bool ready;	       // as its status says
};

struct node_lifecycle {
	struct cluster *cluster;
	struct informer *nodes, *leases;
	struct pod_cache *pods;
	struct map heartbeats; // node -> struct heartbeat
	size_t ready_count;    // of nodes
	struct events *events;
	struct reconciler *reconciler;
	struct timer look;
};

// ---- signs of life

static struct heartbeat *heartbeat_of(struct node_lifecycle *c, struct str node)
{
	struct heartbeat *h = map_get(&c->heartbeats, node);
	if (!h) {
		h = MEM_NEW(struct heartbeat);
		h->seen_ns = loop_now(c->cluster->loop);
		map_set(&c->heartbeats, node, h);
	}
	return h;
}

static void note_heartbeat(struct node_lifecycle *c, struct str node, enum sign which, uint64_t value)
{
	struct heartbeat *h = heartbeat_of(c, node);
	if (h->signs[which] == value)
		return;
	h->signs[which] = value;
	h->seen_ns = loop_now(c->cluster->loop);
}

// With the first node that is ready, and without the last one, every node is looked at anew.
static void note_ready(struct node_lifecycle *c, struct heartbeat *h, bool ready)
{
	bool none_was = c->ready_count == 0;
	c->ready_count = c->ready_count - h->ready + ready;
	h->ready = ready;
	if (none_was == (c->ready_count == 0))
		return;
	map_each(slot, &c->heartbeats)
		reconciler_add(c->reconciler, slot->key);
}

static void forget_node(struct node_lifecycle *c, struct str node)
{
	note_ready(c, heartbeat_of(c, node), false);
	free(map_remove(&c->heartbeats, node));
}

static bool is_silent(struct node_lifecycle *c, struct str node)
{
	struct heartbeat *h = map_get(&c->heartbeats, node);
	return h && loop_now(c->cluster->loop) - h->seen_ns > grace_ns;
}

static void on_lease(void *arg, const struct informer_object *before, const struct informer_object *now)
{
	struct node_lifecycle *c = arg;
	struct str namespace, name;
	if (!now)
		return;
	str_cut(now->key, '/', &namespace, &name);
	bool was_silent = is_silent(c, name);
	note_heartbeat(c, name, SIGN_LEASE, str_hash(scan_get_str(scan_get(now->text, "spec"), "renewTime")));
	if (was_silent)
		reconciler_add(c->reconciler, name);
}

static void on_node(void *arg, const struct informer_object *before, const struct informer_object *now)
{
	struct node_lifecycle *c = arg;
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	const struct informer_object *o = now ? now : before;
	struct json *node = informer_parse(&a, o);
	struct events_about about = events_about_object("v1", "Node", node);
	if (!now) {
		forget_node(c, before->key);
		events_record(c->events, &about, EVENTS_NORMAL, "RemovingNode",
			      "Node %.*s event: Removing Node %.*s from Controller", STR_FMT(o->key), STR_FMT(o->key));
		return;
	}
	if (!before)
		events_record(c->events, &about, EVENTS_NORMAL, "RegisteredNode",
			      "Node %.*s event: Registered Node %.*s in Controller", STR_FMT(o->key), STR_FMT(o->key));
	struct json *conditions = json_at(node, "status.conditions");
	if (!before || !condition_is(conditions, "Ready", "Unknown")) // that is what we ourselves write
		note_heartbeat(c, o->key, SIGN_STATUS, str_hash(scan_get(o->text, "status")));
	note_ready(c, heartbeat_of(c, o->key), condition_is(conditions, "Ready", "True"));
	reconciler_add(c->reconciler, o->key);
}

static void look_fire(struct timer *t)
{
	struct node_lifecycle *c = CONTAINER_OF(t, struct node_lifecycle, look);
	map_each(slot, &c->heartbeats) {
		if (is_silent(c, slot->key))
			reconciler_add(c->reconciler, slot->key);
	}
	timer_start(c->cluster->loop, &c->look, look_ns);
}

// ---- what follows

static void write_node(struct node_lifecycle *c, struct sync *s, const struct json *node, const char *part,
		       const char *key, struct json *value, const char *subresource)
{
	struct arena *a = &s->arena;
	struct json *patch = json_object(a);
	json_put(json_need_object(a, patch, part), key, value);
	json_put_str(a, json_need_object(a, patch, "metadata"), "resourceVersion",
		     json_str(node, "metadata.resourceVersion"));
	sync_write(s, c->nodes, "PATCH",
		   client_path(a, STR("v1"), STR_NONE, STR("nodes"), s->name, str_of(subresource)), patch, NULL, NULL);
}

static void pods_not_ready(struct node_lifecycle *c, struct sync *s)
{
	struct arena *a = &s->arena;
	struct pod_list pods = pod_cache_on_node(c->pods, s->name);
	struct str now = time_format(a, loop_wall(c->cluster->loop));
	for (size_t i = 0; i < pods.n; i++) {
		const struct pod *p = pods.p[i];
		if (!p->ready)
			continue;
		struct json *patch = json_object(a), *status = json_need_object(a, patch, "status");
		const struct json *pod = pod_parse(a, p);
		struct json *conditions = json_clone(a, json_at(pod, "status.conditions"));
		json_each(condition, conditions) {
			if (!json_str_is(condition, "type", "Ready"))
				continue;
			json_put_str(a, condition, "status", STR("False"));
			json_put_str(a, condition, "lastTransitionTime", now);
		}
		json_put(status, "conditions", conditions);
		struct json *metadata = json_need_object(a, patch, "metadata");
		json_put_str(a, metadata, "uid", p->uid);
		json_put_str(a, metadata, "resourceVersion", json_str(pod, "metadata.resourceVersion"));
		sync_send(s, "PATCH", client_path(a, STR("v1"), p->namespace, STR("pods"), p->name, STR("status")),
			  patch, NULL, NULL);
		struct events_about about = {STR("v1"), STR("Pod"), p->namespace, p->name, p->uid, STR_NONE, STR_NONE};
		events_record(c->events, &about, EVENTS_WARNING, "NodeNotReady", "Node is not ready");
	}
}

static void handle(void *arg, struct sync *s)
{
	struct node_lifecycle *c = arg;
	struct json *node = cluster_object(&s->arena, c->nodes, s->name);
	if (!node)
		return;
	struct node_view view = {node, is_silent(c, s->name), c->ready_count == 0, loop_wall(c->cluster->loop)};
	struct node_plan plan;
	node_plan(&s->arena, &view, &plan);
	if (plan.lost) {
		struct events_about about = events_about_object("v1", "Node", node);
		events_record(c->events, &about, EVENTS_NORMAL, "NodeNotReady", "Node %.*s status is now: NodeNotReady",
			      STR_FMT(s->name));
	}
	if (plan.conditions)
		write_node(c, s, node, "status", "conditions", plan.conditions, "status");
	else if (plan.taints) // decided anew when the conditions are seen
		write_node(c, s, node, "spec", "taints", plan.taints, NULL);
	if (view.silent)
		pods_not_ready(c, s);
}

void *node_lifecycle_start(struct cluster *cluster)
{
	static const struct informer_events on_nodes = {.on_change = on_node}, on_leases = {.on_change = on_lease};
	struct node_lifecycle *c = MEM_NEW(struct node_lifecycle);
	c->cluster = cluster;
	c->nodes = cluster_informer(cluster, "/api/v1/nodes");
	c->leases = cluster_informer(cluster, "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases");
	c->pods = cluster_pods(cluster);
	c->events = events_create(cluster->transport, STR("node-controller"), STR_NONE);
	c->reconciler = reconciler_create(cluster->transport, PARALLEL, handle, c);
	map_init(&c->heartbeats);
	reconciler_await(c->reconciler, c->nodes);
	reconciler_await(c->reconciler, c->leases);
	reconciler_await(c->reconciler, pod_cache_informer(c->pods));
	informer_listen(c->nodes, &on_nodes, c);
	informer_listen(c->leases, &on_leases, c);
	c->look = (struct timer){.fire = look_fire, .loop = cluster->loop};
	timer_start(cluster->loop, &c->look, look_ns);
	return c;
}

void node_lifecycle_stop(void *controller)
{
	struct node_lifecycle *c = controller;
	timer_stop(&c->look);
	reconciler_destroy(c->reconciler);
	events_destroy(c->events);
	map_each(slot, &c->heartbeats)
		free(slot->value);
	map_finish(&c->heartbeats);
	free(c);
}
