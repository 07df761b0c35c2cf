// SPDX-License-Identifier: Apache-2.0
// Opening and closing the real runtime, and its table.
#include "node/runtime/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <unistd.h>

#include "node/images/tree.h"
#include "node/runtime/seccomp.h"
#include "node/runtime/session.h"

const char *const engine_env[] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", NULL};

const char *engine_path(const struct engine *g, struct arena *a, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	struct str tail = arena_vfmt(a, format, args);
	va_end(args);
	return arena_fmt(a, "%s/%.*s", g->data, STR_FMT(tail)).p;
}

// ---- the table's quick ones

static void tell_ended(struct engine *g)
{
	for (size_t i = g->containers.count; i-- > 0;)
		if (i < g->containers.count)
			container_tell(g->containers.entries[i].value);
}

struct first_tell {
	struct task task;
	struct engine *engine;
};

static void run_first_tell(struct task *t)
{
	struct first_tell *f = CONTAINER_OF(t, struct first_tell, task);
	if (!f->engine->closing)
		tell_ended(f->engine);
	engine_release(f->engine);
	free(f);
}

static void engine_watch(struct runtime *r, const struct runtime_events *events, void *arg)
{
	struct engine *g = engine_of(r);
	g->events = events;
	g->events_arg = arg;
	struct first_tell *f = MEM_NEW(struct first_tell);
	*f = (struct first_tell){.task = {.run = run_first_tell}, .engine = g};
	g->jobs++;
	loop_post(r->loop, &f->task);
}

static bool engine_state(struct runtime *r, struct arena *a, struct str id, struct runtime_state *out)
{
	struct container *c = container_get(engine_of(r), id);
	if (!c || !c->known)
		return false;
	container_fill_state(c, a, out);
	return true;
}

static size_t engine_list(struct runtime *r, struct arena *a, struct runtime_state **out)
{
	struct engine *g = engine_of(r);
	size_t n = 0;
	*out = ARENA_ARRAY(a, struct runtime_state, g->containers.count + 1);
	map_each(entry, &g->containers) {
		const struct container *c = entry->value;
		if (c->known)
			container_fill_state(c, a, &(*out)[n++]);
	}
	return n;
}

static size_t engine_list_pods(struct runtime *r, struct arena *a, struct str **uids)
{
	struct engine *g = engine_of(r);
	size_t n = 0;
	*uids = ARENA_ARRAY(a, struct str, g->pods.count + 1);
	map_each(entry, &g->pods) {
		const struct pod *p = entry->value;
		if (p->made)
			(*uids)[n++] = arena_str(a, entry->key);
	}
	return n;
}

static int engine_image(struct runtime *r, struct arena *a, struct str name, struct image *out, struct err *e)
{
	return images_find(engine_of(r)->images, a, name, out, e);
}

static int engine_stats(struct runtime *r, struct str id, struct cgroup_stats *out, struct err *e)
{
	struct engine *g = engine_of(r);
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	const struct container *c = container_get(g, id);
	if (!c)
		return err_set(e, ERR_NOT_FOUND, "no container %.*s", STR_FMT(id));
	return cgroup_read_stats(&g->cgroups, container_cgroup(c, &a), out, e);
}

static int engine_pod_stats(struct runtime *r, struct str uid, struct cgroup_stats *out, struct err *e)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	return cgroup_read_stats(&engine_of(r)->cgroups, pod_cgroup(&a, uid), out, e);
}

// ---- opening

// Without CAP_SYS_RESOURCE a process can only make itself likelier to be killed.
static int find_oom_score_least(const struct engine *g)
{
	enum { SYS_RESOURCE = 24 };
	return g->capabilities >> SYS_RESOURCE & 1 ? -1000 : (int)file_number("/proc/self/oom_score_adj", 0);
}

static int make_dirs(struct engine *g, struct err *e)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	const char *dirs[] = {
		engine_path(g, &a, "containers"),
		engine_path(g, &a, "exits"),
		arena_fmt(&a, "%s/crun", g->run).p,
		arena_fmt(&a, "%s/pods", g->run).p,
		arena_fmt(&a, "%s/exits", g->run).p,
		arena_fmt(&a, "%s/exec", g->run).p,
	};
	tree_erase(AT_FDCWD, dirs[ARRAY_LEN(dirs) - 1]); // of an agent before
	for (size_t i = 0; i < ARRAY_LEN(dirs); i++)
		if (tree_make_dirs(dirs[i], 0711) < 0)
			return err_errno(e, errno, "%s", dirs[i]);
	tree_spread(dirs[0]);
	return 0;
}

static void engine_free(struct engine *g)
{
	while (g->containers.count)
		container_drop(g->containers.entries[g->containers.count - 1].value);
	while (g->pods.count) {
		struct pod *p = g->pods.entries[g->pods.count - 1].value;
		p->made = false;
		pod_free_if_idle(p);
	}
	map_finish(&g->containers);
	map_finish(&g->pods);
	seccomp_cache_destroy(g->seccomp);
	arena_finish(&g->arena);
	free(g);
}

void engine_release(struct engine *g)
{
	if (--g->jobs == 0 && g->closing)
		engine_free(g);
}

// What is under way keeps the memory until it is done.
static void engine_close(struct runtime *r)
{
	struct engine *g = engine_of(r);
	g->closing = true;
	g->jobs++;
	exit_watch_close(g);
	engine_release(g);
}

static void engine_reopen_log(struct runtime *r, struct str id, runtime_done *done, void *arg);

static const struct runtime_ops ops = {
	.watch = engine_watch,
	.pod_make = engine_pod_make,
	.pod_remove = engine_pod_remove,
	.create = engine_create,
	.start = engine_start,
	.kill = engine_kill,
	.remove = engine_remove,
	.resize = engine_resize,
	.pod_limits = engine_pod_limits,
	.state = engine_state,
	.list = engine_list,
	.list_pods = engine_list_pods,
	.image = engine_image,
	.reopen_log = engine_reopen_log,
	.exec = engine_exec,
	.attach = engine_attach,
	.session_write = engine_session_write,
	.session_pending = engine_session_pending,
	.session_close_stdin = engine_session_close_stdin,
	.session_resize = engine_session_resize,
	.session_pause = engine_session_pause,
	.session_cancel = engine_session_cancel,
	.stats = engine_stats,
	.pod_stats = engine_pod_stats,
	.close = engine_close,
};

static int prepare(struct engine *g, const struct runtime_options *o, struct err *e)
{
	arena_init(&g->arena);
	map_init(&g->pods);
	map_init(&g->containers);
	g->images = o->images;
	g->run = arena_c(&g->arena, str_of(o->run_dir));
	g->capabilities = capabilities_own();
	g->oom_score_least = find_oom_score_least(g);
	g->seccomp = seccomp_cache_create();
	char *data CLEAN_FREE = realpath(o->data_dir, NULL);
	if (!data)
		return err_errno(e, errno, "%s", o->data_dir);
	g->data = arena_c(&g->arena, str_of(data));
	if (programs_find(g, o, e) < 0)
		return -1;
	return cgroups_init(&g->cgroups, NULL, o->cgroup_parent, e) < 0 ? -1 : make_dirs(g, e);
}

int runtime_open(struct loop *l, const struct runtime_options *o, struct runtime **out, struct err *e)
{
	struct engine *g = MEM_NEW(struct engine);
	g->base = (struct runtime){&ops, l};
	g->next_exec = (uint64_t)loop_wall(l); // a crun of an agent before may yet read and write files of its numbers
	if (prepare(g, o, e) < 0 || exit_watch_open(g, e) < 0) {
		engine_free(g);
		return err_wrap(e, "container runtime");
	}
	pods_adopt(g);
	record_adopt_all(g);
	*out = &g->base;
	return 0;
}

// ---- log

struct reopen_job {
	struct job job;
	const char *log;
};

static int run_reopen(struct job *job)
{
	const char *dir = container_dir(job->engine, &job->arena, job->id);
	return conmon_reopen_log(dir, ((struct reopen_job *)job)->log, &job->e);
}

static void engine_reopen_log(struct runtime *r, struct str id, runtime_done *done, void *arg)
{
	struct engine *g = engine_of(r);
	struct container *c = container_get(g, id);
	struct reopen_job *j =
		job_create(g, c ? str_of(c->pod_uid) : STR("none"), sizeof *j, run_reopen, done, arg);
	if (!c || c->phase == RUNTIME_EXITED) {
		job_refuse(&j->job, ERR_NOT_FOUND, "container %.*s does not run", STR_FMT(id));
		return;
	}
	j->job.id = arena_c(&j->job.arena, id);
	j->log = arena_c(&j->job.arena, str_of(c->log_path));
	job_submit(&j->job);
}

// ---- purge

int runtime_purge(const struct runtime_options *o, struct err *e)
{
	struct engine *g = MEM_NEW(struct engine);
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	int result = prepare(g, o, e);
	if (result == 0) {
		pods_adopt(g);
		record_adopt_all(g);
		map_each(entry, &g->containers) {
			const struct container *c = entry->value;
			if (container_destroy(g, &a, c->id, c->pod_uid, e) < 0)
				result = -1;
		}
		map_each(entry, &g->pods)
			if (pod_destroy(g, &a, arena_c(&a, entry->key), e) < 0)
				result = -1;
		tree_erase(AT_FDCWD, arena_fmt(&a, "%s/crun", g->run).p); // RUN itself is shared with others
		tree_erase(AT_FDCWD, arena_fmt(&a, "%s/exec", g->run).p);
		tree_erase(AT_FDCWD, arena_fmt(&a, "%s/exits", g->run).p);
		tree_erase(AT_FDCWD, arena_fmt(&a, "%s/pods", g->run).p);
		programs_release(g);
		if (engine_cgroup_remove(g, "", e) < 0) // the last monitors may still be ending
			result = -1;
	}
	engine_free(g);
	return result;
}
