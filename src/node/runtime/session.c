// SPDX-License-Identifier: Apache-2.0
#include "node/runtime/session.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sys/real.h"

enum { PACKET_MAX = 8 << 10 };

void session_init(struct session *s, struct engine *g, struct str id, const struct runtime_session_events *ev,
		  void *arg)
{
	s->base.runtime = &g->base;
	s->engine = g;
	g->jobs++; // it outlives the runtime's close until its process is reaped
	s->events = ev;
	s->arg = arg;
	s->id = mem_alloc(id.n + 1);
	str_to_c(id, s->id, id.n + 1);
	buf_init(&s->pending);
	s->out.fd = s->err.fd = s->in.fd = s->ended.fd = -1;
}

// ---- channels

static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct channel *c = poll->data;
	if (c->fd >= 0 && (!c->session->over || c == &c->session->ended))
		c->ready(c->session, c, status < 0 ? UV_READABLE : events);
}

void session_open_channel(struct session *s, struct channel *c, int fd, int events,
			  void (*ready)(struct session *, struct channel *, int))
{
	c->session = s;
	c->fd = fd;
	c->ready = ready;
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	uv_poll_init(loop_real_uv(s->engine->base.loop), &c->poll, fd);
	c->poll.data = c;
	s->handles++;
	session_watch(c, events);
}

void session_watch(struct channel *c, int events)
{
	if (c->fd < 0 || c->events == events)
		return;
	c->events = events;
	if (events)
		uv_poll_start(&c->poll, events, on_poll);
	else
		uv_poll_stop(&c->poll);
}

static void on_closed(uv_handle_t *handle)
{
	struct channel *c = handle->data;
	c->session->handles--;
	session_free_if_done(c->session);
}

void session_close_channel(struct channel *c)
{
	if (c->fd < 0)
		return;
	// First: libuv asks the kernel once more to tell nothing of that number, which might be another file by then.
	uv_close((uv_handle_t *)&c->poll, on_closed);
	close(c->fd);
	c->fd = -1;
	c->events = 0;
}

// ---- the end

void session_free_if_done(struct session *s)
{
	if (!s->over || s->handles || s->busy)
		return;
	struct engine *g = s->engine;
	if (s->free)
		s->free(s);
	buf_finish(&s->pending);
	free(s->id);
	free(s);
	engine_release(g);
}

static void close_all(struct session *s)
{
	s->over = true;
	s->handles++; // keeps it while the channels go
	session_close_channel(&s->out);
	session_close_channel(&s->err);
	session_close_channel(&s->in);
	s->handles--;
}

void session_end(struct session *s, int exit_code, const struct err *e)
{
	if (s->over)
		return;
	close_all(s);
	s->busy = true; // while the listener is told
	s->events->on_end(s->arg, exit_code, e);
	s->busy = false;
	session_free_if_done(s);
}

void engine_session_cancel(struct runtime_session *base)
{
	struct session *s = CONTAINER_OF(base, struct session, base);
	if (s->over)
		return;
	if (s->on_cancel)
		s->on_cancel(s);
	close_all(s);
	session_free_if_done(s);
}

// ---- stdin

static ssize_t put(struct session *s, struct str data)
{
	if (s->packets)
		return send(s->input->fd, data.p, data.n < PACKET_MAX ? data.n : PACKET_MAX, MSG_NOSIGNAL);
	return write(s->input->fd, data.p, data.n);
}

static void watch_input(struct session *s, bool writable)
{
	int others = s->input->events & ~UV_WRITABLE;
	session_watch(s->input, writable ? others | UV_WRITABLE : others);
}

void session_flush_input(struct session *s)
{
	if (!s->input || s->input->fd < 0)
		return;
	while (s->pending.n) {
		ssize_t n = put(s, buf_str(&s->pending));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
			watch_input(s, true);
			return;
		}
		if (n < 0) { // nobody reads it any more
			buf_clear(&s->pending);
			break;
		}
		buf_drop(&s->pending, (size_t)n);
	}
	watch_input(s, false);
	if (s->closing_stdin && s->on_stdin_closed) {
		s->closing_stdin = false;
		s->on_stdin_closed(s);
	}
}

void engine_session_write(struct runtime_session *base, struct str data)
{
	struct session *s = CONTAINER_OF(base, struct session, base);
	if (s->over || !s->stdin_open || s->closing_stdin)
		return;
	buf_add(&s->pending, data);
	session_flush_input(s);
}

size_t engine_session_pending(struct runtime_session *base)
{
	return CONTAINER_OF(base, struct session, base)->pending.n;
}

void engine_session_close_stdin(struct runtime_session *base)
{
	struct session *s = CONTAINER_OF(base, struct session, base);
	if (s->over || s->closing_stdin)
		return;
	s->closing_stdin = true;
	session_flush_input(s);
}

// ---- the rest

void engine_session_resize(struct runtime_session *base, int width, int height)
{
	struct session *s = CONTAINER_OF(base, struct session, base);
	if (!s->over && s->on_resize && width > 0 && height > 0 && width < 65536 && height < 65536)
		s->on_resize(s, width, height);
}

void engine_session_pause(struct runtime_session *base, bool paused)
{
	struct session *s = CONTAINER_OF(base, struct session, base);
	if (s->over || s->paused == paused)
		return;
	s->paused = paused;
	if (s->on_resume)
		s->on_resume(s);
}
