// SPDX-License-Identifier: Apache-2.0
// The life of real containers.
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/times.h"
#include "node/images/tree.h"
#include "node/stream/stream_server.h"
#include "runtime_fixture.h"
#include "tar_maker.h"
#include "unit.h"

TEST(runs_to_its_end)
{
	struct rig g CLEAN_RIG;
	rig_set_up(&g);
	REQUIRE(rig_run(&g, "c1", "echo hello; hostname; exit 3") == 0);
	rig_wait_exit(&g, "c1");
	CHECK_INT(g.exited.exit_code, 3);
	CHECK(!g.exited.oom_killed && !g.exited.lost && g.exited.signal == 0);
	CHECK(g.exited.created && g.exited.started >= g.exited.created && g.exited.finished >= g.exited.started);
	CHECK_STR(rig_log(&g, "c1"), "hello\npod-host");
	struct runtime_state s;
	REQUIRE(runtime_state(g.runtime, &g.a, STR("c1"), &s));
	CHECK(s.phase == RUNTIME_EXITED && s.pid == 0);
	CHECK_STR(s.note, "a note");
	CHECK(rig_remove(&g, "c1") == 0);
	CHECK(rig_remove(&g, "c1") == 0);
	CHECK(!runtime_state(g.runtime, &g.a, STR("c1"), &s));
	CHECK_INT(g.exits, 1);
	CHECK(rig_pod_remove(&g, "p1") == 0);
	CHECK(rig_pod_remove(&g, "p1") == 0);
}

TEST(signals_end_it)
{
	struct rig g CLEAN_RIG;
	rig_set_up(&g);
	REQUIRE(rig_run(&g, "c1", "trap 'exit 7' TERM; while :; do sleep 0.01; done") == 0);
	rig_turn(&g, 100);
	CHECK(runtime_kill(g.runtime, STR("c1"), SIGTERM, &g.e) == 0);
	rig_wait_exit(&g, "c1");
	CHECK_INT(g.exited.exit_code, 7);
	struct err e CLEAN_ERR = ERR_EMPTY;
	CHECK(runtime_kill(g.runtime, STR("c1"), SIGTERM, &e) < 0 && e.reason == ERR_NOT_FOUND);
	REQUIRE(rig_run(&g, "c2", "sleep 100 & sleep 100") == 0);
	CHECK(runtime_kill(g.runtime, STR("c2"), SIGKILL, &g.e) == 0);
	rig_wait_exit(&g, "c2");
	CHECK_INT(g.exited.exit_code, 137);
	CHECK_INT(g.exited.signal, SIGKILL);
	CHECK(!g.exited.oom_killed);
}

TEST(out_of_memory_is_told)
{
	struct rig g CLEAN_RIG;
	rig_set_up(&g);
	struct runtime_container_spec s = rig_spec(&g, "c1", "head -c 100000000 /dev/zero | tail");
	s.args = (struct str[]){STR("/bin/tail"), STR("/dev/zero")};
	s.arg_count = 2;
	s.limits.memory_bytes = 20 << 20;
	REQUIRE(rig_pod(&g, "p1") == 0 && rig_create(&g, &s) == 0 && rig_start(&g, "c1") == 0);
	rig_wait_exit(&g, "c1");
	CHECK_INT(g.exited.exit_code, 137);
	CHECK(g.exited.oom_killed);
}

TEST(limits_are_set)
{
	struct rig g CLEAN_RIG;
	rig_set_up(&g);
	struct runtime_container_spec s = rig_spec(&g, "c1", "(for i in 1 2 3 4 5 6 7 8 9; do sleep 100 & done); exec sleep 100");
	s.limits = (struct cgroup_limits){.cpu_shares = 512, .cpu_quota_us = 20000, .memory_bytes = 64 << 20, .pids = 5};
	REQUIRE(rig_pod(&g, "p1") == 0 && rig_create(&g, &s) == 0 && rig_start(&g, "c1") == 0);
	struct cgroup_stats stats = {0};
	for (int i = 0; i < 200 && stats.pids <= 1; i++) {
		rig_turn(&g, 25);
		REQUIRE(runtime_stats(g.runtime, STR("c1"), &stats, NULL) == 0);
	}
	CHECK_INT(stats.memory_limit, 64 << 20);
	CHECK(stats.pids <= 5 && stats.pids > 1);
	CHECK(stats.cpu_ns > 0 && stats.memory_bytes > 0);
	CHECK(runtime_pod_stats(g.runtime, STR("p1"), &stats, NULL) == 0 && stats.cpu_ns > 0);
}

struct resized {
	bool done, failed;
	char text[200];
};

static void on_resized(void *arg, const struct err *e)
{
	struct resized *r = arg;
	r->done = true;
	r->failed = e != NULL;
	snprintf(r->text, sizeof(r->text), "%s", e ? err_text(e) : "");
}

static struct resized resize(struct rig *g, const struct runtime_resize_step *steps, size_t count)
{
	struct resized r = {0};
	runtime_resize(g->runtime, STR("p1"), steps, count, on_resized, &r);
	REQUIRE(rig_until(g, &r.done));
	return r;
}

static void check_memory(struct rig *g, uint64_t bytes)
{
	struct cgroup_stats stats;
	REQUIRE(runtime_stats(g->runtime, STR("c1"), &stats, NULL) == 0);
	CHECK_INT(stats.memory_limit, bytes);
}

// Limits change under what runs, with its note; of what is in use nothing is taken away.
TEST(resized_while_it_runs)
{
	struct rig g CLEAN_RIG;
	rig_set_up(&g);
	struct runtime_container_spec s = rig_spec(&g, "c1", "dd if=/dev/zero of=/dev/shm/held bs=1M count=20; exec sleep 100");
	s.limits = (struct cgroup_limits){.memory_bytes = 64 << 20};
	REQUIRE(rig_pod(&g, "p1") == 0 && rig_create(&g, &s) == 0 && rig_start(&g, "c1") == 0);
	REQUIRE(rig_run(&g, "c2", "exit 0") == 0);
	rig_wait_exit(&g, "c2");
	for (int i = 0; i < 200; i++) {
		struct cgroup_stats stats;
		REQUIRE(runtime_stats(g.runtime, STR("c1"), &stats, NULL) == 0);
		if (stats.memory_bytes > 20 << 20)
			break;
		rig_turn(&g, 25);
	}
	struct runtime_resize_step steps[] = {
		{.parts = CGROUP_MEMORY, .limits.memory_bytes = 256 << 20},
		{.id = STR("c2"), .parts = CGROUP_MEMORY, .limits.memory_bytes = 128 << 20, .note = STR("of one that ended")},
		{.id = STR("c1"), .name = STR("main"), .parts = CGROUP_MEMORY | CGROUP_QUOTA, .limits = {.memory_bytes = 128 << 20, .cpu_quota_us = 30000},
		 .note = STR("greater")},
	};
	struct cgroup_limits pod;
	CHECK(!resize(&g, steps, ARRAY_LEN(steps)).failed);
	check_memory(&g, 128 << 20);
	CHECK(runtime_pod_limits(g.runtime, STR("p1"), &pod) && pod.memory_bytes == 256 << 20);
	CHECK(!runtime_pod_limits(g.runtime, STR("p2"), &pod));
	steps[2].limits.memory_bytes = 4 << 20;
	steps[2].note = STR("too small");
	struct resized refused = resize(&g, steps, ARRAY_LEN(steps));
	CHECK(refused.failed && strstr(refused.text, "container \"main\": memory limit (4194304) below current usage"));
	check_memory(&g, 128 << 20);
	rig_close(&g);
	rig_open(&g);
	struct runtime_state after;
	REQUIRE(runtime_state(g.runtime, &g.a, STR("c1"), &after));
	CHECK(after.phase == RUNTIME_RUNNING);
	CHECK_STR(after.note, "greater");
	check_memory(&g, 128 << 20);
	CHECK(runtime_kill(g.runtime, STR("c1"), SIGKILL, NULL) == 0);
	rig_wait_exit(&g, "c1");
}

static void check_refused(struct rig *g, struct runtime_container_spec s, enum err_reason reason, const char *says)
{
	CHECK(rig_create(g, &s) < 0);
	if (g->e.reason != reason || !strstr(err_text(&g->e), says))
		unit_fail(__FILE__, __LINE__, "reason %s, \"%s\" without \"%s\"", err_reason_name(g->e.reason), err_text(&g->e), says);
	struct runtime_state st;
	CHECK(!runtime_state(g->runtime, &g->a, s.id, &st));
	CHECK(access(arena_fmt(&g->a, "%s/containers/%.*s", g->data, STR_FMT(s.id)).p, F_OK) < 0);
}

TEST(refusals_leave_nothing)
{
	struct rig g CLEAN_RIG;
	rig_set_up(&g);
	REQUIRE(rig_pod(&g, "p1") == 0);
	struct runtime_container_spec good = rig_spec(&g, "c1", "true"), s = good;
	s.args = (struct str[]){STR("/no/such/command")};
	s.arg_count = 1;
	check_refused(&g, s, ERR_BAD_REQUEST, "/no/such/command");
	s = good, s.arg_count = 0;
	check_refused(&g, s, ERR_BAD_REQUEST, "no command");
	s = good, s.image_id = STR("sha256:0000000000000000000000000000000000000000000000000000000000000000");
	check_refused(&g, s, ERR_NOT_FOUND, "not on this node");
	s = good, s.has_uid = true, s.uid = INT64_C(1) << 31;
	check_refused(&g, s, ERR_INVALID, "out of range");
	s.uid = INT64_C(1) << 32;
	check_refused(&g, s, ERR_INVALID, "out of range");
	s.uid = -1;
	check_refused(&g, s, ERR_INVALID, "out of range");
	s = good, s.user = STR("4294967295");
	check_refused(&g, s, ERR_INVALID, "out of range");
	s.user = STR("nobody-knows");
	check_refused(&g, s, ERR_INVALID, "/etc/passwd");
	s = good, s.groups = (int64_t[]){-5}, s.group_count = 1;
	check_refused(&g, s, ERR_INVALID, "out of range");
	static const char *const cwds[] = {"/proc/self/fd/7", "/proc/self/fd/../fd/8", "/proc", "/x/../proc/self", "relative", "/sys"};
	for (size_t i = 0; i < ARRAY_LEN(cwds); i++) {
		s = good, s.cwd = str_of(cwds[i]);
		check_refused(&g, s, ERR_INVALID, "working directory");
	}
	s = good, s.cap_add = (struct str[]){STR("FLY")}, s.cap_add_count = 1;
	check_refused(&g, s, ERR_INVALID, "FLY");
	s = good, s.id = STR("../c1");
	check_refused(&g, s, ERR_INVALID, "container id");
}

// Images whose /dev, /proc or working directory are traps.
TEST(hostile_images)
{
	static const struct {
		const char *name, *link, *cwd, *says;
	} cases[] = {
		{"dev", "/etc", NULL, "/dev"},	   {"dev/null", "/etc/passwd", NULL, "/dev/null"}, {"dev/pts", "/", NULL, "/dev/pts"},
		{"proc", "/etc", NULL, "/proc"},   {"sys", "/", NULL, "/sys"},			   {"dev/shm", "/tmp", NULL, "/dev/shm"},
		{"w", "/proc/self/fd", "/w/7", "working directory"}, {"w", "/proc/self/fd/7", "/w", "working directory"},
		{"w", "../../proc", "/w", "working directory"},
	};
	struct rig g CLEAN_RIG;
	rig_set_up(&g);
	REQUIRE(rig_pod(&g, "p1") == 0);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf tar CLEAN_BUF;
		struct image *got;
		size_t count;
		buf_init(&tar);
		tar_add(&tar, cases[i].name, '2', 0777, cases[i].link, STR_NONE);
		tar_end(&tar);
		struct layout_layer layer = {.tar = buf_str(&tar)};
		const char *source = arena_fmt(&g.a, "%s/trap%zu", g.dir, i).p;
		layout_write(source, arena_fmt(&g.a, "trap:v%zu", i).p, &layer, 1);
		REQUIRE(images_import(g.images, &g.a, source, NULL, &got, &count, NULL) == 0);
		struct runtime_container_spec s = rig_spec(&g, "c1", "true");
		s.image_id = got[0].id;
		s.cwd = str_of(cases[i].cwd);
		check_refused(&g, s, ERR_INVALID, cases[i].says);
	}
}

TEST(only_three_descriptors_are_inherited)
{
	struct rig g CLEAN_RIG;
	rig_set_up(&g);
	REQUIRE(rig_run(&g, "c1", "ls /proc/self/fd | tr '\\n' ' '") == 0);
	rig_wait_exit(&g, "c1");
	CHECK_STR(rig_log(&g, "c1"), "0 1 2 3"); // 3 is ls reading the directory
}

TEST(identity_and_privileges)
{
	struct rig g CLEAN_RIG;
	rig_set_up(&g);
	REQUIRE(rig_pod(&g, "p1") == 0);
	struct runtime_container_spec s =
		rig_spec(&g, "c1", "id -u; id -g; id -G; pwd; grep -E 'NoNewPrivs|Seccomp:|CapEff' /proc/self/status; touch /x; "
				   "echo 1 >/proc/sys/kernel/sysrq; echo x > /proc/sys/kernel/core_pattern; umount /proc; unshare -m true");
	s.has_uid = s.has_gid = true;
	s.uid = 1000, s.gid = 2000;
	s.groups = (int64_t[]){3000, 4000}, s.group_count = 2;
	s.no_new_privileges = s.seccomp_default = s.read_only_root = true;
	s.cwd = STR("/made/for/it");
	REQUIRE(rig_create(&g, &s) == 0 && rig_start(&g, "c1") == 0);
	rig_wait_exit(&g, "c1");
	struct str log = rig_log(&g, "c1");
	CHECK(str_starts(log, STR("1000\n2000\n2000 3000 4000\n/made/for/it\nCapEff:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\n")));
	CHECK(str_contains(log, STR("Read-only file system")));
	CHECK(str_contains(log, STR("sysrq: ")) || str_contains(log, STR("can't create /proc/sys/kernel/sysrq")));
	CHECK(str_contains(log, STR("Operation not permitted")));
	s = rig_spec(&g, "c2", "id -u; id -g; grep -E 'CapEff|Seccomp:' /proc/self/status");
	s.user = STR("www-data");
	s.cap_drop = (struct str[]){STR("ALL")}, s.cap_drop_count = 1;
	REQUIRE(rig_create(&g, &s) == 0 && rig_start(&g, "c2") == 0);
	rig_wait_exit(&g, "c2");
	CHECK_STR(rig_log(&g, "c2"), "33\n33\nCapEff:\t0000000000000000\nSeccomp:\t0");
	s = rig_spec(&g, "c3", "grep CapEff /proc/self/status; ls /dev/loop-control /dev/kmsg 2>/dev/null; mount -t tmpfs x /tmp && echo yes");
	s.privileged = true;
	REQUIRE(rig_create(&g, &s) == 0 && rig_start(&g, "c3") == 0);
	rig_wait_exit(&g, "c3");
	CHECK(str_ends(rig_log(&g, "c3"), STR("yes")));
}

TEST(mounts)
{
	struct rig g CLEAN_RIG;
	rig_set_up(&g);
	REQUIRE(rig_pod(&g, "p1") == 0);
	const char *volume = arena_fmt(&g.a, "%s/volume", g.dir).p;
	mkdir(volume, 0755);
	write_file(arena_fmt(&g.a, "%s/file", volume).p, STR("from the host\n"));
	struct runtime_container_spec s =
		rig_spec(&g, "c1", "exec 2>&1; cat /v/ro/file; touch /v/ro/x; echo written >/v/rw/new; cat /one; df -k /mem | tail -1 | cut -c1-5; "
				   "echo shared >/dev/shm/s");
	s.mounts = (struct runtime_mount[]){
		{.source = str_of(volume), .target = STR("/v/ro"), .read_only = true},
		{.source = str_of(volume), .target = STR("/v/rw")},
		{.source = arena_fmt(&g.a, "%s/file", volume), .target = STR("/one"), .read_only = true},
		{.target = STR("/mem")},
	};
	s.mount_count = 4;
	REQUIRE(rig_create(&g, &s) == 0 && rig_start(&g, "c1") == 0);
	rig_wait_exit(&g, "c1");
	CHECK(str_starts(rig_log(&g, "c1"), STR("from the host\ntouch: /v/ro/x: Read-only file system\nfrom the host\ntmpfs")));
	CHECK(access(arena_fmt(&g.a, "%s/new", volume).p, F_OK) == 0);
	s = rig_spec(&g, "c2", "cat /dev/shm/s");
	REQUIRE(rig_create(&g, &s) == 0 && rig_start(&g, "c2") == 0);
	rig_wait_exit(&g, "c2");
	CHECK_STR(rig_log(&g, "c2"), "shared");
}

// An image of busybox and these entries.
static void import_more(struct rig *g, const char *name, struct str tar)
{
	char *text = NULL;
	int fd CLEAN_FD = open("/bin/busybox", O_RDONLY | O_CLOEXEC);
	struct stat st;
	struct buf all CLEAN_BUF;
	struct image *got;
	size_t count;
	REQUIRE(fd >= 0 && fstat(fd, &st) == 0);
	text = mem_alloc((size_t)st.st_size);
	REQUIRE(read(fd, text, (size_t)st.st_size) == st.st_size);
	buf_init(&all);
	tar_add(&all, "bin/busybox", '0', 0755, NULL, (struct str){text, (size_t)st.st_size});
	tar_add(&all, "bin/sh", '2', 0777, "busybox", STR_NONE);
	buf_add(&all, tar);
	tar_end(&all);
	free(text);
	struct layout_layer layer = {.tar = buf_str(&all)};
	const char *source = arena_fmt(&g->a, "%s/%s", g->dir, name).p;
	layout_write(source, arena_fmt(&g->a, "%s:v", name).p, &layer, 1);
	REQUIRE(images_import(g->images, &g->a, source, NULL, &got, &count, NULL) == 0);
	g->busybox = got[0];
}

// Groups of the image whose numbers are none do not become others, and do not keep its user from running.
TEST(groups_out_of_range)
{
	struct rig g CLEAN_RIG;
	struct buf tar CLEAN_BUF;
	rig_set_up(&g);
	buf_init(&tar);
	tar_add(&tar, "etc/passwd", '0', 0644, NULL, STR("me:x:1000:1000::/:/bin/sh\n"));
	tar_add(&tar, "etc/group", '0', 0644, NULL, STR("a:x:4294967296:me\nb:x:-1:me\nc:x:2147483648:me\nd:x:77:me\n"));
	import_more(&g, "groups", buf_str(&tar));
	REQUIRE(rig_pod(&g, "p1") == 0);
	struct runtime_container_spec s = rig_spec(&g, "c1", "busybox id -G");
	s.image_id = g.busybox.id;
	s.user = STR("me");
	if (rig_create(&g, &s) < 0)
		unit_fail(__FILE__, __LINE__, "%s", err_text(&g.e));
	REQUIRE(rig_start(&g, "c1") == 0);
	rig_wait_exit(&g, "c1");
	CHECK_STR(rig_log(&g, "c1"), "1000 77");
}

// What an image declares as volumes can be written to under a read-only root, with what the image has there; a link among
// them leads nowhere outside.
TEST(volumes_of_the_image)
{
	struct rig g CLEAN_RIG;
	struct buf tar CLEAN_BUF;
	rig_set_up(&g);
	buf_init(&tar);
	tar_add(&tar, "data/file", '0', 0644, NULL, STR("of the image\n"));
	tar_add(&tar, "tmp", '5', 01777, NULL, STR_NONE);
	tar_add(&tar, "out", '2', 0777, "/../../../../../../tmp", STR_NONE);
	tar_add(&tar, "gone", '2', 0777, "/nowhere", STR_NONE);
	layout_volumes = "{\"/data\":{},\"/made/up/\":{},\"/out\":{},\"/gone\":{},\"/proc/x\":{},\"/mine\":{}}";
	import_more(&g, "volumes", buf_str(&tar));
	layout_volumes = NULL;
	REQUIRE(rig_pod(&g, "p1") == 0);
	const char *mine = arena_fmt(&g.a, "%s/mine", g.dir).p;
	mkdir(mine, 0755);
	struct runtime_container_spec s = rig_spec(&g, "c1",
		"exec 2>&1; cat /data/file; echo x >/data/new && echo x >/made/up/new && echo x >/out/onggi-out && echo x >/mine/new; "
		"(echo x >/new) 2>/dev/null || echo refused; busybox ls /tmp");
	s.image_id = g.busybox.id;
	s.read_only_root = true;
	s.mounts = (struct runtime_mount[]){{.source = str_of(mine), .target = STR("/mine")}};
	s.mount_count = 1;
	REQUIRE(rig_create(&g, &s) == 0 && rig_start(&g, "c1") == 0);
	rig_wait_exit(&g, "c1");
	CHECK_STR(rig_log(&g, "c1"), "of the image\nrefused\nonggi-out");
	CHECK(access("/tmp/onggi-out", F_OK) < 0);
	CHECK(access(arena_fmt(&g.a, "%s/new", mine).p, F_OK) == 0);
}

// The files of another image: seen, whole or what a path inside leads to; neither written nor run.
TEST(images_as_volumes)
{
	struct rig g CLEAN_RIG;
	struct buf tar CLEAN_BUF;
	rig_set_up(&g);
	buf_init(&tar);
	tar_add(&tar, "data/file", '0', 0644, NULL, STR("of the image\n"));
	tar_add(&tar, "data/run", '0', 0755, NULL, STR("#!/bin/sh\n"));
	tar_add(&tar, "link", '2', 0777, "/data", STR_NONE);
	tar_add(&tar, "out", '2', 0777, "../../../../../../../../etc/hostname", STR_NONE);
	struct str base = g.busybox.id;
	import_more(&g, "volume", buf_str(&tar));
	REQUIRE(rig_pod(&g, "p1") == 0);
	struct runtime_container_spec s = rig_spec(&g, "c1",
		"exec 2>&1; cat /all/data/file /link/file /one; (echo x >/all/x) 2>/dev/null || echo refused; "
		"(exec /link/run) 2>/dev/null || echo not run");
	s.image_id = base;
	s.mounts = (struct runtime_mount[]){
		{.image = STR("volume:v"), .target = STR("/all")},
		{.image = STR("volume:v"), .image_path = STR("link"), .target = STR("/link")},
		{.image = STR("volume:v"), .image_path = STR("data/file"), .target = STR("/one")},
	};
	s.mount_count = 3;
	REQUIRE(rig_create(&g, &s) == 0 && rig_start(&g, "c1") == 0);
	rig_wait_exit(&g, "c1");
	CHECK_STR(rig_log(&g, "c1"), "of the image\nof the image\nof the image\nrefused\nnot run");
	static const char *const nowhere[] = {"data/none", "out"};
	for (size_t i = 0; i < ARRAY_LEN(nowhere); i++) {
		s.id = arena_fmt(&g.a, "d%zu", i);
		((struct runtime_mount *)s.mounts)[1].image_path = str_of(nowhere[i]);
		CHECK(rig_create(&g, &s) < 0);
		CHECK_STR(str_of(err_text(&g.e)), arena_fmt(&g.a, "container main: image \"volume:v\" has no \"%s\"", nowhere[i]).p);
	}
}

// Processes of one container see those of the other; the first process outlives both.
TEST(shared_process_namespace)
{
	struct rig g CLEAN_RIG;
	rig_set_up(&g);
	struct runtime_pod_spec p = {.uid = STR("p1"), .hostname = STR("h"), .share_pid = true};
	runtime_pod_make(g.runtime, &p, NULL, NULL);
	struct runtime_container_spec s = rig_spec(&g, "c1", "exec sleep 1000"), t = rig_spec(&g, "c2", "ps | grep -q sleep && cat /proc/1/comm");
	REQUIRE(rig_create(&g, &s) == 0 && rig_start(&g, "c1") == 0);
	REQUIRE(rig_create(&g, &t) == 0 && rig_start(&g, "c2") == 0);
	rig_wait_exit(&g, "c2");
	CHECK_STR(rig_log(&g, "c2"), "pod-init");
	CHECK_INT(g.exited.exit_code, 0);
	CHECK(rig_pod_remove(&g, "p1") == 0);
	CHECK(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD); // no dead child is left
}

// As a debugger wants it: in a container of its own, among the processes of another.
TEST(processes_of_another_container)
{
	struct rig g CLEAN_RIG;
	rig_set_up(&g);
	struct runtime_container_spec s = rig_spec(&g, "c1", "exec sleep 1000"), t = rig_spec(&g, "c2", "cat /proc/1/comm; kill -9 1");
	t.pid_of = STR("c1");
	REQUIRE(rig_pod(&g, "p1") == 0);
	CHECK(rig_create(&g, &t) < 0);
	REQUIRE(rig_create(&g, &s) == 0 && rig_start(&g, "c1") == 0);
	REQUIRE(rig_create(&g, &t) == 0 && rig_start(&g, "c2") == 0);
	rig_wait_exit(&g, "c2"); // a first process cannot be killed from inside
	CHECK_STR(rig_log(&g, "c2"), "sleep");
	runtime_kill(g.runtime, STR("c1"), SIGKILL, NULL);
	rig_wait_exit(&g, "c1");
	t = rig_spec(&g, "c3", "true");
	t.pid_of = STR("c1");
	CHECK(rig_create(&g, &t) < 0);
}

// On ext4 new inodes are looked for past those deleted in the last minutes.
TEST(directories_of_containers_are_spread)
{
	struct rig g;
	struct statfs fs;
	int flags = 0;
	rig_set_up(&g);
	int fd = open(arena_fmt(&g.a, "%s/containers", g.data).p, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool ext4 = fstatfs(fd, &fs) == 0 && fs.f_type == EXT4_SUPER_MAGIC;
	CHECK(!ext4 || (ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0 && flags & FS_TOPDIR_FL));
	close(fd);
	rig_tear_down(&g);
	if (!ext4)
		unit_skip("no ext4");
}

// An agent that ends, and another that takes over: running containers go on, ended ones report what they ended with.
TEST(adoption)
{
	struct rig g CLEAN_RIG;
	rig_set_up(&g);
	REQUIRE(rig_run(&g, "c1", "sleep 1000") == 0);
	REQUIRE(rig_run(&g, "c2", "sleep 0.3; exit 9") == 0);
	REQUIRE(rig_run(&g, "c3", "exit 4") == 0);
	rig_wait_exit(&g, "c3");
	struct runtime_state before, after;
	REQUIRE(runtime_state(g.runtime, &g.a, STR("c1"), &before));
	rig_close(&g);
	usleep(600000);
	g.exits = 0;
	const char *nobodys = arena_fmt(&g.a, "%s/exits/c9", g.data).p; // a removal that was cut off
	REQUIRE(file_write(g.loop, nobodys, STR("0"), 0600, NULL) == 0);
	rig_open(&g);
	CHECK(access(nobodys, F_OK) < 0);
	rig_wait_exit(&g, g.exits && str_is(g.exited.id, "c2") ? "c2" : "c3");
	rig_turn(&g, 50);
	CHECK_INT(g.exits, 2);
	REQUIRE(runtime_state(g.runtime, &g.a, STR("c1"), &after));
	CHECK(after.phase == RUNTIME_RUNNING && after.pid == before.pid && after.started == before.started);
	CHECK_STR(after.note, "a note");
	REQUIRE(runtime_state(g.runtime, &g.a, STR("c2"), &after));
	CHECK(after.phase == RUNTIME_EXITED && after.exit_code == 9);
	struct str *pods;
	CHECK(runtime_list_pods(g.runtime, &g.a, &pods) == 1 && str_is(pods[0], "p1"));
	CHECK(runtime_kill(g.runtime, STR("c1"), SIGKILL, NULL) == 0);
	rig_wait_exit(&g, "c1");
	CHECK_INT(g.exited.exit_code, 137);
	REQUIRE(rig_run(&g, "c4", "hostname") == 0); // a new one in the pod of before
	rig_wait_exit(&g, "c4");
	CHECK_STR(rig_log(&g, "c4"), "pod-host");
}

// Containers meet crun on a read-only mount, which outlives the agent and follows a crun that was replaced meanwhile.
TEST(crun_is_not_to_be_written_to)
{
	struct rig g CLEAN_RIG;
	struct stat original, mounted;
	rig_set_up(&g);
	rig_close(&g);
	const char *at = arena_fmt(&g.a, "%s/bin/crun", g.run).p;
	g.crun = arena_fmt(&g.a, "%s/crun", g.dir).p;
	for (int i = 0; i < 2; i++) {
		const char *copy = "cp /usr/bin/crun %s.new && mv %s.new %s";
		REQUIRE(system(arena_fmt(&g.a, copy, g.crun, g.crun, g.crun).p) == 0);
		rig_open(&g);
		REQUIRE(stat(g.crun, &original) == 0 && stat(at, &mounted) == 0);
		CHECK_INT(mounted.st_ino, original.st_ino);
		CHECK(open(at, O_WRONLY | O_CLOEXEC) < 0 && errno == EROFS);
		REQUIRE(rig_run(&g, i ? "c1" : "c0", "true") == 0);
		rig_wait_exit(&g, i ? "c1" : "c0");
		rig_close(&g);
	}
}

// Where conmon itself is killed, the container's end is noticed all the same.
TEST(monitor_killed)
{
	struct rig g CLEAN_RIG;
	rig_set_up(&g);
	REQUIRE(rig_run(&g, "c1", "sleep 0.5") == 0);
	CHECK_INT(system(arena_fmt(&g.a, "kill -9 $(cat %s/containers/c1/conmon.pid)", g.data).p), 0);
	rig_wait_exit(&g, "c1");
	CHECK(g.exited.lost);
	CHECK_INT(g.exited.exit_code, 255);
	CHECK(rig_remove(&g, "c1") == 0);
}

struct flag {
	bool set;
};

static void set_flag(void *arg, const struct err *e)
{
	((struct flag *)arg)->set = !e;
}

// How it ended is known also where the disk has no room for a note of it.
TEST(exit_on_a_full_disk)
{
	struct rig g CLEAN_RIG;
	rig_set_up(&g);
	rig_close(&g);
	const char *exits = arena_fmt(&g.a, "%s/exits", g.data).p;
	REQUIRE(mount("tmpfs", exits, "tmpfs", 0, "nr_inodes=1") == 0); // its root, and no file
	rig_open(&g);
	REQUIRE(rig_run(&g, "c1", "sleep 0.2; exit 3") == 0);
	rig_wait_exit(&g, "c1");
	CHECK_INT(g.exited.exit_code, 3);
	CHECK(!g.exited.lost);
	rig_close(&g); // an agent that comes after it finds the same
	rig_open(&g);
	rig_wait_exit(&g, "c1");
	CHECK_INT(g.exited.exit_code, 3);
	CHECK(!g.exited.lost);
	CHECK(rig_remove(&g, "c1") == 0);
	CHECK(umount2(exits, MNT_DETACH) == 0); // the runtime still watches it
}

// A log that should be rotated on a disk without room for one more file goes on as it is, and so does the container.
TEST(rotation_on_a_full_disk)
{
	struct rig g CLEAN_RIG;
	rig_set_up(&g);
	REQUIRE(rig_pod(&g, "p1") == 0);
	struct runtime_container_spec s = rig_spec(&g, "c1", "while true; do echo line; sleep 0.1; done");
	const char *logs = arena_fmt(&g.a, "%s/logs", g.dir).p, *log = arena_fmt(&g.a, "%s/c1.log", logs).p;
	REQUIRE(mkdir(logs, 0755) == 0 && mount("tmpfs", logs, "tmpfs", 0, "nr_inodes=2") == 0); // its root and one file
	s.log_path = str_of(log);
	REQUIRE(rig_create(&g, &s) == 0 && rig_start(&g, "c1") == 0);
	struct log_rotation *r = log_rotation_create(g.runtime, 10, 3, TIME_S);
	rig_turn(&g, 1100);
	struct runtime_state state;
	struct stat before, after;
	REQUIRE(runtime_state(g.runtime, &g.a, STR("c1"), &state));
	CHECK(state.phase == RUNTIME_RUNNING);
	CHECK(stat(log, &before) == 0);
	rig_turn(&g, 500);
	CHECK(stat(log, &after) == 0 && after.st_size > before.st_size);
	REQUIRE(mount(NULL, logs, NULL, MS_REMOUNT, "nr_inodes=10") == 0);
	for (int i = 0; i < 100 && (stat(log, &after) < 0 || after.st_ino == before.st_ino); i++)
		rig_turn(&g, 100);
	log_rotation_destroy(r);
	CHECK(after.st_ino != before.st_ino);
	CHECK(stat(arena_fmt(&g.a, "%s.1", log).p, &after) == 0 && after.st_ino == before.st_ino);
	CHECK(rig_remove(&g, "c1") == 0);
	umount2(logs, MNT_DETACH);
}

// The log goes on in a new file once the old one was renamed; no line is lost, also where the monitor is told twice.
TEST(log_reopened)
{
	struct rig g CLEAN_RIG;
	rig_set_up(&g);
	REQUIRE(rig_run(&g, "c1", "i=0; while [ $i -lt 300 ]; do echo line $i; i=$((i+1)); [ $((i%10)) = 0 ] && sleep 0.01; done") == 0);
	const char *log = arena_fmt(&g.a, "%s/logs/c1.log", g.data).p;
	for (int i = 1; i <= 3; i++) {
		struct flag done = {0};
		rig_turn(&g, 50);
		REQUIRE(rename(log, arena_fmt(&g.a, "%s.%d", log, i).p) == 0);
		runtime_reopen_log(g.runtime, STR("c1"), NULL, NULL);
		runtime_reopen_log(g.runtime, STR("c1"), set_flag, &done);
		REQUIRE(rig_until(&g, &done.set));
		CHECK(access(log, F_OK) == 0);
	}
	rig_wait_exit(&g, "c1");
	const char *count = arena_fmt(&g.a, "test $(cat %s %s.? | wc -l) = 300 && grep -q 'line 299' %s", log, log, log).p;
	CHECK_INT(system(count), 0);
}
