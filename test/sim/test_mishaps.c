// SPDX-License-Identifier: Apache-2.0
// A life full of mishaps, drawn by the seed: rollouts that are paused, undone and resized, pods and ReplicaSets that are
// deleted or given away, nodes that are cordoned, tainted, deleted and crash, servers that are cut off. In the end all
// is as it was asked for.
#include <stdlib.h>

#include "base/times.h"
#include "client/scan.h"
#include "unit.h"
#include "web.h"
#include "witness.h"

enum { SERVERS = 3, NODES = 6, NODE_ROOM = 12, STEPS = 25, REPLICAS = 20 };

#define PODS "/api/v1/namespaces/default/pods"
#define SETS "/apis/apps/v1/namespaces/default/replicasets"
#define SLICES "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
#define MERGE "application/merge-patch+json"

static const struct store_cluster_faults faults = {
	.delay_min_ns = TIME_MS / 5, .delay_max_ns = 100 * TIME_MS, .request_lost = 20, .answer_lost = 20, .refused = 60};

struct life {
	struct cluster *cluster;
	struct arena a;
	int version;   // of the template; 0 to this have been seen
	int crashed;   // number of the node that has; -1: none
	int on[NODES]; // pods that are bound to each
	int most;      // of them so far
};

static const char service[] =
	"{\"metadata\":{\"name\":\"web\"},\"spec\":{\"selector\":{\"app\":\"web\"},\"ports\":[{\"port\":80}]}}";

static int64_t draw(struct life *l, int64_t bound)
{
	return (int64_t)sim_random_below(cluster_sim(l->cluster), (uint64_t)bound);
}

// Asks until the store has taken it.
static int insist(struct life *l, const char *method, const char *path, const char *body)
{
	int code = 0;
	const char *type = method[0] == 'P' && method[1] == 'A' ? MERGE : NULL;
	for (int i = 0; i < 30 && (code == 0 || code >= 409); i++)
		code = cluster_ask(l->cluster, &l->a, method, path, type, body, NULL);
	return code;
}

static const struct json *any(struct life *l, const char *path)
{
	struct json *list = NULL;
	if (cluster_ask(l->cluster, &l->a, "GET", path, NULL, NULL, &list) != 200)
		return NULL;
	const struct json *items = json_get(list, STR("items"));
	return items && items->count ? json_index(items, (size_t)draw(l, (int64_t)items->count)) : NULL;
}

// ---- mishaps

static void change_rollout(struct life *l)
{
	static const char *const some[] = {"0", "1", "5", "\"10%\"", "\"25%\"", "\"100%\""};
	const char *surge = some[1 + draw(l, 5)], *unavailable = some[draw(l, 6)];
	switch (draw(l, 6)) {
	case 0:
		insist(l, "PATCH", WEB, "{\"spec\":{\"paused\":true}}");
		break;
	case 1:
		insist(l, "PATCH", WEB, "{\"spec\":{\"paused\":false}}");
		break;
	case 2:
		insist(l, "PATCH", WEB, arena_fmt(&l->a, "{\"spec\":{\"replicas\":%d}}", (int)draw(l, 40)).p);
		break;
	case 3:
		insist(l, "PATCH", WEB,
		       arena_fmt(&l->a, "{\"spec\":{\"strategy\":{\"type\":\"RollingUpdate\",\"rollingUpdate\":{"
					"\"maxSurge\":%s,\"maxUnavailable\":%s}}}}", surge, unavailable).p);
		break;
	default: // a new template or an earlier one
		insist(l, "PATCH", WEB,
		       arena_fmt(&l->a, "{\"spec\":{\"template\":{\"metadata\":{\"annotations\":{\"v\":\"%d\"}}}}}",
				 draw(l, 3) ? ++l->version : (int)draw(l, l->version + 1)).p);
	}
}

static void harm_object(struct life *l)
{
	static const char *const policies[] = {"Background", "Foreground", "Orphan"};
	bool is_pod = draw(l, 2);
	const char *kind = is_pod ? PODS : SETS;
	const struct json *o = any(l, kind);
	if (!o)
		return;
	const char *path = arena_fmt(&l->a, "%s/%.*s", kind, STR_FMT(json_str(o, "metadata.name"))).p;
	if (draw(l, 3))
		insist(l, "DELETE", path, arena_fmt(&l->a, "{\"propagationPolicy\":\"%s\"}", policies[draw(l, 3)]).p);
	else if (is_pod)
		insist(l, "PATCH", path,
		       draw(l, 2) ? "{\"metadata\":{\"labels\":{\"app\":\"given-away\"}}}"
				  : "{\"metadata\":{\"ownerReferences\":null}}");
}

static const char deployment[] =
	"{\"metadata\":{\"name\":\"%s\"},\"spec\":{\"replicas\":%d,\"selector\":{\"matchLabels\":{\"app\":\"%s\"}},\"template\":{"
	"\"metadata\":{\"labels\":{\"app\":\"%s\"},\"annotations\":{\"v\":\"%d\"}},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":"
	"\"i:1\"}]}}}}";

// It goes and comes again; what it leaves behind as an orphan is adopted.
static void renew_deployment(struct life *l)
{
	static const char *const policies[] = {"Background", "Orphan", "Orphan", "Foreground"};
	struct json *was = NULL;
	while (cluster_ask(l->cluster, &l->a, "GET", WEB, NULL, NULL, &was) != 200)
		;
	const char *policy = policies[draw(l, l->crashed < 0 ? 4 : 3)]; // the last one would wait for a crashed node
	insist(l, "DELETE", WEB, arena_fmt(&l->a, "{\"propagationPolicy\":\"%s\"}", policy).p);
	int replicas = (int)draw(l, 30), version = (int)draw(l, l->version + 1);
	const char *body = arena_fmt(&l->a, deployment, "web", replicas, "web", "web", version).p;
	for (int i = 0; i < 200; i++) { // one that is deleted in the foreground is there for a while
		sim_run(cluster_sim(l->cluster), TIME_S / 4);
		insist(l, "POST", "/apis/apps/v1/namespaces/default/deployments", body);
		struct json *d = NULL;
		if (cluster_ask(l->cluster, &l->a, "GET", WEB, NULL, NULL, &d) == 200 &&
		    !str_eq(json_str(d, "metadata.uid"), json_str(was, "metadata.uid")))
			return;
	}
}

static void change_service(struct life *l)
{
	static const char path[] = "/api/v1/namespaces/default/services/web";
	switch (draw(l, 4)) {
	case 0:
		insist(l, "PATCH", path, "{\"spec\":{\"selector\":{\"app\":\"none\"}}}");
		break;
	case 1:
		insist(l, "PATCH", path, "{\"spec\":{\"selector\":{\"app\":\"web\"},\"ports\":[{\"port\":81}]}}");
		break;
	case 2:
		insist(l, "PATCH", path,
		       "{\"spec\":{\"publishNotReadyAddresses\":true},\"metadata\":{\"labels\":{\"x\":\"y\"}}}");
		break;
	default:
		insist(l, "DELETE", path, "{}");
		insist(l, "POST", "/api/v1/namespaces/default/services", service);
	}
}

// Another namespace is made with something in it, or goes with all that.
static void change_namespace(struct life *l)
{
	if (draw(l, 2)) {
		insist(l, "DELETE", "/api/v1/namespaces/other", "{}");
		return;
	}
	insist(l, "POST", "/api/v1/namespaces", "{\"metadata\":{\"name\":\"other\"}}");
	insist(l, "POST", "/apis/apps/v1/namespaces/other/deployments", arena_fmt(&l->a, deployment, "o", 3, "o", "o", 1).p);
	insist(l, "POST", "/api/v1/namespaces/other/services", service);
}

static void harm_node(struct life *l)
{
	int i = (int)draw(l, NODES);
	const char *node = arena_fmt(&l->a, "/api/v1/nodes/node-%d", i).p;
	switch (draw(l, 5)) {
	case 0:
		insist(l, "PATCH", node, "{\"spec\":{\"unschedulable\":true}}");
		break;
	case 1:
		insist(l, "PATCH", node, "{\"spec\":{\"unschedulable\":null}}");
		break;
	case 2:
		insist(l, "PATCH", node, "{\"spec\":{\"taints\":[{\"key\":\"own\",\"effect\":\"NoExecute\"}]}}");
		break;
	case 3:
		insist(l, "DELETE", node, "{}");
		break;
	default:
		if (l->crashed < 0 && !draw(l, 3)) {
			cluster_crash_node(l->cluster, (size_t)i);
			l->crashed = i;
		}
	}
}

static void harm_server(struct life *l)
{
	size_t server = (size_t)draw(l, SERVERS);
	cluster_cut(l->cluster, server, true);
	sim_run(cluster_sim(l->cluster), draw(l, 15 * TIME_S));
	if (draw(l, 2))
		cluster_forget(l->cluster);
	cluster_cut(l->cluster, server, false);
}

static void harm(struct life *l)
{
	switch (draw(l, 11)) {
	case 0:
		harm_server(l);
		break;
	case 1:
		harm_node(l);
		break;
	case 2:
	case 3:
		harm_object(l);
		break;
	case 4:
		change_service(l);
		break;
	case 5:
		change_namespace(l);
		break;
	case 6:
		renew_deployment(l);
		break;
	default:
		change_rollout(l);
	}
	sim_run(cluster_sim(l->cluster), draw(l, 3) ? draw(l, TIME_S) : draw(l, 30 * TIME_S));
}

// ---- the end

// Pods that an old ReplicaSet left when it was deleted are nobody's, and stay.
static void remove_orphans(struct life *l)
{
	struct json *list = NULL;
	cluster_ask(l->cluster, &l->a, "GET", PODS, NULL, NULL, &list);
	json_each(pod, json_get(list, STR("items"))) {
		if (!json_first(json_at(pod, "metadata.ownerReferences")))
			insist(l, "DELETE", arena_fmt(&l->a, PODS "/%.*s", STR_FMT(json_str(pod, "metadata.name"))).p, "{}");
	}
}

static void heal(struct life *l)
{
	cluster_set_faults(l->cluster, NULL);
	for (int i = 0; i < NODES; i++)
		insist(l, "PATCH", arena_fmt(&l->a, "/api/v1/nodes/node-%d", i).p,
		       "{\"spec\":{\"unschedulable\":null,\"taints\":null}}");
	insist(l, "PATCH", "/api/v1/namespaces/default/services/web",
	       "{\"spec\":{\"selector\":{\"app\":\"web\"},\"publishNotReadyAddresses\":null}}");
	insist(l, "DELETE", "/api/v1/namespaces/other", "{}");
	web_patch(l->cluster, "{\"spec\":{\"paused\":false,\"replicas\":20,\"strategy\":{\"rollingUpdate\":{"
			      "\"maxSurge\":3,\"maxUnavailable\":2}}}}");
	if (l->crashed >= 0) // or its pods wait for it for ever
		insist(l, "DELETE", arena_fmt(&l->a, "/api/v1/nodes/node-%d", l->crashed).p, "{}");
	sim_run(cluster_sim(l->cluster), 60 * TIME_S);
	remove_orphans(l);
}

static size_t count_of(struct life *l, const char *path)
{
	struct json *list = NULL;
	if (cluster_ask(l->cluster, &l->a, "GET", path, NULL, NULL, &list) != 200)
		return SIZE_MAX;
	return json_get(list, STR("items"))->count;
}

static bool is_rolled_out(struct life *l)
{
	struct json *d = NULL;
	if (cluster_ask(l->cluster, &l->a, "GET", WEB, NULL, NULL, &d) != 200)
		return false;
	return json_i64(d, "status.readyReplicas", 0) == REPLICAS && json_i64(d, "status.updatedReplicas", 0) == REPLICAS &&
	       json_i64(d, "status.replicas", 0) == REPLICAS && json_i64(d, "status.unavailableReplicas", 0) == 0 &&
	       json_i64(d, "status.observedGeneration", 0) == json_i64(d, "metadata.generation", -1);
}

static size_t endpoints_of_web(struct life *l)
{
	struct json *slices = NULL;
	cluster_ask(l->cluster, &l->a, "GET", SLICES "?labelSelector=kubernetes.io%2Fservice-name%3Dweb", NULL, NULL, &slices);
	size_t count = 0;
	json_each(slice, json_get(slices, STR("items"))) {
		const struct json *endpoints = json_at(slice, "endpoints");
		count += endpoints ? endpoints->count : 0;
	}
	return count;
}

static bool all_in_order(struct cluster *c, void *arg)
{
	struct life *l = arg;
	sim_run(cluster_sim(c), TIME_S);
	return is_rolled_out(l) && count_of(l, PODS "?labelSelector=app%3Dweb") == REPLICAS &&
	       endpoints_of_web(l) == REPLICAS &&
	       cluster_ask(c, &l->a, "GET", "/api/v1/namespaces/other", NULL, NULL, NULL) == 404 &&
	       count_of(l, "/api/v1/namespaces/other/configmaps") == 0 && count_of(l, "/api/v1/namespaces/other/pods") == 0;
}

// ---- all the while

static int node_number(struct str pod)
{
	struct str node = pod.n ? scan_get_str(scan_get(pod, "spec"), "nodeName") : STR_NONE;
	return node.n ? node.p[node.n - 1] - '0' : -1;
}

static void judge(void *arg, struct str before, struct str now)
{
	struct life *l = arg;
	int was = node_number(before), is = node_number(now);
	if (was >= 0)
		l->on[was]--;
	if (is >= 0 && ++l->on[is] > l->most)
		l->most = l->on[is];
}

// With one scheduler no node ever gets more pods than it has room for; several may both take the last place.
static void live(int seed)
{
	size_t leaders = seed % 2; // 0: each server leads
	struct life l = {.version = 1, .crashed = -1};
	struct chronicle chronicle = {0};
	arena_init(&l.a);
	l.cluster = cluster_create(&(struct cluster_config){
		.seed = (uint64_t)seed, .servers = SERVERS, .leaders = leaders, .nodes = NODES, .pods_a_node = NODE_ROOM});
	web_create(l.cluster);
	struct witness *w = witness_create(cluster_client(l.cluster, 1), "/api/v1/pods", &chronicle, judge, &l);
	insist(&l, "POST", "/api/v1/namespaces/default/services", service);
	cluster_set_faults(l.cluster, &faults);
	for (int i = 0; i < STEPS; i++)
		harm(&l);
	heal(&l);
	if (!cluster_until(l.cluster, 1200 * TIME_S, all_in_order, &l))
		unit_fail(__FILE__, __LINE__, "seed %d: not in order once the faults had ended", seed);
	if (leaders == 1 && l.most > NODE_ROOM)
		unit_fail(__FILE__, __LINE__, "seed %d: %d pods on a node", seed, l.most);
	sim_run(cluster_sim(l.cluster), 30 * TIME_S);
	if (witness_complaint(w))
		unit_fail(__FILE__, __LINE__, "seed %d: %s", seed, witness_complaint(w));
	witness_destroy(w);
	chronicle_finish(&chronicle);
	cluster_destroy(l.cluster);
	arena_finish(&l.a);
}

TEST(a_life_full_of_mishaps_ends_in_order)
{
	const char *wanted = getenv("SEEDS");
	for (int seed = 1; seed <= (wanted ? atoi(wanted) : 4); seed++)
		live(seed);
}
