// SPDX-License-Identifier: Apache-2.0
// Hears of exit files as conmon writes them (inotify: one descriptor for all containers), and of processes that end
// without anybody left to write one.
#include <errno.h>
#include <sys/inotify.h>
#include <sys/pidfd.h>
#include <unistd.h>
#include <uv.h>

#include "base/times.h"
#include "node/runtime/engine.h"
#include "sys/real.h"

struct exit_watch {
	struct engine *engine;
	int fd;
	uv_poll_t poll;
};

static void look_at_all(struct engine *g)
{
	for (size_t i = g->containers.count; i-- > 0;) // backwards: a container may be removed on the way
		if (i < g->containers.count)
			container_ended(g->containers.entries[i].value);
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
	struct exit_watch *w = poll->data;
	char room[16 << 10] __attribute__((aligned(8)));
	for (ssize_t n; (n = read(w->fd, room, sizeof(room))) > 0;) {
		for (char *at = room; at < room + n;) {
			struct inotify_event *event = (struct inotify_event *)(void *)at;
			struct container *c = event->len ? container_get(w->engine, str_of(event->name)) : NULL;
			if (event->mask & IN_Q_OVERFLOW)
				look_at_all(w->engine);
			else if (c)
				container_ended(c);
			at += sizeof *event + event->len;
		}
	}
}

int exit_watch_open(struct engine *g, struct err *e)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	const char *dir = engine_path(g, &a, "exits");
	struct exit_watch *w = MEM_NEW(struct exit_watch);
	w->engine = g;
	w->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (w->fd < 0 || inotify_add_watch(w->fd, dir, IN_MOVED_TO | IN_CLOSE_WRITE) < 0) {
		err_errno(e, errno, "watch %s", dir);
		if (w->fd >= 0)
			close(w->fd);
		free(w);
		return -1;
	}
	uv_poll_init(loop_real_uv(g->base.loop), &w->poll, w->fd);
	w->poll.data = w;
	uv_poll_start(&w->poll, UV_READABLE, on_ready);
	g->exit_watch = w;
	return 0;
}

static void on_closed(uv_handle_t *handle)
{
	struct exit_watch *w = handle->data;
	close(w->fd);
	free(w);
}

void exit_watch_close(struct engine *g)
{
	if (g->exit_watch)
		uv_close((uv_handle_t *)&g->exit_watch->poll, on_closed);
	g->exit_watch = NULL;
}

// ---- the processes themselves

enum { NOTE_PATIENCE_MS = 3000 }; // for conmon to write the exit file

struct process_watch {
	struct container *container;
	int fd; // -1: none was to be had; then the timer looks
	uv_poll_t poll;
	struct timer timer;
};

static void watch_closed(uv_handle_t *handle)
{
	struct process_watch *w = handle->data;
	close(w->fd);
	free(w);
}

static void patience_ends(struct timer *t)
{
	struct process_watch *w = CONTAINER_OF(t, struct process_watch, timer);
	struct container *c = w->container;
	struct engine *g = c->engine;
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	bool alive = w->fd < 0 && container_alive(g, container_cgroup(c, &a), c->pid);
	if (alive || conmon_runs(&a, container_dir(g, &a, c->id), c->id)) { // it is only slow
		timer_start(g->base.loop, t, NOTE_PATIENCE_MS * TIME_MS);
	} else if (container_has_exit_file(c)) {
		container_ended(c);
	} else {
		exit_unwatch_process(c);
		container_lost(c, loop_wall(g->base.loop));
	}
}

static void process_ended(uv_poll_t *poll, int status, int events)
{
	struct process_watch *w = poll->data;
	uv_poll_stop(poll);
	timer_start(w->timer.loop, &w->timer, NOTE_PATIENCE_MS * TIME_MS);
}

void exit_watch_process(struct container *c)
{
	if (!c->engine->exit_watch || c->phase == RUNTIME_EXITED)
		return; // nobody asks
	struct process_watch *w = c->process = MEM_NEW(struct process_watch);
	*w = (struct process_watch){
		.container = c,
		.fd = pidfd_open(c->pid, 0),
		.timer = {.fire = patience_ends, .loop = c->engine->base.loop},
	};
	if (w->fd < 0) { // it has ended, or too many descriptors are open
		timer_start(w->timer.loop, &w->timer, NOTE_PATIENCE_MS * TIME_MS);
		return;
	}
	uv_poll_init(loop_real_uv(w->timer.loop), &w->poll, w->fd);
	w->poll.data = w;
	uv_poll_start(&w->poll, UV_READABLE, process_ended);
}

void exit_unwatch_process(struct container *c)
{
	struct process_watch *w = c->process;
	c->process = NULL;
	if (!w)
		return;
	timer_stop(&w->timer);
	if (w->fd < 0)
		free(w);
	else
		uv_close((uv_handle_t *)&w->poll, watch_closed);
}
