// SPDX-License-Identifier: Apache-2.0
// The whole control plane in virtual time: it converges, also under faults, and a seed repeats it to the last byte.
#include <stdlib.h>

#include "base/times.h"
#include "unit.h"
#include "web.h"

// A life of some minutes; the digest of all that happened.
static uint64_t live(uint64_t seed)
{
	struct cluster *c = cluster_create(&(struct cluster_config){.seed = seed, .servers = 1, .nodes = 5, .pods_a_node = 50});
	web_create(c);
	CHECK(web_settles(c, 60 * TIME_S, 20));
	web_patch(c, "{\"spec\":{\"replicas\":60}}");
	CHECK(web_settles(c, 60 * TIME_S, 60));
	web_patch(c, "{\"spec\":{\"template\":{\"metadata\":{\"annotations\":{\"v\":\"2\"}}}}}");
	CHECK(web_settles(c, 120 * TIME_S, 60));
	web_patch(c, "{\"spec\":{\"replicas\":3}}");
	CHECK(web_settles(c, 60 * TIME_S, 3));
	uint64_t digest = sim_digest(cluster_sim(c));
	cluster_destroy(c);
	return digest;
}

TEST(a_seed_repeats_a_cluster_to_the_last_byte)
{
	uint64_t first = live(7), again = live(7), other = live(8);
	CHECK(first == again);
	CHECK(first != other);
}

// Its Lease goes stale, its pods are given up after the five minutes that they tolerate, and run elsewhere.
TEST(pods_of_a_dead_node_run_elsewhere)
{
	struct cluster *c = cluster_create(&(struct cluster_config){.seed = 3, .servers = 1, .nodes = 4, .pods_a_node = 50});
	web_create(c);
	CHECK(web_settles(c, 60 * TIME_S, 20));
	cluster_crash_node(c, 0);
	CHECK(cluster_running(c) < 20);
	CHECK(web_settles(c, 420 * TIME_S, 20));
	cluster_destroy(c);
}

static const struct store_cluster_faults faults = {
	.delay_min_ns = TIME_MS / 5, .delay_max_ns = 20 * TIME_MS, .request_lost = 5, .answer_lost = 5, .refused = 20};

static int seeds(void)
{
	const char *wanted = getenv("SEEDS");
	return wanted ? atoi(wanted) : 3;
}

// Deleted in the foreground, with all it made: nothing is left in the API nor on a node, whoever loses a request.
static bool nothing_left(struct cluster *c, void *arg)
{
	static const char *const kinds[] = {"/apis/apps/v1/deployments", "/apis/apps/v1/replicasets", "/api/v1/pods"};
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	size_t left = cluster_running(c);
	for (size_t i = 0; left == 0 && i < ARRAY_LEN(kinds); i++) {
		struct json *list = NULL;
		if (cluster_ask(c, &a, "GET", kinds[i], NULL, NULL, &list) != 200)
			return false;
		left += json_at(list, "items")->count;
	}
	return left == 0;
}

TEST(what_is_deleted_in_the_foreground_goes_under_faults)
{
	for (int seed = 1; seed <= seeds(); seed++) {
		struct cluster *c = cluster_create(&(struct cluster_config){.seed = (uint64_t)seed, .servers = 3, .nodes = 6, .pods_a_node = 50});
		struct arena a CLEAN_ARENA;
		arena_init(&a);
		web_create(c);
		CHECK(web_settles(c, 120 * TIME_S, 20));
		cluster_set_faults(c, &faults);
		int code = 0;
		for (int i = 0; i < 20 && code != 200; i++) // the store may refuse or lose it
			code = cluster_ask(c, &a, "DELETE", WEB, NULL, "{\"propagationPolicy\":\"Foreground\"}", NULL);
		sim_run(cluster_sim(c), 10 * TIME_S);
		cluster_set_faults(c, NULL);
		if (!cluster_until(c, 300 * TIME_S, nothing_left, NULL))
			unit_fail(__FILE__, __LINE__, "seed %d: something is left once the faults had ended", seed);
		cluster_destroy(c);
	}
}

TEST(it_converges_under_faults_with_three_servers)
{
	for (int seed = 1; seed <= seeds(); seed++) {
		struct cluster *c = cluster_create(&(struct cluster_config){.seed = (uint64_t)seed, .servers = 3, .nodes = 6, .pods_a_node = 50});
		web_create(c);
		cluster_set_faults(c, &faults);
		web_patch(c, "{\"spec\":{\"replicas\":40}}");
		sim_run(cluster_sim(c), 20 * TIME_S);
		web_patch(c, "{\"spec\":{\"template\":{\"metadata\":{\"annotations\":{\"v\":\"2\"}}}}}");
		sim_run(cluster_sim(c), 20 * TIME_S);
		cluster_set_faults(c, NULL);
		if (!web_settles(c, 300 * TIME_S, 40))
			unit_fail(__FILE__, __LINE__, "seed %d: it did not converge once the faults had ended", seed);
		cluster_destroy(c);
	}
}
