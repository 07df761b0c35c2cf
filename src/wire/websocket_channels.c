// SPDX-License-Identifier: Apache-2.0
#include "wire/websocket_channels.h"

#include "base/encode.h"

// ---- Coming in

// Base64 in whole groups of four, line breaks left out; what is over waits for the next piece. A group with padding must
// be the message's last.
static int decode(struct channels *c, struct arena *a, struct str *piece, bool last)
{
	struct buf text CLEAN_BUF;
	buf_init(&text);
	buf_add(&text, (struct str){c->group, c->group_n});
	for (size_t i = 0; i < piece->n; i++)
		if (piece->p[i] != '\r' && piece->p[i] != '\n')
			buf_add_byte(&text, piece->p[i]);
	size_t whole = text.n / 4 * 4;
	bool padded = whole && text.p[whole - 1] == '=';
	c->group_n = 0;
	for (size_t i = whole; i < text.n; i++)
		c->group[c->group_n++] = text.p[i];
	if (c->group_n && (last || padded))
		return -1;
	c->ended = padded;
	return decode_base64(a, str_sub(buf_str(&text), 0, whole), piece);
}

static void take(struct channels *c, struct str piece, bool last)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	if (c->base64 && ((c->ended && piece.n) || decode(c, &a, &piece, last) < 0)) {
		c->ended = true;
		piece = STR_NONE;
	}
	c->events->on_data(c->arg, c->channel, piece, last);
}

static void on_data(void *arg, bool text, struct str piece, bool first, bool last)
{
	struct channels *c = arg;
	if (first)
		c->begun = c->ended = false;
	if (c->begun) {
		take(c, piece, last);
	} else if (piece.n) {
		c->begun = true;
		c->channel = (unsigned char)(piece.p[0] - (c->base64 ? '0' : 0));
		c->group_n = 0;
		take(c, str_from(piece, 1), last);
	}
}

static void on_drain(void *arg)
{
	struct channels *c = arg;
	c->events->on_drain(c->arg);
}

static void on_end(void *arg, const struct err *e)
{
	struct channels *c = arg;
	c->events->on_end(c->arg, e);
}

// ---- Going out

void channels_send(struct channels *c, unsigned char channel, struct str data)
{
	char byte = (char)(c->base64 ? '0' + channel : channel);
	struct buf text CLEAN_BUF;
	buf_init(&text);
	if (c->base64) {
		encode_base64(&text, data);
		data = buf_str(&text);
	}
	websocket_send(c->socket, c->base64, (struct str){&byte, 1}, data);
}

size_t channels_pending(const struct channels *c)
{
	return websocket_pending(c->socket);
}

void channels_read(struct channels *c, bool on)
{
	websocket_read(c->socket, on);
}

void channels_finish(struct channels *c)
{
	enum { NORMAL = 1000 };
	websocket_close(c->socket, NORMAL, STR_NONE);
}

void channels_cut(struct channels *c)
{
	websocket_destroy(c->socket);
}

void channels_init(struct channels *c, struct duplex *d, bool base64, const struct channels_events *ev, void *arg)
{
	static const struct websocket_events events = {on_data, on_drain, on_end};
	*c = (struct channels){.base64 = base64, .events = ev, .arg = arg};
	c->socket = websocket_create(d, false, &events, c);
	websocket_read(c->socket, false);
}
