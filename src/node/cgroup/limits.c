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

// ---- of groups in use

static int put_text(const struct cgroups *c, const char *tree, const char *path, const char *file, const char *text,
		    struct err *e)
{
	return cgroup_write(c, tree, path, file, text) < 0
		       ? err_errno(e, errno, "control group %s/%s: %s to %s", c->parent, path, file, text)
		       : 0;
}

// The limit of memory and swap together must never be below that of memory: which of them goes first depends on the
// direction. Kernels that do not count swap have only the one of memory.
static int change_memory_v1(const struct cgroups *c, const char *path, const char *bytes, struct err *e)
{
	static const char limit[] = "memory.limit_in_bytes", with_swap[] = "memory.memsw.limit_in_bytes";
	if (cgroup_write(c, "memory", path, limit, bytes) == 0) {
		cgroup_write(c, "memory", path, with_swap, bytes);
		return 0;
	}
	if (errno == EINVAL)
		cgroup_write(c, "memory", path, with_swap, bytes);
	return put_text(c, "memory", path, limit, bytes, e);
}

static int change_v1(const struct cgroups *c, const char *path, const struct cgroup_limits *l, unsigned parts,
		     struct err *e)
{
	char text[32];
	if (parts & CGROUP_SHARES && put(c, "cpu", path, "cpu.shares", l->cpu_shares, e) < 0)
		return -1;
	snprintf(text, sizeof(text), "%lld", (long long)(l->cpu_quota_us > 0 ? l->cpu_quota_us : -1));
	if (parts & CGROUP_QUOTA && put_text(c, "cpu", path, "cpu.cfs_quota_us", text, e) < 0)
		return -1;
	snprintf(text, sizeof(text), "%lld", l->memory_bytes ? (long long)l->memory_bytes : -1);
	return parts & CGROUP_MEMORY ? change_memory_v1(c, path, text, e) : 0;
}

static int change_v2(const struct cgroups *c, const char *path, const struct cgroup_limits *l, unsigned parts,
		     struct err *e)
{
	char text[64];
	if (parts & CGROUP_SHARES && put(c, "", path, "cpu.weight", cgroup_weight_of_shares(l->cpu_shares), e) < 0)
		return -1;
	if (l->cpu_quota_us > 0)
		snprintf(text, sizeof(text), "%lld %d", (long long)l->cpu_quota_us, CPU_PERIOD_US);
	else
		snprintf(text, sizeof(text), "max %d", CPU_PERIOD_US);
	if (parts & CGROUP_QUOTA && put_text(c, "", path, "cpu.max", text, e) < 0)
		return -1;
	if (!(parts & CGROUP_MEMORY))
		return 0;
	return l->memory_bytes ? put(c, "", path, "memory.max", l->memory_bytes, e)
			       : put_text(c, "", path, "memory.max", "max", e);
}

int cgroup_change(const struct cgroups *c, const char *path, const struct cgroup_limits *l, unsigned parts,
		  struct err *e)
{
	return c->v2 ? change_v2(c, path, l, parts, e) : change_v1(c, path, l, parts, e);
}

// "max 100000", "5000 100000", "-1": 0 is no limit.
static int64_t read_quota(const struct cgroups *c, const char *tree, const char *path, const char *file)
{
	char text[64];
	struct str quota, rest;
	int64_t value;
	if (cgroup_read(c, tree, path, file, text, sizeof(text)) <= 0)
		return 0;
	str_cut(str_trim(str_of(text)), ' ', &quota, &rest);
	return !str_to_i64(quota, &value) && value > 0 ? value : 0;
}

bool cgroup_read_limits(const struct cgroups *c, const char *path, struct cgroup_limits *out)
{
	enum { NO_LIMIT_BITS = 62 };
	*out = (struct cgroup_limits){.cpu_period_us = CPU_PERIOD_US};
	if (!cgroup_exists(c, path))
		return false;
	if (c->v2) {
		out->cpu_quota_us = read_quota(c, "", path, "cpu.max");
		out->memory_bytes = cgroup_read_u64(c, "", path, "memory.max");
		return true;
	}
	uint64_t memory = cgroup_read_u64(c, "memory", path, "memory.limit_in_bytes");
	out->cpu_shares = cgroup_read_u64(c, "cpu", path, "cpu.shares");
	out->cpu_quota_us = read_quota(c, "cpu", path, "cpu.cfs_quota_us");
	out->memory_bytes = memory < UINT64_C(1) << NO_LIMIT_BITS ? memory : 0;
	return true;
}

uint64_t cgroup_memory(const struct cgroups *c, const char *path)
{
	return c->v2 ? cgroup_read_u64(c, "", path, "memory.current")
		     : cgroup_read_u64(c, "memory", path, "memory.usage_in_bytes");
}
