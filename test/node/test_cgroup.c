// SPDX-License-Identifier: Apache-2.0
// Control groups of both versions over imitated trees: what is written where, and what is read back.
#include <pthread.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "node/cgroup/cgroup.h"
#include "node/images/tree.h"
#include "tar_maker.h"
#include "unit.h"

struct tree {
	struct arena a;
	char *root;
	struct cgroups c;
};

static void put(struct tree *t, const char *path, const char *text)
{
	const char *name = arena_fmt(&t->a, "%s/%s", t->root, path).p;
	char *dir = arena_c(&t->a, str_of(name));
	*strrchr(dir, '/') = 0;
	MUST(tree_make_dirs(dir, 0755) == 0);
	write_file(name, str_of(text));
}

static struct str get(struct tree *t, const char *path)
{
	char text[256] = "(absent)";
	FILE *f = fopen(arena_fmt(&t->a, "%s/%s", t->root, path).p, "re");
	if (f) {
		text[fread(text, 1, sizeof(text) - 1, f)] = 0;
		fclose(f);
	}
	return arena_str(&t->a, str_of(text));
}

static const char *const v2_files[] = {"cgroup.controllers", "cgroup.subtree_control", "onggi/cgroup.subtree_control",
				       "onggi/podx/cgroup.subtree_control", "onggi/podx/c1/cgroup.subtree_control",
				       "onggi/monitors/cgroup.subtree_control"};

static void set_up(struct tree *t, bool v2)
{
	static const char *const v1[] = {"cpu", "cpuacct", "memory", "pids", "blkio", "cpuset", "systemd"};
	arena_init(&t->a);
	t->root = test_dir("cgroup");
	for (size_t i = 0; v2 && i < ARRAY_LEN(v2_files); i++)
		put(t, v2_files[i], i ? "" : "cpu memory pids io\n");
	for (size_t i = 0; !v2 && i < ARRAY_LEN(v1); i++)
		put(t, arena_fmt(&t->a, "%s/cgroup.procs", v1[i]).p, "");
	REQUIRE(cgroups_init(&t->c, t->root, "/onggi", NULL) == 0);
	CHECK(t->c.v2 == v2);
}

static void tear_down(struct tree *t)
{
	test_dir_remove(t->root);
	arena_finish(&t->a);
}
#define CLEAN_TREE __attribute__((cleanup(tear_down)))

static const struct cgroup_limits limits = {.cpu_shares = 512, .cpu_quota_us = 50000, .memory_bytes = 1 << 20, .pids = 9, .die_together = true};

TEST(version_1)
{
	struct tree t CLEAN_TREE;
	set_up(&t, false);
	static const char *const files[] = {"cpu/onggi/podx/cpu.shares", "cpu/onggi/podx/cpu.cfs_quota_us", "cpu/onggi/podx/cpu.cfs_period_us",
					    "memory/onggi/podx/memory.limit_in_bytes", "memory/onggi/podx/memory.memsw.limit_in_bytes",
					    "pids/onggi/podx/pids.max", "systemd/onggi/podx/cgroup.procs"};
	CHECK(t.c.tree_count == 7);
	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		put(&t, files[i], "");
	REQUIRE(cgroup_make(&t.c, "podx", &limits, NULL) == 0);
	CHECK_STR(get(&t, files[0]), "512");
	CHECK_STR(get(&t, files[1]), "50000");
	CHECK_STR(get(&t, files[2]), "100000");
	CHECK_STR(get(&t, files[3]), "1048576");
	CHECK_STR(get(&t, files[4]), "1048576");
	CHECK_STR(get(&t, files[5]), "9");
	put(&t, "cpuacct/onggi/podx/cpuacct.usage", "5000000000\n");
	put(&t, "cpuacct/onggi/podx/cpuacct.stat", "user 100\nsystem 50\n");
	put(&t, "cpu/onggi/podx/cpu.stat", "nr_periods 4\nnr_throttled 2\nthrottled_time 77\n");
	put(&t, "memory/onggi/podx/memory.usage_in_bytes", "9000\n");
	put(&t, "memory/onggi/podx/memory.stat", "cache 1\nrss 1\ntotal_cache 3000\ntotal_rss 5000\ntotal_inactive_file 1000\n");
	put(&t, "memory/onggi/podx/memory.limit_in_bytes", "9223372036854771712\n");
	put(&t, "memory/onggi/podx/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n");
	put(&t, "pids/onggi/podx/pids.current", "2\n");
	put(&t, "pids/onggi/podx/cgroup.procs", "17\n4711\n");
	put(&t, "blkio/onggi/podx/blkio.throttle.io_service_bytes_recursive", "8:0 Read 10\n8:0 Write 20\n8:16 Read 5\nTotal 35\n");
	struct cgroup_stats s;
	REQUIRE(cgroup_read_stats(&t.c, "podx", &s, NULL) == 0);
	CHECK_INT(s.cpu_ns, 5000000000);
	CHECK_INT(s.cpu_user_ns, 1000000000);
	CHECK(s.cpu_periods == 4 && s.cpu_throttled_periods == 2 && s.cpu_throttled_ns == 77);
	CHECK(s.memory_bytes == 9000 && s.memory_working_set == 8000 && s.memory_rss == 5000 && s.memory_limit == 0);
	CHECK(s.pids == 2 && s.io_read_bytes == 15 && s.io_write_bytes == 20);
	CHECK_INT(cgroup_oom_kills(&t.c, "podx"), 3);
	pid_t *pids;
	size_t count;
	REQUIRE(cgroup_pids(&t.c, &t.a, "podx", &pids, &count, NULL) == 0);
	CHECK(count == 2 && pids[1] == 4711);
	CHECK(!cgroup_is_empty(&t.c, "podx"));
}

TEST(version_2)
{
	struct tree t CLEAN_TREE;
	set_up(&t, true);
	static const char *const files[] = {"onggi/podx/cpu.weight", "onggi/podx/cpu.max", "onggi/podx/memory.max",
					    "onggi/podx/memory.swap.max", "onggi/podx/pids.max", "onggi/podx/memory.oom.group"};
	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		put(&t, files[i], "");
	REQUIRE(cgroup_make(&t.c, "podx", &limits, NULL) == 0);
	CHECK_STR(get(&t, files[0]), "59");
	CHECK_STR(get(&t, files[1]), "50000 100000");
	CHECK_STR(get(&t, files[2]), "1048576");
	CHECK_STR(get(&t, files[3]), "0");
	CHECK_STR(get(&t, files[4]), "9");
	CHECK_STR(get(&t, files[5]), "1");
	put(&t, "onggi/podx/cpu.stat", "usage_usec 5000\nuser_usec 3000\nsystem_usec 2000\nnr_periods 4\nnr_throttled 2\nthrottled_usec 7\n");
	put(&t, "onggi/podx/memory.current", "9000\n");
	put(&t, "onggi/podx/memory.max", "max\n");
	put(&t, "onggi/podx/memory.stat", "anon 5000\nfile 3000\ninactive_file 1000\npgfault 12\n");
	put(&t, "onggi/podx/memory.events", "low 0\nhigh 0\nmax 6\noom 1\noom_kill 1\n");
	put(&t, "onggi/podx/io.stat", "8:0 rbytes=10 wbytes=20 rios=1 wios=2 dbytes=0 dios=0\n8:16 rbytes=5 wbytes=0 rios=1 wios=0\n");
	struct cgroup_stats s;
	REQUIRE(cgroup_read_stats(&t.c, "podx", &s, NULL) == 0);
	CHECK(s.cpu_ns == 5000000 && s.cpu_user_ns == 3000000 && s.cpu_throttled_ns == 7000);
	CHECK(s.memory_bytes == 9000 && s.memory_working_set == 8000 && s.memory_rss == 5000 && s.memory_limit == 0);
	CHECK(s.memory_failures == 6 && s.memory_faults == 12);
	CHECK(s.io_read_bytes == 15 && s.io_writes == 2);
	CHECK_INT(cgroup_oom_kills(&t.c, "podx"), 1);
	struct err e CLEAN_ERR = ERR_EMPTY;
	CHECK(cgroup_read_stats(&t.c, "pody", &s, &e) < 0 && e.reason == ERR_NOT_FOUND);
}

// The kernel lets a group of version 2 either pass controllers down or hold processes.
TEST(version_2_groups_that_hold_processes_pass_nothing_down)
{
	struct tree t CLEAN_TREE;
	set_up(&t, true);
	struct cgroup_limits none = {0};
	REQUIRE(cgroup_make(&t.c, "podx", &none, NULL) == 0 && cgroup_make(&t.c, "podx/c1", &none, NULL) == 0);
	for (size_t i = 1; i <= 3; i++)
		CHECK(str_find(get(&t, v2_files[i]), '+') == 0);
	CHECK_STR(get(&t, v2_files[4]), "");
	CHECK_STR(get(&t, v2_files[5]), "");
}

TEST(weights)
{
	CHECK_INT(cgroup_weight_of_shares(2), 1);
	CHECK_INT(cgroup_weight_of_shares(3), 2);
	CHECK_INT(cgroup_weight_of_shares(102), 17);
	CHECK_INT(cgroup_weight_of_shares(1024), 100);
	CHECK_INT(cgroup_weight_of_shares(262144), 10000);
	CHECK_INT(cgroup_weight_of_shares(0), 1);
}

TEST(no_control_groups_at_all)
{
	char *root = test_dir("cgroup");
	struct cgroups c;
	struct err e CLEAN_ERR = ERR_EMPTY;
	CHECK(cgroups_init(&c, root, "/onggi", &e) < 0 && e.reason == ERR_UNAVAILABLE);
	test_dir_remove(root);
}

// A list longer than what is read of it at once: its last line may be half a number, which would be another process.
TEST(more_processes_than_are_read_at_once)
{
	struct tree t CLEAN_TREE;
	struct buf list CLEAN_BUF;
	pid_t *pids;
	size_t count;
	set_up(&t, true);
	buf_init(&list);
	for (int i = 0; i < 20000; i++)
		buf_fmt(&list, "%d\n", 100000 + i);
	put(&t, "onggi/podx/cgroup.procs", arena_str(&t.a, buf_str(&list)).p);
	REQUIRE(cgroup_pids(&t.c, &t.a, "podx", &pids, &count, NULL) == 0);
	CHECK(count > 1000);
	for (size_t i = 0; i < count; i++)
		CHECK_INT(pids[i], 100000 + i);
}

static void *remove_deep(void *c)
{
	return (void *)(intptr_t)cgroup_remove(c, "deep", NULL);
}

// Whoever may make groups may make them deep.
TEST(groups_of_any_depth)
{
	struct tree t CLEAN_TREE;
	struct buf path CLEAN_BUF;
	pthread_t thread;
	void *result;
	set_up(&t, true);
	buf_init(&path);
	buf_fmt(&path, "%s/onggi/deep", t.root);
	for (int i = 0; i < 1900; i++)
		buf_fmt(&path, "/a");
	REQUIRE(tree_make_dirs(arena_str(&t.a, buf_str(&path)).p, 0755) == 0);
	struct rlimit before, few = {.rlim_cur = 100};
	getrlimit(RLIMIT_NOFILE, &before);
	few.rlim_max = before.rlim_max;
	setrlimit(RLIMIT_NOFILE, &few);
	REQUIRE(pthread_create(&thread, NULL, remove_deep, &t.c) == 0); // on a stack as the pool's
	pthread_join(thread, &result);
	setrlimit(RLIMIT_NOFILE, &before);
	CHECK(result == NULL);
	CHECK(!cgroup_exists(&t.c, "deep"));
}

// The kernel's own, where we may.
TEST(real_groups)
{
	struct cgroups c;
	struct cgroup_limits l = {.pids = 20, .memory_bytes = 64 << 20};
	char parent[32];
	if (geteuid() != 0)
		unit_skip("needs root");
	REQUIRE(node_isolate(NULL, NULL) == 0);
	snprintf(parent, sizeof(parent), "/onggi-unit-%d", (int)getpid());
	if (cgroups_init(&c, NULL, parent, NULL) < 0)
		unit_skip("no control groups");
	CHECK(cgroup_make(&c, "podx", &l, NULL) == 0);
	CHECK(cgroup_make(&c, "podx/c1", &l, NULL) == 0);
	pid_t child = fork();
	if (child == 0) {
		pause();
		_exit(0);
	}
	CHECK(cgroup_enter(&c, CGROUP_MONITORS, child, NULL) == 0);
	CHECK(cgroup_enter(&c, "podx/c1", child, NULL) == 0);
	CHECK(!cgroup_is_empty(&c, "podx"));
	CHECK(cgroup_remove(&c, "podx", NULL) < 0);
	CHECK(cgroup_kill(&c, "podx") > 0);
	waitpid(child, NULL, 0);
	CHECK(cgroup_is_empty(&c, "podx"));
	CHECK(cgroup_remove(&c, "podx", NULL) == 0);
	CHECK(cgroup_remove(&c, "podx", NULL) == 0);
	cgroups_drop(&c);
	CHECK(!cgroup_exists(&c, ""));
}

// Only the parts that are named, and "no limit" as each version says it.
TEST(changes_of_groups_in_use)
{
	static const char *const v1[] = {"cpu/onggi/podx/cpu.shares", "cpu/onggi/podx/cpu.cfs_quota_us", "memory/onggi/podx/memory.limit_in_bytes",
					 "memory/onggi/podx/memory.memsw.limit_in_bytes"};
	static const char *const v2[] = {"onggi/podx/cpu.weight", "onggi/podx/cpu.max", "onggi/podx/memory.max", "onggi/podx/memory.swap.max"};
	static const char *const limited[2][4] = {{"512", "50000", "1048576", "1048576"}, {"59", "50000 100000", "1048576", ""}};
	static const char *const unlimited[2][4] = {{"512", "-1", "-1", "-1"}, {"59", "max 100000", "max", ""}};
	for (int version = 1; version <= 2; version++) {
		const char *const *files = version == 1 ? v1 : v2;
		const char *const *want = limited[version - 1], *const *open = unlimited[version - 1];
		struct cgroup_limits none = {.cpu_shares = 512};
		struct tree t CLEAN_TREE;
		set_up(&t, version == 2);
		for (size_t i = 0; i < 4; i++)
			put(&t, files[i], "");
		REQUIRE(cgroup_change(&t.c, "podx", &limits, CGROUP_QUOTA, NULL) == 0);
		CHECK_STR(get(&t, files[0]), "");
		CHECK_STR(get(&t, files[1]), want[1]);
		CHECK_STR(get(&t, files[2]), "");
		put(&t, files[1], "");
		REQUIRE(cgroup_change(&t.c, "podx", &limits, CGROUP_SHARES | CGROUP_QUOTA | CGROUP_MEMORY, NULL) == 0);
		for (size_t i = 0; i < 4; i++) {
			CHECK_STR(get(&t, files[i]), want[i]);
			put(&t, files[i], "");
		}
		REQUIRE(cgroup_change(&t.c, "podx", &none, CGROUP_SHARES | CGROUP_QUOTA | CGROUP_MEMORY, NULL) == 0);
		for (size_t i = 0; i < 4; i++)
			CHECK_STR(get(&t, files[i]), open[i]);
		put(&t, version == 1 ? "memory/onggi/podx/memory.usage_in_bytes" : "onggi/podx/memory.current", "9000\n");
		CHECK_INT(cgroup_memory(&t.c, "podx"), 9000);
		struct cgroup_limits read;
		put(&t, version == 1 ? "pids/onggi/podx/cgroup.procs" : "onggi/podx/cgroup.procs", "");
		REQUIRE(cgroup_read_limits(&t.c, "podx", &read));
		CHECK(read.cpu_quota_us == 0 && read.memory_bytes == 0 && read.cpu_shares == (version == 1 ? 512 : 0));
		for (size_t i = 0; i < 4; i++)
			put(&t, files[i], "");
		REQUIRE(cgroup_change(&t.c, "podx", &limits, CGROUP_QUOTA | CGROUP_MEMORY, NULL) == 0);
		REQUIRE(cgroup_read_limits(&t.c, "podx", &read));
		CHECK(read.cpu_quota_us == 50000 && read.memory_bytes == 1 << 20);
		CHECK(!cgroup_read_limits(&t.c, "pody", &read));
		struct err e CLEAN_ERR = ERR_EMPTY;
		CHECK(cgroup_change(&t.c, "pody", &limits, CGROUP_MEMORY, &e) < 0 && e.reason == ERR_NOT_FOUND);
	}
}
