// SPDX-License-Identifier: Apache-2.0
// Making and starting a container.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/images/store.h"
#include "node/images/tree.h"
#include "node/runtime/engine.h"
#include "node/runtime/seccomp.h"
#include "node/runtime/spawn.h"

enum { ID_MAX = 64, START_TIMEOUT_MS = 30000 };

struct create_job {
	struct job job;
	struct runtime_container_spec spec;
	const char *beside_cgroup; // of spec.pid_of; NULL: there is none
	int beside_pid;
	int pid;
	int64_t created;
	bool left; // it failed, and what there was of it could not be taken away
};

// ---- on the pool

// The process namespace of the container whose processes are to be seen, to be named in the configuration as long as
// it is held. *fd stays -1 where there is none.
static int open_beside(struct create_job *j, int *fd)
{
	if (!j->beside_cgroup)
		return 0;
	*fd = open(arena_fmt(&j->job.arena, "/proc/%d/ns/pid", j->beside_pid).p, O_RDONLY | O_CLOEXEC);
	if (*fd >= 0 && container_alive(j->job.engine, j->beside_cgroup, j->beside_pid)) // else another has the number
		return 0;
	return err_set(&j->job.e, ERR_CONFLICT, "the container whose processes it is to see has ended");
}

static bool is_target(const struct runtime_container_spec *spec, struct str path)
{
	for (size_t i = 0; i < spec->mount_count; i++)
		if (str_eq(spec->mounts[i].target, path))
			return true;
	return false;
}

// What the image declares as volumes can be written to although the root is read-only, as with other runtimes: they are
// mounted from the root itself, which only the container sees as read-only. They come first, for the pod's may lie below.
static void add_declared_volumes(struct arena *a, const struct image *image, int root, const char *root_path,
			      struct runtime_container_spec *spec)
{
	size_t n = 0, most = image->volumes.count + spec->mount_count;
	struct runtime_mount *mounts = ARENA_ARRAY(a, struct runtime_mount, most + 1);
	for (size_t i = 0; spec->read_only_root && i < image->volumes.count; i++) {
		struct str volume = image->volumes.items[i];
		struct str source =
			is_target(spec, volume) ? STR_NONE : bundle_find_volume(a, root, root_path, volume);
		if (!str_empty(source))
			mounts[n++] = (struct runtime_mount){.source = source, .target = volume};
	}
	for (size_t i = 0; i < spec->mount_count; i++)
		mounts[n++] = spec->mounts[i];
	spec->mounts = mounts;
	spec->mount_count = n;
}

// The files of images that the container is to see; the mounts of its specification then have them as their source.
static int mount_images(struct images *images, struct arena *a, struct runtime_container_spec *spec, struct err *e)
{
	struct runtime_mount *mounts = ARENA_ARRAY(a, struct runtime_mount, spec->mount_count + 1);
	unsigned number = 0;
	for (size_t i = 0; i < spec->mount_count; i++) {
		struct runtime_mount *m = &mounts[i];
		*m = spec->mounts[i];
		if (str_empty(m->image))
			continue;
		if (rootfs_mount_image(images, a, spec->id, number++, m->image, &m->source, e) < 0)
			return -1;
		int top CLEAN_FD = open(m->source.p, O_PATH | O_DIRECTORY | O_CLOEXEC);
		m->source = bundle_find_inside(a, top, m->source.p, m->image_path);
		if (str_empty(m->source))
			return err_set(e, ERR_NOT_FOUND, "image \"%.*s\" has no \"%.*s\"", STR_FMT(m->image),
				       STR_FMT(m->image_path));
	}
	spec->mounts = mounts;
	return 0;
}

static int write_config(struct engine *g, struct arena *a, const struct runtime_container_spec *spec, int root,
			int pid_namespace, const char *dir, struct err *e)
{
	struct identity who;
	struct bundle_pod pod;
	uint64_t capabilities;
	if (identity_find(a, root, spec, &who, e) < 0 || capabilities_of(spec, g->capabilities, &capabilities, e) < 0 ||
	    bundle_prepare_cwd(root, spec->cwd, &who, e) < 0)
		return -1;
	struct bundle_host host = {
		.cgroup_v2 = g->cgroups.v2,
		.capabilities = g->capabilities,
		.oom_score_least = g->oom_score_least,
		.cgroup = arena_fmt(a, "%s/pod%.*s/%.*s", g->cgroups.parent, STR_FMT(spec->pod_uid), STR_FMT(spec->id)),
	};
	if (spec->seccomp_default && !spec->privileged &&
	    seccomp_filter(g->seccomp, a, capabilities, &host.seccomp, e) < 0)
		return -1;
	if (pod_read(g, a, spec->pod_uid, &pod, e) < 0)
		return -1;
	if (pid_namespace >= 0)
		pod.pid_ns = arena_fmt(a, "/proc/%d/fd/%d", (int)getpid(), pid_namespace);
	const struct json *config = bundle_config(a, spec, &pod, &host, &who, capabilities);
	return store_write_unsynced(arena_fmt(a, "%s/config.json", dir).p, json_text(a, config), e);
}

static int make_log_directory(struct arena *a, struct str log_path, struct err *e)
{
	ptrdiff_t slash = str_find_last(log_path, '/');
	const char *dir = arena_c(a, str_sub(log_path, 0, slash > 0 ? (size_t)slash : 0));
	if (slash <= 0 || tree_make_dirs(dir, 0755) < 0)
		return err_errno(e, slash <= 0 ? EINVAL : errno, "log directory \"%s\"", dir);
	struct stat st; // conmon would write to wherever a symlink leads
	if (lstat(arena_c(a, log_path), &st) == 0 && !S_ISREG(st.st_mode))
		return err_set(e, ERR_INVALID, "log %.*s is not a plain file", STR_FMT(log_path));
	return 0;
}

static int make_container(struct create_job *j)
{
	struct engine *g = j->job.engine;
	struct arena *a = &j->job.arena;
	struct err *e = &j->job.e;
	struct runtime_container_spec *spec = &j->spec;
	struct image image;
	struct str root_path;
	const char *dir = container_dir(g, a, spec->id.p);
	if (images_find(g->images, a, spec->image_id, &image, e) < 0 ||
	    rootfs_mount(g->images, a, spec->id, &image, &root_path, e) < 0)
		return -1;
	int pid_namespace CLEAN_FD = -1;
	int root CLEAN_FD = open(root_path.p, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0 || mkdir(container_exit_dir(g, a, spec->id.p), 0700) < 0)
		return err_errno(e, errno, "container's directories");
	if (open_beside(j, &pid_namespace) < 0 || bundle_check_root(root, e) < 0)
		return -1;
	add_declared_volumes(a, &image, root, root_path.p, spec);
	if (mount_images(g->images, a, spec, e) < 0)
		return -1;
	if (record_write(a, arena_fmt(a, "%s/record.json", dir).p, spec, e) < 0 ||
	    write_config(g, a, spec, root, pid_namespace, dir, e) < 0 || make_log_directory(a, spec->log_path, e) < 0)
		return -1;
	const char *cgroup = arena_fmt(a, "pod%.*s/%.*s", STR_FMT(spec->pod_uid), STR_FMT(spec->id)).p;
	if (cgroup_make(&g->cgroups, cgroup, &spec->limits, e) < 0)
		return -1;
	return conmon_create(g, a, spec, dir, &j->pid, e);
}

static int run_create(struct job *job)
{
	struct create_job *j = (struct create_job *)job;
	if (make_container(j) == 0) {
		const char *dir = container_dir(job->engine, &job->arena, j->spec.id.p);
		j->created = file_time(arena_fmt(&job->arena, "%s/pidfile", dir).p);
		return 0;
	}
	j->left = container_destroy(job->engine, &job->arena, j->spec.id.p, j->spec.pod_uid.p, NULL) < 0;
	return err_wrap(&job->e, "container %.*s", STR_FMT(j->spec.name));
}

// ---- on the loop

static void finish_create(struct job *job)
{
	struct create_job *j = (struct create_job *)job;
	struct container *c = container_get(job->engine, str_of(job->id));
	if (job->result < 0) {
		if (j->left)
			c->busy = false; // it goes with its pod
		else
			container_drop(c);
		return;
	}
	c->pid = j->pid;
	c->created = j->created;
	c->known = true;
	c->busy = false;
	exit_watch_process(c);
	container_tell(c);
}

static struct str *copy_strings(struct arena *a, const struct str *from, size_t count)
{
	struct str *to = ARENA_ARRAY(a, struct str, count + 1);
	for (size_t i = 0; i < count; i++)
		to[i] = arena_str(a, from[i]);
	return to;
}

static void copy_spec(struct arena *a, const struct runtime_container_spec *from, struct runtime_container_spec *to)
{
	*to = *from;
	struct str *texts[] = {&to->id,	      &to->pod_uid,  &to->pid_of, &to->name, &to->note,
			       &to->image_id, &to->log_path, &to->cwd,	  &to->user};
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		*texts[i] = arena_str(a, *texts[i]);
	to->args = copy_strings(a, from->args, from->arg_count);
	to->env = copy_strings(a, from->env, from->env_count);
	to->cap_add = copy_strings(a, from->cap_add, from->cap_add_count);
	to->cap_drop = copy_strings(a, from->cap_drop, from->cap_drop_count);
	int64_t *groups = ARENA_ARRAY(a, int64_t, from->group_count + 1);
	struct runtime_mount *mounts = ARENA_ARRAY(a, struct runtime_mount, from->mount_count + 1);
	struct runtime_device *devices = ARENA_ARRAY(a, struct runtime_device, from->device_count + 1);
	for (size_t i = 0; i < from->group_count; i++)
		groups[i] = from->groups[i];
	for (size_t i = 0; i < from->mount_count; i++) {
		mounts[i] = from->mounts[i];
		mounts[i].source = arena_str(a, mounts[i].source);
		mounts[i].target = arena_str(a, mounts[i].target);
		mounts[i].image = arena_str(a, mounts[i].image);
		mounts[i].image_path = arena_str(a, mounts[i].image_path);
	}
	for (size_t i = 0; i < from->device_count; i++)
		devices[i].path = arena_str(a, from->devices[i].path);
	to->groups = groups;
	to->mounts = mounts;
	to->devices = devices;
}

static bool id_ok(struct str id)
{
	for (size_t i = 0; i < id.n; i++)
		if (!((id.p[i] >= 'a' && id.p[i] <= 'z') || (id.p[i] >= '0' && id.p[i] <= '9')))
			return false;
	return id.n > 0 && id.n <= ID_MAX;
}

static void set_beside(struct create_job *j)
{
	const struct container *c = container_get(j->job.engine, j->spec.pid_of);
	j->beside_cgroup = container_cgroup(c, &j->job.arena);
	j->beside_pid = c->pid;
}

void engine_create(struct runtime *r, const struct runtime_container_spec *spec, runtime_done *done, void *arg)
{
	struct engine *g = engine_of(r);
	struct create_job *j = job_create(g, spec->pod_uid, sizeof *j, run_create, done, arg);
	copy_spec(&j->job.arena, spec, &j->spec);
	if (!id_ok(spec->id)) {
		job_refuse(&j->job, ERR_INVALID, "container id \"%.*s\" is not [a-z0-9]{1,64}", STR_FMT(spec->id));
	} else if (map_has(&g->containers, spec->id)) {
		job_refuse(&j->job, ERR_ALREADY_EXISTS, "container %.*s is there already", STR_FMT(spec->id));
	} else if (spec->pid_of.n && !container_get(g, spec->pid_of)) {
		job_refuse(&j->job, ERR_CONFLICT, "container %.*s: there is no container %.*s to see the processes of",
			   STR_FMT(spec->name), STR_FMT(spec->pid_of));
	} else if (!spec->arg_count) {
		job_refuse(&j->job, ERR_BAD_REQUEST, "container %.*s: no command specified", STR_FMT(spec->name));
	} else {
		if (spec->pid_of.n)
			set_beside(j);
		container_add(g, spec)->busy = true;
		j->job.id = arena_c(&j->job.arena, spec->id);
		j->job.finish = finish_create;
		job_submit(&j->job);
	}
}

// ---- start

struct start_job {
	struct job job;
	runtime_done *done;
	void *arg;
	int64_t started;
};

// crun's init waits at a fifo; opening it for writing and taking it away is all that `crun start` does.
static int release(struct engine *g, struct arena *a, const char *id, struct err *e)
{
	const char *fifo = container_fifo(g, a, id);
	int fd CLEAN_FD = open(fifo, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 && errno == ENXIO)
		return err_set(e, ERR_CONFLICT, "its process ended before it was started");
	if (fd >= 0) {
		unlink(fifo);
		return write(fd, "", 1) == 1 ? 0 : err_errno(e, errno, "start");
	}
	const char *args[] = {g->crun, arena_fmt(a, "--root=%s/crun", g->run).p, "start", id, NULL};
	return spawn_run(args, engine_env, START_TIMEOUT_MS, e);
}

static int run_start(struct job *job)
{
	struct start_job *j = (struct start_job *)job;
	struct arena *a = &job->arena;
	const char *mark = arena_fmt(a, "%s/started", container_dir(job->engine, a, job->id)).p;
	// Before: who finds it knows that the process may have run.
	int fd CLEAN_FD = open(mark, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_errno(&job->e, errno, "%s", mark);
	if (release(job->engine, a, job->id, &job->e) < 0) {
		unlink(mark);
		return -1;
	}
	j->started = file_time(mark);
	return 0;
}

static void finish_start(struct job *job)
{
	struct container *c = container_get(job->engine, str_of(job->id));
	if (!c)
		return;
	c->busy = false;
	if (job->result == 0) {
		c->started = ((struct start_job *)job)->started;
		if (c->phase == RUNTIME_CREATED)
			c->phase = RUNTIME_RUNNING;
	}
}

// The end of a container that ended at once is told after its start is.
static void start_done(void *arg, const struct err *e)
{
	struct start_job *j = arg;
	if (j->done)
		j->done(j->arg, e);
	struct container *c = container_get(j->job.engine, str_of(j->job.id));
	if (c)
		container_tell(c);
}

void engine_start(struct runtime *r, struct str id, runtime_done *done, void *arg)
{
	struct engine *g = engine_of(r);
	struct container *c = container_get(g, id);
	struct start_job *j =
		job_create(g, c ? str_of(c->pod_uid) : STR("none"), sizeof *j, run_start, start_done, NULL);
	j->job.arg = j;
	j->job.id = arena_c(&j->job.arena, id);
	j->done = done;
	j->arg = arg;
	if (!c || !c->known) {
		job_refuse(&j->job, ERR_NOT_FOUND, "no container %.*s", STR_FMT(id));
	} else if (c->phase != RUNTIME_CREATED) {
		job_refuse(&j->job, ERR_CONFLICT, "container %.*s was started already or has ended", STR_FMT(id));
	} else {
		j->job.finish = finish_start;
		c->busy = true;
		job_submit(&j->job);
	}
}
