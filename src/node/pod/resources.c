// SPDX-License-Identifier: Apache-2.0
#include "node/pod/resources.h"

#include <stdio.h>

#include "api/quantity.h"

enum { SHARES_PER_CPU = 1024, SHARES_MIN = 2, SHARES_MAX = 262144, PERIOD_US = 100000, QUOTA_MIN_US = 1000 };

static bool amount(const struct json *resources, const char *list, const char *name, struct quantity *q)
{
	return !quantity_of(json_get(json_get(resources, str_of(list)), str_of(name)), q);
}

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

struct node_amounts pod_requests(const struct pod_spec *s)
{
	struct node_amounts running = {0}, starting = {0}, sidecars = {0};
	for (size_t i = 0; i < s->container_count; i++) {
		struct node_amounts one = amounts_of(json_at(s->containers[i].json, "resources.requests"));
		if (s->containers[i].kind == CONTAINER_SIDECAR)
			sidecars = plus(sidecars, one);
		if (s->containers[i].kind == CONTAINER_INIT)
			starting = greatest(starting, plus(one, sidecars));
		if (s->containers[i].kind == CONTAINER_MAIN)
			running = plus(running, one);
	}
	struct node_amounts all = greatest(plus(running, sidecars), starting);
	const struct json *of_pod = json_at(s->object, "spec.resources.requests");
	if (of_pod) {
		struct node_amounts own = amounts_of(of_pod);
		all.cpu_milli = json_get(of_pod, STR("cpu")) ? own.cpu_milli : all.cpu_milli;
		all.memory = json_get(of_pod, STR("memory")) ? own.memory : all.memory;
	}
	all = plus(all, amounts_of(json_at(s->object, "spec.overhead")));
	all.pods = 1;
	return all;
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

static struct cgroup_limits limits_of(const struct json *resources)
{
	struct quantity q;
	struct cgroup_limits l = {.cpu_period_us = PERIOD_US};
	int64_t milli = 0;
	if (amount(resources, "requests", "cpu", &q) || amount(resources, "limits", "cpu", &q))
		milli = quantity_milli(q);
	l.cpu_shares = shares_of(milli);
	if (amount(resources, "limits", "cpu", &q))
		l.cpu_quota_us = quota_of(quantity_milli(q));
	if (amount(resources, "limits", "memory", &q))
		l.memory_bytes = (uint64_t)quantity_value(q);
	return l;
}

struct cgroup_limits container_limits(const struct container_spec *c)
{
	struct cgroup_limits l = limits_of(json_get(c->json, STR("resources")));
	l.die_together = true;
	return l;
}

struct cgroup_limits pod_limits(const struct pod_spec *s)
{
	const struct json *of_pod = json_at(s->object, "spec.resources");
	struct cgroup_limits sum = {.cpu_period_us = PERIOD_US, .cpu_shares = shares_of(pod_requests(s).cpu_milli)};
	bool all_cpu = true, all_memory = true;
	uint64_t init_memory = 0;
	int64_t init_quota = 0;
	for (size_t i = 0; i < s->init_count + s->main_count; i++) {
		struct cgroup_limits one = container_limits(&s->containers[i]);
		all_cpu &= one.cpu_quota_us > 0;
		all_memory &= one.memory_bytes > 0;
		if (s->containers[i].kind == CONTAINER_INIT) {
			init_quota = greater(init_quota, one.cpu_quota_us);
			init_memory = one.memory_bytes > init_memory ? one.memory_bytes : init_memory;
		} else {
			sum.cpu_quota_us += one.cpu_quota_us;
			sum.memory_bytes += one.memory_bytes;
		}
	}
	sum.cpu_quota_us = all_cpu ? greater(sum.cpu_quota_us, init_quota) : 0;
	sum.memory_bytes = !all_memory ? 0 : init_memory > sum.memory_bytes ? init_memory : sum.memory_bytes;
	struct cgroup_limits own = limits_of(of_pod);
	if (own.cpu_quota_us)
		sum.cpu_quota_us = own.cpu_quota_us;
	if (own.memory_bytes)
		sum.memory_bytes = own.memory_bytes;
	return sum;
}

int container_oom_score(const struct pod_spec *s, const struct container_spec *c, int64_t node_memory)
{
	enum { GUARANTEED = -997, BEST_EFFORT = 1000 };
	const char *qos = pod_qos(s->object);
	if (!strcmp(qos, "Guaranteed"))
		return GUARANTEED;
	if (!strcmp(qos, "BestEffort") || node_memory <= 0)
		return BEST_EFFORT;
	int64_t request = amounts_of(json_at(c->json, "resources.requests")).memory;
	int64_t score = BEST_EFFORT - BEST_EFFORT * request / node_memory;
	return score < 1000 + GUARANTEED ? 1000 + GUARANTEED : score >= BEST_EFFORT ? BEST_EFFORT - 1 : (int)score;
}

bool pod_fits(struct arena *a, const struct pod_spec *s, const struct node_amounts *allocatable,
	      const struct node_amounts *used, const char **reason, struct str *message)
{
	struct node_amounts want = pod_requests(s);
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
