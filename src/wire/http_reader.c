// SPDX-License-Identifier: Apache-2.0
#include "wire/http.h"

#include "base/encode.h"
#include "wire/http_head.h"

enum state {
	AT_HEAD,
	AT_BODY,       // `left` bytes to go
	AT_CLOSE_BODY, // until the connection ends
	AT_CHUNK_LINE,
	AT_CHUNK,      // `left` bytes to go
	AT_CHUNK_END,  // the CRLF after a chunk
	AT_TRAILER,
	AT_END,	       // HTTP_DONE is owed
	AT_FAULT,
};

void http_reader_init(struct http_reader *r, bool responses)
{
	*r = (struct http_reader){.responses = responses};
}

void http_reader_finish(struct http_reader *r)
{
	buf_finish(&r->partial);
}

static enum http_event bad(struct http_reader *r, int code, const char *text)
{
	r->error_code = code;
	r->error_text = text;
	r->state = AT_FAULT;
	buf_finish(&r->partial);
	return HTTP_BAD;
}

static struct str take(struct str *input, size_t n)
{
	struct str taken = str_sub(*input, 0, n);
	*input = str_from(*input, taken.n);
	return taken;
}

// Looks for the end of a head from byte `from` on, which may not be in the middle of a line end that was seen
// already. 1 and *end: behind the empty line. 0: not there yet. -1: a line feed without its carriage return,
// or an empty start line.
static int find_head_end(struct str s, size_t from, size_t *end)
{
	for (;;) {
		const char *feed = from < s.n ? memchr(s.p + from, '\n', s.n - from) : NULL;
		if (!feed)
			return 0;
		size_t at = (size_t)(feed - s.p);
		if (at < 2 || s.p[at - 1] != '\r')
			return -1;
		if (s.p[at - 2] == '\n') {
			*end = at + 1;
			return 1;
		}
		from = at + 1;
	}
}

static void choose_body(struct http_reader *r)
{
	struct http_head *h = &r->head;
	if (r->responses) {
		if (r->head_answer || h->code < 200 || h->code == 204 || h->code == 304)
			h->body = HTTP_BODY_NONE;
		else if (h->body == HTTP_BODY_NONE && !http_header_has(h->headers, "content-length"))
			h->body = HTTP_BODY_UNTIL_CLOSE;
	}
	static const enum state next[] = {
		[HTTP_BODY_NONE] = AT_END,
		[HTTP_BODY_LENGTH] = AT_BODY,
		[HTTP_BODY_CHUNKED] = AT_CHUNK_LINE,
		[HTTP_BODY_UNTIL_CLOSE] = AT_CLOSE_BODY,
	};
	r->state = (int)next[h->body];
	r->left = h->length;
	r->trailer = 0;
}

static enum http_event read_head(struct http_reader *r, struct arena *a, struct str *input)
{
	size_t end = 0, before = r->partial.n;
	struct str text = *input;
	if (before) {
		buf_add(&r->partial, str_sub(*input, 0, HTTP_HEAD_MAX + 1 - before));
		text = buf_str(&r->partial);
	}
	int found = find_head_end(text, before, &end);
	if (found < 0)
		return bad(r, 400, "malformed line end");
	if (found ? end > HTTP_HEAD_MAX : text.n > HTTP_HEAD_MAX)
		return bad(r, 431, "the headers are too large");
	if (!found) {
		if (!before)
			buf_add(&r->partial, *input);
		take(input, input->n);
		return HTTP_MORE;
	}
	take(input, end - before);
	struct http_fault f;
	int parsed = http_head_parse(a, arena_str(a, str_sub(text, 0, end)), r->responses, &r->head, &f);
	buf_finish(&r->partial);
	if (parsed < 0)
		return bad(r, f.code, f.text);
	choose_body(r);
	return HTTP_HEAD;
}

// A line that ends with CRLF, without it: 1; 0: more is needed; -1: longer than max, or ill-formed. It is
// valid until the next call with more input.
static int take_line(struct http_reader *r, struct str *input, size_t max, struct str *line)
{
	const char *feed = input->n ? memchr(input->p, '\n', input->n) : NULL;
	struct str part = take(input, feed ? (size_t)(feed - input->p) + 1 : input->n);
	if (r->partial.n + part.n > max + 2)
		return -1;
	bool whole = feed && r->partial.n == 0;
	if (!whole)
		buf_add(&r->partial, part);
	if (!feed)
		return 0;
	*line = whole ? part : buf_str(&r->partial);
	if (line->n < 2 || line->p[line->n - 2] != '\r')
		return -1;
	line->n -= 2;
	r->partial.n = 0;
	return 1;
}

// "1f" or "1f;extension": at most 15 digits, nothing between them and the semicolon.
static bool parse_chunk_line(struct str line, uint64_t *size)
{
	size_t n = 0;
	*size = 0;
	while (n < line.n && decode_hex_digit(line.p[n]) >= 0)
		*size = *size * 16 + (uint64_t)decode_hex_digit(line.p[n++]);
	if (n == 0 || n > 15 || (n < line.n && line.p[n] != ';'))
		return false;
	for (; n < line.n; n++)
		if (((unsigned char)line.p[n] < 0x20 && line.p[n] != '\t') || line.p[n] == 0x7f)
			return false;
	return true;
}

static enum http_event read_chunk_line(struct http_reader *r, struct str *input)
{
	struct str line;
	int got = take_line(r, input, HTTP_CHUNK_LINE_MAX, &line);
	if (got == 0)
		return HTTP_MORE;
	if (got < 0 || !parse_chunk_line(line, &r->left))
		return bad(r, 400, "malformed chunk size");
	r->state = r->left ? AT_CHUNK : AT_TRAILER;
	return HTTP_DATA;
}

static enum http_event read_chunk_end(struct http_reader *r, struct str *input)
{
	struct str line;
	int got = take_line(r, input, 0, &line);
	if (got == 0)
		return HTTP_MORE;
	if (got < 0)
		return bad(r, 400, "a chunk is longer than its size");
	r->state = AT_CHUNK_LINE;
	return HTTP_DATA;
}

// Trailers are checked and dropped.
static enum http_event read_trailer(struct http_reader *r, struct str *input)
{
	struct str line;
	struct http_header field;
	int got = take_line(r, input, HTTP_TRAILER_MAX, &line);
	if (got == 0)
		return HTTP_MORE;
	if (got > 0 && line.n == 0) {
		r->state = AT_END;
		return HTTP_DATA;
	}
	if (got < 0 || !http_head_field(line, &field))
		return bad(r, 400, "malformed trailer");
	r->trailer += line.n + 2;
	if (r->trailer > HTTP_TRAILER_MAX)
		return bad(r, 431, "the trailers are too large");
	return HTTP_DATA;
}

static enum http_event read_piece(struct http_reader *r, struct str *input, enum state after)
{
	r->piece = take(input, r->left < input->n ? (size_t)r->left : input->n);
	r->left -= r->piece.n;
	if (r->left == 0)
		r->state = (int)after;
	return HTTP_DATA;
}

// One step; HTTP_DATA with an empty piece means: go on.
static enum http_event step(struct http_reader *r, struct arena *a, struct str *input)
{
	switch ((enum state)r->state) {
	case AT_HEAD:
		return read_head(r, a, input);
	case AT_BODY:
		return read_piece(r, input, AT_END);
	case AT_CHUNK:
		return read_piece(r, input, AT_CHUNK_END);
	case AT_CLOSE_BODY:
		r->piece = take(input, input->n);
		return HTTP_DATA;
	case AT_CHUNK_LINE:
		return read_chunk_line(r, input);
	case AT_CHUNK_END:
		return read_chunk_end(r, input);
	case AT_TRAILER:
		return read_trailer(r, input);
	case AT_END:
		r->state = AT_HEAD;
		return HTTP_DONE;
	case AT_FAULT:
		break;
	}
	return HTTP_BAD;
}

enum http_event http_reader_next(struct http_reader *r, struct arena *a, struct str *input)
{
	for (;;) {
		if (input->n == 0 && r->state != AT_END && r->state != AT_FAULT)
			return HTTP_MORE;
		r->piece = STR_NONE;
		enum http_event event = step(r, a, input);
		if (event != HTTP_DATA || r->piece.n)
			return event;
	}
}

enum http_event http_reader_close(struct http_reader *r)
{
	if (r->state == AT_CLOSE_BODY || r->state == AT_END) {
		r->state = AT_HEAD;
		return HTTP_DONE;
	}
	if (r->state == AT_HEAD && r->partial.n == 0)
		return HTTP_MORE;
	return r->state == AT_FAULT ? HTTP_BAD : bad(r, 400, "the connection ended in the middle of a message");
}
