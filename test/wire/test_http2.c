// SPDX-License-Identifier: Apache-2.0
// HTTP/2 between nghttp2's client session and our server, over TLS; and what an attacker would send.
#include <nghttp2/nghttp2.h>

#include "base/times.h"
#include "web.h"

enum { CALLS_MAX = 200 };

struct call {
	int32_t id;
	int code;
	struct buf body;
	bool done;
	uint32_t error;
	struct str to_send;
};

struct h2 {
	struct world w;
	struct tls_context *tls;
	struct duplex *duplex;
	nghttp2_session *session;
	struct call calls[CALLS_MAX];
	size_t count, done;
	bool closed;
	uint32_t goaway;
};

static void send_frames(struct h2 *h)
{
	const uint8_t *frame;
	ssize_t n;
	while ((n = nghttp2_session_mem_send(h->session, &frame)) > 0)
		duplex_write_str(h->duplex, (struct str){(const char *)frame, (size_t)n});
}

static struct call *find(struct h2 *h, int32_t id)
{
	for (size_t i = 0; i < h->count; i++)
		if (h->calls[i].id == id)
			return &h->calls[i];
	return NULL;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_n,
		     const uint8_t *value, size_t value_n, uint8_t flags, void *arg)
{
	struct call *c = find(arg, frame->hd.stream_id);
	if (c && name_n == 7 && memcmp(name, ":status", 7) == 0)
		c->code = (value[0] - '0') * 100 + (value[1] - '0') * 10 + value[2] - '0';
	return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data, size_t n, void *arg)
{
	struct h2 *h = arg;
	struct call *c = find(h, id);
	buf_add(&c->body, (struct str){(const char *)data, n});
	if (n == 6 && memcmp(data, "first\n", 6) == 0)
		loop_real_stop(h->w.loop);
	return 0;
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t error, void *arg)
{
	struct h2 *h = arg;
	struct call *c = find(h, id);
	c->done = true;
	c->error = error;
	if (++h->done == h->count)
		loop_real_stop(h->w.loop);
	return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
	struct h2 *h = arg;
	if (frame->hd.type == NGHTTP2_GOAWAY)
		h->goaway = frame->goaway.error_code + 1;
	return 0;
}

static void on_read(void *arg, struct str data, const struct err *e)
{
	struct h2 *h = arg;
	if (e || data.n == 0) {
		h->closed = true;
		loop_real_stop(h->w.loop);
		return;
	}
	if (nghttp2_session_mem_recv(h->session, (const uint8_t *)data.p, data.n) >= 0)
		send_frames(h);
}

static void on_ready(void *arg, struct duplex *d, const struct err *e)
{
	static const struct duplex_events events = {on_read, NULL};
	struct h2 *h = arg;
	REQUIRE(!e && tls_http2(tls_of_duplex(d)));
	duplex_start(d, &events, h);
	loop_real_stop(h->w.loop);
}

static void on_connect(void *arg, struct stream *s, const struct err *e)
{
	struct h2 *h = arg;
	REQUIRE(s);
	h->duplex = tls_duplex(s, h->tls, "127.0.0.1", on_ready, h);
}

static void h2_init(struct h2 *h)
{
	nghttp2_session_callbacks *callbacks;
	*h = (struct h2){.count = 0};
	world_init(&h->w, true);
	struct tls_config config = {.insecure = true, .http2 = true};
	h->tls = tls_context_client(&config, NULL);
	net_connect(h->w.loop, h->w.address, on_connect, h);
	loop_real_run(h->w.loop);
	nghttp2_session_callbacks_new(&callbacks);
	nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
	nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
	nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
	nghttp2_session_client_new(&h->session, callbacks, h);
	nghttp2_session_callbacks_del(callbacks);
	nghttp2_submit_settings(h->session, NGHTTP2_FLAG_NONE, NULL, 0);
	send_frames(h);
}

static void h2_finish(struct h2 *h)
{
	nghttp2_session_del(h->session);
	duplex_close(h->duplex);
	tls_context_unref(h->tls);
	for (size_t i = 0; i < h->count; i++)
		buf_finish(&h->calls[i].body);
	world_finish(&h->w);
}

static ssize_t produce(nghttp2_session *session, int32_t id, uint8_t *out, size_t room, uint32_t *flags,
		       nghttp2_data_source *source, void *arg)
{
	struct call *c = source->ptr;
	struct str part = str_sub(c->to_send, 0, room);
	memcpy(out, part.p, part.n);
	c->to_send = str_from(c->to_send, part.n);
	if (c->to_send.n == 0)
		*flags |= NGHTTP2_DATA_FLAG_EOF;
	return (ssize_t)part.n;
}

#define NV(name, value) {(uint8_t *)name, (uint8_t *)value, sizeof(name) - 1, strlen(value), NGHTTP2_NV_FLAG_NONE}

static struct call *submit(struct h2 *h, const char *method, const char *path, struct str body)
{
	REQUIRE(h->count < CALLS_MAX);
	struct call *c = &h->calls[h->count++];
	nghttp2_nv headers[] = {NV(":method", method), NV(":path", path), NV(":scheme", "https"),
				NV(":authority", "a")};
	nghttp2_data_provider provider = {.source.ptr = c, .read_callback = produce};
	c->to_send = body;
	c->id = nghttp2_submit_request(h->session, NULL, headers, 4, body.n ? &provider : NULL, NULL);
	REQUIRE(c->id > 0);
	return c;
}

static void run(struct h2 *h)
{
	send_frames(h);
	loop_real_run(h->w.loop);
}

TEST(http2_answers_many_at_once)
{
	struct h2 h;
	h2_init(&h);
	for (int i = 0; i < 100; i++)
		submit(&h, "POST", i % 2 ? "/echo" : "/later", STR("hello"));
	run(&h);
	for (size_t i = 0; i < h.count; i++)
		CHECK(h.calls[i].code == 200 && str_is(buf_str(&h.calls[i].body), i % 2 ? "hello" : "late"));
	struct call *head = submit(&h, "HEAD", "/list", STR_NONE), *none = submit(&h, "GET", "/nothing", STR_NONE);
	struct call *cut = submit(&h, "GET", "/cut", STR_NONE), *early = submit(&h, "POST", "/early", STR("x"));
	struct call *up = submit(&h, "GET", "/upgrade", STR_NONE), *bad = submit(&h, "GET", "/a b", STR_NONE);
	run(&h);
	CHECK(head->code == 200 && head->body.n == 0);
	CHECK(none->code == 204 && none->body.n == 0);
	CHECK(cut->error == NGHTTP2_INTERNAL_ERROR);
	CHECK_INT(early->code, 401);
	CHECK_INT(up->code, 400);
	CHECK(bad->code == 400 || bad->error == NGHTTP2_PROTOCOL_ERROR);
	h2_finish(&h);
}

TEST(http2_carries_large_bodies)
{
	struct h2 h;
	struct buf big CLEAN_BUF;
	h2_init(&h);
	buf_init(&big);
	while (big.n < WEB_BODY_MAX)
		buf_add_byte(&big, (char)big.n);
	struct call *list = submit(&h, "GET", "/list", STR_NONE), *stream = submit(&h, "GET", "/stream", STR_NONE);
	struct call *echo = submit(&h, "POST", "/echo", buf_str(&big));
	run(&h);
	CHECK_INT(list->body.n, WEB_LIST_COUNT * 1024);
	CHECK_INT(stream->body.n, WEB_STREAMED);
	CHECK(h.w.drains > 10);
	CHECK(str_eq(buf_str(&echo->body), buf_str(&big)));
	buf_add_byte(&big, 'x');
	struct call *pieces = submit(&h, "POST", "/pieces", buf_str(&big));
	run(&h);
	CHECK_STR(buf_str(&pieces->body), "1000001");
	h2_finish(&h);
}

TEST(http2_refuses_bodies_that_are_too_large)
{
	struct h2 h;
	struct buf big CLEAN_BUF;
	h2_init(&h);
	buf_init(&big);
	buf_reserve(&big, WEB_BODY_MAX + 1);
	big.n = WEB_BODY_MAX + 1;
	memset(big.p, 'x', big.n);
	struct call *echo = submit(&h, "POST", "/echo", buf_str(&big));
	run(&h);
	CHECK_INT(echo->code, 413);
	h2_finish(&h);
}

TEST(http2_streams_are_cancelled)
{
	struct h2 h;
	h2_init(&h);
	struct call *never = submit(&h, "GET", "/never", STR_NONE);
	run(&h);
	CHECK_STR(buf_str(&never->body), "first\n");
	nghttp2_submit_rst_stream(h.session, NGHTTP2_FLAG_NONE, never->id, NGHTTP2_CANCEL);
	run(&h); // our own side's close
	while (h.w.cancels == 0)
		loop_real_run(h.w.loop);
	CHECK_INT(h.w.cancels, 1);
	struct call *echo = submit(&h, "POST", "/echo", STR("still here"));
	run(&h);
	CHECK_STR(buf_str(&echo->body), "still here");
	h2_finish(&h);
}

// ---- Attacks, written by hand behind a proper beginning

static void frame(struct buf *out, unsigned type, unsigned flags, uint32_t stream, struct str payload)
{
	char head[9] = {(char)(payload.n >> 16), (char)(payload.n >> 8), (char)payload.n, (char)type, (char)flags,
			(char)(stream >> 24), (char)(stream >> 16), (char)(stream >> 8), (char)stream};
	buf_add(out, (struct str){head, sizeof head});
	buf_add(out, payload);
}

// GET https /never a, in HPACK without Huffman.
static const char get_never[] = "\x82\x87\x04\x06/never\x01\x01" "a";
#define GET_NEVER ((struct str){get_never, sizeof get_never - 1})

static void check_closes(const struct buf *bytes)
{
	struct h2 h;
	h2_init(&h);
	duplex_write_str(h.duplex, buf_str(bytes));
	for (int i = 0; i < 10000 && !h.closed; i++) // on_cancel stops it, too
		loop_real_run(h.w.loop);
	CHECK(h.closed);
	CHECK(h.w.requests < 1500);
	h2_finish(&h);
}

TEST(http2_rapid_resets_end_the_connection)
{
	struct buf bytes CLEAN_BUF;
	buf_init(&bytes);
	for (uint32_t id = 1; id < 4000; id += 2) {
		frame(&bytes, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, id, GET_NEVER);
		frame(&bytes, NGHTTP2_RST_STREAM, 0, id, STR("\0\0\0\x08"));
	}
	check_closes(&bytes);
}

TEST(http2_continuation_floods_end_the_connection)
{
	struct buf bytes CLEAN_BUF;
	buf_init(&bytes);
	frame(&bytes, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_STREAM, 1, GET_NEVER);
	for (int i = 0; i < 10000; i++)
		frame(&bytes, NGHTTP2_CONTINUATION, 0, 1, STR("\x00\x01x\x01y"));
	check_closes(&bytes);
}

TEST(http2_ping_and_settings_floods_end_the_connection)
{
	struct buf bytes CLEAN_BUF;
	buf_init(&bytes);
	for (int i = 0; i < 20000; i++) {
		frame(&bytes, NGHTTP2_PING, 0, 0, STR("12345678"));
		frame(&bytes, NGHTTP2_SETTINGS, 0, 0, STR_NONE);
	}
	check_closes(&bytes);
}

TEST(http2_header_bombs_are_refused)
{
	struct h2 h;
	h2_init(&h);
	char value[4001];
	memset(value, 'v', sizeof value - 1);
	value[sizeof value - 1] = '\0';
	nghttp2_nv headers[4 + 90] = {NV(":method", "GET"), NV(":path", "/echo"), NV(":scheme", "https"),
				      NV(":authority", "a")};
	for (int i = 4; i < 94; i++) // one entry of the table, referred to again and again
		headers[i] = (nghttp2_nv)NV("x-bomb", value);
	struct call *c = &h.calls[h.count++];
	c->id = nghttp2_submit_request(h.session, NULL, headers, 94, NULL, NULL);
	run(&h);
	CHECK(c->code == 431 || c->error != 0);
	CHECK_INT(h.w.requests, 0);
	h2_finish(&h);
}
