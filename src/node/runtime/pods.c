// SPDX-License-Identifier: Apache-2.0
// What the containers of a pod share: control group, ipc, uts and process namespaces, /dev/shm. Namespaces are held by
// bind mounts of their files, so that no process has to sit in an idle one.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/magic.h>

#include "node/images/store.h"
#include "node/images/tree.h"
#include "node/runtime/engine.h"
#include "node/runtime/spawn.h"
#include "node/runtime/sysctl.h"

enum { SHM_BYTES = 64 << 20, RECORD_MAX = 64 << 10, INIT_TIMEOUT_MS = 10000 };

struct pod_job {
	struct job job;
	struct runtime_pod_spec spec;
	char *uid;
	char **containers; // of pod_remove
	size_t container_count;
};

const char *pod_cgroup(struct arena *a, struct str uid)
{
	return arena_fmt(a, "pod%.*s", STR_FMT(uid)).p;
}

static const char *pod_path(const struct engine *g, struct arena *a, const char *uid, const char *what)
{
	return arena_fmt(a, "%s/pods/%s%s%s", g->run, uid, what[0] ? "/" : "", what).p;
}

// ---- pod objects

struct pod *pod_need(struct engine *g, struct str uid)
{
	struct pod *p = map_get(&g->pods, uid);
	if (p)
		return p;
	p = MEM_NEW(struct pod);
	p->engine = g;
	p->uid = mem_alloc(uid.n + 1);
	str_to_c(uid, p->uid, uid.n + 1);
	map_set(&g->pods, uid, p);
	return p;
}

void pod_free_if_idle(struct pod *p)
{
	if (p->first || p->made)
		return;
	map_remove(&p->engine->pods, str_of(p->uid));
	free(p->uid);
	free(p);
}

void pods_adopt(struct engine *g)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	DIR *d = opendir(arena_fmt(&a, "%s/pods", g->run).p);
	for (struct dirent *at; d && (at = readdir(d));)
		if (at->d_name[0] != '.')
			pod_need(g, str_of(at->d_name))->made = true;
	if (d)
		closedir(d);
}

// ---- pod.json

static int write_record(struct engine *g, struct arena *a, const struct runtime_pod_spec *s, const char *uid,
			struct err *e)
{
	struct json *j = json_object(a);
	json_put_str(a, j, "netNs", s->net_ns);
	json_put_bool(a, j, "hostPid", s->host_pid);
	json_put_bool(a, j, "hostIpc", s->host_ipc);
	json_put_bool(a, j, "sharePid", s->share_pid);
	json_put_bool(a, j, "hostname", !str_empty(s->hostname));
	return store_write_unsynced(pod_path(g, a, uid, "pod.json"), json_text(a, j), e);
}

// Written last: a pod without it was not made to its end.
static bool was_made(const struct engine *g, struct arena *a, const char *uid)
{
	return access(pod_path(g, a, uid, "pod.json"), F_OK) == 0;
}

int pod_read(const struct engine *g, struct arena *a, struct str uid_str, struct bundle_pod *out, struct err *e)
{
	const char *uid = arena_c(a, uid_str), *path = pod_path(g, a, uid, "pod.json");
	struct str text;
	struct json *j;
	if (store_read_file(a, AT_FDCWD, path, RECORD_MAX, &text, e) < 0 || json_parse(a, text, NULL, &j, e) < 0)
		return err_wrap(e, "pod");
	if (!json_get(j, STR("netNs"))) // what is not said would be taken for the host's
		return err_set(e, ERR_INTERNAL, "%s is damaged", path);
	bool host_ipc = json_is_true(j, "hostIpc");
	*out = (struct bundle_pod){
		.net_ns = json_str(j, "netNs"),
		.ipc_ns = host_ipc ? STR_NONE : str_of(pod_path(g, a, uid, "ipc")),
		.uts_ns = json_is_true(j, "hostname") ? str_of(pod_path(g, a, uid, "uts")) : STR_NONE,
		.pid_ns = json_is_true(j, "sharePid") ? str_of(pod_path(g, a, uid, "pid")) : STR_NONE,
		.host_pid = json_is_true(j, "hostPid"),
		.shm = host_ipc ? STR("/dev/shm") : str_of(pod_path(g, a, uid, "shm")),
	};
	return 0;
}

// ---- namespaces

static bool is_held(const char *path)
{
	struct statfs fs;
	return statfs(path, &fs) == 0 && fs.f_type == NSFS_MAGIC;
}

int namespace_hold(const char *namespace_file, const char *path, struct err *e)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd >= 0)
		close(fd);
	if (fd < 0 || mount(namespace_file, path, NULL, MS_BIND, NULL) < 0)
		return err_errno(e, errno, "hold namespace %s", path);
	return 0;
}

// Namespaces that belong to the calling thread only while it arranges the pod's.
struct excursion {
	int ipc, uts, net; // to come back to
};

static int begin_excursion(struct excursion *x, struct err *e)
{
	x->ipc = open("/proc/thread-self/ns/ipc", O_RDONLY | O_CLOEXEC);
	x->uts = open("/proc/thread-self/ns/uts", O_RDONLY | O_CLOEXEC);
	x->net = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	return x->ipc < 0 || x->uts < 0 || x->net < 0 ? err_errno(e, errno, "namespaces of this thread") : 0;
}

static void end_excursion(struct excursion *x)
{
	int fds[] = {x->ipc, x->uts, x->net}, kinds[] = {CLONE_NEWIPC, CLONE_NEWUTS, CLONE_NEWNET};
	for (size_t i = 0; i < 3; i++) {
		if (fds[i] < 0)
			continue;
		MUST(setns(fds[i], kinds[i]) == 0); // a thread of the pool in a pod's namespace would harm others
		close(fds[i]);
	}
}

static int enter(const char *path, int kind, struct err *e)
{
	int fd CLEAN_FD = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 || setns(fd, kind) < 0 ? err_errno(e, errno, "namespace %s", path) : 0;
}

// Into the pod's namespace, which is made where none is held.
static int enter_own(const char *path, int kind, const char *of_thread, struct err *e)
{
	if (is_held(path))
		return enter(path, kind, e);
	return unshare(kind) < 0 ? err_errno(e, errno, "namespace %s", path) : namespace_hold(of_thread, path, e);
}

// In the pod's namespaces; the thread is in those of its own already, but for the network.
static int set_sysctls(struct arena *a, const struct runtime_pod_spec *s, struct err *e)
{
	bool own_net = !str_empty(s->net_ns);
	if (s->sysctl_count && own_net && enter(arena_c(a, s->net_ns), CLONE_NEWNET, e) < 0)
		return -1;
	for (size_t i = 0; i < s->sysctl_count; i++) {
		struct str name = sysctl_dotted(a, s->sysctls[i].name);
		if (!sysctl_is_own(name, own_net, !s->host_ipc))
			return err_set(e, ERR_FORBIDDEN, "sysctl \"%.*s\" is not of a namespace of the pod",
				       STR_FMT(name));
		if (sysctl_write(a, name, s->sysctls[i].value, e) < 0)
			return -1;
	}
	return 0;
}

static int arrange_namespaces(struct engine *g, struct arena *a, const struct runtime_pod_spec *s, const char *uid,
			      struct err *e)
{
	const char *ipc = pod_path(g, a, uid, "ipc"), *uts = pod_path(g, a, uid, "uts");
	bool own_ipc = !s->host_ipc, own_uts = !str_empty(s->hostname);
	if ((!own_ipc || is_held(ipc)) && (!own_uts || is_held(uts)) && was_made(g, a, uid))
		return 0; // what is in them now is the containers' affair
	if (own_ipc && enter_own(ipc, CLONE_NEWIPC, "/proc/thread-self/ns/ipc", e) < 0)
		return -1;
	if (own_uts && enter_own(uts, CLONE_NEWUTS, "/proc/thread-self/ns/uts", e) < 0)
		return -1;
	if (own_uts && sethostname(s->hostname.p, s->hostname.n) < 0)
		return err_errno(e, errno, "hostname %.*s", STR_FMT(s->hostname));
	return set_sysctls(a, s, e);
}

static int make_namespaces(struct engine *g, struct arena *a, const struct runtime_pod_spec *s, const char *uid,
			   struct err *e)
{
	struct excursion x = {-1, -1, -1};
	int result = begin_excursion(&x, e) < 0 ? -1 : arrange_namespaces(g, a, s, uid, e);
	end_excursion(&x);
	return result;
}

static int unhold(const char *path, struct err *e)
{
	return tree_unmount(path) < 0 ? err_errno(e, errno, "unmount %s", path) : 0;
}

// One process namespace for all containers needs a first process that outlives each of them, and this agent. Where that
// was killed, nothing can be started in the namespace any more.
static int make_pid_namespace(struct engine *g, struct arena *a, const char *uid, struct err *e)
{
	const char *path = pod_path(g, a, uid, "pid"), *group = arena_fmt(a, "pod%s/init", uid).p;
	const char *args[] = {"/proc/self/exe", RUNTIME_POD_INIT, path, NULL};
	struct cgroup_limits none = {0};
	int go[2], status;
	pid_t pid;
	if (is_held(path) && !cgroup_is_empty(&g->cgroups, group))
		return 0;
	if (unhold(path, e) < 0)
		return -1;
	if (pipe2(go, O_CLOEXEC) < 0)
		return err_errno(e, errno, "pipe");
	int theirs CLEAN_FD = go[0], ours CLEAN_FD = go[1];
	struct spawn s = {.args = args, .env = engine_env, .cwd = "/", .fds = {theirs, -1, -1}, .fd_count = 3};
	if (spawn_start(&s, &pid, e) < 0)
		return -1;
	int result = cgroup_make(&g->cgroups, group, &none, e) < 0 ? -1 : cgroup_enter(&g->cgroups, group, pid, e);
	if (result == 0 && write(ours, "", 1) != 1)
		result = err_errno(e, errno, "process namespace");
	tree_close_fd(&ours);
	ours = -1;
	if (spawn_wait(pid, INIT_TIMEOUT_MS, &status, result < 0 ? NULL : e) < 0 || result < 0)
		return -1;
	return status == 0 ? 0 : err_set(e, ERR_INTERNAL, "no process namespace could be made");
}

static int make_shm(struct engine *g, struct arena *a, const struct runtime_pod_spec *s, const char *uid, struct err *e)
{
	const char *path = pod_path(g, a, uid, "shm");
	struct stat pod, shm;
	bool mounted = stat(pod_path(g, a, uid, ""), &pod) == 0 && stat(path, &shm) == 0 && pod.st_dev != shm.st_dev;
	if (s->host_ipc || mounted)
		return 0;
	uint64_t bytes = s->shm_bytes ? s->shm_bytes : SHM_BYTES;
	const char *options = arena_fmt(a, "mode=1777,size=%llu", (unsigned long long)bytes).p;
	if ((mkdir(path, 01777) < 0 && errno != EEXIST) ||
	    mount("shm", path, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, options) < 0)
		return err_errno(e, errno, "%s", path);
	return 0;
}

static int run_make(struct job *job)
{
	struct pod_job *j = (struct pod_job *)job;
	struct engine *g = job->engine;
	struct arena *a = &job->arena;
	const struct runtime_pod_spec *s = &j->spec;
	struct err *e = &job->e;
	const char *dir = pod_path(g, a, j->uid, "");
	if (mkdir(dir, 0711) < 0 && errno != EEXIST)
		return err_errno(e, errno, "%s", dir);
	if (cgroup_make(&g->cgroups, pod_cgroup(a, s->uid), &s->limits, e) < 0 || make_shm(g, a, s, j->uid, e) < 0 ||
	    make_namespaces(g, a, s, j->uid, e) < 0 || (s->share_pid && make_pid_namespace(g, a, j->uid, e) < 0))
		return err_wrap(e, "pod");
	return write_record(g, a, s, j->uid, e);
}

static bool uid_ok(struct str uid)
{
	return uid.n > 0 && uid.n <= 128 && str_find(uid, '/') < 0 && uid.p[0] != '.';
}

void engine_pod_make(struct runtime *r, const struct runtime_pod_spec *spec, runtime_done *done, void *arg)
{
	struct engine *g = engine_of(r);
	struct pod_job *j = job_create(g, spec->uid, sizeof *j, run_make, done, arg);
	struct arena *a = &j->job.arena;
	if (!uid_ok(spec->uid)) {
		job_refuse(&j->job, ERR_INVALID, "pod uid \"%.*s\" is not one", STR_FMT(spec->uid));
		return;
	}
	j->spec = *spec;
	j->spec.uid = arena_str(a, spec->uid);
	j->spec.hostname = arena_str(a, spec->hostname);
	j->spec.net_ns = arena_str(a, spec->net_ns);
	struct runtime_sysctl *sysctls = ARENA_ARRAY(a, struct runtime_sysctl, spec->sysctl_count + 1);
	for (size_t i = 0; i < spec->sysctl_count; i++)
		sysctls[i] =
			(struct runtime_sysctl){arena_str(a, spec->sysctls[i].name), arena_str(a, spec->sysctls[i].value)};
	j->spec.sysctls = sysctls;
	j->uid = arena_c(a, spec->uid);
	j->job.pod->made = true;
	job_submit(&j->job);
}

// ---- removing

int pod_destroy(struct engine *g, struct arena *a, const char *uid, struct err *e)
{
	static const char *const mounts[] = {"ipc", "uts", "pid", "shm"};
	const char *group = pod_cgroup(a, str_of(uid)), *dir = pod_path(g, a, uid, "");
	cgroup_kill(&g->cgroups, group);
	for (size_t i = 0; i < ARRAY_LEN(mounts); i++)
		if (unhold(pod_path(g, a, uid, mounts[i]), e) < 0)
			return -1;
	if (engine_cgroup_remove(g, group, e) < 0)
		return -1;
	return tree_erase(AT_FDCWD, dir) < 0 ? err_errno(e, errno, "%s", dir) : 0;
}

static int run_pod_remove(struct job *job)
{
	struct pod_job *j = (struct pod_job *)job;
	int result = 0;
	for (size_t i = 0; i < j->container_count; i++) // all of them, and the first failure is told
		if (container_destroy(job->engine, &job->arena, j->containers[i], j->uid, result ? NULL : &job->e) < 0)
			result = -1;
	return result < 0 ? -1 : pod_destroy(job->engine, &job->arena, j->uid, &job->e);
}

static void finish_pod_remove(struct job *job)
{
	struct pod_job *j = (struct pod_job *)job;
	for (size_t i = 0; i < j->container_count; i++) {
		struct container *c = container_get(job->engine, str_of(j->containers[i]));
		if (c && job->result == 0)
			container_drop(c);
		else if (c)
			c->busy = false;
	}
	if (job->result == 0)
		job->pod->made = job->next != NULL && job->pod->made;
}

// The containers are looked up when the job begins to matter: now, but those being created are before it in the queue.
static void note_containers(struct engine *g, struct pod_job *j, struct str uid)
{
	j->containers = ARENA_ARRAY(&j->job.arena, char *, g->containers.count + 1);
	map_each(entry, &g->containers) {
		struct container *c = entry->value;
		if (!str_is(uid, c->pod_uid))
			continue;
		c->busy = true;
		j->containers[j->container_count++] = arena_c(&j->job.arena, str_of(c->id));
	}
}

void engine_pod_remove(struct runtime *r, struct str uid, runtime_done *done, void *arg)
{
	struct engine *g = engine_of(r);
	struct pod_job *j = job_create(g, uid, sizeof *j, run_pod_remove, done, arg);
	if (!uid_ok(uid)) {
		job_refuse(&j->job, ERR_INVALID, "pod uid \"%.*s\" is not one", STR_FMT(uid));
		return;
	}
	j->uid = arena_c(&j->job.arena, uid);
	j->job.finish = finish_pod_remove;
	note_containers(g, j, uid);
	job_submit(&j->job);
}
