// SPDX-License-Identifier: Apache-2.0
// Rotation of logs: conmon writes on to a file whatever it is called, so it is renamed first, then conmon is told to open
// the log's name anew.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/times.h"
#include "node/images/tree.h"
#include "node/stream/stream_server.h"

struct log_rotation {
	struct runtime *runtime;
	struct timer timer;
	uint64_t max_bytes;
	int files;
	int64_t every_ns;
};

static bool shift(struct arena *a, const char *path, int files)
{
	unlink(arena_fmt(a, "%s.%d", path, files - 1).p);
	for (int i = files - 2; i >= 1; i--)
		rename(arena_fmt(a, "%s.%d", path, i).p, arena_fmt(a, "%s.%d", path, i + 1).p);
	if (rename(path, arena_fmt(a, "%s.1", path).p) == 0)
		return true;
	log_warn("log rotation: %s: %s", path, strerror(errno));
	return false;
}

// conmon opens LOG.tmp, gives it the log's name, and ends where it cannot, the container's output with it: where the disk
// has no room for one more file, the log stays as it is.
static bool make_next(struct arena *a, const char *path)
{
	const char *next = arena_fmt(a, "%s.tmp", path).p;
	int fd CLEAN_FD = open(next, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0640);
	if (fd < 0)
		log_warn("log rotation: %s: %s", next, strerror(errno));
	return fd >= 0;
}

static void reopened(void *arg, const struct err *e)
{
	if (e && e->reason != ERR_NOT_FOUND)
		log_warn("log rotation: %s", err_text(e));
}

// An agent that was killed in the middle has left a renamed log, which the monitor goes on writing to.
static bool was_cut_off(struct arena *a, const char *path)
{
	return access(path, F_OK) < 0 && errno == ENOENT && access(arena_fmt(a, "%s.1", path).p, F_OK) == 0;
}

static void look_at(struct log_rotation *g, struct arena *a, const struct runtime_state *container)
{
	const char *path = arena_c(a, container->log_path);
	struct stat st;
	if (container->phase == RUNTIME_EXITED)
		return;
	bool large = stat(path, &st) == 0 && (uint64_t)st.st_size >= g->max_bytes;
	if ((large && make_next(a, path) && shift(a, path, g->files)) || (was_cut_off(a, path) && make_next(a, path)))
		runtime_reopen_log(g->runtime, container->id, reopened, NULL);
}

static void look(struct timer *t)
{
	struct log_rotation *g = CONTAINER_OF(t, struct log_rotation, timer);
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct runtime_state *list;
	size_t count = runtime_list(g->runtime, &a, &list);
	for (size_t i = 0; i < count; i++)
		look_at(g, &a, &list[i]);
	timer_start(g->runtime->loop, t, g->every_ns);
}

struct log_rotation *log_rotation_create(struct runtime *r, uint64_t max_bytes, int files, int64_t every_ns)
{
	struct log_rotation *g = MEM_NEW(struct log_rotation);
	*g = (struct log_rotation){
		.runtime = r, .max_bytes = max_bytes, .files = files < 2 ? 2 : files, .every_ns = every_ns};
	g->timer = (struct timer){.fire = look, .loop = r->loop};
	timer_start(r->loop, &g->timer, every_ns);
	return g;
}

void log_rotation_destroy(struct log_rotation *g)
{
	if (!g)
		return;
	timer_stop(&g->timer);
	free(g);
}
