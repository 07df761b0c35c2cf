// SPDX-License-Identifier: Apache-2.0
// What must hold at every step of a cluster's life, faults or not: everybody who watches hears the same, in order and
// without a gap; a pod never changes its node; a rollout keeps its bounds.
#include <stdlib.h>

#include "base/times.h"
#include "client/scan.h"
#include "unit.h"
#include "web.h"
#include "witness.h"

enum { SERVERS = 3 };

static const struct store_cluster_faults faults = {
	.delay_min_ns = TIME_MS / 5, .delay_max_ns = 20 * TIME_MS, .request_lost = 5, .answer_lost = 5, .refused = 20};

static int seeds(void)
{
	const char *wanted = getenv("SEEDS");
	return wanted ? atoi(wanted) : 3;
}

static void change_template(struct cluster *c, int version)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	web_patch(c, arena_fmt(&a, "{\"spec\":{\"template\":{\"metadata\":{\"annotations\":{\"v\":\"%d\"}}}}}", version).p);
}

static int64_t draw(struct cluster *c, int64_t bound)
{
	return (int64_t)sim_random_below(cluster_sim(c), (uint64_t)bound);
}

// ---- all hear the same

static const char *const watched[] = {"/api/v1/pods", "/apis/discovery.k8s.io/v1/endpointslices",
				       "/apis/apps/v1/replicasets", "/apis/apps/v1/deployments", "/api/v1/events"};

struct witnesses {
	struct chronicle chronicles[ARRAY_LEN(watched)];
	struct witness *of[ARRAY_LEN(watched)][SERVERS];
	size_t moved; // pods that changed their node
};

static struct str node_of(struct str pod)
{
	return scan_get_str(scan_get(pod, "spec"), "nodeName");
}

static struct str uid_of(struct str object)
{
	return scan_get_str(scan_get(object, "metadata"), "uid");
}

static void judge_node(void *arg, struct str before, struct str now)
{
	struct witnesses *w = arg;
	bool same_pod = before.n && now.n && str_eq(uid_of(before), uid_of(now));
	w->moved += same_pod && !str_empty(node_of(before)) && !str_eq(node_of(before), node_of(now));
}

static void witnesses_come(struct witnesses *w, struct cluster *c)
{
	*w = (struct witnesses){0};
	for (size_t r = 0; r < ARRAY_LEN(watched); r++) {
		for (size_t i = 0; i < SERVERS; i++)
			w->of[r][i] = witness_create(cluster_client(c, i), watched[r], &w->chronicles[r],
						     r == 0 ? judge_node : NULL, w);
	}
}

// Once nothing happens any more.
static void witnesses_swear(struct witnesses *w, struct cluster *c, int seed)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	CHECK_INT(w->moved, 0);
	for (size_t r = 0; r < ARRAY_LEN(watched); r++) {
		struct json *list = NULL;
		CHECK_INT(cluster_ask(c, &a, "GET", watched[r], NULL, NULL, &list), 200);
		for (size_t i = 0; i < SERVERS; i++) {
			const char *complaint = witness_complaint(w->of[r][i]);
			if (complaint)
				unit_fail(__FILE__, __LINE__, "seed %d: server %zu, %s: %s", seed, i, watched[r], complaint);
			if (!witness_agrees(w->of[r][i], list))
				unit_fail(__FILE__, __LINE__, "seed %d: server %zu, %s: not what the list shows", seed, i,
					  watched[r]);
		}
	}
}

static void witnesses_go(struct witnesses *w)
{
	for (size_t r = 0; r < ARRAY_LEN(watched); r++) {
		for (size_t i = 0; i < SERVERS; i++)
			witness_destroy(w->of[r][i]);
		chronicle_finish(&w->chronicles[r]);
	}
}

// For a while a server does not hear from the store. By chance what it missed is forgotten, which ends its watches.
static void cut_one(struct cluster *c)
{
	size_t server = (size_t)draw(c, SERVERS);
	cluster_cut(c, server, true);
	sim_run(cluster_sim(c), TIME_S + draw(c, 10 * TIME_S));
	if (draw(c, 2))
		cluster_forget(c);
	cluster_cut(c, server, false);
}

static const char service[] = "{\"metadata\":{\"name\":\"web\"},\"spec\":{\"selector\":{\"app\":\"web\"},\"ports\":[{\"port\":80}]}}";

// Whether the Service's slices name every pod once, and no other.
static bool service_leads_to_all(struct cluster *c, size_t pods)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct json *slices = NULL, *endpoints = NULL;
	cluster_ask(c, &a, "GET", "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices", NULL, NULL, &slices);
	cluster_ask(c, &a, "GET", "/api/v1/namespaces/default/endpoints/web", NULL, NULL, &endpoints);
	size_t ready = 0, listed = 0;
	json_each(slice, json_get(slices, STR("items"))) {
		if (!json_str_is(slice, "metadata.ownerReferences.0.name", "web"))
			continue;
		json_each(endpoint, json_at(slice, "endpoints")) {
			listed++;
			ready += json_is_true(endpoint, "conditions.ready");
		}
	}
	const struct json *addresses = json_at(endpoints, "subsets.0.addresses");
	return listed == pods && ready == pods && addresses && addresses->count == pods;
}

static void live_watched(int seed)
{
	struct cluster *c = cluster_create(
		&(struct cluster_config){.seed = (uint64_t)seed, .servers = SERVERS, .nodes = 6, .pods_a_node = 50});
	struct witnesses w;
	witnesses_come(&w, c);
	web_create(c);
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	CHECK_INT(cluster_ask(c, &a, "POST", "/api/v1/namespaces/default/services", NULL, service, NULL), 201);
	cluster_set_faults(c, &faults);
	for (int version = 2; version < 5; version++) {
		change_template(c, version);
		sim_run(cluster_sim(c), draw(c, 10 * TIME_S));
		cut_one(c);
	}
	web_patch(c, "{\"spec\":{\"replicas\":30}}");
	cluster_set_faults(c, NULL);
	if (!web_settles(c, 300 * TIME_S, 30))
		unit_fail(__FILE__, __LINE__, "seed %d: it did not converge once the faults had ended", seed);
	sim_run(cluster_sim(c), 30 * TIME_S);
	witnesses_swear(&w, c, seed);
	if (!service_leads_to_all(c, 30))
		unit_fail(__FILE__, __LINE__, "seed %d: the Service does not lead to every pod once", seed);
	witnesses_go(&w);
	cluster_destroy(c);
}

TEST(all_who_watch_hear_the_same_in_order_and_without_a_gap)
{
	for (int seed = 1; seed <= seeds(); seed++)
		live_watched(seed);
}

// ---- a rollout keeps its bounds

struct bounds {
	int64_t living, available; // pods
	int64_t most, least;	   // of each so far; `least` once there were enough
	bool begun;
};

static bool is_living(struct str pod)
{
	return pod.n && scan_get(scan_get(pod, "metadata"), "deletionTimestamp").n == 0;
}

static bool is_available(struct str pod)
{
	struct str conditions = scan_get(scan_get(pod, "status"), "conditions"), one;
	bool ready = false;
	while (scan_element(&conditions, &one))
		ready |= str_is(scan_get_str(one, "type"), "Ready") && str_is(scan_get_str(one, "status"), "True");
	return ready && is_living(pod);
}

static void judge_bounds(void *arg, struct str before, struct str now)
{
	struct bounds *b = arg;
	b->living += is_living(now) - is_living(before);
	b->available += is_available(now) - is_available(before);
	if (!b->begun)
		return;
	b->most = b->living > b->most ? b->living : b->most;
	b->least = b->available < b->least ? b->available : b->least;
}

static void set_strategy(struct cluster *c, int64_t surge, int64_t unavailable)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	web_patch(c, arena_fmt(&a, "{\"spec\":{\"strategy\":{\"rollingUpdate\":{\"maxSurge\":%lld,\"maxUnavailable\":%lld}}}}",
			       (long long)surge, (long long)unavailable).p);
}

enum { REPLICAS_LEAST = 15, REPLICAS_MOST = 25 };

static void scale(struct cluster *c, int64_t replicas)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	web_patch(c, arena_fmt(&a, "{\"spec\":{\"replicas\":%lld}}", (long long)replicas).p);
}

// Templates and sizes change while earlier changes still roll, as the store loses requests and refuses others.
static void roll_watched(int seed)
{
	struct cluster *c = cluster_create(&(struct cluster_config){
		.seed = (uint64_t)seed, .servers = SERVERS, .leaders = 1, .nodes = 6, .pods_a_node = 50});
	struct bounds b = {.least = INT64_MAX};
	struct chronicle chronicle = {0};
	web_create(c);
	int64_t surge = draw(c, 8), unavailable = draw(c, 8) + !surge;
	set_strategy(c, surge, unavailable);
	CHECK(web_settles(c, 60 * TIME_S, 20));
	struct witness *w = witness_create(cluster_client(c, 1), "/api/v1/pods", &chronicle, judge_bounds, &b);
	sim_run(cluster_sim(c), 5 * TIME_S);
	b.begun = true;
	cluster_set_faults(c, &faults);
	for (int version = 2; version < 6; version++) {
		change_template(c, version);
		sim_run(cluster_sim(c), draw(c, 5 * TIME_S));
		scale(c, REPLICAS_LEAST + draw(c, REPLICAS_MOST - REPLICAS_LEAST + 1));
		sim_run(cluster_sim(c), draw(c, 2 * TIME_S));
	}
	cluster_set_faults(c, NULL);
	scale(c, 20);
	if (!web_settles(c, 300 * TIME_S, 20))
		unit_fail(__FILE__, __LINE__, "seed %d: it did not converge once the faults had ended", seed);
	if (b.most > REPLICAS_MOST + surge || b.least < REPLICAS_LEAST - unavailable)
		unit_fail(__FILE__, __LINE__, "seed %d: %lld living at most with a surge of %lld, %lld available at least "
			  "with %lld that may be missing", seed, (long long)b.most, (long long)surge, (long long)b.least,
			  (long long)unavailable);
	witness_destroy(w);
	chronicle_finish(&chronicle);
	cluster_destroy(c);
}

TEST(a_rollout_keeps_its_bounds_at_every_step)
{
	for (int seed = 1; seed <= seeds(); seed++)
		roll_watched(seed);
}
