// SPDX-License-Identifier: Apache-2.0
// Hears of exit files as conmon writes them (inotify: one descriptor for all containers).
#include <errno.h>
#include <sys/inotify.h>
#include <unistd.h>
#include <uv.h>

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
			at += sizeof(*event) + event->len;
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
