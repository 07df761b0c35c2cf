// SPDX-License-Identifier: Apache-2.0
// The engines of WebSocket and SPDY frames.
#include <zlib.h>

#include "unit.h"
#include "wire/spdy.h"
#include "wire/spdy_dictionary.h"
#include "wire/websocket.h"

// ---- WebSocket

TEST(websocket_handshake)
{
	char accept[29];
	websocket_accept_key(STR("dGhlIHNhbXBsZSBub25jZQ=="), accept); // the example of RFC 6455
	CHECK_STR(str_of(accept), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct http_header list[] = {{STR("Connection"), STR("keep-alive, Upgrade")},
				     {STR("Upgrade"), STR("WebSocket")},
				     {STR("Sec-WebSocket-Version"), STR("13")},
				     {STR("Sec-WebSocket-Key"), STR("dGhlIHNhbXBsZSBub25jZQ==")},
				     {STR("Sec-WebSocket-Protocol"), STR("x, v4.channel.k8s.io , v5.channel.k8s.io")}};
	struct http_headers request = {list, 5}, answer;
	static const char *const ours[] = {"v5.channel.k8s.io", "v4.channel.k8s.io", NULL};
	static const char *const others[] = {"y", "", NULL};
	CHECK(websocket_requested(request));
	CHECK_STR(str_of(websocket_choose(request, ours)), "v4.channel.k8s.io"); // what the client likes better
	CHECK(websocket_choose(request, others) == NULL);
	CHECK_INT(websocket_offers(request).count, 3);
	REQUIRE(websocket_answer(&a, request, STR("v5.channel.k8s.io"), &answer, NULL) == 0);
	CHECK_STR(http_header(answer, "sec-websocket-protocol"), "v5.channel.k8s.io");
	list[4].value = STR(" , ");
	CHECK_STR(str_of(websocket_choose(request, others)), "");
	list[2].value = STR("8");
	CHECK(websocket_answer(&a, request, STR(""), &answer, NULL) < 0);
	list[2].value = STR("13");
	list[3].value = STR("short");
	CHECK(websocket_answer(&a, request, STR(""), &answer, NULL) < 0);
}

// Messages as "text|", pieces joined; control frames as "(9:payload)"; a refusal as "!code".
static void websocket_trace(struct str input, size_t step, bool from_client, struct buf *out)
{
	struct websocket_reader r;
	websocket_reader_init(&r, from_client);
	enum websocket_event event = WEBSOCKET_MORE;
	for (size_t at = 0; at < input.n && event != WEBSOCKET_BAD; at += step) {
		struct str part = str_sub(input, at, step);
		while ((event = websocket_reader_next(&r, &part)) != WEBSOCKET_MORE && event != WEBSOCKET_BAD) {
			if (event == WEBSOCKET_CONTROL)
				buf_fmt(out, "(%d:%.*s)", (int)r.opcode, STR_FMT(r.piece));
			else
				buf_fmt(out, "%s%.*s%s", r.first ? "<" : "", STR_FMT(r.piece), r.last ? ">" : "");
		}
	}
	if (event == WEBSOCKET_BAD)
		buf_fmt(out, "!%d", r.error_code);
	websocket_reader_finish(&r);
}

static void check_websocket(struct str input, bool from_client, const char *want)
{
	for (size_t step = 1; step <= input.n; step++) {
		struct buf got CLEAN_BUF;
		buf_init(&got);
		websocket_trace(input, step, from_client, &got);
		if (!str_is(buf_str(&got), want))
			unit_fail(__FILE__, __LINE__, "in steps of %zu: %.*s, not %s", step, STR_FMT(buf_str(&got)),
				  want);
	}
}

#define FROM_SERVER(bytes, want) check_websocket(STR(bytes), false, want)
#define FROM_CLIENT(bytes, want) check_websocket(STR(bytes), true, want)

TEST(websocket_frames_are_read)
{
	FROM_SERVER("\x81\x05Hello", "<Hello>");
	FROM_CLIENT("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", "<Hello>"); // of RFC 6455
	FROM_SERVER("\x01\x03Hel\x80\x02lo", "<Hello>");
	FROM_SERVER("\x01\x03Hel\x89\x02hi\x80\x02lo", "<Hel(9:hi)lo>");
	FROM_SERVER("\x82\x00", "<>");
	FROM_SERVER("\x02\x00\x80\x00", "<>");
	FROM_SERVER("\x88\x02\x03\xe8", "(8:\x03\xe8)");
}

TEST(malformed_websocket_frames_are_refused)
{
	FROM_CLIENT("\x81\x05Hello", "!1002");			// not masked
	FROM_SERVER("\x81\x85\x37\xfa\x21\x3d\x7f", "!1002");	// masked
	FROM_SERVER("\xc1\x01x", "!1002");			// reserved bit
	FROM_SERVER("\x83\x01x", "!1002");			// unknown kinds
	FROM_SERVER("\x8b\x01x", "!1002");
	FROM_SERVER("\x80\x01x", "!1002");			// continues nothing
	FROM_SERVER("\x01\x01x\x81\x01y", "<x!1002");		// within a message
	FROM_SERVER("\x09\x01x", "!1002");			// a ping in parts
	FROM_SERVER("\x89\x7e\x00\x80", "!1002");		// a ping too long
	FROM_SERVER("\x81\x7e\x00\x05Hello", "!1002");		// length not minimal
	FROM_SERVER("\x81\x7f\x00\x00\x00\x00\x00\x00\xff\xff", "!1002");
	FROM_SERVER("\x81\x7f\xff\x00\x00\x00\x00\x00\x00\x00", "!1002");
	FROM_SERVER("\x81\x7f\x00\x00\x00\x01\x00\x00\x00\x00", "!1009");
}

TEST(websocket_frames_are_written)
{
	static const size_t sizes[] = {0, 1, 125, 126, 65535, 65536, 200000};
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
		for (int masked = 0; masked < 2; masked++) {
			struct buf payload CLEAN_BUF, got CLEAN_BUF;
			buf_init(&payload);
			buf_init(&got);
			while (payload.n < sizes[i])
				buf_add_byte(&payload, (char)('a' + payload.n % 23));
			struct blob *frame = websocket_frame(WEBSOCKET_BINARY, STR("#"), buf_str(&payload),
							     masked ? (const unsigned char *)"\x01\x02\xff\x80" : NULL);
			websocket_trace(blob_str(frame), 60000, masked, &got);
			REQUIRE(got.n == sizes[i] + 3);
			CHECK(memcmp(got.p, "<#", 2) == 0);
			CHECK(str_eq(str_sub(buf_str(&got), 2, payload.n), buf_str(&payload)));
			blob_unref(frame);
		}
}

// ---- SPDY

TEST(the_spdy_dictionary_is_the_right_one)
{
	CHECK_INT(adler32(adler32(0, NULL, 0), spdy_dictionary, SPDY_DICTIONARY_SIZE), 0xe3c6a7c2u);
}

static void spdy_trace(struct str input, size_t step, struct buf *out)
{
	struct spdy_reader r;
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	spdy_reader_init(&r);
	enum spdy_event event = SPDY_MORE;
	for (size_t at = 0; at < input.n && event != SPDY_BAD; at += step) {
		struct str part = str_sub(input, at, step);
		while ((event = spdy_reader_next(&r, &a, &part)) != SPDY_MORE && event != SPDY_BAD) {
			if (event == SPDY_DATA) {
				buf_fmt(out, "%.*s%s", STR_FMT(r.piece), r.fin ? "$" : "");
			} else if (event == SPDY_SYN_STREAM || event == SPDY_SYN_REPLY) {
				buf_fmt(out, "[%u%s", r.stream, r.fin ? "$" : "");
				for (size_t i = 0; i < r.headers.count; i++)
					buf_fmt(out, " %.*s=%.*s", STR_FMT(r.headers.list[i].name),
						STR_FMT(r.headers.list[i].value));
				buf_fmt(out, "]");
			} else {
				buf_fmt(out, "(%d %u)", (int)event, r.value);
			}
		}
	}
	if (event == SPDY_BAD)
		buf_add_byte(out, '!');
	spdy_reader_finish(&r);
}

TEST(spdy_frames_are_written_and_read)
{
	struct buf wire CLEAN_BUF, want CLEAN_BUF;
	struct spdy_writer w;
	struct http_header list[] = {{STR("streamType"), STR("error")},
				     {STR("Port"), STR("8080")},
				     {STR("requestID"), STR("0")}};
	buf_init(&wire);
	buf_init(&want);
	spdy_writer_init(&w);
	for (uint32_t id = 1; id < 200; id += 2) {
		spdy_write_syn_stream(&w, &wire, id, id == 3, (struct http_headers){list, 3});
		buf_fmt(&want, "[%u%s streamtype=error port=8080 requestid=0]", id, id == 3 ? "$" : "");
	}
	spdy_write_syn_reply(&w, &wire, 1, false, (struct http_headers){0});
	spdy_write_data(&wire, 1, false, STR("hello"));
	spdy_write_data(&wire, 1, true, STR_NONE);
	spdy_write_ping(&wire, 7);
	spdy_write_rst_stream(&wire, 5, SPDY_CANCEL);
	spdy_write_goaway(&wire, 9);
	buf_fmt(&want, "[1]hello$(%d 7)(%d %d)(%d 0)", SPDY_PING, SPDY_RST_STREAM, SPDY_CANCEL, SPDY_GOAWAY);
	for (size_t step = 1; step < 40; step += 3) {
		struct buf got CLEAN_BUF;
		buf_init(&got);
		spdy_trace(buf_str(&wire), step, &got);
		CHECK(str_eq(buf_str(&got), buf_str(&want)));
	}
	spdy_writer_finish(&w);
}

static void check_spdy_refused(struct str bytes)
{
	struct buf got CLEAN_BUF;
	buf_init(&got);
	spdy_trace(bytes, 3, &got);
	CHECK_STR(buf_str(&got), "!");
}

TEST(malformed_spdy_frames_are_refused)
{
	check_spdy_refused(STR("\x80\x02\0\x06\0\0\0\x04\0\0\0\x01"));	     // SPDY/2
	check_spdy_refused(STR("\x80\x03\0\x06\0\0\0\x05\0\0\0\x01\0"));     // a ping of five bytes
	check_spdy_refused(STR("\x80\x03\0\x05\0\0\0\0"));		     // unknown kind
	check_spdy_refused(STR("\x80\x03\0\x01\0\0\0\x04\0\0\0\x01"));	     // too short
	check_spdy_refused(STR("\x80\x03\0\x01\0\xff\xff\xff\0\0\0\x01"));   // too large
	check_spdy_refused(STR("\x80\x03\0\x02\0\0\0\x08\0\0\0\x01nope"));   // headers that don't inflate
	check_spdy_refused(STR("\0\0\0\0\0\0\0\x01x"));			     // data of stream 0
}

TEST(swollen_spdy_headers_are_refused)
{
	struct buf wire CLEAN_BUF, value CLEAN_BUF, got CLEAN_BUF;
	struct spdy_writer w;
	buf_init(&wire);
	buf_init(&value);
	buf_init(&got);
	while (value.n < 2 * SPDY_HEADERS_MAX)
		buf_add_byte(&value, 'x');
	struct http_header h = {STR("a"), buf_str(&value)};
	spdy_writer_init(&w);
	spdy_write_syn_stream(&w, &wire, 1, false, (struct http_headers){&h, 1});
	CHECK(wire.n < 4096);
	spdy_trace(buf_str(&wire), wire.n, &got);
	CHECK_STR(buf_str(&got), "!");
	spdy_writer_finish(&w);
}
