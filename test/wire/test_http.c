// SPDX-License-Identifier: Apache-2.0
#include "unit.h"
#include "wire/http.h"

// What a reader made of a text: "H" head, the body's bytes, "." end, "!code" refusal.
static void trace(struct str text, size_t step, bool responses, bool head_answer, struct arena *a, struct buf *out)
{
	struct http_reader r;
	http_reader_init(&r, responses);
	r.head_answer = head_answer;
	enum http_event event = HTTP_MORE;
	for (size_t at = 0; at < text.n && event != HTTP_BAD; at += step) {
		// a copy of its own size, so that the sanitizer sees a read beyond it
		struct str part = str_sub(text, at, step);
		char *copy = mem_alloc(part.n);
		memcpy(copy, part.p, part.n);
		struct str input = {copy, part.n};
		while ((event = http_reader_next(&r, a, &input)) != HTTP_MORE && event != HTTP_BAD) {
			if (event == HTTP_HEAD)
				buf_add_byte(out, 'H');
			else if (event == HTTP_DATA)
				buf_add(out, r.piece);
			else
				buf_add_byte(out, '.');
		}
		free(copy);
	}
	if (event == HTTP_MORE && (event = http_reader_close(&r)) == HTTP_DONE)
		buf_add_byte(out, '.');
	if (event == HTTP_BAD)
		buf_fmt(out, "!%d", r.error_code);
	http_reader_finish(&r);
}

static void check_trace(const char *text, size_t n, bool responses, const char *want)
{
	for (size_t step = 1; step <= n; step = step < 8 ? step + 1 : step * 3) {
		struct arena a CLEAN_ARENA;
		struct buf got CLEAN_BUF;
		arena_init(&a);
		buf_init(&got);
		trace((struct str){text, n}, step, responses, false, &a, &got);
		if (!str_is(buf_str(&got), want))
			unit_fail(__FILE__, __LINE__, "%.*s\n in steps of %zu gives %.*s, not %s", (int)n, text, step,
				  STR_FMT(buf_str(&got)), want);
	}
}

#define REQUEST(text, want) check_trace(text, sizeof(text) - 1, false, want)
#define RESPONSE(text, want) check_trace(text, sizeof(text) - 1, true, want)
#define HOST "Host: a\r\n"

TEST(requests_are_read)
{
	REQUEST("GET / HTTP/1.1\r\n" HOST "\r\n", "H.");
	REQUEST("GET / HTTP/1.0\r\n\r\n", "H.");
	REQUEST("POST /x HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello", "Hhello.");
	REQUEST("POST /x HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n", "H.");
	REQUEST("GET / HTTP/1.1\r\n" HOST "\r\nGET /2 HTTP/1.1\r\n" HOST "\r\n", "H.H.");
	REQUEST("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
		"5\r\nhello\r\n6;x=y\r\n world\r\n0\r\n\r\n",
		"Hhello world.");
	REQUEST("POST / HTTP/1.1\r\n" HOST "transfer-encoding: Chunked\r\n\r\n00A\r\n0123456789\r\n0\r\nX-T: 1\r\n\r\n",
		"H0123456789.");
	REQUEST("OPTIONS * HTTP/1.1\r\n" HOST "\r\n", "H.");
	REQUEST("GET / HTTP/1.1\r\nHost:\t a \r\nX-Empty:\r\nX-Latin: \xe9\r\n\r\n", "H.");
}

// Each of these has been used to make two servers disagree about where a request ends.
TEST(requests_that_could_be_smuggled_are_refused)
{
	REQUEST("POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "!400");
	REQUEST("POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", "!400");
	REQUEST("POST / HTTP/1.1\r\n" HOST "Content-Length: 5, 5\r\n\r\nhello", "!400");
	REQUEST("POST / HTTP/1.1\r\n" HOST "Content-Length: +5\r\n\r\nhello", "!400");
	REQUEST("POST / HTTP/1.1\r\n" HOST "Content-Length: 0x5\r\n\r\nhello", "!400");
	REQUEST("POST / HTTP/1.1\r\n" HOST "Content-Length: 5 5\r\n\r\nhello", "!400");
	REQUEST("POST / HTTP/1.1\r\n" HOST "Content-Length:\r\n\r\n", "!400");
	REQUEST("POST / HTTP/1.1\r\n" HOST "Content-Length: 99999999999999999999\r\n\r\n", "!400");
	REQUEST("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n", "!400");
	REQUEST("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked, chunked\r\n\r\n", "!400");
	REQUEST("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: xchunked\r\n\r\n", "!400");
	REQUEST("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: identity\r\n\r\n", "!400");
	REQUEST("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding:\r\n\r\n", "!400");
	REQUEST("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n", "!400");
	REQUEST("POST / HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n", "!400");
	REQUEST("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding : chunked\r\n\r\n", "!400");
	REQUEST("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: \x0b" "chunked\r\n\r\n", "!400");
	REQUEST("GET / HTTP/1.1\r\n" HOST "X: a\r\n folded\r\n\r\n", "!400");
	REQUEST("GET / HTTP/1.1\r\n" HOST "X: a\rContent-Length: 5\r\n\r\n", "!400");
	REQUEST("GET / HTTP/1.1\r\n" HOST "X: a\nContent-Length: 5\r\n\r\n", "!400");
	REQUEST("GET / HTTP/1.1\n" HOST "\r\n", "!400");
	REQUEST("GET / HTTP/1.1\r\n" HOST "\n", "!400");
	REQUEST("\r\nGET / HTTP/1.1\r\n" HOST "\r\n", "!400");
	REQUEST("GET / HTTP/1.1\r\n" HOST "X: a\0b\r\n\r\n", "!400");
	REQUEST("GET / HTTP/1.1\r\n" HOST "X\0: a\r\n\r\n", "!400");
	REQUEST("GET / HTTP/1.1\r\n" HOST ": a\r\n\r\n", "!400");
	REQUEST("GET / HTTP/1.1\r\n" HOST "no colon\r\n\r\n", "!400");
	REQUEST("GET / HTTP/1.1\r\n X: a\r\n" HOST "\r\n", "!400");
	REQUEST("GET / HTTP/1.1\r\n\r\n", "!400");
	REQUEST("GET / HTTP/1.1\r\n" HOST HOST "\r\n", "!400");
	REQUEST("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", "!400");
	REQUEST("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "!400");
}

TEST(malformed_start_lines_are_refused)
{
	REQUEST("GET  / HTTP/1.1\r\n" HOST "\r\n", "!400");
	REQUEST("GET /a b HTTP/1.1\r\n" HOST "\r\n", "!400");
	REQUEST("GET / HTTP/1.1 \r\n" HOST "\r\n", "!400");
	REQUEST("GET /\r\n" HOST "\r\n", "!400");
	REQUEST("GET / http/1.1\r\n" HOST "\r\n", "!400");
	REQUEST("GET / HTTP/1.1x\r\n" HOST "\r\n", "!400");
	REQUEST("GET / HTTP/2.0\r\n" HOST "\r\n", "!505");
	REQUEST("GET / HTTP/1.2\r\n" HOST "\r\n", "!505");
	REQUEST("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "!505");
	REQUEST("G@T / HTTP/1.1\r\n" HOST "\r\n", "!400");
	REQUEST("GET http://a/ HTTP/1.1\r\n" HOST "\r\n", "!400");
	REQUEST("CONNECT a:1 HTTP/1.1\r\n" HOST "\r\n", "!400");
	REQUEST("GET * HTTP/1.1\r\n" HOST "\r\n", "!400");
	REQUEST("GET /# HTTP/1.1\r\n" HOST "\r\n", "!400");
	REQUEST("GET /\xc3\xa9 HTTP/1.1\r\n" HOST "\r\n", "!400");
	REQUEST("GET / HTTP/1.1\r\n" HOST "Expect: miracles\r\n\r\n", "!417");
	REQUEST("\x16\x03\x01\x02\r\n\r\n", "!400");
}

TEST(malformed_chunks_are_refused)
{
#define CHUNKED "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
	REQUEST(CHUNKED "0x5\r\nhello\r\n0\r\n\r\n", "H!400");
	REQUEST(CHUNKED "\r\n", "H!400");
	REQUEST(CHUNKED "5 \r\nhello\r\n0\r\n\r\n", "H!400");
	REQUEST(CHUNKED " 5\r\nhello\r\n0\r\n\r\n", "H!400");
	REQUEST(CHUNKED "-5\r\nhello\r\n0\r\n\r\n", "H!400");
	REQUEST(CHUNKED "5\nhello\r\n0\r\n\r\n", "H!400");
	REQUEST(CHUNKED "5;a\rb\r\nhello\r\n0\r\n\r\n", "H!400");
	REQUEST(CHUNKED "5\r\nhelloX\r\n0\r\n\r\n", "Hhello!400");
	REQUEST(CHUNKED "5\r\nhello\n0\r\n\r\n", "Hhello!400");
	REQUEST(CHUNKED "ffffffffffffffffff\r\nhello", "H!400");
	REQUEST(CHUNKED "0\r\nbad trailer\r\n\r\n", "H!400");
	REQUEST(CHUNKED "0\r\n folded: x\r\n\r\n", "H!400");
	REQUEST(CHUNKED "5\r\nhel", "Hhel!400"); // cut off
}

TEST(responses_are_read)
{
	RESPONSE("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "Hhi.");
	RESPONSE("HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nhi", "Hhi.");
	RESPONSE("HTTP/1.1 204 No Content\r\n\r\n", "H.");
	RESPONSE("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", "H.");
	RESPONSE("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "H.H.");
	RESPONSE("HTTP/1.1 200 OK\r\n\r\nuntil the end", "Huntil the end.");
	RESPONSE("HTTP/1.0 200 OK\r\n\r\n", "H.");
	RESPONSE("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", "Hhi.");
	RESPONSE("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n", "!400");
	RESPONSE("HTTP/1.1 20 OK\r\n\r\n", "!400");
	RESPONSE("HTTP/1.1 2000 OK\r\n\r\n", "!400");
	RESPONSE("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi", "Hhi!400");
}

TEST(an_answer_to_head_has_no_body)
{
	struct arena a CLEAN_ARENA;
	struct buf got CLEAN_BUF;
	arena_init(&a);
	buf_init(&got);
	trace(STR("HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n"), 7, true, true, &a, &got);
	CHECK_STR(buf_str(&got), "H.");
}

static int refusal_of(struct buf *text)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct http_reader r;
	http_reader_init(&r, false);
	struct str input = buf_str(text);
	enum http_event event = http_reader_next(&r, &a, &input);
	int code = event == HTTP_BAD ? r.error_code : 0;
	http_reader_finish(&r);
	return code;
}

TEST(heads_are_bounded)
{
	struct buf text CLEAN_BUF;
	buf_init(&text);
	buf_add_c(&text, "GET / HTTP/1.1\r\n" HOST);
	for (int i = 0; i < 100; i++)
		buf_add_c(&text, "X: y\r\n");
	buf_add_c(&text, "\r\n");
	CHECK_INT(refusal_of(&text), 431);
	buf_clear(&text);
	buf_add_c(&text, "GET / HTTP/1.1\r\n" HOST "X: ");
	while (text.n < HTTP_HEAD_MAX)
		buf_add_byte(&text, 'x');
	buf_add_c(&text, "\r\n\r\n");
	CHECK_INT(refusal_of(&text), 431);
	buf_clear(&text);
	buf_add_c(&text, "GET /");
	while (text.n < HTTP_TARGET_MAX + 10)
		buf_add_byte(&text, 'x');
	buf_add_c(&text, " HTTP/1.1\r\n" HOST "\r\n");
	CHECK_INT(refusal_of(&text), 414);
}

TEST(heads_are_understood)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct http_reader r;
	http_reader_init(&r, false);
	struct str input = STR("GET /p?q=1 HTTP/1.1\r\nhost: h\r\n"
			       "CONNECTION: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"
			       "Accept-Encoding: deflate, gzip;q=0.5\r\n\r\nrest");
	REQUIRE(http_reader_next(&r, &a, &input) == HTTP_HEAD);
	CHECK_STR(r.head.method, "GET");
	CHECK_STR(r.head.target, "/p?q=1");
	CHECK_STR(http_header(r.head.headers, "Host"), "h");
	CHECK(r.head.upgrade && r.head.keep_alive && r.head.minor == 1);
	CHECK(http_accepts_gzip(r.head.headers));
	CHECK_STR(input, "rest");
	http_reader_finish(&r);
}

TEST(queries_are_decoded)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct str value;
	struct str query = STR("watch&labelSelector=a%3Db%2Cc&x=1+2&x=3");
	CHECK(http_query(&a, query, "watch", &value) && value.n == 0);
	CHECK(http_query(&a, query, "labelSelector", &value));
	CHECK_STR(value, "a=b,c");
	CHECK(http_query(&a, query, "x", &value));
	CHECK_STR(value, "1 2");
	CHECK(!http_query(&a, query, "y", &value));
}

TEST(header_values_cannot_break_lines)
{
	struct buf out CLEAN_BUF;
	buf_init(&out);
	http_write_header(&out, STR("Location"), STR("a\r\nSet-Cookie: b"));
	CHECK_STR(buf_str(&out), "Location: a__Set-Cookie: b\r\n");
}
