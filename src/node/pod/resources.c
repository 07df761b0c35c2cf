// SPDX-License-Identifier: Apache-2.0
#include "node/pod/resources.h"

#include <stdio.h>

#include "api/quantity.h"

enum { SHARES_PER_CPU = 1024, SHARES_MIN = 2, SHARES_MAX = 262144, PERIOD_US = 100000, QUOTA_MIN_US = 1000 };

static struct node_amounts amounts_of(const struct json *map)
{
	struct quantity q;
	struct node_amounts n = {0};
	if (!quantity_of(json_get(map, STR("cpu")), &q))
		n.cpu_milli = quantity_milli(q);
	if (!quantity_of(json_get(map, STR("memory")), &q))
		n.memory = quantity_value(q);
	if (!quantity_of(json_get(map, STR("ephemeral-storage")), &q))
		n.storage = quantity_value(q);
	return n;
}

static struct node_amounts plus(struct node_amounts a, struct node_amounts b)
{
	return (struct node_amounts){a.cpu_milli + b.cpu_milli, a.memory + b.memory, a.storage + b.storage,
				     a.pods + b.pods};
}

static int64_t greater(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static struct node_amounts greatest(struct node_amounts a, struct node_amounts b)
{
	return (struct node_amounts){greater(a.cpu_milli, b.cpu_milli), greater(a.memory, b.memory),
				     greater(a.storage, b.storage), greater(a.pods, b.pods)};
}

// What containers ask for together by one of their lists; what the whole pod asks for stands over it.
static struct node_amounts combine(const struct pod_spec *s, const char *list, const struct container_size *held)
{
	struct node_amounts running = {0}, starting = {0}, sidecars = {0};
	for (size_t i = 0; i < s->container_count; i++) {
		const struct json *resources = json_get(s->containers[i].json, STR("resources"));
		struct node_amounts one = amounts_of(json_get(resources, str_of(list)));
		if (held) {
			one.cpu_milli = greater(one.cpu_milli, held[i].cpu_request);
			one.memory = greater(one.memory, held[i].memory_request);
		}
		if (s->containers[i].kind == CONTAINER_SIDECAR)
			sidecars = plus(sidecars, one);
		if (s->containers[i].kind == CONTAINER_INIT)
			starting = greatest(starting, plus(one, sidecars));
		if (s->containers[i].kind == CONTAINER_MAIN)
			running = plus(running, one);
	}
	struct node_amounts all = greatest(plus(running, sidecars), starting);
	const struct json *of_pod = json_get(json_at(s->object, "spec.resources"), str_of(list));
	struct node_amounts own = amounts_of(of_pod);
	all.cpu_milli = json_get(of_pod, STR("cpu")) ? own.cpu_milli : all.cpu_milli;
	all.memory = json_get(of_pod, STR("memory")) ? own.memory : all.memory;
	return all;
}

struct node_amounts pod_requests(const struct pod_spec *s, const struct container_size *held)
{
	struct node_amounts all = combine(s, "requests", held);
	all = plus(all, amounts_of(json_at(s->object, "spec.overhead")));
	all.pods = 1;
	return all;
}

struct node_amounts pod_limit_amounts(const struct pod_spec *s)
{
	struct node_amounts overhead = amounts_of(json_at(s->object, "spec.overhead"));
	struct node_amounts all = combine(s, "limits", NULL);
	all.cpu_milli += all.cpu_milli ? overhead.cpu_milli : 0;
	all.memory += all.memory ? overhead.memory : 0;
	return all;
}

struct container_size container_size_of(const struct pod_spec *s, const struct container_spec *c)
{
	const struct json *own = json_get(c->json, STR("resources"));
	struct node_amounts requests = amounts_of(json_get(own, STR("requests")));
	struct node_amounts limits = amounts_of(json_get(own, STR("limits")));
	struct node_amounts of_pod = amounts_of(json_at(s->object, "spec.resources.limits"));
	return (struct container_size){requests.cpu_milli, limits.cpu_milli ? limits.cpu_milli : of_pod.cpu_milli,
				       requests.memory, limits.memory ? limits.memory : of_pod.memory};
}

bool container_size_same(const struct container_size *a, const struct container_size *b)
{
	return a->cpu_request == b->cpu_request && a->cpu_limit == b->cpu_limit &&
	       a->memory_request == b->memory_request && a->memory_limit == b->memory_limit;
}

// ---- for the kernel

static uint64_t shares_of(int64_t milli)
{
	int64_t shares = milli * SHARES_PER_CPU / 1000;
	return (uint64_t)(shares < SHARES_MIN ? SHARES_MIN : shares > SHARES_MAX ? SHARES_MAX : shares);
}

static int64_t quota_of(int64_t milli)
{
	int64_t quota = milli * PERIOD_US / 1000;
	return milli && quota < QUOTA_MIN_US ? QUOTA_MIN_US : quota;
}

struct cgroup_limits container_limits(const struct container_size *z)
{
	return (struct cgroup_limits){
		.cpu_shares = shares_of(z->cpu_request ? z->cpu_request : z->cpu_limit),
		.cpu_quota_us = quota_of(z->cpu_limit),
		.cpu_period_us = PERIOD_US,
		.memory_bytes = (uint64_t)z->memory_limit,
		.die_together = true,
	};
}

struct cgroup_limits pod_limits(const struct pod_spec *s)
{
	bool all_cpu = true, all_memory = true;
	for (size_t i = 0; i < s->init_count + s->main_count; i++) { // each has one, if only the pod's
		struct container_size z = container_size_of(s, &s->containers[i]);
		all_cpu &= z.cpu_limit > 0;
		all_memory &= z.memory_limit > 0;
	}
	struct node_amounts limits = pod_limit_amounts(s);
	return (struct cgroup_limits){
		.cpu_shares = shares_of(pod_requests(s, NULL).cpu_milli),
		.cpu_quota_us = all_cpu ? quota_of(limits.cpu_milli) : 0,
		.cpu_period_us = PERIOD_US,
		.memory_bytes = all_memory ? (uint64_t)limits.memory : 0,
	};
}

// What the pod asks for beyond its containers is shared out among them.
static int64_t share_of_rest(const struct pod_spec *s)
{
	const struct json *of_pod = json_at(s->object, "spec.resources.requests");
	int64_t sum = 0, count = (int64_t)(s->init_count + s->main_count);
	for (size_t i = 0; i < s->init_count + s->main_count; i++)
		sum += amounts_of(json_at(s->containers[i].json, "resources.requests")).memory;
	int64_t rest = amounts_of(of_pod).memory - sum;
	return rest > 0 && count ? rest / count : 0;
}

static int64_t least_of_mains(const struct pod_spec *s)
{
	int64_t least = INT64_MAX;
	for (size_t i = 0; i < s->container_count; i++) {
		int64_t one = amounts_of(json_at(s->containers[i].json, "resources.requests")).memory;
		if (s->containers[i].kind == CONTAINER_MAIN && one < least)
			least = one;
	}
	return least;
}

int container_oom_score(const struct pod_spec *s, const struct container_spec *c, int64_t node_memory)
{
	enum { GUARANTEED = -997, BEST_EFFORT = 1000 };
	const char *qos = pod_qos(s->object);
	if (!strcmp(qos, "Guaranteed") || json_str_is(s->object, "spec.priorityClassName", "system-node-critical"))
		return GUARANTEED;
	if (!strcmp(qos, "BestEffort") || node_memory <= 0)
		return BEST_EFFORT;
	int64_t request = amounts_of(json_at(c->json, "resources.requests")).memory;
	if (c->kind == CONTAINER_SIDECAR) // not to be killed before those that it serves
		request = greater(request, least_of_mains(s));
	int64_t score = BEST_EFFORT - BEST_EFFORT * (request + share_of_rest(s)) / node_memory;
	return score < 1000 + GUARANTEED ? 1000 + GUARANTEED : score >= BEST_EFFORT ? BEST_EFFORT - 1 : (int)score;
}

bool pod_fits(struct arena *a, const struct pod_spec *s, const struct node_amounts *allocatable,
	      const struct node_amounts *used, const char **reason, struct str *message)
{
	struct node_amounts want = pod_requests(s, NULL);
	const struct {
		const char *name, *reason;
		int64_t want, used, room;
	} all[] = {
		{"pods", "OutOfpods", want.pods, used->pods, allocatable->pods},
		{"cpu", "OutOfcpu", want.cpu_milli, used->cpu_milli, allocatable->cpu_milli},
		{"memory", "OutOfmemory", want.memory, used->memory, allocatable->memory},
		{"ephemeral-storage", "OutOfephemeral-storage", want.storage, used->storage, allocatable->storage},
	};
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		if (!all[i].want || all[i].want + all[i].used <= all[i].room)
			continue;
		*reason = all[i].reason;
		*message =
			arena_fmt(a, "Node didn't have enough resource: %s, requested: %lld, used: %lld, capacity: %lld",
				  all[i].name, (long long)all[i].want, (long long)all[i].used, (long long)all[i].room);
		return false;
	}
	return true;
}
