// SPDX-License-Identifier: Apache-2.0
// Ending and removing containers.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <time.h>
#include <unistd.h>

#include "node/images/tree.h"
#include "node/runtime/engine.h"

enum { EMPTY_TRIES = 2000, EMPTY_WAIT_US = 500 }; // a second for killed processes to be gone
enum { REMOVE_TRIES = 10 };

static void sleep_us(long us)
{
	nanosleep(&(struct timespec){us / 1000000, us % 1000000 * 1000}, NULL);
}

static int kill_all(struct engine *g, const char *cgroup, struct err *e)
{
	for (int i = 0; i < EMPTY_TRIES; i++) {
		if (cgroup_is_empty(&g->cgroups, cgroup))
			return 0;
		cgroup_kill(&g->cgroups, cgroup);
		sleep_us(EMPTY_WAIT_US);
	}
	return err_set(e, ERR_TIMEOUT, "processes of control group %s do not end", cgroup);
}

// A dead process leaves its group only when it has been reaped: soon, but not at once.
int engine_cgroup_remove(struct engine *g, const char *cgroup, struct err *e)
{
	for (int i = 0; i < REMOVE_TRIES - 1; i++) {
		if (cgroup_remove(&g->cgroups, cgroup, NULL) == 0)
			return 0;
		sleep_us(EMPTY_WAIT_US << i);
	}
	return cgroup_remove(&g->cgroups, cgroup, e);
}

int container_destroy(struct engine *g, struct arena *a, const char *id, const char *pod_uid, struct err *e)
{
	const char *dir = container_dir(g, a, id);
	const char *cgroup = pod_uid ? arena_fmt(a, "pod%s/%s", pod_uid, id).p : NULL;
	bool being_made = access(arena_fmt(a, "%s/pidfile", dir).p, F_OK) < 0; // looked at first: then its process shows
	if (being_made || (cgroup && !cgroup_is_empty(&g->cgroups, cgroup)))
		conmon_kill(a, dir, id); // nobody wants to know how what is killed now has ended
	if (cgroup && kill_all(g, cgroup, e) < 0)
		return -1;
	conmon_finish(a, dir, id);
	if (cgroup && engine_cgroup_remove(g, cgroup, e) < 0)
		return -1;
	tree_erase(AT_FDCWD, arena_fmt(a, "%s/crun/%s", g->run, id).p);
	tree_erase(AT_FDCWD, container_exit_dir(g, a, id));
	if (rootfs_remove(g->images, str_of(id), e) < 0)
		return -1;
	unlink(engine_path(g, a, "exits/%s", id));
	return 0;
}

// ---- kill

int engine_kill(struct runtime *r, struct str id, int signal, struct err *e)
{
	struct engine *g = engine_of(r);
	struct container *c = container_get(g, id);
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	if (!c || !c->known || c->phase == RUNTIME_EXITED)
		return err_set(e, ERR_NOT_FOUND, "container %.*s does not run", STR_FMT(id));
	const char *cgroup = container_cgroup(c, &a);
	if (signal == SIGKILL) {
		cgroup_kill(&g->cgroups, cgroup);
		return 0;
	}
	int fd CLEAN_FD = pidfd_open(c->pid, 0); // before the look, so that it stays the same process
	if (fd < 0 || !container_alive(g, cgroup, c->pid))
		return err_set(e, ERR_NOT_FOUND, "container %.*s has ended", STR_FMT(id));
	if (pidfd_send_signal(fd, signal, NULL, 0) < 0)
		return err_errno(e, errno, "signal %d to container %.*s", signal, STR_FMT(id));
	return 0;
}

// ---- remove

struct remove_job {
	struct job job;
	char *pod_uid;
};

static int run_remove(struct job *job)
{
	struct remove_job *j = (struct remove_job *)job;
	return container_destroy(job->engine, &job->arena, job->id, j->pod_uid, &job->e);
}

static void finish_remove(struct job *job)
{
	struct container *c = container_get(job->engine, str_of(job->id));
	if (c && job->result == 0)
		container_drop(c);
	else if (c)
		c->busy = false;
}

static int run_nothing(struct job *job)
{
	return 0;
}

void engine_remove(struct runtime *r, struct str id, runtime_done *done, void *arg)
{
	struct engine *g = engine_of(r);
	struct container *c = container_get(g, id);
	struct remove_job *j =
		job_create(g, c ? str_of(c->pod_uid) : STR("none"), sizeof *j, c ? run_remove : run_nothing, done, arg);
	if (c) {
		j->job.id = arena_c(&j->job.arena, id);
		j->pod_uid = arena_c(&j->job.arena, str_of(c->pod_uid));
		j->job.finish = finish_remove;
		c->busy = true; // its end is not told any more
	}
	job_submit(&j->job);
}
