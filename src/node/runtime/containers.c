// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/times.h"
#include "node/images/tree.h"
#include "node/runtime/engine.h"

static char *copy(struct str s)
{
	char *c = mem_alloc(s.n + 1);
	if (s.n)
		memcpy(c, s.p, s.n);
	c[s.n] = 0;
	return c;
}

struct container *container_get(const struct engine *g, struct str id)
{
	return map_get(&g->containers, id);
}

struct container *container_add(struct engine *g, const struct runtime_container_spec *spec)
{
	struct container *c = MEM_NEW(struct container);
	c->engine = g;
	c->id = copy(spec->id);
	c->pod_uid = copy(spec->pod_uid);
	c->name = copy(spec->name);
	c->note = copy(spec->note);
	c->image_id = copy(spec->image_id);
	c->log_path = copy(spec->log_path);
	c->tty = spec->tty;
	c->stdin_open = spec->stdin_open;
	c->stdin_once = spec->stdin_once;
	map_set(&g->containers, spec->id, c);
	return c;
}

void container_drop(struct container *c)
{
	map_remove(&c->engine->containers, str_of(c->id));
	exit_unwatch_process(c);
	free(c->id);
	free(c->pod_uid);
	free(c->name);
	free(c->note);
	free(c->image_id);
	free(c->log_path);
	free(c);
}

const char *container_cgroup(const struct container *c, struct arena *a)
{
	return arena_fmt(a, "pod%s/%s", c->pod_uid, c->id).p;
}

const char *container_dir(const struct engine *g, struct arena *a, const char *id)
{
	return engine_path(g, a, "containers/%s", id);
}

const char *container_exit_dir(const struct engine *g, struct arena *a, const char *id)
{
	return arena_fmt(a, "%s/exits/%s", g->run, id).p;
}

const char *container_fifo(const struct engine *g, struct arena *a, const char *id)
{
	return arena_fmt(a, "%s/crun/%s/exec.fifo", g->run, id).p;
}

// That of the disk, else that in memory, which conmon writes first.
static const char *exit_file(const struct container *c, struct arena *a)
{
	const char *lasting = engine_path(c->engine, a, "exits/%s", c->id);
	return file_time(lasting) ? lasting : arena_fmt(a, "%s/exit", container_exit_dir(c->engine, a, c->id)).p;
}

bool container_has_exit_file(const struct container *c)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	return file_time(exit_file(c, &a)) != 0;
}

// Process ids are used again; that a process is in the container's control group, or one below, cannot be imitated.
bool container_alive(const struct engine *g, const char *cgroup, int pid)
{
	char path[64], group[512], text[8192];
	snprintf(path, sizeof(path), "/proc/%d/cgroup", pid);
	int n = snprintf(group, sizeof(group), "%s/%s", g->cgroups.parent, cgroup);
	if (pid <= 0 || n >= (int)sizeof(group) || !file_text(path, text, sizeof(text)))
		return false;
	const char *found = strstr(text, group);
	return found && (found[n] == '\n' || found[n] == '/');
}

int64_t file_time(const char *path)
{
	struct stat st;
	return stat(path, &st) < 0 ? 0 : st.st_mtim.tv_sec * TIME_S + st.st_mtim.tv_nsec;
}

size_t file_text(const char *path, char *out, size_t size)
{
	int fd CLEAN_FD = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, out, size - 1);
	out[n > 0 ? n : 0] = 0;
	return n > 0 ? (size_t)n : 0;
}

int64_t file_number(const char *path, int64_t otherwise)
{
	char text[32];
	int64_t value;
	file_text(path, text, sizeof(text));
	return str_to_i64(str_trim(str_of(text)), &value) < 0 ? otherwise : value;
}

void container_fill_state(const struct container *c, struct arena *a, struct runtime_state *out)
{
	*out = (struct runtime_state){
		.id = arena_str(a, str_of(c->id)),
		.pod_uid = arena_str(a, str_of(c->pod_uid)),
		.name = arena_str(a, str_of(c->name)),
		.note = arena_str(a, str_of(c->note)),
		.image_id = arena_str(a, str_of(c->image_id)),
		.log_path = arena_str(a, str_of(c->log_path)),
		.phase = c->phase,
		.tty = c->tty,
		.pid = c->phase == RUNTIME_EXITED ? 0 : c->pid,
		.created = c->created,
		.started = c->started,
		.finished = c->finished,
		.exit_code = c->exit_code,
		.signal = c->signal,
		.oom_killed = c->oom_killed,
		.lost = c->lost,
	};
}

void container_ended(struct container *c)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct engine *g = c->engine;
	const char *file = exit_file(c, &a);
	int64_t when = file_time(file);
	if (c->phase == RUNTIME_EXITED || !when)
		return;
	const char *oom = arena_fmt(&a, "%s/oom", container_exit_dir(g, &a, c->id)).p;
	exit_unwatch_process(c);
	c->phase = RUNTIME_EXITED;
	c->exit_code = (int)file_number(file, 255);
	c->signal = c->exit_code > 128 && c->exit_code <= 128 + SIGRTMAX ? c->exit_code - 128 : 0;
	c->finished = when;
	c->oom_killed = c->signal == SIGKILL &&
			(access(oom, F_OK) == 0 || cgroup_oom_kills(&g->cgroups, container_cgroup(c, &a)) > 0);
	container_tell(c);
}

void container_lost(struct container *c, int64_t when)
{
	if (c->phase == RUNTIME_EXITED)
		return;
	c->phase = RUNTIME_EXITED;
	c->exit_code = 255;
	c->lost = true;
	c->finished = when;
	container_tell(c);
}

void container_tell(struct container *c)
{
	struct engine *g = c->engine;
	if (c->phase != RUNTIME_EXITED || c->told || c->busy || !c->known || !g->events || g->closing)
		return;
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct runtime_state s;
	c->told = true;
	container_fill_state(c, &a, &s);
	g->events->on_exit(g->events_arg, &s); // which may remove the container
}
