// SPDX-License-Identifier: Apache-2.0
// exec and attach over SPDY: the client opens one stream for each channel, named by its header streamType.
#include "base/times.h"
#include "wire/remote_carrier.h"
#include "wire/spdy.h"

enum { OPEN_S = 30, SIZE_MAX_BYTES = 1024 };

struct by_spdy {
	struct remote remote;
	struct duplex *duplex; // until started
	struct spdy_session *session;
	struct duplex *streams[REMOTE_CHANNELS];
	struct timer timer; // for the client to open them
	bool ready;
	bool ended; // told
	struct buf size; // what has come of a terminal's size
};

static const char v5[] = "v5.channel.k8s.io", v4[] = "v4.channel.k8s.io";

static struct by_spdy *of(const struct remote *r)
{
	return CONTAINER_OF(r, struct by_spdy, remote);
}

const char *remote_spdy_choose(struct http_headers h)
{
	if (!http_header_lists(h, "upgrade", "SPDY/3.1"))
		return NULL;
	if (http_header_lists(h, "x-stream-protocol-version", v4))
		return v4;
	return http_header_lists(h, "x-stream-protocol-version", v5) ? v5 : NULL;
}

static void free_it(struct by_spdy *s)
{
	timer_stop(&s->timer);
	for (int i = 0; i < REMOTE_CHANNELS; i++)
		duplex_close(s->streams[i]);
	buf_finish(&s->size);
	free(s);
}

static void tell_end(struct by_spdy *s)
{
	if (s->ended)
		return;
	s->ended = true;
	timer_stop(&s->timer);
	s->remote.events->on_end(s->remote.arg);
}

// ---- Streams

static void on_stdin_read(void *arg, struct str data, const struct err *e)
{
	struct by_spdy *s = arg;
	if (e) // the session's end is told by itself
		return;
	if (data.n)
		s->remote.events->on_stdin(s->remote.arg, data);
	else
		s->remote.events->on_stdin_end(s->remote.arg);
}

// A sequence of flat objects.
static void on_size_read(void *arg, struct str data, const struct err *e)
{
	struct by_spdy *s = arg;
	while (data.n) {
		ptrdiff_t end = str_find(data, '}');
		struct str part = str_sub(data, 0, end < 0 ? data.n : (size_t)end + 1);
		data = str_from(data, part.n);
		if (s->size.n + part.n <= SIZE_MAX_BYTES)
			buf_add(&s->size, part);
		if (end < 0)
			continue;
		struct buf object CLEAN_BUF = s->size;
		buf_init(&s->size);
		remote_told_size(&s->remote, buf_str(&object));
	}
}

static void on_nothing_read(void *arg, struct str data, const struct err *e)
{
}

static void on_drain(void *arg)
{
	struct by_spdy *s = arg;
	if (s->remote.events->on_drain)
		s->remote.events->on_drain(s->remote.arg);
}

static void start_streams(struct by_spdy *s)
{
	static const struct duplex_events in = {on_stdin_read, NULL}, size = {on_size_read, NULL},
					  out = {on_nothing_read, on_drain};
	s->ready = true;
	timer_stop(&s->timer);
	for (int i = 0; i < REMOTE_CHANNELS; i++)
		if (s->streams[i])
			duplex_start(s->streams[i], i == REMOTE_STDIN ? &in : i == REMOTE_RESIZE ? &size : &out, s);
	s->remote.events->on_ready(s->remote.arg);
}

static enum remote_channel channel_of(struct str type)
{
	static const char *const names[] = {"stdin", "stdout", "stderr", "error", "resize"};
	for (int i = 0; i < REMOTE_CHANNELS; i++)
		if (str_is(type, names[i]))
			return (enum remote_channel)i;
	return REMOTE_CHANNELS;
}

static void on_stream(void *arg, struct duplex *stream, struct http_headers headers)
{
	struct by_spdy *s = arg;
	enum remote_channel channel = channel_of(http_header(headers, "streamtype"));
	if (s->ready || !remote_has(&s->remote, channel) || s->streams[channel]) {
		duplex_close(stream);
		return;
	}
	s->streams[channel] = stream;
	for (int i = 0; i < REMOTE_CHANNELS; i++)
		if (!s->streams[i] && remote_has(&s->remote, (enum remote_channel)i))
			return;
	start_streams(s);
}

static void on_session_end(void *arg)
{
	tell_end(arg);
}

static void on_timer(struct timer *t)
{
	tell_end(CONTAINER_OF(t, struct by_spdy, timer));
}

// ---- Going out

static void by_spdy_send(struct remote *r, enum remote_channel channel, struct str data)
{
	struct duplex *d = of(r)->streams[channel];
	if (d)
		duplex_write_str(d, data);
}

static size_t by_spdy_pending(const struct remote *r)
{
	return spdy_session_pending(of(r)->session);
}

static void by_spdy_read(struct remote *r, bool on)
{
	struct duplex *in = of(r)->streams[REMOTE_STDIN];
	if (in)
		duplex_read(in, on);
}

static void by_spdy_finish(struct remote *r, struct str status)
{
	struct by_spdy *s = of(r);
	by_spdy_send(r, REMOTE_ERROR, status);
	for (int i = 0; i < REMOTE_CHANNELS; i++)
		if (s->streams[i])
			duplex_shutdown(s->streams[i]);
	struct spdy_session *session = s->session;
	free_it(s);
	spdy_session_close(session);
}

static void by_spdy_destroy(struct remote *r)
{
	struct by_spdy *s = of(r);
	struct spdy_session *session = s->session;
	free_it(s);
	spdy_session_destroy(session);
}

static const struct remote_ops ops = {by_spdy_send, by_spdy_pending, by_spdy_read, by_spdy_finish, by_spdy_destroy};

// ---- Accepting

struct remote *remote_spdy_accept(struct http_exchange *x, const char *protocol)
{
	struct http_header list[] = {{STR("Upgrade"), STR("SPDY/3.1")},
				     {STR("X-Stream-Protocol-Version"), str_of(protocol)}};
	struct duplex *d = http_upgrade(x, (struct http_headers){list, ARRAY_LEN(list)});
	if (!d)
		return NULL;
	struct by_spdy *s = MEM_NEW(struct by_spdy);
	s->remote.ops = &ops;
	s->duplex = d;
	return &s->remote;
}

void remote_spdy_start(struct remote *r)
{
	static const struct spdy_events events = {on_stream, NULL, on_session_end};
	struct by_spdy *s = of(r);
	s->timer.fire = on_timer;
	timer_start(s->duplex->loop, &s->timer, OPEN_S * TIME_S);
	s->session = spdy_session_create(s->duplex, false, &events, s);
}
