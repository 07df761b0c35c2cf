// SPDX-License-Identifier: Apache-2.0
// One request and its reply on an HTTP/2 connection.
#include "wire/http2.h"

static struct http2_stream *stream_of(struct carrier *c)
{
	return CONTAINER_OF(c, struct http2_stream, carrier);
}

// ---- Life

static const struct carrier_ops http2_carrier;

struct http2_stream *http2_stream_create(struct http2 *h, int32_t id)
{
	struct http2_stream *s = MEM_NEW(struct http2_stream);
	s->carrier.ops = &http2_carrier;
	s->owner = h;
	s->id = id;
	s->exchange = exchange_create(h->base->server, &s->carrier);
	s->headers = ARENA_ARRAY(&s->exchange->seen.arena, struct http_header, HTTP_HEADERS_MAX);
	LIST_INSERT_HEAD(&h->streams, s, all);
	h->stream_count++;
	h->exchange_count++;
	return s;
}

static void release(struct http2_stream *s)
{
	if (!s->closed || s->exchange)
		return;
	for (size_t i = 0; i < s->count; i++)
		blob_unref(s->queue[s->first + i]);
	free(s->queue);
	buf_finish(&s->held);
	free(s);
}

// The exchange has been ended, by the handler or for it.
static void forget_exchange(struct http2_stream *s)
{
	struct http2 *h = s->owner;
	s->exchange = NULL;
	h->exchange_count--;
	release(s);
	http2_release(h);
}

void http2_stream_close(struct http2_stream *s)
{
	struct exchange *x = s->exchange;
	s->closed = true;
	LIST_REMOVE(s, all);
	s->owner->stream_count--;
	if (!x) {
		release(s);
	} else if (x->shown) {
		exchange_cancel(x, false);
	} else {
		exchange_destroy(x);
		forget_exchange(s);
	}
}

// ---- The request

void http2_stream_header(struct http2_stream *s, struct str name, struct str value)
{
	enum { HEADER_OVERHEAD = 32 }; // RFC 9113, 6.5.2
	struct exchange *x = s->exchange;
	if (!x || s->head_done || s->too_large) // trailers are dropped
		return;
	s->header_bytes += name.n + value.n + HEADER_OVERHEAD;
	if (s->header_bytes > HTTP_HEAD_MAX || s->header_count == HTTP_HEADERS_MAX) {
		s->too_large = true;
		return;
	}
	value = arena_str(&x->seen.arena, value);
	if (str_is(name, ":method"))
		x->seen.method = value;
	else if (str_is(name, ":path"))
		exchange_set_target(x, value);
	else if (str_is(name, ":authority"))
		x->seen.host = value;
	else if (!str_starts(name, STR(":")))
		s->headers[s->header_count++] = (struct http_header){arena_str(&x->seen.arena, name), value};
}

static void refuse(struct http2_stream *s, int code, const char *text)
{
	http_reply_str(&s->exchange->seen, code, "text/plain; charset=utf-8", str_of(text));
}

static bool target_is_good(const struct exchange *x)
{
	struct str t = x->seen.target;
	for (size_t i = 0; i < t.n; i++)
		if ((unsigned char)t.p[i] <= 0x20 || (unsigned char)t.p[i] >= 0x7f || t.p[i] == '#')
			return false;
	bool asterisk = str_is(t, "*") && str_is(x->seen.method, "OPTIONS");
	return t.n <= HTTP_TARGET_MAX && (str_starts(t, STR("/")) || asterisk);
}

static bool announces_too_much(const struct exchange *x)
{
	uint64_t length;
	return str_to_u64(http_header(x->seen.headers, "content-length"), &length) == 0 && length > x->seen.body_max;
}

static void tell_to_continue(struct http2_stream *s)
{
	nghttp2_nv status = {(uint8_t *)":status", (uint8_t *)"100", 7, 3, NGHTTP2_NV_FLAG_NONE};
	if (str_eq_nocase(http_header(s->exchange->seen.headers, "expect"), STR("100-continue")))
		nghttp2_submit_headers(s->owner->session, NGHTTP2_FLAG_NONE, s->id, NULL, &status, 1, NULL);
}

void http2_stream_head(struct http2_stream *s)
{
	struct exchange *x = s->exchange;
	if (!x || s->head_done)
		return;
	s->head_done = true;
	x->seen.headers = (struct http_headers){s->headers, s->header_count};
	if (str_empty(x->seen.host))
		x->seen.host = http_header(x->seen.headers, "host");
	exchange_set_origin(x, s->owner->base);
	if (s->too_large) {
		refuse(s, 431, "the headers are too large");
		return;
	}
	if (!target_is_good(x)) {
		refuse(s, 400, "malformed request target");
		return;
	}
	enum http_take take = exchange_show_head(x);
	if (s->exchange != x)
		return;
	s->pieces = take == HTTP_TAKE_PIECES;
	if (!s->pieces && announces_too_much(x)) {
		refuse(s, 413, "the request's body is too large");
		return;
	}
	tell_to_continue(s);
	if (s->pieces)
		exchange_show(x);
}

// The peer may send as much again.
static void consume(struct http2_stream *s, size_t n)
{
	if (!s->closed && n)
		nghttp2_session_consume_stream(s->owner->session, s->id, n);
}

void http2_stream_body(struct http2_stream *s, struct str piece)
{
	struct exchange *x = s->exchange;
	if (!x) // ended before; the peer is given no more room
		return;
	if (s->pieces && s->body_paused) {
		buf_add(&s->held, piece); // at most the window
	} else if (s->pieces) {
		consume(s, piece.n);
		x->handler->on_body(x->arg, &x->seen, piece, false);
	} else if (exchange_add_body(x, piece) < 0) {
		refuse(s, 413, "the request's body is too large");
	} else {
		consume(s, piece.n);
	}
}

static void tell_body_end(struct http2_stream *s)
{
	struct exchange *x = s->exchange;
	if (s->pieces)
		x->handler->on_body(x->arg, &x->seen, STR_NONE, true);
	else
		exchange_show(x);
}

void http2_stream_body_end(struct http2_stream *s)
{
	if (s->body_done)
		return;
	s->body_done = true;
	if (s->exchange && s->held.n == 0)
		tell_body_end(s);
}

static void http2_body_read(struct carrier *c, bool on)
{
	struct http2_stream *s = stream_of(c);
	struct exchange *x = s->exchange;
	s->body_paused = !on;
	if (!on || s->held.n == 0)
		return;
	struct buf held CLEAN_BUF = s->held;
	buf_init(&s->held);
	bool ends = s->body_done;
	consume(s, held.n);
	http2_flush_soon(s->owner);
	x->handler->on_body(x->arg, &x->seen, buf_str(&held), ends);
}

// ---- The reply

static nghttp2_nv make_nv(struct arena *a, struct str name, struct str value)
{
	struct str lower = arena_str(a, name);
	for (size_t i = 0; i < lower.n; i++)
		if (lower.p[i] >= 'A' && lower.p[i] <= 'Z')
			((char *)lower.p)[i] = (char)(lower.p[i] + ('a' - 'A'));
	return (nghttp2_nv){(uint8_t *)lower.p, (uint8_t *)value.p, lower.n, value.n, NGHTTP2_NV_FLAG_NONE};
}

static void http2_head(struct carrier *c, struct exchange *x, const struct http_reply *r, int64_t length)
{
	struct http2_stream *s = stream_of(c);
	struct arena *a = &x->seen.arena;
	enum { OURS = 4 };
	nghttp2_nv *list = ARENA_ARRAY(a, nghttp2_nv, r->headers.count + OURS);
	size_t n = 0;
	if (s->closed)
		return;
	list[n++] = make_nv(a, STR(":status"), arena_fmt(a, "%d", r->code));
	if (r->content_type)
		list[n++] = make_nv(a, STR("content-type"), str_of(r->content_type));
	for (size_t i = 0; i < r->headers.count; i++)
		list[n++] = make_nv(a, r->headers.list[i].name, r->headers.list[i].value);
	list[n++] = make_nv(a, STR("date"), http_server_date(s->owner->base->server));
	if (length >= 0 && r->code != 204 && r->code != 304)
		list[n++] = make_nv(a, STR("content-length"), arena_fmt(a, "%lld", (long long)length));
	nghttp2_data_provider provider = http2_provider(s);
	bool empty = x->no_body || length == 0;
	nghttp2_submit_response(s->owner->session, s->id, list, n, empty ? NULL : &provider);
	http2_flush_soon(s->owner);
}

static void wake(struct http2_stream *s)
{
	if (s->deferred) {
		s->deferred = false;
		nghttp2_session_resume_data(s->owner->session, s->id);
	}
	http2_flush_soon(s->owner);
}

static size_t http2_pending(struct carrier *c)
{
	struct http2_stream *s = stream_of(c);
	return s->closed ? 0 : s->queued + duplex_pending(s->owner->base->duplex);
}

static void http2_data(struct carrier *c, struct blob *b)
{
	struct http2_stream *s = stream_of(c);
	if (s->closed) {
		blob_unref(b);
		return;
	}
	if (s->first + s->count == s->room) {
		s->room = s->room ? s->room * 2 : 4;
		struct blob **queue = mem_alloc(s->room * sizeof *queue);
		if (s->count)
			memcpy(queue, s->queue + s->first, s->count * sizeof *queue);
		free(s->queue);
		s->queue = queue;
		s->first = 0;
	}
	s->queue[s->first + s->count++] = b;
	s->queued += b->n;
	if (http2_pending(c) > DUPLEX_HIGH)
		s->high = true;
	wake(s);
}

ssize_t http2_stream_produce(struct http2_stream *s, char *out, size_t room, uint32_t *flags)
{
	size_t n = 0;
	while (s->count && n < room) {
		struct blob *b = s->queue[s->first];
		struct str part = str_sub(blob_str(b), s->offset, room - n);
		memcpy(out + n, part.p, part.n);
		n += part.n;
		s->offset += part.n;
		if (s->offset == b->n) {
			blob_unref(b);
			s->first++;
			s->count--;
			s->offset = 0;
		}
	}
	s->queued -= n;
	if (s->count == 0)
		s->first = 0;
	if (s->count == 0 && s->complete) {
		*flags |= NGHTTP2_DATA_FLAG_EOF;
	} else if (n == 0) {
		s->deferred = true;
		return NGHTTP2_ERR_DEFERRED;
	}
	return (ssize_t)n;
}

static void http2_end(struct carrier *c, bool whole)
{
	struct http2_stream *s = stream_of(c);
	s->complete = true;
	if (!s->closed)
		wake(s);
	forget_exchange(s);
}

static void http2_abort(struct carrier *c)
{
	struct http2_stream *s = stream_of(c);
	if (!s->closed) {
		nghttp2_submit_rst_stream(s->owner->session, NGHTTP2_FLAG_NONE, s->id, NGHTTP2_INTERNAL_ERROR);
		http2_flush_soon(s->owner);
	}
	forget_exchange(s);
}

static struct duplex *http2_upgrade(struct carrier *c, struct http_headers headers)
{
	return NULL; // RFC 9113, 8.6
}

static const struct carrier_ops http2_carrier = {
	.head = http2_head,
	.data = http2_data,
	.end = http2_end,
	.abort = http2_abort,
	.pending = http2_pending,
	.body_read = http2_body_read,
	.upgrade = http2_upgrade,
};
