// SPDX-License-Identifier: Apache-2.0
// A server connection that speaks HTTP/2, over nghttp2. Against floods: streams are few, exchanges that a
// peer resets count until their handler has ended them, nghttp2 limits the rate of resets, the CONTINUATION
// frames of a header block and the acknowledgements that wait; header blocks are bounded as they are
// inflated.
#include "wire/http2.h"

#include "base/times.h"

enum { BATCH = 64 * 1024, LINGER_S = 2 };

void http2_release(struct http2 *h)
{
	if (!h->gone || h->busy)
		return;
	nghttp2_session_del(h->session); // not from inside its own callbacks
	h->session = NULL;
	if (h->exchange_count == 0)
		free(h);
}

static void enter(struct http2 *h)
{
	h->busy++;
}

static void leave(struct http2 *h)
{
	h->busy--;
	http2_release(h);
}

// The session ends; exchanges that are under way hear of it, and keep `h` until they are ended.
static void finish(struct http2 *h)
{
	struct http2_stream *s;
	h->gone = true;
	while ((s = LIST_FIRST(&h->streams)))
		http2_stream_close(s);
}

static void close_now(struct http2 *h)
{
	if (h->gone)
		return;
	enter(h);
	finish(h);
	server_connection_close(h->base, false);
	leave(h);
}

// ---- Going out

// All frames that fit, in blobs of some size.
static void send_frames(struct http2 *h)
{
	struct duplex *d = h->base->duplex;
	struct buf out CLEAN_BUF;
	buf_init(&out);
	ssize_t n = 1;
	while (n > 0 && duplex_pending(d) + out.n < DUPLEX_HIGH) {
		const uint8_t *frame;
		n = nghttp2_session_mem_send(h->session, &frame);
		if (n > 0)
			buf_add(&out, (struct str){(const char *)frame, (size_t)n});
		if (out.n >= BATCH || (n <= 0 && out.n)) {
			server_connection_write(h->base, blob_create(buf_str(&out)));
			buf_clear(&out);
		}
	}
	if (out.n)
		server_connection_write(h->base, blob_create(buf_str(&out)));
}

static struct http2_stream *next_draining(struct http2 *h)
{
	struct http2_stream *s;
	LIST_FOREACH(s, &h->streams, all)
		if (s->draining)
			return s;
	return NULL;
}

static void tell_drained(struct http2 *h)
{
	struct http2_stream *s;
	size_t pending = duplex_pending(h->base->duplex);
	LIST_FOREACH(s, &h->streams, all) {
		s->draining = s->high && s->queued + pending <= DUPLEX_LOW;
		s->high = s->high && !s->draining;
	}
	while (!h->gone && (s = next_draining(h))) {
		s->draining = false;
		if (s->exchange)
			exchange_drained(s->exchange);
	}
}

static void flush(struct http2 *h)
{
	if (h->gone || h->receiving)
		return;
	enter(h);
	send_frames(h);
	tell_drained(h);
	if (!h->gone && !h->closing && !nghttp2_session_want_read(h->session) &&
	    !nghttp2_session_want_write(h->session)) {
		h->closing = true;
		duplex_shutdown(h->base->duplex);
		server_connection_expect(h->base, LINGER_S * TIME_S);
	}
	leave(h);
}

static void flush_later(struct task *t)
{
	struct http2 *h = CONTAINER_OF(t, struct http2, task);
	h->posted = false;
	flush(h);
	leave(h);
}

void http2_flush_soon(struct http2 *h)
{
	if (h->posted || h->receiving || h->gone)
		return;
	h->posted = true;
	enter(h);
	loop_post(h->base->server->config.loop, &h->task);
}

static ssize_t on_produce(nghttp2_session *session, int32_t id, uint8_t *out, size_t room, uint32_t *flags,
			  nghttp2_data_source *source, void *arg)
{
	struct http2 *h = arg;
	ssize_t n = http2_stream_produce(source->ptr, (char *)out, room, flags);
	if (n > 0)
		h->sent += (uint64_t)n;
	return n;
}

nghttp2_data_provider http2_provider(struct http2_stream *s)
{
	return (nghttp2_data_provider){.source.ptr = s, .read_callback = on_produce};
}

// ---- Coming in: what the session tells

static struct http2_stream *find(struct http2 *h, int32_t id)
{
	return h->gone ? NULL : nghttp2_session_get_stream_user_data(h->session, id);
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
	struct http2 *h = arg;
	if (h->gone || frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
		return 0;
	if (h->exchange_count >= HTTP2_EXCHANGES_MAX) {
		nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_REFUSED_STREAM);
		return 0;
	}
	nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, http2_stream_create(h, frame->hd.stream_id));
	return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_n,
		     const uint8_t *value, size_t value_n, uint8_t flags, void *arg)
{
	struct http2_stream *s = find(arg, frame->hd.stream_id);
	if (s)
		http2_stream_header(s, (struct str){(const char *)name, name_n},
				    (struct str){(const char *)value, value_n});
	return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
	struct http2_stream *s = frame->hd.stream_id ? find(arg, frame->hd.stream_id) : NULL;
	if (!s || (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA))
		return 0;
	if (frame->hd.type == NGHTTP2_HEADERS)
		http2_stream_head(s);
	s = find(arg, frame->hd.stream_id); // the handler may have ended it all
	if (s && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
		http2_stream_body_end(s);
	return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data, size_t n, void *arg)
{
	struct http2_stream *s = find(arg, id);
	nghttp2_session_consume_connection(session, n);
	if (s)
		http2_stream_body(s, (struct str){(const char *)data, n});
	return 0;
}

// After a whole reply to a request that goes on, the rest of it is not wanted (RFC 9113, 8.1).
static int on_sent(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
	if (frame->hd.type != NGHTTP2_DATA && frame->hd.type != NGHTTP2_HEADERS)
		return 0;
	struct http2_stream *s = find(arg, frame->hd.stream_id);
	if (s && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) && !s->body_done)
		nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, s->id, NGHTTP2_NO_ERROR);
	return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t error_code, void *arg)
{
	struct http2_stream *s = find(arg, id);
	if (s)
		http2_stream_close(s);
	return 0;
}

// ---- The connection

static void expect_more(struct http2 *h)
{
	const struct http_server_config *config = &h->base->server->config;
	if (!h->closing)
		server_connection_expect(h->base, h->stream_count ? config->body_timeout_ns : config->idle_timeout_ns);
}

static void on_read(void *arg, struct str data, const struct err *e)
{
	struct http2 *h = arg;
	if (e || data.n == 0) {
		close_now(h);
		return;
	}
	if (h->closing)
		return;
	enter(h);
	h->receiving = true;
	ssize_t n = nghttp2_session_mem_recv(h->session, (const uint8_t *)data.p, data.n);
	h->receiving = false;
	if (h->gone) {
		leave(h);
		return;
	}
	if (n < 0)
		nghttp2_session_terminate_session(h->session, n == NGHTTP2_ERR_FLOODED ? NGHTTP2_ENHANCE_YOUR_CALM
										       : NGHTTP2_PROTOCOL_ERROR);
	expect_more(h);
	flush(h);
	if (n == NGHTTP2_ERR_FLOODED || n == NGHTTP2_ERR_BAD_CLIENT_MAGIC)
		close_now(h);
	leave(h);
}

static void on_drain(void *arg)
{
	flush(arg);
}

// Streams whose request has not come whole, or whose reply could go on.
static bool waits_for_peer(const struct http2 *h)
{
	const struct http2_stream *s;
	LIST_FOREACH(s, &h->streams, all)
		if (s->queued || (s->exchange && !s->body_done && !s->body_paused))
			return true;
	return false;
}

static void http2_on_timeout(struct server_connection *c)
{
	struct http2 *h = c->state;
	int progress = server_connection_progress(c);
	bool moved = h->sent != h->seen_sent;
	h->seen_sent = h->sent;
	if (progress > 0)
		return;
	if (progress < 0 || h->closing || (!moved && waits_for_peer(h))) {
		close_now(h);
	} else if (h->stream_count) {
		expect_more(h);
	} else {
		nghttp2_session_terminate_session(h->session, NGHTTP2_NO_ERROR);
		flush(h);
	}
}

static void http2_drain(struct server_connection *c)
{
	struct http2 *h = c->state;
	if (h->stream_count == 0) {
		nghttp2_session_terminate_session(h->session, NGHTTP2_NO_ERROR);
	} else {
		int32_t last = nghttp2_session_get_last_proc_stream_id(h->session);
		nghttp2_submit_goaway(h->session, NGHTTP2_FLAG_NONE, last, NGHTTP2_NO_ERROR, NULL, 0);
	}
	http2_flush_soon(h);
}

static void http2_destroy(struct server_connection *c)
{
	struct http2 *h = c->state;
	enter(h);
	finish(h);
	leave(h);
}

static nghttp2_session *make_session(struct http2 *h)
{
	nghttp2_session_callbacks *callbacks;
	nghttp2_option *option;
	nghttp2_session *session;
	if (nghttp2_session_callbacks_new(&callbacks) || nghttp2_option_new(&option))
		mem_panic("out of memory");
	nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
	nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
	nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
	nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_sent);
	nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
	nghttp2_option_set_no_auto_window_update(option, 1);
	nghttp2_option_set_max_send_header_block_length(option, HTTP_HEAD_MAX);
	nghttp2_option_set_stream_reset_rate_limit(option, 500, 50);
	nghttp2_option_set_max_continuations(option, 8);
	if (nghttp2_session_server_new2(&session, callbacks, h, option))
		mem_panic("out of memory");
	nghttp2_session_callbacks_del(callbacks);
	nghttp2_option_del(option);
	return session;
}

void http2_start(struct server_connection *c)
{
	static const struct duplex_events events = {on_read, on_drain};
	static const struct protocol protocol = {http2_on_timeout, http2_drain, http2_destroy};
	static const nghttp2_settings_entry settings[] = {
		{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, HTTP2_STREAMS_MAX},
		{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, HTTP2_WINDOW},
		{NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, HTTP_HEAD_MAX},
	};
	struct http2 *h = MEM_NEW(struct http2);
	h->base = c;
	h->task.run = flush_later;
	LIST_INIT(&h->streams);
	h->session = make_session(h);
	c->protocol = &protocol;
	c->state = h;
	nghttp2_submit_settings(h->session, NGHTTP2_FLAG_NONE, settings, ARRAY_LEN(settings));
	nghttp2_session_set_local_window_size(h->session, NGHTTP2_FLAG_NONE, 0, 4 * HTTP2_WINDOW);
	expect_more(h);
	duplex_start(c->duplex, &events, h);
	http2_flush_soon(h);
}
