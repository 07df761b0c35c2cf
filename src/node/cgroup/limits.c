// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <math.h>
#include <stdio.h>

#include "node/cgroup/files.h"

enum { CPU_PERIOD_US = 100000, SHARES_MIN = 2, SHARES_MAX = 262144, WEIGHT_MIN = 1, WEIGHT_MAX = 10000 };

uint64_t cgroup_weight_of_shares(uint64_t shares)
{
	if (shares <= SHARES_MIN)
		return WEIGHT_MIN;
	if (shares >= SHARES_MAX)
		return WEIGHT_MAX;
	double bits = log2((double)shares);
	return (uint64_t)ceil(pow(10, (bits * bits + 125 * bits) / 612 - 7.0 / 34));
}

static int put(const struct cgroups *c, const char *tree, const char *path, const char *file, uint64_t value,
	       struct err *e)
{
	char text[32];
	snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	if (cgroup_write(c, tree, path, file, text) < 0)
		return err_errno(e, errno, "control group %s/%s: %s to %s", c->parent, path, file, text);
	return 0;
}

static int set_v1(const struct cgroups *c, const char *path, const struct cgroup_limits *l, struct err *e)
{
	if (l->cpu_shares && put(c, "cpu", path, "cpu.shares", l->cpu_shares, e) < 0)
		return -1;
	if (l->cpu_quota_us > 0) {
		uint64_t period = l->cpu_period_us ? l->cpu_period_us : CPU_PERIOD_US;
		if (put(c, "cpu", path, "cpu.cfs_period_us", period, e) < 0 ||
		    put(c, "cpu", path, "cpu.cfs_quota_us", (uint64_t)l->cpu_quota_us, e) < 0)
			return -1;
	}
	if (l->memory_bytes) {
		if (put(c, "memory", path, "memory.limit_in_bytes", l->memory_bytes, e) < 0)
			return -1;
		// No swap; not in all kernels.
		put(c, "memory", path, "memory.memsw.limit_in_bytes", l->memory_bytes, NULL);
	}
	return l->pids > 0 ? put(c, "pids", path, "pids.max", (uint64_t)l->pids, e) : 0;
}

static int set_v2(const struct cgroups *c, const char *path, const struct cgroup_limits *l, struct err *e)
{
	if (l->cpu_shares && put(c, "", path, "cpu.weight", cgroup_weight_of_shares(l->cpu_shares), e) < 0)
		return -1;
	if (l->cpu_quota_us > 0) {
		char text[64];
		snprintf(text, sizeof(text), "%lld %llu", (long long)l->cpu_quota_us,
			 (unsigned long long)(l->cpu_period_us ? l->cpu_period_us : CPU_PERIOD_US));
		if (cgroup_write(c, "", path, "cpu.max", text) < 0)
			return err_errno(e, errno, "control group %s/%s: cpu.max", c->parent, path);
	}
	if (l->memory_bytes) {
		if (put(c, "", path, "memory.max", l->memory_bytes, e) < 0)
			return -1;
		put(c, "", path, "memory.swap.max", 0, NULL); // not in all kernels
	}
	if (l->die_together)
		put(c, "", path, "memory.oom.group", 1, NULL); // nor this
	return l->pids > 0 ? put(c, "", path, "pids.max", (uint64_t)l->pids, e) : 0;
}

int cgroup_set(const struct cgroups *c, const char *path, const struct cgroup_limits *l, struct err *e)
{
	return c->v2 ? set_v2(c, path, l, e) : set_v1(c, path, l, e);
}
