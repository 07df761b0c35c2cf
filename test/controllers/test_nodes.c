// SPDX-License-Identifier: Apache-2.0
// Nodes that fall silent, their taints, and the pods on them.
#include "bench.h"

#define NODE "/api/v1/nodes/n1"
#define LEASES "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
#define PODS "/api/v1/namespaces/one/pods"

// Another one that is ready: where none is, nothing is evicted.
static void add_ready_node(struct bench *b)
{
	bench_do(b, "POST", "/api/v1/nodes",
		 "{'metadata':{'name':'ready'},'status':{'conditions':[{'type':'Ready','status':'True'}]}}");
	bench_do(b, "POST", LEASES, "{'metadata':{'name':'ready'},'spec':{'renewTime':'0'}}");
}

static void beat_of(struct bench *b, const char *node, int seconds)
{
	for (int i = 0; i < seconds; i += 10) {
		bench_do(b, "PATCH", arena_fmt(&b->a, LEASES "/%s", node).p, "{'spec':{'renewTime':'%lld'}}",
			 (long long)sim_now(b->sim));
		bench_run(b, 10 * TIME_S);
	}
}

static void add_node(struct bench *b, const char *ready)
{
	bench_do(
		b, "POST", "/api/v1/nodes",
		"{'metadata':{'name':'n1'},'spec':{'taints':[{'key':'node.kubernetes.io/not-ready','effect':'NoSchedule'},"
		"{'key':'own','effect':'NoSchedule'}]},"
		"'status':{'conditions':[{'type':'Ready','status':'%s'},{'type':'MemoryPressure','status':'False'}]}}",
		ready);
	bench_do(b, "POST", LEASES, "{'metadata':{'name':'n1'},'spec':{'renewTime':'0'}}");
}

static void beat(struct bench *b, int seconds)
{
	for (int i = 0; i < seconds; i += 10) {
		bench_do(b, "PATCH", LEASES "/n1", "{'spec':{'renewTime':'%lld'}}", (long long)sim_now(b->sim));
		beat_of(b, "ready", 10);
	}
}

static bool tainted(struct bench *b, const char *key, const char *effect)
{
	json_each(taint, json_at(bench_get(b, NODE), "spec.taints")) {
		if (json_str_is(taint, "key", key) && json_str_is(taint, "effect", effect))
			return true;
	}
	return false;
}

TEST(node_taints_follow_conditions)
{
	struct bench b;
	bench_start(&b, 1, "node-lifecycle");
	add_ready_node(&b);
	add_node(&b, "False");
	bench_run(&b, TIME_S);
	CHECK(tainted(&b, "node.kubernetes.io/not-ready", "NoSchedule"));
	CHECK(tainted(&b, "node.kubernetes.io/not-ready", "NoExecute"));
	bench_do(&b, "PATCH", NODE "/status",
		 "{'status':{'conditions':[{'type':'Ready','status':'True'},"
		 "{'type':'MemoryPressure','status':'True'}]}}");
	bench_run(&b, TIME_S);
	CHECK(!tainted(&b, "node.kubernetes.io/not-ready", "NoSchedule"));
	CHECK(!tainted(&b, "node.kubernetes.io/not-ready", "NoExecute"));
	CHECK(tainted(&b, "node.kubernetes.io/memory-pressure", "NoSchedule"));
	CHECK(tainted(&b, "own", "NoSchedule"));
	bench_do(&b, "PATCH", NODE, "{'spec':{'unschedulable':true}}");
	bench_run(&b, TIME_S);
	CHECK(tainted(&b, "node.kubernetes.io/unschedulable", "NoSchedule"));
	json_each(taint, json_at(bench_get(&b, NODE), "spec.taints"))
		CHECK(json_str_is(taint, "key", "own") || !str_empty(json_str(taint, "timeAdded")));
	bench_stop(&b);
}

TEST(node_that_falls_silent)
{
	struct bench b;
	bench_start(&b, 1, "node-lifecycle,taint-eviction");
	b.nodes = false;
	add_ready_node(&b);
	add_node(&b, "True");
	static const char *const tolerations[] = {
		"", "{'key':'node.kubernetes.io/unreachable','operator':'Exists','tolerationSeconds':30}",
		"{'operator':'Exists'}"};
	for (int i = 0; i < 3; i++)
		bench_do(&b, "POST", PODS,
			 "{'metadata':{'name':'p%d'},'spec':{'nodeName':'n1','terminationGracePeriodSeconds':0,'"
			 "tolerations':[%s]},"
			 "'status':{'phase':'Running','conditions':[{'type':'Ready','status':'True'}]}}",
			 i, tolerations[i]);
	beat(&b, 200);
	CHECK_INT(bench_items(&b, PODS)->count, 3);
	beat_of(&b, "ready", 40);
	CHECK(!tainted(&b, "node.kubernetes.io/unreachable", "NoSchedule"));
	beat_of(&b, "ready", 10);
	CHECK(tainted(&b, "node.kubernetes.io/unreachable", "NoSchedule"));
	CHECK(tainted(&b, "node.kubernetes.io/unreachable", "NoExecute"));
	const struct json *ready = json_at(bench_get(&b, NODE), "status.conditions");
	bool unknown = false;
	json_each(condition, ready)
		unknown |= json_str_is(condition, "type", "Ready") && json_str_is(condition, "status", "Unknown") &&
			   json_str_is(condition, "reason", "NodeStatusUnknown");
	CHECK(unknown);
	CHECK(bench_get(&b, PODS "/p0") == NULL);
	REQUIRE(bench_get(&b, PODS "/p1") != NULL);
	CHECK_STR(json_str(bench_get(&b, PODS "/p1"), "status.conditions.0.status"), "False");
	beat_of(&b, "ready", 30);
	CHECK(bench_get(&b, PODS "/p1") == NULL);
	CHECK(bench_get(&b, PODS "/p2") != NULL);
	// It speaks again: the node itself says that it is ready.
	bench_do(&b, "PATCH", LEASES "/n1", "{'spec':{'renewTime':'back'}}");
	bench_do(&b, "PATCH", NODE "/status", "{'status':{'conditions':[{'type':'Ready','status':'True'}]}}");
	bench_run(&b, 5 * TIME_S);
	CHECK(!tainted(&b, "node.kubernetes.io/unreachable", "NoExecute"));
	bench_stop(&b);
}

// Somebody else writes the pod's status just before.
static int write_before(void *arg, const char *method, struct str path)
{
	struct bench *b = arg;
	if (!str_eq(path, STR(PODS "/p/status")))
		return 0;
	fake_server_refuse(b->server, NULL, NULL);
	bench_do(b, "PATCH", PODS "/p/status",
		 "{'status':{'conditions':[{'type':'Ready','status':'True'},{'type':'DisruptionTarget','status':'True'}]}}");
	return 0;
}

TEST(pods_of_a_silent_node_keep_what_others_said_of_them)
{
	struct bench b;
	bench_start(&b, 1, "node-lifecycle");
	b.nodes = false;
	add_ready_node(&b);
	add_node(&b, "True");
	bench_do(&b, "POST", PODS,
		 "{'metadata':{'name':'p'},'spec':{'nodeName':'n1'},'status':{'phase':'Running','conditions':[{'type':"
		 "'Ready','status':'True'}]}}");
	beat(&b, 20);
	fake_server_refuse(b.server, write_before, &b);
	beat_of(&b, "ready", 100);
	struct json *pod = bench_get(&b, PODS "/p");
	CHECK_STR(json_str(pod, "status.conditions.0.status"), "False");
	CHECK_STR(json_str(pod, "status.conditions.1.type"), "DisruptionTarget");
	bench_stop(&b);
}

// A server that hears of no node any more does not blame the nodes.
TEST(where_no_node_is_ready_nothing_is_evicted)
{
	struct bench b;
	bench_start(&b, 1, "node-lifecycle,taint-eviction");
	b.nodes = false;
	add_node(&b, "True");
	bench_do(&b, "POST", PODS,
		 "{'metadata':{'name':'p'},'spec':{'nodeName':'n1','terminationGracePeriodSeconds':0,'tolerations':["
		 "{'key':'node.kubernetes.io/unreachable','operator':'Exists','tolerationSeconds':30}]}}");
	bench_run(&b, 200 * TIME_S);
	CHECK(tainted(&b, "node.kubernetes.io/unreachable", "NoSchedule"));
	CHECK(!tainted(&b, "node.kubernetes.io/unreachable", "NoExecute"));
	CHECK(bench_get(&b, PODS "/p") != NULL);
	add_ready_node(&b);
	beat_of(&b, "ready", 20);
	CHECK(tainted(&b, "node.kubernetes.io/unreachable", "NoExecute"));
	CHECK(bench_get(&b, PODS "/p") != NULL);
	beat_of(&b, "ready", 20);
	CHECK(bench_get(&b, PODS "/p") == NULL);
	bench_stop(&b);
}

// As `kubectl taint` makes it: nothing says since when. A pod's time runs from when both meet.
TEST(pods_stay_as_long_as_they_tolerate_a_taint_of_ones_own)
{
	struct bench b;
	bench_start(&b, 1, "taint-eviction");
	b.nodes = false;
	bench_do(&b, "POST", "/api/v1/nodes", "{'metadata':{'name':'n1'}}");
	static const char pod[] =
		"{'metadata':{'name':'%s','finalizers':['hold.test/x']},'spec':{'nodeName':'n1',"
		"'tolerations':[{'key':'own','operator':'Exists','tolerationSeconds':60}]}}";
	bench_do(&b, "POST", PODS, pod, "early");
	bench_run(&b, TIME_S);
	bench_do(&b, "PATCH", NODE, "{'spec':{'taints':[{'key':'own','effect':'NoExecute'}]}}");
	bench_run(&b, 50 * TIME_S);
	CHECK(json_at(bench_get(&b, PODS "/early"), "metadata.deletionTimestamp") == NULL);
	bench_do(&b, "POST", PODS, pod, "late");
	bench_run(&b, 15 * TIME_S);
	struct json *early = bench_get(&b, PODS "/early");
	CHECK(json_at(early, "metadata.deletionTimestamp") != NULL);
	CHECK_STR(json_str(early, "status.conditions.0.type"), "DisruptionTarget");
	CHECK_STR(json_str(early, "status.conditions.0.reason"), "DeletionByTaintManager");
	CHECK(json_at(bench_get(&b, PODS "/late"), "metadata.deletionTimestamp") == NULL);
	bench_do(&b, "PATCH", NODE, "{'spec':{'taints':null}}"); // forgiven
	bench_run(&b, 100 * TIME_S);
	CHECK(json_at(bench_get(&b, PODS "/late"), "metadata.deletionTimestamp") == NULL);
	bench_stop(&b);
}

TEST(pods_of_a_node_that_is_switched_off)
{
	struct bench b;
	bench_start(&b, 1, "pod-gc");
	b.nodes = false;
	add_node(&b, "Unknown");
	bench_do(&b, "POST", PODS, "{'metadata':{'name':'p'},'spec':{'nodeName':'n1'},'status':{'phase':'Running'}}");
	bench_do(&b, "POST", PODS, "{'metadata':{'name':'q'},'spec':{'nodeName':'n1'},'status':{'phase':'Running'}}");
	bench_do(&b, "DELETE", PODS "/p", " ");
	bench_run(&b, 90 * TIME_S);
	CHECK(bench_get(&b, PODS "/p") != NULL); // the node may come back
	bench_do(&b, "PATCH", NODE,
		 "{'spec':{'taints':[{'key':'node.kubernetes.io/out-of-service','value':'x','effect':'NoExecute'}]}}");
	bench_run(&b, 30 * TIME_S);
	CHECK(bench_get(&b, PODS "/p") == NULL);
	CHECK(bench_get(&b, PODS "/q") != NULL);
	bench_stop(&b);
}

TEST(pods_of_a_node_that_is_gone)
{
	struct bench b;
	bench_start(&b, 1, "pod-gc");
	b.nodes = false;
	add_node(&b, "True");
	bench_do(&b, "POST", PODS, "{'metadata':{'name':'p'},'spec':{'nodeName':'n1'},'status':{'phase':'Running'}}");
	bench_do(&b, "POST", PODS, "{'metadata':{'name':'q'},'spec':{'nodeName':'n2'},'status':{'phase':'Running'}}");
	static const char held[] =
		"{'metadata':{'name':'%s','finalizers':['hold.test/x']},'spec':{'nodeName':'n2'},'status':{'phase':'%s'}}";
	bench_do(&b, "POST", PODS, held, "cut-short", "Running");
	bench_do(&b, "POST", PODS, held, "done", "Succeeded");
	bench_run(&b, 90 * TIME_S);
	CHECK(bench_get(&b, PODS "/p") != NULL);
	CHECK(bench_get(&b, PODS "/q") == NULL);
	const struct json *cut_short = bench_get(&b, PODS "/cut-short");
	CHECK_STR(json_str(cut_short, "status.phase"), "Failed");
	CHECK_STR(json_str(cut_short, "status.conditions.0.type"), "DisruptionTarget");
	CHECK_STR(json_str(cut_short, "status.conditions.0.reason"), "DeletionByPodGC");
	CHECK_STR(json_str(bench_get(&b, PODS "/done"), "status.phase"), "Succeeded");
	CHECK(json_at(bench_get(&b, PODS "/done"), "status.conditions") == NULL);
	bench_stop(&b);
}
