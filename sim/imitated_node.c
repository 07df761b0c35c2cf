// SPDX-License-Identifier: Apache-2.0
#include "imitated_node.h"

#include <stdio.h>

#include "base/map.h"
#include "base/times.h"
#include "client/informer.h"

enum { LEASE_S = 40, RENEW_S = 10, RETRY_MS = 500, ADDRESS_ROOM = 32 };

struct imitated_node {
	struct transport *transport;
	struct imitated_node_config config;
	char *name;
	struct informer *informer;
	struct map pods; // "namespace/name" -> struct imitated_pod
	struct timer renew;
	unsigned next_address;
	unsigned waiting; // answers that are still to come
	bool gone;
};

enum pod_state { POD_STARTING, POD_RUNNING, POD_ENDING };

struct imitated_pod {
	struct imitated_node *node;
	struct str key; // the map's
	enum pod_state state;
	char address[ADDRESS_ROOM];
	struct timer timer;
};

static struct str wall_time(struct imitated_node *n, struct arena *a)
{
	return time_format(a, loop_wall(n->transport->loop));
}

static void maybe_free(struct imitated_node *n)
{
	if (!n->gone || n->waiting)
		return;
	free(n->name);
	free(n);
}

// ---- requests whose answer only matters when they fail, and then are made again by a timer

static void on_answer(void *arg, const struct client_response *r)
{
	struct imitated_node *n = arg;
	n->waiting--;
	maybe_free(n);
}

static void send_object(struct imitated_node *n, const char *method, struct str path, const char *type,
			const struct json *body)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct client_request r = {method, path, type, body ? json_text(&a, body) : STR_NONE};
	n->waiting++;
	client_send(n->transport, &r, on_answer, n);
}

// ---- the node itself

static struct json *parse(struct arena *a, struct str text)
{
	struct json *v = NULL;
	MUST(json_parse(a, text, NULL, &v, NULL) == 0);
	return v;
}

static void tell_ready(struct imitated_node *n, struct arena *a)
{
	struct str now = wall_time(n, a);
	struct str status = arena_fmt(
		a,
		"{\"status\":{\"capacity\":{\"cpu\":\"1000\",\"memory\":\"1000Gi\",\"pods\":\"%lld\"},"
		"\"allocatable\":{\"cpu\":\"1000\",\"memory\":\"1000Gi\",\"pods\":\"%lld\"},"
		"\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\",\"reason\":\"KubeletReady\","
		"\"lastHeartbeatTime\":\"%.*s\"}]}}",
		(long long)n->config.pod_count_max, (long long)n->config.pod_count_max, STR_FMT(now));
	struct str path = arena_fmt(a, "/api/v1/nodes/%s/status", n->name);
	send_object(n, "PATCH", path, "application/merge-patch+json", parse(a, status));
}

static void on_renew(struct timer *t)
{
	struct imitated_node *n = CONTAINER_OF(t, struct imitated_node, renew);
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct str now = time_format_micro(&a, loop_wall(n->transport->loop));
	struct str leases = STR("/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases");
	struct json *node = parse(&a, arena_fmt(&a,
		"{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"metadata\":{\"name\":\"%s\","
		"\"labels\":{\"kubernetes.io/hostname\":\"%s\"}}}",
		n->name, n->name));
	struct json *lease = parse(&a, arena_fmt(&a,
		"{\"apiVersion\":\"coordination.k8s.io/v1\",\"kind\":\"Lease\",\"metadata\":{\"name\":\"%s\"},"
		"\"spec\":{\"holderIdentity\":\"%s\",\"leaseDurationSeconds\":%d,\"renewTime\":\"%.*s\"}}",
		n->name, n->name, LEASE_S, STR_FMT(now)));
	send_object(n, "POST", STR("/api/v1/nodes"), NULL, node); // refused where they are there already
	send_object(n, "POST", leases, NULL, lease);
	json_remove(lease, STR("metadata"));
	struct str own = arena_fmt(&a, "%.*s/%s", STR_FMT(leases), n->name);
	send_object(n, "PATCH", own, "application/merge-patch+json", lease);
	tell_ready(n, &a);
	timer_start(n->transport->loop, &n->renew, RENEW_S * TIME_S);
}

// ---- its pods

static struct str pod_path(struct arena *a, struct str key, const char *sub)
{
	struct str namespace, name;
	str_cut(key, '/', &namespace, &name);
	return client_path(a, STR("v1"), namespace, STR("pods"), name, str_of(sub));
}

static void forget(struct imitated_pod *p)
{
	struct imitated_node *n = p->node;
	timer_stop(&p->timer);
	*n->config.running -= p->state != POD_STARTING;
	map_remove(&n->pods, p->key);
	free(p);
}

static void tell_running(struct imitated_pod *p, struct arena *a)
{
	struct str now = wall_time(p->node, a);
	struct str patch = arena_fmt(
		a,
		"{\"status\":{\"phase\":\"Running\",\"podIP\":\"%s\",\"podIPs\":[{\"ip\":\"%s\"}],\"startTime\":\"%.*s\","
		"\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\",\"lastTransitionTime\":\"%.*s\"},"
		"{\"type\":\"ContainersReady\",\"status\":\"True\",\"lastTransitionTime\":\"%.*s\"}]}}",
		p->address, p->address, STR_FMT(now), STR_FMT(now), STR_FMT(now));
	struct str path = pod_path(a, p->key, "status");
	send_object(p->node, "PATCH", path, "application/strategic-merge-patch+json", parse(a, patch));
}

// What is due for the pod; again after a while, until the cache shows that it was done.
static void on_due(struct timer *t)
{
	struct imitated_pod *p = CONTAINER_OF(t, struct imitated_pod, timer);
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	if (p->state == POD_ENDING) {
		struct str now = STR("{\"apiVersion\":\"v1\",\"kind\":\"DeleteOptions\",\"gracePeriodSeconds\":0}");
		send_object(p->node, "DELETE", pod_path(&a, p->key, ""), NULL, parse(&a, now));
	} else {
		*p->node->config.running += p->state == POD_STARTING;
		p->state = POD_RUNNING;
		tell_running(p, &a);
	}
	timer_start(p->node->transport->loop, &p->timer, RETRY_MS * TIME_MS);
}

static int64_t some_delay(struct imitated_node *n)
{
	uint64_t spread = (uint64_t)(n->config.start_max_ns - n->config.start_min_ns);
	return n->config.start_min_ns + (int64_t)(spread ? loop_random_below(n->transport->loop, spread) : 0);
}

static struct imitated_pod *take(struct imitated_node *n, struct str key)
{
	struct imitated_pod *p = MEM_NEW(struct imitated_pod);
	p->node = n;
	p->timer = (struct timer){.fire = on_due, .loop = n->transport->loop};
	unsigned address = ++n->next_address;
	snprintf(p->address, sizeof p->address, "10.%u.%u.%u", address >> 16 & 255, address >> 8 & 255, address & 255);
	map_set(&n->pods, key, p);
	for (size_t i = 0; i < n->pods.count; i++)
		if (n->pods.entries[i].value == p)
			p->key = n->pods.entries[i].key;
	timer_start(n->transport->loop, &p->timer, some_delay(n));
	return p;
}

static void on_pod(void *arg, const struct informer_object *before, const struct informer_object *now)
{
	struct imitated_node *n = arg;
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct imitated_pod *p = map_get(&n->pods, now ? now->key : before->key);
	if (!now) {
		if (p)
			forget(p);
		return;
	}
	struct json *object = informer_parse(&a, now);
	if (!p)
		p = take(n, now->key);
	if (json_at(object, "metadata.deletionTimestamp")) {
		if (p->state != POD_ENDING) {
			*n->config.running += p->state == POD_STARTING;
			p->state = POD_ENDING;
			timer_start(n->transport->loop, &p->timer, some_delay(n));
		}
	} else if (p->state == POD_RUNNING && json_str_is(object, "status.phase", "Running")) {
		timer_stop(&p->timer); // the API has heard it
	}
}

struct imitated_node *imitated_node_create(struct transport *t, const struct imitated_node_config *config)
{
	static const struct informer_events events = {.on_change = on_pod};
	struct arena a CLEAN_ARENA;
	struct imitated_node *n = MEM_NEW(struct imitated_node);
	arena_init(&a);
	n->transport = t;
	n->config = *config;
	n->name = mem_strdup(config->name);
	map_init(&n->pods);
	n->renew = (struct timer){.fire = on_renew, .loop = t->loop};
	timer_start(t->loop, &n->renew, some_delay(n));
	n->informer = informer_create(t, arena_fmt(&a, "/api/v1/pods?fieldSelector=spec.nodeName%%3D%s", config->name));
	informer_listen(n->informer, &events, n);
	return n;
}

void imitated_node_destroy(struct imitated_node *n)
{
	if (!n)
		return;
	timer_stop(&n->renew);
	informer_destroy(n->informer);
	while (n->pods.count)
		forget(n->pods.entries[n->pods.count - 1].value);
	map_finish(&n->pods);
	n->gone = true;
	maybe_free(n);
}
