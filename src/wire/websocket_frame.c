// SPDX-License-Identifier: Apache-2.0
#include "wire/websocket.h"

enum state { AT_HEAD, AT_DATA, AT_CONTROL, AT_FAULT };

enum { PIECE_MAX = 16 * 1024 }; // unmasked at a time

void websocket_reader_init(struct websocket_reader *r, bool from_client)
{
	*r = (struct websocket_reader){.from_client = from_client};
}

void websocket_reader_finish(struct websocket_reader *r)
{
	buf_finish(&r->plain);
}

static enum websocket_event bad(struct websocket_reader *r, int code, const char *text)
{
	enum { PROTOCOL_ERROR = 1002 };
	r->error_code = code ? code : PROTOCOL_ERROR;
	r->error_text = text;
	r->state = AT_FAULT;
	return WEBSOCKET_BAD;
}

// How long the head is, as far as it has come.
static size_t head_size(const struct websocket_reader *r)
{
	if (r->head_n < 2)
		return 2;
	unsigned length = r->head[1] & 0x7f;
	return 2 + (length == 126 ? 2 : length == 127 ? 8 : 0) + (r->head[1] & 0x80 ? 4 : 0);
}

// The payload's length, as short as it can be written; -1 where it isn't.
static int64_t head_length(const struct websocket_reader *r)
{
	unsigned short_length = r->head[1] & 0x7f;
	uint64_t length = 0;
	if (short_length < 126)
		return short_length;
	size_t n = short_length == 126 ? 2 : 8;
	for (size_t i = 0; i < n; i++)
		length = length << 8 | r->head[2 + i];
	if (length < (n == 2 ? 126 : 65536) || length > INT64_MAX)
		return -1;
	return (int64_t)length;
}

static enum websocket_event begin_control(struct websocket_reader *r, enum websocket_opcode opcode)
{
	if (opcode > WEBSOCKET_PONG || opcode < WEBSOCKET_CLOSE)
		return bad(r, 0, "an unknown kind of frame");
	if (!r->final || r->left > WEBSOCKET_CONTROL_MAX)
		return bad(r, 0, "a control frame in parts or too long");
	r->opcode = opcode;
	r->state = AT_CONTROL;
	buf_clear(&r->plain);
	return WEBSOCKET_MORE;
}

static enum websocket_event begin_data(struct websocket_reader *r, enum websocket_opcode opcode)
{
	if ((opcode == WEBSOCKET_CONTINUATION) != (r->message != WEBSOCKET_CONTINUATION))
		return bad(r, 0, opcode ? "a message within a message" : "a continuation of nothing");
	if (opcode != WEBSOCKET_CONTINUATION) {
		r->message = opcode;
		r->message_begun = false;
	}
	r->state = AT_DATA;
	return WEBSOCKET_MORE;
}

// The head is complete: WEBSOCKET_MORE, or WEBSOCKET_BAD.
static enum websocket_event parse_head(struct websocket_reader *r)
{
	enum { TOO_BIG = 1009 };
	enum websocket_opcode opcode = r->head[0] & 0x0f;
	bool masked = r->head[1] & 0x80;
	int64_t length = head_length(r);
	if (r->head[0] & 0x70)
		return bad(r, 0, "reserved bits are set");
	if (masked != r->from_client)
		return bad(r, 0, masked ? "a server's frame is masked" : "a client's frame is not masked");
	if (length < 0)
		return bad(r, 0, "a length is not written as short as can be");
	if (length > WEBSOCKET_FRAME_MAX)
		return bad(r, TOO_BIG, "a frame is too large");
	if (masked)
		memcpy(r->mask, r->head + head_size(r) - 4, 4);
	r->mask_at = 0;
	r->final = r->head[0] & 0x80;
	r->left = (uint64_t)length;
	r->head_n = 0;
	return opcode <= WEBSOCKET_BINARY ? begin_data(r, opcode) : begin_control(r, opcode);
}

static bool read_head(struct websocket_reader *r, struct str *input)
{
	while (r->head_n < head_size(r)) {
		if (input->n == 0)
			return false;
		r->head[r->head_n++] = (unsigned char)input->p[0];
		*input = str_from(*input, 1);
	}
	return true;
}

// Takes up to `max` bytes of the payload; unmasked where it was masked, behind what `plain` holds already.
static struct str take_payload(struct websocket_reader *r, struct str *input, size_t max)
{
	struct str part = str_sub(*input, 0, r->left < max ? (size_t)r->left : max);
	*input = str_from(*input, part.n);
	r->left -= part.n;
	if (!r->from_client)
		return part;
	size_t at = r->plain.n;
	buf_add(&r->plain, part);
	for (size_t i = at; i < r->plain.n; i++)
		r->plain.p[i] = (char)((unsigned char)r->plain.p[i] ^ r->mask[r->mask_at++ & 3]);
	return str_from(buf_str(&r->plain), at);
}

static enum websocket_event read_data(struct websocket_reader *r, struct str *input)
{
	if (r->left && input->n == 0)
		return WEBSOCKET_MORE;
	buf_clear(&r->plain);
	r->piece = take_payload(r, input, PIECE_MAX);
	bool frame_done = r->left == 0;
	r->opcode = r->message;
	r->first = !r->message_begun;
	r->last = frame_done && r->final;
	r->message_begun = true;
	if (frame_done)
		r->state = AT_HEAD;
	if (r->last)
		r->message = WEBSOCKET_CONTINUATION;
	return WEBSOCKET_DATA;
}

static enum websocket_event read_control(struct websocket_reader *r, struct str *input)
{
	struct str part = take_payload(r, input, WEBSOCKET_CONTROL_MAX);
	if (!r->from_client)
		buf_add(&r->plain, part);
	if (r->left)
		return WEBSOCKET_MORE;
	r->piece = buf_str(&r->plain);
	r->state = AT_HEAD;
	return WEBSOCKET_CONTROL;
}

enum websocket_event websocket_reader_next(struct websocket_reader *r, struct str *input)
{
	if (r->state == AT_FAULT)
		return WEBSOCKET_BAD;
	if (r->state == AT_HEAD) {
		if (r->head_n == 0 && input->n == 0 && r->plain.room > 1024)
			buf_finish(&r->plain); // a quiet connection holds little
		if (!read_head(r, input))
			return WEBSOCKET_MORE;
		if (parse_head(r) == WEBSOCKET_BAD)
			return WEBSOCKET_BAD;
	}
	return r->state == AT_DATA ? read_data(r, input) : read_control(r, input);
}

// How many bytes the head is.
static size_t write_head(unsigned char *p, enum websocket_opcode opcode, size_t n, const unsigned char *mask)
{
	size_t length_bytes = n < 126 ? 0 : n < 65536 ? 2 : 8, at = 2;
	p[0] = (unsigned char)(0x80 | opcode);
	p[1] = (unsigned char)((mask ? 0x80 : 0) | (n < 126 ? n : n < 65536 ? 126 : 127));
	for (size_t i = 0; i < length_bytes; i++)
		p[at++] = (unsigned char)(n >> 8 * (length_bytes - 1 - i));
	if (mask)
		memcpy(p + at, mask, 4);
	return at + (mask ? 4 : 0);
}

struct blob *websocket_frame_head(enum websocket_opcode opcode, size_t n)
{
	unsigned char head[WEBSOCKET_HEAD_MAX];
	return blob_create((struct str){(char *)head, write_head(head, opcode, n, NULL)});
}

struct blob *websocket_frame(enum websocket_opcode opcode, struct str a, struct str b, const unsigned char *mask)
{
	size_t n = a.n + b.n;
	struct blob *out = blob_create_raw(WEBSOCKET_HEAD_MAX + n);
	unsigned char *p = (unsigned char *)out->p;
	size_t at = write_head(p, opcode, n, mask);
	if (a.n)
		memcpy(p + at, a.p, a.n);
	if (b.n)
		memcpy(p + at + a.n, b.p, b.n);
	for (size_t i = 0; mask && i < n; i++)
		p[at + i] ^= mask[i & 3];
	out->n = (uint32_t)(at + n);
	return out;
}
