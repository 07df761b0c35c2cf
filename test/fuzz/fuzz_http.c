// SPDX-License-Identifier: Apache-2.0
// HTTP/1.1 messages. The first byte: bit 0 responses, bit 1 answers to HEAD, the rest how the text is cut.
// Read whole and read in pieces must give the same; what is refused stays refused; framing is never
// ambiguous.
#include <stdlib.h>

#include "base/buf.h"
#include "wire/http.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void check_head(const struct http_reader *r)
{
	struct http_headers h = r->head.headers;
	MUST(h.count <= HTTP_HEADERS_MAX);
	MUST(!(http_header_has(h, "content-length") && http_header_has(h, "transfer-encoding")));
	for (size_t i = 0; i < h.count; i++) {
		MUST(h.list[i].name.n > 0);
		MUST(str_find(h.list[i].value, '\n') < 0 && str_find(h.list[i].value, '\r') < 0);
	}
	MUST(r->head.body != HTTP_BODY_UNTIL_CLOSE || r->responses);
}

static void read_in_steps(struct str text, unsigned char how, size_t step, struct buf *out)
{
	struct http_reader r;
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	http_reader_init(&r, how & 1);
	r.head_answer = how & 2;
	enum http_event event = HTTP_MORE;
	for (size_t at = 0; at < text.n && event != HTTP_BAD; at += step) {
		struct str part = str_sub(text, at, step);
		char *copy = mem_alloc(part.n);
		memcpy(copy, part.p, part.n);
		struct str input = {copy, part.n};
		while ((event = http_reader_next(&r, &a, &input)) != HTTP_MORE && event != HTTP_BAD) {
			if (event == HTTP_DATA) {
				buf_add(out, r.piece);
				continue;
			}
			buf_fmt(out, "\n%d\n", (int)event);
			if (event == HTTP_HEAD)
				check_head(&r);
		}
		free(copy);
	}
	if (event != HTTP_BAD)
		event = http_reader_close(&r);
	buf_fmt(out, "\nend %d %d", (int)event, event == HTTP_BAD ? r.error_code : 0);
	http_reader_finish(&r);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	if (size < 2 || size > 100000)
		return 0;
	struct str text = {(const char *)data + 1, size - 1};
	struct buf whole CLEAN_BUF, cut CLEAN_BUF;
	buf_init(&whole);
	buf_init(&cut);
	read_in_steps(text, data[0], text.n, &whole);
	read_in_steps(text, data[0], 1 + data[0] / 4, &cut);
	MUST(str_eq(buf_str(&whole), buf_str(&cut)));
	return 0;
}
