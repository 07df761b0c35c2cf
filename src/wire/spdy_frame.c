// SPDX-License-Identifier: Apache-2.0
// Frames of SPDY/3.1 (draft-mbelshe-httpbis-spdy-00). A control frame is gathered whole; data passes through.
#include "wire/spdy.h"
#include "wire/spdy_dictionary.h"

enum state { AT_HEAD, AT_CONTROL, AT_DATA, AT_FAULT };

enum { HEAD_SIZE = 8, VERSION = 3, FLAG_FIN = 1 };

enum frame_type {
	SYN_STREAM = 1,
	SYN_REPLY = 2,
	RST_STREAM = 3,
	SETTINGS = 4,
	PING = 6,
	GOAWAY = 7,
	HEADERS = 8,
	WINDOW_UPDATE = 9,
	CREDENTIAL = 10,
};

static uint32_t get32(const char *p)
{
	const unsigned char *b = (const unsigned char *)p;
	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static void put32(struct buf *out, uint32_t v)
{
	char bytes[4] = {(char)(v >> 24), (char)(v >> 16), (char)(v >> 8), (char)v};
	buf_add(out, (struct str){bytes, sizeof bytes});
}

// ---- Reading

void spdy_reader_init(struct spdy_reader *r)
{
	*r = (struct spdy_reader){0};
	if (inflateInit(&r->inflate) != Z_OK)
		mem_panic("out of memory");
}

void spdy_reader_finish(struct spdy_reader *r)
{
	inflateEnd(&r->inflate);
	buf_finish(&r->frame);
}

static enum spdy_event bad(struct spdy_reader *r, const char *text)
{
	r->error_text = text;
	r->state = AT_FAULT;
	return SPDY_BAD;
}

// The whole block, in the arena; false when it is malformed or swells beyond SPDY_HEADERS_MAX.
static bool inflate_block(struct spdy_reader *r, struct arena *a, struct str block, struct str *out)
{
	char *plain = arena_alloc(a, SPDY_HEADERS_MAX);
	z_stream *z = &r->inflate;
	z->next_in = (Bytef *)block.p;
	z->avail_in = (uInt)block.n;
	z->next_out = (Bytef *)plain;
	z->avail_out = SPDY_HEADERS_MAX;
	int result = inflate(z, Z_SYNC_FLUSH);
	if (result == Z_NEED_DICT && inflateSetDictionary(z, spdy_dictionary, SPDY_DICTIONARY_SIZE) == Z_OK)
		result = inflate(z, Z_SYNC_FLUSH);
	if (result != Z_OK || z->avail_in || z->avail_out == 0)
		return false;
	*out = (struct str){plain, SPDY_HEADERS_MAX - z->avail_out};
	return true;
}

static bool take_text(struct str *rest, struct str *out)
{
	if (rest->n < 4)
		return false;
	uint32_t n = get32(rest->p);
	if (n > rest->n - 4)
		return false;
	*out = str_sub(*rest, 4, n);
	*rest = str_from(*rest, 4 + (size_t)n);
	return true;
}

static bool parse_block(struct arena *a, struct str plain, struct http_headers *out)
{
	if (plain.n < 4)
		return false;
	uint32_t count = get32(plain.p);
	if (count > HTTP_HEADERS_MAX)
		return false;
	struct http_header *list = ARENA_ARRAY(a, struct http_header, count + 1);
	plain = str_from(plain, 4);
	for (uint32_t i = 0; i < count; i++)
		if (!take_text(&plain, &list[i].name) || !take_text(&plain, &list[i].value) || list[i].name.n == 0)
			return false;
	*out = (struct http_headers){list, count};
	return plain.n == 0;
}

// The frame's stream, and headers from byte `from` of its body on.
static enum spdy_event read_headers(struct spdy_reader *r, struct arena *a, struct str body, size_t from,
				    enum spdy_event event)
{
	struct str plain;
	if (body.n < from)
		return bad(r, "a frame is too short");
	r->stream = get32(body.p) & 0x7fffffff;
	if (r->stream == 0)
		return bad(r, "stream 0");
	if (!inflate_block(r, a, str_from(body, from), &plain) || !parse_block(a, plain, &r->headers))
		return bad(r, "malformed headers");
	return event;
}

static enum spdy_event read_word(struct spdy_reader *r, struct str body, size_t size, enum spdy_event event)
{
	if (body.n != size)
		return bad(r, "a frame of a wrong size");
	r->stream = get32(body.p) & 0x7fffffff;
	r->value = get32(body.p + size - 4);
	return event;
}

static enum spdy_event parse_control(struct spdy_reader *r, struct arena *a)
{
	struct str frame = buf_str(&r->frame), body = str_from(frame, HEAD_SIZE);
	unsigned type = get32(frame.p) & 0xffff;
	r->fin = frame.p[4] & FLAG_FIN;
	switch (type) {
	case SYN_STREAM:
		return read_headers(r, a, body, 10, SPDY_SYN_STREAM);
	case SYN_REPLY:
		return read_headers(r, a, body, 4, SPDY_SYN_REPLY);
	case HEADERS:
		return read_headers(r, a, body, 4, SPDY_HEADERS);
	case RST_STREAM:
		return read_word(r, body, 8, SPDY_RST_STREAM);
	case PING:
		return read_word(r, body, 4, SPDY_PING);
	case GOAWAY:
		return read_word(r, body, 8, SPDY_GOAWAY);
	case SETTINGS:
	case WINDOW_UPDATE:
	case CREDENTIAL:
		return SPDY_IGNORED;
	}
	return bad(r, "an unknown kind of frame");
}

static bool gather(struct spdy_reader *r, struct str *input, size_t size)
{
	struct str part = str_sub(*input, 0, size - r->frame.n);
	*input = str_from(*input, part.n);
	buf_add(&r->frame, part);
	return r->frame.n == size;
}

static size_t frame_length(const struct spdy_reader *r)
{
	return get32(r->frame.p + 4) & 0xffffff;
}

static enum spdy_event read_head(struct spdy_reader *r)
{
	uint32_t first = get32(r->frame.p);
	if (first & 0x80000000) {
		if ((first >> 16 & 0x7fff) != VERSION)
			return bad(r, "not SPDY/3");
		if (frame_length(r) > SPDY_CONTROL_MAX)
			return bad(r, "a control frame is too large");
		r->state = AT_CONTROL;
		return SPDY_MORE;
	}
	if (first == 0)
		return bad(r, "stream 0");
	r->stream = first;
	r->data_fin = r->frame.p[4] & FLAG_FIN;
	r->left = frame_length(r);
	r->state = AT_DATA;
	return SPDY_MORE;
}

static enum spdy_event read_data(struct spdy_reader *r, struct str *input)
{
	if (r->left && input->n == 0)
		return SPDY_MORE;
	r->stream = get32(r->frame.p);
	r->piece = str_sub(*input, 0, (size_t)r->left);
	*input = str_from(*input, r->piece.n);
	r->left -= r->piece.n;
	r->fin = r->left == 0 && r->data_fin;
	if (r->left == 0) {
		r->state = AT_HEAD;
		buf_clear(&r->frame);
	}
	return SPDY_DATA;
}

enum spdy_event spdy_reader_next(struct spdy_reader *r, struct arena *a, struct str *input)
{
	if (r->state == AT_HEAD) {
		if (!gather(r, input, HEAD_SIZE))
			return SPDY_MORE;
		if (read_head(r) == SPDY_BAD)
			return SPDY_BAD;
	}
	if (r->state == AT_DATA)
		return read_data(r, input);
	if (r->state == AT_FAULT)
		return SPDY_BAD;
	if (!gather(r, input, HEAD_SIZE + frame_length(r)))
		return SPDY_MORE;
	r->state = AT_HEAD;
	enum spdy_event event = parse_control(r, a);
	buf_clear(&r->frame);
	return event;
}

// ---- Writing

void spdy_writer_init(struct spdy_writer *w)
{
	enum { SMALL_WINDOW = 11, LITTLE_MEMORY = 1 }; // of 256 KB otherwise; header blocks are short
	*w = (struct spdy_writer){0};
	if (deflateInit2(&w->deflate, Z_BEST_SPEED, Z_DEFLATED, SMALL_WINDOW, LITTLE_MEMORY,
			 Z_DEFAULT_STRATEGY) != Z_OK ||
	    deflateSetDictionary(&w->deflate, spdy_dictionary, SPDY_DICTIONARY_SIZE) != Z_OK)
		mem_panic("out of memory");
}

void spdy_writer_finish(struct spdy_writer *w)
{
	deflateEnd(&w->deflate);
}

static void put_control_head(struct buf *out, enum frame_type type, bool fin, size_t length)
{
	put32(out, 0x80000000u | VERSION << 16 | type);
	put32(out, (fin ? (uint32_t)FLAG_FIN << 24 : 0) | (uint32_t)length);
}

static void put_text(struct buf *out, struct str s, bool lower)
{
	put32(out, (uint32_t)s.n);
	size_t at = out->n;
	buf_add(out, s);
	for (; lower && at < out->n; at++)
		if (out->p[at] >= 'A' && out->p[at] <= 'Z')
			out->p[at] = (char)(out->p[at] + ('a' - 'A'));
}

static void deflate_block(struct spdy_writer *w, struct str plain, struct buf *out)
{
	z_stream *z = &w->deflate;
	z->next_in = (Bytef *)plain.p;
	z->avail_in = (uInt)plain.n;
	do {
		enum { STEP = 512 };
		buf_reserve(out, STEP);
		z->next_out = (Bytef *)out->p + out->n;
		z->avail_out = STEP;
		MUST(deflate(z, Z_SYNC_FLUSH) != Z_STREAM_ERROR);
		out->n += STEP - z->avail_out;
	} while (z->avail_out == 0);
}

// A frame whose body is `fixed` and a block of headers.
static void write_headers(struct spdy_writer *w, struct buf *out, enum frame_type type, bool fin, struct str fixed,
			  struct http_headers h)
{
	struct buf plain CLEAN_BUF, block CLEAN_BUF;
	buf_init(&plain);
	buf_init(&block);
	put32(&plain, (uint32_t)h.count);
	for (size_t i = 0; i < h.count; i++) {
		put_text(&plain, h.list[i].name, true);
		put_text(&plain, h.list[i].value, false);
	}
	deflate_block(w, buf_str(&plain), &block);
	put_control_head(out, type, fin, fixed.n + block.n);
	buf_add(out, fixed);
	buf_add(out, buf_str(&block));
}

void spdy_write_syn_stream(struct spdy_writer *w, struct buf *out, uint32_t stream, bool fin, struct http_headers h)
{
	struct buf fixed CLEAN_BUF;
	buf_init(&fixed);
	put32(&fixed, stream);
	put32(&fixed, 0); // associated with none
	buf_add(&fixed, STR("\0\0")); // priority, slot
	write_headers(w, out, SYN_STREAM, fin, buf_str(&fixed), h);
}

void spdy_write_syn_reply(struct spdy_writer *w, struct buf *out, uint32_t stream, bool fin, struct http_headers h)
{
	struct buf fixed CLEAN_BUF;
	buf_init(&fixed);
	put32(&fixed, stream);
	write_headers(w, out, SYN_REPLY, fin, buf_str(&fixed), h);
}

void spdy_write_data(struct buf *out, uint32_t stream, bool fin, struct str data)
{
	MUST(data.n < 1 << 24);
	put32(out, stream);
	put32(out, (fin ? (uint32_t)FLAG_FIN << 24 : 0) | (uint32_t)data.n);
	buf_add(out, data);
}

void spdy_write_rst_stream(struct buf *out, uint32_t stream, uint32_t status)
{
	put_control_head(out, RST_STREAM, false, 8);
	put32(out, stream);
	put32(out, status);
}

void spdy_write_ping(struct buf *out, uint32_t id)
{
	put_control_head(out, PING, false, 4);
	put32(out, id);
}

void spdy_write_goaway(struct buf *out, uint32_t last_stream)
{
	put_control_head(out, GOAWAY, false, 8);
	put32(out, last_stream);
	put32(out, 0); // all is well
}
