// SPDX-License-Identifier: Apache-2.0
#include "runtime_fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/images/tree.h"
#include "tar_maker.h"
#include "unit.h"

enum { PATIENCE_MS = 20000 };

// The pods' first process is this program, too.
__attribute__((constructor)) static void be_pod_init(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], RUNTIME_POD_INIT) == 0)
		runtime_pod_init(argc > 2 ? argv[2] : "");
}

static void on_exit_of(void *arg, const struct runtime_state *s)
{
	struct rig *g = arg;
	g->exited = *s;
	g->exited.id = arena_str(&g->a, s->id);
	g->exits++;
}

static const struct runtime_events events = {.on_exit = on_exit_of};

static struct runtime_options options(struct rig *g)
{
	return (struct runtime_options){
		.data_dir = g->data, .run_dir = g->run, .cgroup_parent = g->parent, .crun = g->crun, .images = g->images,
	};
}

void rig_open(struct rig *g)
{
	struct runtime_options o = options(g);
	if (!g->loop)
		g->loop = loop_real_create();
	if (runtime_open(g->loop, &o, &g->runtime, &g->e) < 0) {
		unit_fail(__FILE__, __LINE__, "%s", err_text(&g->e));
		unit_stop();
	}
	runtime_watch(g->runtime, &events, g);
}

void rig_close(struct rig *g)
{
	runtime_close(g->runtime);
	rig_turn(g, 20);
	g->runtime = NULL;
}

pid_t rig_start_agent(struct rig *g, const char *role)
{
	pid_t child = fork();
	if (child == 0) {
		execl("/proc/self/exe", "rig-agent", role, g->dir, g->parent, g->crun, (char *)NULL);
		_exit(127);
	}
	return child;
}

__attribute__((weak)) int rig_agent(struct rig *g, const char *role)
{
	return 127;
}

static void find_places(struct rig *g)
{
	g->data = arena_fmt(&g->a, "%s/data", g->dir).p;
	g->run = arena_fmt(&g->a, "%s/run", g->dir).p;
}

__attribute__((constructor)) static void be_agent(int argc, char **argv)
{
	struct rig g = {0};
	if (argc < 4 || strcmp(argv[0], "rig-agent") != 0)
		return;
	alarm(60);
	arena_init(&g.a);
	g.dir = argv[2];
	g.crun = argv[4];
	snprintf(g.parent, sizeof(g.parent), "%s", argv[3]);
	find_places(&g);
	MUST(images_open(g.data, &g.images, NULL) == 0);
	MUST(images_find(g.images, &g.a, STR("busybox:test"), &g.busybox, NULL) == 0);
	rig_open(&g);
	_exit(rig_agent(&g, argv[1]));
}

static void import_busybox(struct rig *g)
{
	struct image *got;
	size_t count;
	const char *tar = arena_fmt(&g->a, "%s/busybox.tar", g->dir).p;
	int code = system(arena_fmt(&g->a, SOURCE_ROOT "/tools/base-image %s busybox:test >/dev/null", tar).p);
	REQUIRE(code == 0);
	REQUIRE(images_import(g->images, &g->a, tar, NULL, &got, &count, &g->e) == 0);
	REQUIRE(images_find(g->images, &g->a, STR("busybox:test"), &g->busybox, NULL) == 0);
}

void rig_set_up(struct rig *g)
{
	memset(g, 0, sizeof *g);
	if (geteuid() != 0)
		unit_skip("needs root");
	if (access("/usr/bin/crun", X_OK) < 0 || access("/usr/bin/conmon", X_OK) < 0)
		unit_skip("crun or conmon is not installed");
	if (access("/bin/busybox", X_OK) < 0)
		unit_skip("busybox-static is not installed");
	arena_init(&g->a);
	REQUIRE(node_isolate(NULL, NULL) == 0);
	g->dir = test_dir("runtime");
	find_places(g);
	snprintf(g->parent, sizeof(g->parent), "/onggi-test-%d", (int)getpid());
	REQUIRE(images_open(g->data, &g->images, NULL) == 0);
	import_busybox(g);
	rig_open(g);
}

static bool mounted_below(const char *dir)
{
	char *line = NULL;
	size_t room = 0;
	bool found = false;
	FILE *f = fopen("/proc/self/mounts", "re");
	while (f && getline(&line, &room, f) > 0)
		found |= strstr(line, dir) != NULL;
	free(line);
	fclose(f);
	return found;
}

void rig_tear_down(struct rig *g)
{
	if (!g->dir)
		return;
	struct runtime_options o = options(g);
	if (g->runtime)
		rig_close(g);
	if (g->loop)
		loop_real_destroy(g->loop);
	if (g->images && runtime_purge(&o, &g->e) < 0)
		unit_fail(__FILE__, __LINE__, "%s", err_text(&g->e));
	images_close(g->images);
	if (mounted_below(g->dir))
		unit_fail(__FILE__, __LINE__, "mounts are left below %s", g->dir);
	struct cgroups c = {0};
	if (cgroups_init(&c, NULL, "/", NULL) == 0 && cgroup_exists(&c, g->parent + 1))
		unit_fail(__FILE__, __LINE__, "control group %s is left", g->parent);
	test_dir_remove(g->dir);
	err_clear(&g->e);
	arena_finish(&g->a);
}

// ---- waiting

static void stop_loop(struct timer *t)
{
	loop_real_stop(t->loop);
}

void rig_turn(struct rig *g, int64_t ms)
{
	struct timer t = {.fire = stop_loop, .loop = g->loop};
	timer_start(g->loop, &t, ms * 1000000);
	loop_real_run(g->loop);
	timer_stop(&t);
}

bool rig_until(struct rig *g, const bool *flag)
{
	for (int i = 0; i < PATIENCE_MS && !*flag; i++)
		rig_turn(g, 1);
	return *flag;
}

struct answer {
	struct rig *g;
	bool done;
	int result;
};

static void on_done(void *arg, const struct err *e)
{
	struct answer *w = arg;
	w->done = true;
	w->result = e ? -1 : 0;
	err_clear(&w->g->e);
	if (e)
		err_set(&w->g->e, e->reason, "%s", err_text(e));
	loop_real_stop(w->g->loop);
}

static int wait_for(struct answer *w)
{
	for (int i = 0; i < 100 && !w->done; i++)
		rig_turn(w->g, PATIENCE_MS / 100);
	REQUIRE(w->done);
	return w->result;
}

// ---- calls

struct runtime_container_spec rig_spec(struct rig *g, const char *id, const char *script)
{
	struct str *args = ARENA_ARRAY(&g->a, struct str, 3);
	args[0] = STR("/bin/sh");
	args[1] = STR("-c");
	args[2] = arena_str(&g->a, str_of(script));
	struct str *env = ARENA_ARRAY(&g->a, struct str, 1);
	env[0] = STR("PATH=/bin");
	return (struct runtime_container_spec){
		.id = arena_str(&g->a, str_of(id)), .pod_uid = STR("p1"), .name = STR("main"), .note = STR("a note"),
		.image_id = g->busybox.id, .log_path = arena_fmt(&g->a, "%s/logs/%s.log", g->data, id),
		.args = args, .arg_count = 3, .env = env, .env_count = 1,
	};
}

int rig_pod(struct rig *g, const char *uid)
{
	struct answer w = {.g = g};
	struct runtime_pod_spec p = {.uid = str_of(uid), .hostname = STR("pod-host")};
	runtime_pod_make(g->runtime, &p, on_done, &w);
	return wait_for(&w);
}

int rig_create(struct rig *g, const struct runtime_container_spec *s)
{
	struct answer w = {.g = g};
	runtime_create(g->runtime, s, on_done, &w);
	return wait_for(&w);
}

int rig_start(struct rig *g, const char *id)
{
	struct answer w = {.g = g};
	runtime_start(g->runtime, str_of(id), on_done, &w);
	return wait_for(&w);
}

int rig_run(struct rig *g, const char *id, const char *script)
{
	struct runtime_container_spec s = rig_spec(g, id, script);
	if (rig_pod(g, "p1") < 0 || rig_create(g, &s) < 0 || rig_start(g, id) < 0) {
		unit_fail(__FILE__, __LINE__, "%s", err_text(&g->e));
		return -1;
	}
	return 0;
}

int rig_remove(struct rig *g, const char *id)
{
	struct answer w = {.g = g};
	runtime_remove(g->runtime, str_of(id), on_done, &w);
	return wait_for(&w);
}

int rig_pod_remove(struct rig *g, const char *uid)
{
	struct answer w = {.g = g};
	runtime_pod_remove(g->runtime, str_of(uid), on_done, &w);
	return wait_for(&w);
}

void rig_wait_exit(struct rig *g, const char *id)
{
	for (int i = 0; i < PATIENCE_MS / 2; i++) {
		if (str_is(g->exited.id, id))
			return;
		rig_turn(g, 2);
	}
	unit_fail(__FILE__, __LINE__, "no exit of %s was told", id);
	unit_stop();
}

struct str rig_log(struct rig *g, const char *id)
{
	struct buf out CLEAN_BUF;
	buf_init(&out);
	int fd CLEAN_FD = open(arena_fmt(&g->a, "%s/logs/%s.log", g->data, id).p, O_RDONLY);
	char *room = arena_alloc(&g->a, 1 << 16);
	ssize_t n = fd < 0 ? 0 : read(fd, room, 1 << 16);
	struct str rest = {room, n > 0 ? (size_t)n : 0}, line, word;
	while (str_next(&rest, '\n', &line)) {
		for (int i = 0; i < 3; i++) // time, stream, tag
			str_next(&line, ' ', &word);
		buf_add(&out, line);
		buf_add_byte(&out, '\n');
	}
	return arena_str(&g->a, str_trim(buf_str(&out)));
}
