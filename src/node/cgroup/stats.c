// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <unistd.h>

#include "node/cgroup/files.h"

enum { TEXT_MAX = 16 << 10 };

// Version 1 says "no limit" by the largest multiple of a page.
static const uint64_t no_limit = UINT64_C(1) << 62;

static uint64_t less(uint64_t whole, uint64_t part)
{
	return whole > part ? whole - part : 0;
}

// Lines "8:0 Read 4096".
static void read_blkio(const char *text, uint64_t *reads, uint64_t *writes)
{
	struct str rest = str_of(text), line, device, tail, kind, value;
	uint64_t n;
	while (str_next(&rest, '\n', &line)) {
		if (!str_cut(line, ' ', &device, &tail) || !str_cut(tail, ' ', &kind, &value) ||
		    str_to_u64(value, &n) < 0)
			continue;
		if (str_is(kind, "Read"))
			*reads += n;
		else if (str_is(kind, "Write"))
			*writes += n;
	}
}

static void read_v1(const struct cgroups *c, const char *path, char *text, struct cgroup_stats *s)
{
	uint64_t tick_ns = UINT64_C(1000000000) / (uint64_t)sysconf(_SC_CLK_TCK);
	s->cpu_ns = cgroup_read_u64(c, "cpuacct", path, "cpuacct.usage");
	cgroup_read(c, "cpuacct", path, "cpuacct.stat", text, TEXT_MAX);
	s->cpu_user_ns = cgroup_key(text, "user") * tick_ns;
	s->cpu_system_ns = cgroup_key(text, "system") * tick_ns;
	cgroup_read(c, "cpu", path, "cpu.stat", text, TEXT_MAX);
	s->cpu_periods = cgroup_key(text, "nr_periods");
	s->cpu_throttled_periods = cgroup_key(text, "nr_throttled");
	s->cpu_throttled_ns = cgroup_key(text, "throttled_time");
	s->memory_bytes = cgroup_read_u64(c, "memory", path, "memory.usage_in_bytes");
	s->memory_failures = cgroup_read_u64(c, "memory", path, "memory.failcnt");
	uint64_t limit = cgroup_read_u64(c, "memory", path, "memory.limit_in_bytes");
	s->memory_limit = limit < no_limit ? limit : 0;
	cgroup_read(c, "memory", path, "memory.stat", text, TEXT_MAX);
	s->memory_working_set = less(s->memory_bytes, cgroup_key(text, "total_inactive_file"));
	s->memory_rss = cgroup_key(text, "total_rss");
	s->memory_cache = cgroup_key(text, "total_cache");
	s->memory_swap = cgroup_key(text, "total_swap");
	s->memory_mapped_file = cgroup_key(text, "total_mapped_file");
	s->memory_faults = cgroup_key(text, "total_pgfault");
	s->memory_major_faults = cgroup_key(text, "total_pgmajfault");
	s->pids = cgroup_read_u64(c, "pids", path, "pids.current");
	cgroup_read(c, "blkio", path, "blkio.throttle.io_service_bytes_recursive", text, TEXT_MAX);
	read_blkio(text, &s->io_read_bytes, &s->io_write_bytes);
	cgroup_read(c, "blkio", path, "blkio.throttle.io_serviced_recursive", text, TEXT_MAX);
	read_blkio(text, &s->io_reads, &s->io_writes);
}

// Lines "8:0 rbytes=4096 wbytes=0 rios=1 wios=0 dbytes=0 dios=0".
static void read_io(const char *text, struct cgroup_stats *s)
{
	struct str rest = str_of(text), line, word, key, value;
	uint64_t n;
	while (str_next(&rest, '\n', &line)) {
		while (str_next(&line, ' ', &word)) {
			if (!str_cut(word, '=', &key, &value) || str_to_u64(value, &n) < 0)
				continue;
			if (str_is(key, "rbytes"))
				s->io_read_bytes += n;
			else if (str_is(key, "wbytes"))
				s->io_write_bytes += n;
			else if (str_is(key, "rios"))
				s->io_reads += n;
			else if (str_is(key, "wios"))
				s->io_writes += n;
		}
	}
}

static void read_v2(const struct cgroups *c, const char *path, char *text, struct cgroup_stats *s)
{
	cgroup_read(c, "", path, "cpu.stat", text, TEXT_MAX);
	s->cpu_ns = cgroup_key(text, "usage_usec") * 1000;
	s->cpu_user_ns = cgroup_key(text, "user_usec") * 1000;
	s->cpu_system_ns = cgroup_key(text, "system_usec") * 1000;
	s->cpu_periods = cgroup_key(text, "nr_periods");
	s->cpu_throttled_periods = cgroup_key(text, "nr_throttled");
	s->cpu_throttled_ns = cgroup_key(text, "throttled_usec") * 1000;
	s->memory_bytes = cgroup_read_u64(c, "", path, "memory.current");
	s->memory_limit = cgroup_read_u64(c, "", path, "memory.max");
	s->memory_swap = cgroup_read_u64(c, "", path, "memory.swap.current");
	cgroup_read(c, "", path, "memory.events", text, TEXT_MAX);
	s->memory_failures = cgroup_key(text, "max");
	cgroup_read(c, "", path, "memory.stat", text, TEXT_MAX);
	s->memory_working_set = less(s->memory_bytes, cgroup_key(text, "inactive_file"));
	s->memory_rss = cgroup_key(text, "anon");
	s->memory_cache = cgroup_key(text, "file");
	s->memory_mapped_file = cgroup_key(text, "file_mapped");
	s->memory_faults = cgroup_key(text, "pgfault");
	s->memory_major_faults = cgroup_key(text, "pgmajfault");
	s->pids = cgroup_read_u64(c, "", path, "pids.current");
	cgroup_read(c, "", path, "io.stat", text, TEXT_MAX);
	read_io(text, s);
}

int cgroup_read_stats(const struct cgroups *c, const char *path, struct cgroup_stats *out, struct err *e)
{
	if (!cgroup_exists(c, path))
		return err_set(e, ERR_NOT_FOUND, "no control group %s/%s", c->parent, path);
	char *text CLEAN_FREE = mem_alloc(TEXT_MAX);
	*out = (struct cgroup_stats){0};
	if (c->v2)
		read_v2(c, path, text, out);
	else
		read_v1(c, path, text, out);
	return 0;
}

uint64_t cgroup_oom_kills(const struct cgroups *c, const char *path)
{
	char text[1024];
	if (c->v2)
		cgroup_read(c, "", path, "memory.events", text, sizeof(text));
	else
		cgroup_read(c, "memory", path, "memory.oom_control", text, sizeof(text));
	return cgroup_key(text, "oom_kill");
}
