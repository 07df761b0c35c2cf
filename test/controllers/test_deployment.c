// SPDX-License-Identifier: Apache-2.0
// Deployments and ReplicaSets together, over the fake API.
#include "bench.h"

#define DEPLOYMENTS "/apis/apps/v1/namespaces/one/deployments"
#define WEB DEPLOYMENTS "/web"
#define SETS "/apis/apps/v1/namespaces/one/replicasets"
#define PODS "/api/v1/namespaces/one/pods"

static void create_web(struct bench *b, int replicas, const char *strategy)
{
	bench_do(
		b, "POST", DEPLOYMENTS,
		"{'metadata':{'name':'web'},'spec':{'replicas':%d,'selector':{'matchLabels':{'app':'web'}},%s"
		"'progressDeadlineSeconds':60,'revisionHistoryLimit':2,"
		"'template':{'metadata':{'labels':{'app':'web'}},'spec':{'containers':[{'name':'c','image':'one'}]}}}}",
		replicas, strategy);
}

#define ROLLING(surge, unavailable)                                                                                    \
	"'strategy':{'type':'RollingUpdate','rollingUpdate':{'maxSurge':" surge ",'maxUnavailable':" unavailable "}},"

static void set_image(struct bench *b, const char *image)
{
	bench_do(b, "PATCH", WEB, "{'spec':{'template':{'spec':{'containers':[{'name':'c','image':'%s'}]}}}}", image);
}

static const struct json *condition(const struct json *object, const char *type)
{
	json_each(c, json_at(object, "status.conditions")) {
		if (json_str_is(c, "type", type))
			return c;
	}
	return NULL;
}

static bool complete(struct bench *b, int replicas)
{
	struct json *web = bench_get(b, WEB);
	return json_i64(web, "status.updatedReplicas", 0) == replicas &&
	       json_i64(web, "status.replicas", 0) == replicas &&
	       json_i64(web, "status.availableReplicas", 0) == replicas &&
	       json_i64(web, "status.observedGeneration", 0) == json_i64(web, "metadata.generation", -1);
}

TEST(deployment_comes_up)
{
	struct bench b;
	bench_start(&b, 1, "deployment,replicaset");
	create_web(&b, 3, ROLLING("'25%'", "'25%'"));
	bench_run(&b, 5 * TIME_S);
	CHECK_INT(bench_ready_pods(&b), 3);
	CHECK(complete(&b, 3));
	struct json *web = bench_get(&b, WEB);
	CHECK(json_str_is(condition(web, "Progressing"), "reason", "NewReplicaSetAvailable"));
	CHECK(json_str_is(condition(web, "Available"), "status", "True"));
	CHECK_STR(json_get(json_at(web, "metadata.annotations"), STR("deployment.kubernetes.io/revision"))->text, "1");
	struct json *sets = bench_items(&b, SETS);
	REQUIRE(sets->count == 1);
	const struct json *set = json_index(sets, 0);
	CHECK(json_at(set, "metadata.labels.pod-template-hash") != NULL);
	CHECK_INT(json_i64(set, "status.availableReplicas", 0), 3);
	bool scaled = false;
	json_each(event, bench_items(&b, "/api/v1/namespaces/one/events"))
		scaled |= json_str_is(event, "reason", "ScalingReplicaSet") &&
			  str_contains(json_str(event, "message"), STR("from 0 to 3"));
	CHECK(scaled);
	bench_stop(&b);
}

TEST(deployment_3_to_103_at_once)
{
	struct bench b;
	bench_start(&b, 1, "deployment,replicaset");
	create_web(&b, 3, ROLLING("'25%'", "'25%'"));
	bench_run(&b, 5 * TIME_S);
	size_t before = fake_server_requests(fake_server_transport(b.server) ? b.server : NULL);
	bench_do(&b, "PATCH", WEB, "{'spec':{'replicas':103}}");
	bench_run(&b, 400 * TIME_MS); // pods are ready 200 ms after they were made
	CHECK_INT(bench_ready_pods(&b), 103);
	bench_run(&b, TIME_S);
	CHECK(complete(&b, 103));
	CHECK_INT(bench_items(&b, PODS)->count, 103);
	size_t requests = fake_server_requests(b.server) - before;
	CHECK(requests < 600); // of which 100 make pods and 25 tell of it
	bench_stop(&b);
}

static void roll(uint64_t seed, int replicas, const char *strategy, int most, int least, bool faults)
{
	struct bench b;
	bench_start(&b, seed, "deployment,replicaset");
	create_web(&b, replicas, strategy);
	bench_run(&b, 10 * TIME_S);
	CHECK(complete(&b, replicas));
	if (faults)
		fake_server_set_faults(b.server, (struct fake_faults){.request_lost = 50,
								      .answer_lost = 50,
								      .watch_broken = 10,
								      .delay_max_ns = 30 * TIME_MS});
	bench_measure(&b);
	set_image(&b, "two");
	for (int i = 0; faults && i < 5; i++) {
		bench_run(&b, (int64_t)(sim_random(b.sim) % (2 * TIME_S)));
		bench_restart_controllers(&b);
	}
	fake_server_set_faults(b.server, (struct fake_faults){0});
	bench_run(&b, 120 * TIME_S);
	CHECK(complete(&b, replicas));
	CHECK((int)b.pods_most <= most);
	CHECK((int)b.available_least >= least);
	json_each(pod, bench_items(&b, PODS))
		CHECK(json_str_is(pod, "spec.containers.0.image", "two"));
	CHECK_INT(bench_items(&b, PODS)->count, replicas);
	CHECK_INT(bench_items(&b, SETS)->count, 2);
	bench_stop(&b);
}

TEST(rolling_update_keeps_its_bounds)
{
	for (uint64_t seed = 1; seed <= 10; seed++) {
		roll(seed, 4, ROLLING("1", "0"), 5, 4, false);
		roll(seed, 4, ROLLING("0", "1"), 4, 3, false);
		roll(seed, 10, ROLLING("'25%'", "'25%'"), 13, 8, false);
		roll(seed, 3, ROLLING("'100%'", "'50%'"), 6, 2, false);
		roll(seed, 4, ROLLING("0", "0"), 4, 3, false);
	}
}

TEST(rolling_update_keeps_its_bounds_under_faults)
{
	for (uint64_t seed = 1; seed <= 30; seed++)
		roll(seed, 6, ROLLING("2", "1"), 8, 5, true);
}

TEST(recreate_never_mixes)
{
	struct bench b;
	bench_start(&b, 3, "deployment,replicaset");
	create_web(&b, 4, "'strategy':{'type':'Recreate'},");
	bench_run(&b, 10 * TIME_S);
	CHECK(complete(&b, 4));
	bench_measure(&b);
	set_image(&b, "two");
	bool mixed = false;
	for (int i = 0; i < 200; i++) {
		bench_run(&b, 20 * TIME_MS);
		struct json *pods = bench_items(&b, PODS);
		bool one = false, two = false;
		json_each(pod, pods) {
			one |= json_str_is(pod, "spec.containers.0.image", "one");
			two |= json_str_is(pod, "spec.containers.0.image", "two");
		}
		mixed |= one && two;
		arena_reset(&b.a);
	}
	CHECK(!mixed);
	bench_run(&b, 10 * TIME_S);
	CHECK(complete(&b, 4));
	CHECK_INT(b.pods_most, 4);
	bench_stop(&b);
}

TEST(rollout_that_hangs_is_told_and_undone)
{
	struct bench b;
	bench_start(&b, 5, "deployment,replicaset");
	b.broken_image = "broken";
	create_web(&b, 4, ROLLING("1", "1"));
	bench_run(&b, 10 * TIME_S);
	set_image(&b, "broken");
	bench_run(&b, 90 * TIME_S);
	struct json *web = bench_get(&b, WEB);
	CHECK(json_str_is(condition(web, "Progressing"), "reason", "ProgressDeadlineExceeded"));
	CHECK(json_str_is(condition(web, "Progressing"), "status", "False"));
	CHECK(json_str_is(condition(web, "Available"), "status", "True"));
	CHECK_INT(bench_ready_pods(&b), 3);
	set_image(&b, "one"); // what kubectl rollout undo does
	bench_run(&b, 30 * TIME_S);
	CHECK(complete(&b, 4));
	web = bench_get(&b, WEB);
	CHECK(json_str_is(condition(web, "Progressing"), "reason", "NewReplicaSetAvailable"));
	CHECK_STR(json_get(json_at(web, "metadata.annotations"), STR("deployment.kubernetes.io/revision"))->text, "3");
	CHECK_INT(bench_items(&b, SETS)->count, 2);
	bench_stop(&b);
}

TEST(history_is_limited)
{
	struct bench b;
	bench_start(&b, 5, "deployment,replicaset");
	create_web(&b, 2, ROLLING("1", "0"));
	static const char *const images[] = {"two", "three", "four", "five"};
	for (size_t i = 0; i < ARRAY_LEN(images); i++) {
		bench_run(&b, 20 * TIME_S);
		set_image(&b, images[i]);
	}
	bench_run(&b, 60 * TIME_S);
	CHECK(complete(&b, 2));
	CHECK_INT(bench_items(&b, SETS)->count, 3); // the current one and two of history
	bench_stop(&b);
}

// Deleted with --cascade=orphan and made again with another template: what the orphans run counts from the first step.
TEST(orphans_are_adopted_before_anything_is_made)
{
	struct bench b;
	bench_start(&b, 1, "deployment,replicaset");
	create_web(&b, 10, ROLLING("2", "0"));
	bench_run(&b, 10 * TIME_S);
	bench_do(&b, "DELETE", WEB, "{'propagationPolicy':'Background'}");
	json_each(set, bench_items(&b, SETS))
		bench_do(&b, "PATCH", arena_fmt(&b.a, SETS "/%.*s", STR_FMT(json_str(set, "metadata.name"))).p,
			 "{'metadata':{'ownerReferences':null}}");
	bench_run(&b, TIME_S);
	bench_measure(&b);
	bench_do(&b, "POST", DEPLOYMENTS,
		 "{'metadata':{'name':'web'},'spec':{'replicas':10,'selector':{'matchLabels':{'app':'web'}},"
		 ROLLING("2", "0") "'template':{'metadata':{'labels':{'app':'web'}},'spec':{'containers':[{'name':'c',"
		 "'image':'two'}]}}}}");
	bench_run(&b, 60 * TIME_S);
	CHECK(complete(&b, 10));
	CHECK_INT(b.pods_most, 12);
	CHECK_INT(json_i64(bench_get(&b, WEB), "status.collisionCount", 0), 0);
	bench_stop(&b);
}

TEST(paused_deployment_scales_but_does_not_roll)
{
	struct bench b;
	bench_start(&b, 5, "deployment,replicaset");
	create_web(&b, 2, ROLLING("1", "0"));
	bench_run(&b, 20 * TIME_S);
	bench_do(&b, "PATCH", WEB, "{'spec':{'paused':true}}");
	bench_run(&b, TIME_S);
	set_image(&b, "two");
	bench_do(&b, "PATCH", WEB, "{'spec':{'replicas':5}}");
	bench_run(&b, 20 * TIME_S);
	CHECK_INT(bench_items(&b, SETS)->count, 1);
	CHECK_INT(bench_ready_pods(&b), 5);
	CHECK(json_str_is(condition(bench_get(&b, WEB), "Progressing"), "reason", "DeploymentPaused"));
	bench_do(&b, "PATCH", WEB, "{'spec':{'paused':false}}");
	bench_run(&b, 60 * TIME_S);
	CHECK(complete(&b, 5));
	CHECK_INT(bench_items(&b, SETS)->count, 2);
	bench_stop(&b);
}

TEST(scaling_in_the_middle_of_a_rollout_is_shared_out)
{
	struct bench b;
	bench_start(&b, 5, "deployment,replicaset");
	b.broken_image = "broken";
	create_web(&b, 10, ROLLING("3", "2"));
	bench_run(&b, 20 * TIME_S);
	set_image(&b, "broken");
	bench_run(&b, 20 * TIME_S); // 8 old ones, 5 new ones that hang
	bench_do(&b, "PATCH", WEB, "{'spec':{'replicas':30}}");
	bench_run(&b, 200 * TIME_MS);
	int64_t sizes[2] = {0, 0}, i = 0;
	json_each(set, bench_items(&b, SETS)) {
		if (i < 2)
			sizes[i++] = json_i64(set, "spec.replicas", 0);
	}
	CHECK_INT(sizes[0] + sizes[1], 33);
	CHECK(sizes[0] == 20 || sizes[1] == 20); // 8 of 13 of 33
	bench_stop(&b);
}
