// SPDX-License-Identifier: Apache-2.0
#include "sys/real/stream.h"

enum { GATHER_MAX = 64 }; // blobs in one writev

int real_error(struct err *e, int code, const char *what)
{
	enum err_reason reason = ERR_UNAVAILABLE;
	if (code == UV_ETIMEDOUT)
		reason = ERR_TIMEOUT;
	else if (code == UV_ENOENT)
		reason = ERR_NOT_FOUND;
	return err_set(e, reason, "%s: %s", what, uv_strerror(code));
}

struct real_stream *real_stream_create(struct real_loop *l, bool is_unix)
{
	struct real_stream *s = MEM_NEW(struct real_stream);
	s->base.loop = &l->base;
	LIST_INSERT_HEAD(&l->streams, s, all);
	if (is_unix)
		uv_pipe_init(&l->uv, &s->pipe, 0);
	else
		uv_tcp_init(&l->uv, &s->tcp);
	return s;
}

static void drop_queue(struct real_stream *s)
{
	for (size_t i = 0; i < s->count; i++)
		blob_unref(s->queue[s->head + i]);
	s->head = s->count = s->sent = s->pending = 0;
}

// The last that its owner hears; the stream may be closed on return.
static void fail(struct real_stream *s, int code)
{
	if (s->broken || s->closed)
		return;
	s->broken = true;
	uv_read_stop(&s->uv);
	if (!s->writing)
		drop_queue(s);
	struct err e CLEAN_ERR = ERR_EMPTY;
	real_error(&e, code, "connection");
	if (s->events.on_read)
		s->events.on_read(s->arg, STR_NONE, &e);
}

// ---- reading

static void lend_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
	struct real_stream *s = CONTAINER_OF(handle, struct real_stream, handle);
	*out = uv_buf_init(real_of(s->base.loop)->read_buffer, READ_BUFFER_SIZE);
}

static void on_uv_read(uv_stream_t *uv, ssize_t n, const uv_buf_t *buf)
{
	struct real_stream *s = CONTAINER_OF(uv, struct real_stream, uv);
	real_awake(real_of(s->base.loop));
	if (n == 0) // nothing after all
		return;
	if (n > 0) {
		s->events.on_read(s->arg, (struct str){buf->base, (size_t)n}, NULL);
		return;
	}
	if (n != UV_EOF) {
		fail(s, (int)n);
		return;
	}
	uv_read_stop(uv);
	s->events.on_read(s->arg, STR_NONE, NULL);
}

void real_stream_read(struct stream *base, bool on)
{
	struct real_stream *s = real_stream_of(base);
	if (s->broken || s->closed)
		return;
	if (on)
		uv_read_start(&s->uv, lend_buffer, on_uv_read);
	else
		uv_read_stop(&s->uv);
}

void real_stream_start(struct stream *base, const struct stream_events *events, void *arg)
{
	struct real_stream *s = real_stream_of(base);
	s->events = *events;
	s->arg = arg;
	real_stream_read(base, true);
}

// ---- writing

static void gather(struct real_stream *s)
{
	struct real_loop *l = real_of(s->base.loop);
	if (s->gathered)
		return;
	s->gathered = true;
	TAILQ_INSERT_TAIL(&l->unsent, s, unsent);
	l->unsent_count++;
}

static void ungather(struct real_stream *s)
{
	struct real_loop *l = real_of(s->base.loop);
	if (!s->gathered)
		return;
	s->gathered = false;
	TAILQ_REMOVE(&l->unsent, s, unsent);
	l->unsent_count--;
}

void real_stream_write(struct stream *base, struct blob *b)
{
	struct real_stream *s = real_stream_of(base);
	if (b->n == 0 || s->broken || s->closed || s->shutdown_wanted) {
		blob_unref(b);
		return;
	}
	if (s->head + s->count == s->room) {
		if (s->head > s->room / 2) {
			memmove(s->queue, s->queue + s->head, s->count * sizeof(struct blob *));
			s->head = 0;
		} else {
			s->room = s->room ? 2 * s->room : 8;
			s->queue = mem_realloc(s->queue, s->room * sizeof(struct blob *));
		}
	}
	s->queue[s->head + s->count++] = b;
	s->pending += b->n;
	gather(s);
}

// The front of the queue as buffers.
static unsigned front(struct real_stream *s, uv_buf_t out[GATHER_MAX], size_t *bytes)
{
	unsigned n = 0;
	size_t skip = s->sent;
	*bytes = 0;
	for (; n < GATHER_MAX && n < s->count; n++, skip = 0) {
		struct blob *b = s->queue[s->head + n];
		out[n] = uv_buf_init(b->p + skip, (unsigned)(b->n - skip));
		*bytes += b->n - skip;
	}
	return n;
}

// The kernel has taken `bytes` off the front.
static void advance(struct real_stream *s, size_t bytes)
{
	s->pending -= bytes;
	s->sent += bytes;
	while (s->count && s->sent >= s->queue[s->head]->n) {
		s->sent -= s->queue[s->head]->n;
		blob_unref(s->queue[s->head++]);
		s->count--;
	}
	if (s->count == 0)
		s->head = 0;
}

static void on_uv_shutdown(uv_shutdown_t *request, int status)
{
}

static void on_uv_written(uv_write_t *request, int status);

// Writes as much as the kernel takes.
static void flush(struct real_stream *s)
{
	while (s->count) {
		uv_buf_t buffers[GATHER_MAX];
		size_t bytes;
		unsigned n = front(s, buffers, &bytes);
		int taken = uv_try_write(&s->uv, buffers, n);
		if (taken < 0 && taken != UV_EAGAIN) {
			fail(s, taken);
			return;
		}
		if (taken > 0)
			advance(s, (size_t)taken);
		if (taken == (int)bytes)
			continue;
		n = front(s, buffers, &s->writing);
		int r = uv_write(&s->write, &s->uv, buffers, n, on_uv_written);
		if (r < 0) {
			s->writing = 0;
			fail(s, r);
		}
		return;
	}
	if (s->shutdown_wanted && !s->shut) {
		s->shut = true;
		uv_shutdown(&s->shutdown, &s->uv, on_uv_shutdown);
	} else if (s->events.on_drain) {
		s->events.on_drain(s->arg);
	}
}

static void on_uv_written(uv_write_t *request, int status)
{
	struct real_stream *s = CONTAINER_OF(request, struct real_stream, write);
	real_awake(real_of(s->base.loop));
	size_t bytes = s->writing;
	s->writing = 0;
	if (s->closed)
		return;
	if (s->broken) {
		drop_queue(s);
	} else if (status < 0) {
		fail(s, status);
	} else {
		advance(s, bytes);
		flush(s);
	}
}

void real_streams_flush(struct real_loop *l)
{
	// What on_drain writes goes out in the next turn, so that reading has its share.
	for (size_t n = l->unsent_count; n > 0 && l->unsent_count > 0; n--) {
		struct real_stream *s = TAILQ_FIRST(&l->unsent);
		ungather(s);
		if (!s->writing && !s->broken)
			flush(s);
	}
}

size_t real_stream_pending(struct stream *base)
{
	return real_stream_of(base)->pending;
}

void real_stream_shutdown(struct stream *base)
{
	struct real_stream *s = real_stream_of(base);
	if (s->broken || s->closed || s->shutdown_wanted)
		return;
	s->shutdown_wanted = true;
	gather(s);
}

static void free_stream(struct real_stream *s)
{
	drop_queue(s);
	free(s->queue);
	free(s);
}

static void on_uv_closed(uv_handle_t *handle)
{
	struct real_stream *s = CONTAINER_OF(handle, struct real_stream, handle);
	if (!s->telling)
		free_stream(s);
	else
		s->base.loop = NULL; // `later` frees it
}

void real_stream_close(struct stream *base)
{
	struct real_stream *s = real_stream_of(base);
	if (s->closed)
		return;
	s->closed = true;
	ungather(s);
	LIST_REMOVE(s, all);
	uv_close(&s->handle, on_uv_closed);
}

void real_streams_close(struct real_loop *l)
{
	while (!LIST_EMPTY(&l->streams))
		real_stream_close(&LIST_FIRST(&l->streams)->base);
}
