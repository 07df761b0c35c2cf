// SPDX-License-Identifier: Apache-2.0
// The whole scheduler over the fake API in virtual time.
#include "base/times.h"
#include "fake_server.h"
#include "scheduler/scheduler.h"
#include "sys/sim.h"
#include "unit.h"

#define PODS "/api/v1/namespaces/one/pods"

struct bench {
	struct sim *sim;
	struct fake_server *server;
	struct scheduler *scheduler;
	struct arena a;
};

static void bench_start(struct bench *b, uint64_t seed)
{
	b->sim = sim_create(seed);
	b->server = fake_server_create(sim_loop(b->sim, "test"));
	b->scheduler = scheduler_start(fake_server_transport(b->server), STR_NONE);
	arena_init(&b->a);
	fake_server_do(b->server, "POST", "/api/v1/namespaces", "{\"metadata\":{\"name\":\"one\"}}");
}

static void bench_stop(struct bench *b)
{
	scheduler_stop(b->scheduler);
	fake_server_destroy(b->server);
	sim_destroy(b->sim);
	arena_finish(&b->a);
}

static void add_node(struct bench *b, int n, const char *cpu, const char *spec)
{
	struct str body =
		arena_fmt(&b->a,
			  "{\"metadata\":{\"name\":\"n%d\",\"labels\":{\"kubernetes.io/hostname\":\"n%d\"}},\"spec\":%s,"
			  "\"status\":{\"allocatable\":{\"cpu\":\"%s\",\"memory\":\"8Gi\",\"pods\":\"110\"}}}",
			  n, n, spec, cpu);
	fake_server_do(b->server, "POST", "/api/v1/nodes", body.p);
}

static void add_pod(struct bench *b, const char *name, const char *cpu, const char *more)
{
	struct str body = arena_fmt(
		&b->a,
		"{\"metadata\":{\"name\":\"%s\",\"labels\":{\"app\":\"web\"}},\"spec\":{%s\"containers\":[{\"name\":"
		"\"c\",\"resources\":{\"requests\":{\"cpu\":\"%s\"}}}]}}",
		name, more, cpu);
	fake_server_do(b->server, "POST", PODS, body.p);
}

static struct str node_of(struct bench *b, const char *name)
{
	return json_str(fake_server_get(b->server, &b->a, arena_fmt(&b->a, PODS "/%s", name).p), "spec.nodeName");
}

static size_t placed(struct bench *b)
{
	size_t count = 0;
	json_each(pod, json_get(fake_server_get(b->server, &b->a, PODS), STR("items")))
		count += !str_empty(json_str(pod, "spec.nodeName"));
	return count;
}

static const struct json *event_of(struct bench *b, const char *reason)
{
	json_each(event, json_get(fake_server_get(b->server, &b->a, "/api/v1/namespaces/one/events"), STR("items"))) {
		if (json_str_is(event, "reason", reason))
			return event;
	}
	return NULL;
}

TEST(pods_are_bound_and_spread)
{
	struct bench b;
	bench_start(&b, 1);
	for (int n = 0; n < 3; n++)
		add_node(&b, n, "4", "{}");
	for (int i = 0; i < 9; i++)
		add_pod(&b, arena_fmt(&b.a, "p%d", i).p, "100m", "");
	sim_run(b.sim, TIME_S);
	CHECK_INT(placed(&b), 9);
	int counts[3] = {0};
	for (int i = 0; i < 9; i++)
		counts[node_of(&b, arena_fmt(&b.a, "p%d", i).p).p[1] - '0']++;
	CHECK(counts[0] == 3 && counts[1] == 3 && counts[2] == 3);
	const struct json *event = event_of(&b, "Scheduled");
	REQUIRE(event != NULL);
	CHECK(str_starts(json_str(event, "message"), STR("Successfully assigned one/p")));
	bench_stop(&b);
}

TEST(pods_that_fit_nowhere_say_why_and_wait)
{
	struct bench b;
	bench_start(&b, 1);
	add_node(&b, 1, "1", "{}");
	add_node(&b, 2, "4", "{\"unschedulable\":true}");
	add_pod(&b, "big", "2", "");
	sim_run(b.sim, 20 * TIME_S);
	CHECK_STR(node_of(&b, "big"), "");
	static const char *const message = "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) were unschedulable.";
	const struct json *pod = fake_server_get(b.server, &b.a, PODS "/big");
	CHECK_STR(json_str(pod, "status.conditions.0.reason"), "Unschedulable");
	CHECK_STR(json_str(pod, "status.conditions.0.message"), message);
	const struct json *event = event_of(&b, "FailedScheduling");
	REQUIRE(event != NULL);
	CHECK_STR(json_str(event, "message"), message);
	CHECK_INT(json_i64(event, "count", 0), 1); // it waits, it does not try again and again
	struct str since = json_str(pod, "status.conditions.0.lastTransitionTime");
	add_node(&b, 3, "1", "{}"); // the cause is another, but unschedulable it was all the time
	sim_run(b.sim, 20 * TIME_S);
	pod = fake_server_get(b.server, &b.a, PODS "/big");
	CHECK(str_starts(json_str(pod, "status.conditions.0.message"), STR("0/3 nodes")));
	CHECK(str_eq(json_str(pod, "status.conditions.0.lastTransitionTime"), since));
	fake_server_do(b.server, "PATCH", "/api/v1/nodes/n2", "{\"spec\":{\"unschedulable\":null}}");
	sim_run(b.sim, TIME_S);
	CHECK_STR(node_of(&b, "big"), "n2");
	bench_stop(&b);
}

TEST(room_that_comes_free_is_used)
{
	struct bench b;
	bench_start(&b, 1);
	add_node(&b, 1, "1", "{}");
	add_pod(&b, "first", "1", "\"terminationGracePeriodSeconds\":0,");
	sim_run(b.sim, TIME_S);
	add_pod(&b, "second", "1", "");
	sim_run(b.sim, 15 * TIME_S);
	CHECK_STR(node_of(&b, "second"), "");
	fake_server_do(b.server, "DELETE", PODS "/first", NULL);
	sim_run(b.sim, TIME_S);
	CHECK_STR(node_of(&b, "second"), "n1");
	bench_stop(&b);
}

TEST(room_of_a_pod_that_goes_before_it_is_bound_is_used)
{
	struct bench b;
	bench_start(&b, 1);
	add_node(&b, 1, "1", "{}");
	sim_run(b.sim, TIME_S);
	fake_server_set_faults(b.server, (struct fake_faults){.request_lost = 1000});
	fake_server_do(b.server, "POST", PODS,
		       "{\"metadata\":{\"name\":\"first\",\"finalizers\":[\"hold.test/x\"]},\"spec\":{\"containers\":"
		       "[{\"name\":\"c\",\"resources\":{\"requests\":{\"cpu\":\"1\"}}}]}}");
	sim_run(b.sim, 100 * TIME_MS);
	add_pod(&b, "second", "1", "");
	sim_run(b.sim, 100 * TIME_MS);
	fake_server_do(b.server, "DELETE", PODS "/first", NULL);
	fake_server_set_faults(b.server, (struct fake_faults){0});
	sim_run(b.sim, 30 * TIME_S);
	CHECK_STR(node_of(&b, "first"), "");
	CHECK_STR(node_of(&b, "second"), "n1");
	bench_stop(&b);
}

static int refuse_first(void *arg, const char *method, struct str path)
{
	return str_contains(path, STR("/first/binding")) ? 403 : 0;
}

TEST(room_of_a_refused_binding_is_used)
{
	struct bench b;
	bench_start(&b, 1);
	add_node(&b, 1, "1", "{}");
	fake_server_refuse(b.server, refuse_first, NULL);
	add_pod(&b, "first", "1", "");
	add_pod(&b, "second", "1", "");
	sim_run(b.sim, 30 * TIME_S);
	CHECK_STR(node_of(&b, "second"), "n1");
	bench_stop(&b);
}

// Sometimes the binding's 404 comes first, sometimes the watch.
TEST(room_of_a_pod_that_is_gone_as_it_is_bound_is_used)
{
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct bench b;
		bench_start(&b, seed);
		add_node(&b, 1, "1", "{}");
		sim_run(b.sim, TIME_S);
		add_pod(&b, "first", "1", "\"terminationGracePeriodSeconds\":0,");
		add_pod(&b, "second", "1", "");
		sim_run(b.sim, (int64_t)(sim_random(b.sim) % (2 * TIME_MS)));
		fake_server_do(b.server, "DELETE", PODS "/first", NULL);
		sim_run(b.sim, 30 * TIME_S);
		CHECK_STR(node_of(&b, "second"), "n1");
		bench_stop(&b);
	}
}

TEST(room_of_a_pod_that_another_bound_elsewhere_is_used)
{
	struct bench b;
	bench_start(&b, 1);
	add_node(&b, 1, "1", "{}");
	add_node(&b, 2, "1", "{\"unschedulable\":true}");
	sim_run(b.sim, TIME_S);
	fake_server_set_faults(b.server, (struct fake_faults){.request_lost = 1000});
	add_pod(&b, "first", "1", "");
	add_pod(&b, "second", "1", "");
	sim_run(b.sim, 100 * TIME_MS);
	fake_server_do(b.server, "POST", PODS "/first/binding", "{\"target\":{\"name\":\"n2\"}}");
	fake_server_set_faults(b.server, (struct fake_faults){0});
	sim_run(b.sim, 30 * TIME_S);
	CHECK_STR(node_of(&b, "first"), "n2");
	CHECK_STR(node_of(&b, "second"), "n1");
	bench_stop(&b);
}

TEST(room_that_a_smaller_pod_leaves_is_used)
{
	struct bench b;
	bench_start(&b, 1);
	add_node(&b, 1, "2", "{}");
	add_pod(&b, "first", "2", "");
	sim_run(b.sim, TIME_S);
	add_pod(&b, "second", "1", "");
	sim_run(b.sim, 15 * TIME_S);
	CHECK_STR(node_of(&b, "second"), "");
	fake_server_do(b.server, "PATCH", PODS "/first",
		       "{\"spec\":{\"containers\":[{\"name\":\"c\",\"resources\":{\"requests\":{\"cpu\":\"1\"}}}]}}");
	sim_run(b.sim, TIME_S);
	CHECK_STR(node_of(&b, "second"), "n1");
	bench_stop(&b);
}

#define NEAR(app)                                                                                                      \
	"\"affinity\":{\"podAffinity\":{\"requiredDuringSchedulingIgnoredDuringExecution\":[{\"topologyKey\":"            \
	"\"kubernetes.io/hostname\",\"labelSelector\":{\"matchLabels\":{\"app\":\"" app "\"}}}]}},"

TEST(who_waits_for_company_follows_it)
{
	struct bench b;
	bench_start(&b, 1);
	add_node(&b, 1, "4", "{}");
	add_node(&b, 2, "4", "{}");
	add_pod(&b, "follower", "1", NEAR("leader"));
	sim_run(b.sim, 15 * TIME_S);
	CHECK_STR(node_of(&b, "follower"), "");
	fake_server_do(b.server, "POST", PODS,
		       "{\"metadata\":{\"name\":\"leader\",\"labels\":{\"app\":\"leader\"}},\"spec\":{\"containers\":[]}}");
	sim_run(b.sim, TIME_S);
	CHECK(!str_empty(node_of(&b, "leader")));
	CHECK(str_eq(node_of(&b, "follower"), node_of(&b, "leader")));
	bench_stop(&b);
}

TEST(only_our_pods_and_only_without_gates)
{
	struct bench b;
	bench_start(&b, 1);
	add_node(&b, 1, "4", "{}");
	add_pod(&b, "theirs", "1", "\"schedulerName\":\"other\",");
	add_pod(&b, "gated", "1", "\"schedulingGates\":[{\"name\":\"x\"}],");
	sim_run(b.sim, TIME_S);
	CHECK_INT(placed(&b), 0);
	fake_server_do(b.server, "PATCH", PODS "/gated", "{\"spec\":{\"schedulingGates\":null}}");
	sim_run(b.sim, TIME_S);
	CHECK_STR(node_of(&b, "gated"), "n1");
	bench_stop(&b);
}

TEST(higher_priority_goes_first)
{
	struct bench b;
	bench_start(&b, 1);
	add_pod(&b, "low", "1", "\"priority\":1,");
	add_pod(&b, "high", "1", "\"priority\":5,");
	sim_run(b.sim, 30 * TIME_S);
	add_node(&b, 1, "1", "{}");
	sim_run(b.sim, 30 * TIME_S);
	CHECK_STR(node_of(&b, "high"), "n1");
	CHECK_STR(node_of(&b, "low"), "");
	bench_stop(&b);
}

static void check_no_node_is_overfull(struct bench *b, int nodes, int most)
{
	int *counts = ARENA_ARRAY(&b->a, int, (size_t)nodes);
	json_each(pod, json_get(fake_server_get(b->server, &b->a, PODS), STR("items"))) {
		int64_t n;
		if (str_to_i64(str_from(json_str(pod, "spec.nodeName"), 1), &n) == 0)
			CHECK(++counts[n] <= most);
	}
}

static void churn(uint64_t seed)
{
	struct bench b;
	bench_start(&b, seed);
	fake_server_set_faults(
		b.server, (struct fake_faults){
			      .request_lost = 100, .answer_lost = 100, .watch_broken = 20, .delay_max_ns = 50 * TIME_MS});
	int nodes = 0;
	for (int i = 0; i < 60; i++) {
		add_pod(&b, arena_fmt(&b.a, "p%d", i).p, "1", "\"terminationGracePeriodSeconds\":0,");
		if (i % 10 == 0)
			add_node(&b, nodes++, "4", "{}");
		if (i % 7 == 0)
			fake_server_do(b.server, "DELETE", arena_fmt(&b.a, PODS "/p%d", i / 2).p, NULL);
		if (i % 20 == 0)
			fake_server_compact(b.server);
		sim_run(b.sim, (int64_t)(sim_random(b.sim) % (300 * TIME_MS)));
	}
	fake_server_set_faults(b.server, (struct fake_faults){0});
	sim_run(b.sim, 60 * TIME_S);
	CHECK_INT(placed(&b), 24); // six nodes of four
	check_no_node_is_overfull(&b, nodes, 4);
	bench_stop(&b);
}

TEST(nodes_are_filled_and_never_overfilled_under_faults)
{
	for (uint64_t seed = 1; seed <= 20; seed++)
		churn(seed);
}
