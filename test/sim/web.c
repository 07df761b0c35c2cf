// SPDX-License-Identifier: Apache-2.0
#include "web.h"

#include "base/times.h"
#include "unit.h"

static const char deployment[] =
	"{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"web\"},\"spec\":{\"replicas\":20,\"selector\":{"
	"\"matchLabels\":{\"app\":\"web\"}},\"template\":{\"metadata\":{\"labels\":{\"app\":\"web\"}},\"spec\":{"
	"\"containers\":[{\"name\":\"c\",\"image\":\"i:1\"}]}}}}";

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
	if (cluster_ask(c, &a, "GET", WEB, NULL, NULL, &d) != 200)
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

void web_create(struct cluster *c)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	REQUIRE(cluster_until(c, 60 * TIME_S, can_begin, NULL));
	CHECK_INT(cluster_ask(c, &a, "POST", "/apis/apps/v1/namespaces/default/deployments", NULL, deployment, NULL), 201);
}

void web_patch(struct cluster *c, const char *text)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	int code = 0;
	for (int i = 0; i < 20 && code != 200; i++) // the store may refuse or lose it
		code = cluster_ask(c, &a, "PATCH", WEB, "application/merge-patch+json", text, NULL);
	CHECK_INT(code, 200);
}

bool web_settles(struct cluster *c, int64_t limit_ns, int64_t ready)
{
	return cluster_until(c, limit_ns, settled, &(struct wanted){.ready = ready});
}
