// SPDX-License-Identifier: Apache-2.0
#include "bench.h"

#define SETS "/apis/apps/v1/namespaces/one/replicasets"
#define PODS "/api/v1/namespaces/one/pods"

static void create_set(struct bench *b, const char *name, int replicas)
{
	bench_do(
		b, "POST", SETS,
		"{'metadata':{'name':'%s'},'spec':{'replicas':%d,'selector':{'matchLabels':{'app':'web'}},"
		"'template':{'metadata':{'labels':{'app':'web'}},'spec':{'containers':[{'name':'c','image':'one'}]}}}}",
		name, replicas);
}

static void churn(uint64_t seed)
{
	struct bench b;
	bench_start(&b, seed, "replicaset");
	fake_server_set_faults(
		b.server, (struct fake_faults){
			      .request_lost = 100, .answer_lost = 100, .watch_broken = 20, .delay_max_ns = 100 * TIME_MS});
	create_set(&b, "s", 20);
	size_t most = 20;
	for (int i = 0; i < 10; i++) {
		bench_run(&b, (int64_t)(sim_random(b.sim) % (3 * TIME_S)));
		size_t size = sim_random(b.sim) % 40;
		most = size > most ? size : most;
		bench_do(&b, "PATCH", SETS "/s", "{'spec':{'replicas':%zu}}", size);
		if (sim_random(b.sim) % 3 == 0) { // a pod dies
			struct json *pods = bench_items(&b, PODS);
			if (pods->count)
				bench_do(
					&b, "DELETE",
					arena_fmt(&b.a, PODS "/%.*s", STR_FMT(json_str(json_first(pods), "metadata.name")))
					    .p,
					" ");
		}
	}
	bench_do(&b, "PATCH", SETS "/s", "{'spec':{'replicas':7}}");
	fake_server_set_faults(b.server, (struct fake_faults){0});
	bench_run(&b, 120 * TIME_S);
	CHECK_INT(bench_ready_pods(&b), 7);
	CHECK_INT(bench_items(&b, PODS)->count, 7);
	CHECK_INT(json_i64(bench_get(&b, SETS "/s"), "status.readyReplicas", 0), 7);
	CHECK(b.pods_most <= most); // late caches and lost answers never make too many
	bench_stop(&b);
}

TEST(replicaset_never_overshoots_under_faults)
{
	for (uint64_t seed = 1; seed <= 30; seed++)
		churn(seed);
}

TEST(replicaset_adopts_and_lets_go)
{
	struct bench b;
	bench_start(&b, 1, "replicaset");
	bench_do(&b, "POST", PODS, "{'metadata':{'name':'stray','labels':{'app':'web'}},'spec':{'containers':[]}}");
	create_set(&b, "s", 3);
	bench_run(&b, 10 * TIME_S);
	CHECK_INT(bench_items(&b, PODS)->count, 3);
	CHECK_STR(json_str(bench_get(&b, PODS "/stray"), "metadata.ownerReferences.0.kind"), "ReplicaSet");
	bench_do(&b, "PATCH", PODS "/stray", "{'metadata':{'labels':{'app':'other'}}}");
	bench_run(&b, 10 * TIME_S);
	CHECK(json_at(bench_get(&b, PODS "/stray"), "metadata.ownerReferences.0") == NULL);
	CHECK_INT(bench_items(&b, PODS)->count, 4);
	bench_stop(&b);
}

static int refuse_pods(void *arg, const char *method, struct str path)
{
	return *(bool *)arg && strcmp(method, "POST") == 0 && str_ends(path, STR("/pods")) ? 403 : 0;
}

TEST(replicaset_that_is_refused_says_so_and_recovers)
{
	struct bench b;
	bool refusing = true;
	bench_start(&b, 1, "replicaset");
	fake_server_refuse(b.server, refuse_pods, &refusing);
	create_set(&b, "s", 50);
	size_t before = fake_server_requests(b.server);
	bench_run(&b, 10 * TIME_S);
	struct json *set = bench_get(&b, SETS "/s");
	CHECK(json_str_is(set, "status.conditions.0", "type") ||
	      json_str_is(set, "status.conditions.0.reason", "FailedCreate"));
	CHECK(fake_server_requests(b.server) - before < 200); // 50 at first, then one a try
	refusing = false;
	bench_run(&b, 30 * TIME_S);
	CHECK_INT(bench_ready_pods(&b), 50);
	CHECK(json_at(bench_get(&b, SETS "/s"), "status.conditions.0") == NULL);
	bench_stop(&b);
}
