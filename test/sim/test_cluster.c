// SPDX-License-Identifier: Apache-2.0
// The whole control plane in virtual time: it converges, also under faults, and a seed repeats it to the last byte.
#include <stdlib.h>

#include "base/times.h"
#include "cluster.h"
#include "unit.h"

static const char deployment[] =
	"{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"web\"},\"spec\":{\"replicas\":20,\"selector\":{"
	"\"matchLabels\":{\"app\":\"web\"}},\"template\":{\"metadata\":{\"labels\":{\"app\":\"web\"}},\"spec\":{"
	"\"containers\":[{\"name\":\"c\",\"image\":\"i:1\"}]}}}}";
static const char deployment_path[] = "/apis/apps/v1/namespaces/default/deployments/web";

struct wanted {
	int64_t ready;
};

// The Deployment says that all its replicas are of the newest kind and ready, and nothing else runs.
static bool settled(struct cluster *c, void *arg)
{
	const struct wanted *want = arg;
	if (cluster_running(c) != (size_t)want->ready)
		return false;
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct json *d = NULL;
	if (cluster_ask(c, &a, "GET", deployment_path, NULL, NULL, &d) != 200)
		return false;
	return json_i64(d, "status.readyReplicas", 0) == want->ready && json_i64(d, "status.updatedReplicas", 0) == want->ready &&
	       json_i64(d, "status.replicas", 0) == want->ready &&
	       json_i64(d, "status.observedGeneration", 0) == json_i64(d, "metadata.generation", -1);
}

// The default ServiceAccount is made by a controller: until then pods are refused, which the test is not about.
static bool can_begin(struct cluster *c, void *arg)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	sim_run(cluster_sim(c), TIME_S);
	return cluster_ask(c, &a, "GET", "/api/v1/namespaces/default/serviceaccounts/default", NULL, NULL, NULL) == 200;
}

static void create_deployment(struct cluster *c)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	REQUIRE(cluster_until(c, 60 * TIME_S, can_begin, NULL));
	CHECK_INT(cluster_ask(c, &a, "POST", "/apis/apps/v1/namespaces/default/deployments", NULL, deployment, NULL), 201);
}

static void patch(struct cluster *c, const char *text)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	int code = 0;
	for (int i = 0; i < 20 && code != 200; i++) // the store may refuse or lose it
		code = cluster_ask(c, &a, "PATCH", deployment_path, "application/merge-patch+json", text, NULL);
	CHECK_INT(code, 200);
}

// A life of some minutes; the digest of all that happened.
static uint64_t live(uint64_t seed)
{
	struct cluster *c = cluster_create(&(struct cluster_config){.seed = seed, .servers = 1, .nodes = 5, .pods_a_node = 50});
	create_deployment(c);
	CHECK(cluster_until(c, 60 * TIME_S, settled, &(struct wanted){.ready = 20}));
	patch(c, "{\"spec\":{\"replicas\":60}}");
	CHECK(cluster_until(c, 60 * TIME_S, settled, &(struct wanted){.ready = 60}));
	patch(c, "{\"spec\":{\"template\":{\"metadata\":{\"annotations\":{\"v\":\"2\"}}}}}");
	CHECK(cluster_until(c, 120 * TIME_S, settled, &(struct wanted){.ready = 60}));
	patch(c, "{\"spec\":{\"replicas\":3}}");
	CHECK(cluster_until(c, 60 * TIME_S, settled, &(struct wanted){.ready = 3}));
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
	create_deployment(c);
	CHECK(cluster_until(c, 60 * TIME_S, settled, &(struct wanted){.ready = 20}));
	cluster_crash_node(c, 0);
	CHECK(cluster_running(c) < 20);
	CHECK(cluster_until(c, 420 * TIME_S, settled, &(struct wanted){.ready = 20}));
	cluster_destroy(c);
}

TEST(it_converges_under_faults_with_three_servers)
{
	static const struct store_cluster_faults faults = {
		.delay_min_ns = TIME_MS / 5, .delay_max_ns = 20 * TIME_MS, .request_lost = 5, .answer_lost = 5, .refused = 20};
	const char *seeds = getenv("SEEDS");
	int count = seeds ? atoi(seeds) : 3;
	for (int seed = 1; seed <= count; seed++) {
		struct cluster *c = cluster_create(&(struct cluster_config){.seed = (uint64_t)seed, .servers = 3, .nodes = 6, .pods_a_node = 50});
		create_deployment(c);
		cluster_set_faults(c, &faults);
		patch(c, "{\"spec\":{\"replicas\":40}}");
		sim_run(cluster_sim(c), 20 * TIME_S);
		patch(c, "{\"spec\":{\"template\":{\"metadata\":{\"annotations\":{\"v\":\"2\"}}}}}");
		sim_run(cluster_sim(c), 20 * TIME_S);
		cluster_set_faults(c, NULL);
		if (!cluster_until(c, 300 * TIME_S, settled, &(struct wanted){.ready = 40}))
			unit_fail(__FILE__, __LINE__, "seed %d: it did not converge once the faults had ended", seed);
		cluster_destroy(c);
	}
}
