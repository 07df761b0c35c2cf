// SPDX-License-Identifier: Apache-2.0
#include "wire/websocket.h"

#include "base/times.h"

enum { PING_S = 20, CLOSE_S = 5, PATIENCE_S = 60 };

struct websocket {
	struct duplex *duplex;
	bool client;
	const struct websocket_events *events; // NULL: nobody listens any more
	void *arg;
	struct websocket_reader reader;
	struct timer timer; // pings, or the end of waiting for the peer's close frame
	uint64_t written;   // bytes handed to the duplex
	uint64_t taken;	    // of them by the peer, when it was last looked
	int64_t taken_ns;   // when that was first seen, or nothing was pending
	bool paused;
	bool ended;  // told
	bool broken; // nothing comes or goes any more
	bool close_sent;
	unsigned busy; // callbacks under way: memory stays
	bool gone;
};

static void release(struct websocket *w)
{
	if (--w->busy || !w->gone)
		return;
	websocket_reader_finish(&w->reader);
	free(w);
}

void websocket_destroy(struct websocket *w)
{
	if (!w || w->gone)
		return;
	w->busy++;
	w->gone = true;
	timer_stop(&w->timer);
	duplex_close(w->duplex);
	release(w);
}

static void write_blob(struct websocket *w, struct blob *b)
{
	w->written += b->n;
	duplex_write(w->duplex, b);
}

static void send_frame(struct websocket *w, enum websocket_opcode opcode, struct str a, struct str b)
{
	unsigned char mask[4];
	if (w->close_sent)
		return;
	if (w->client)
		loop_random(w->duplex->loop, mask, sizeof mask);
	write_blob(w, websocket_frame(opcode, a, b, w->client ? mask : NULL));
}

static void send_close(struct websocket *w, int code, struct str reason)
{
	char number[2] = {(char)(code >> 8), (char)code};
	struct str text = str_sub(reason, 0, WEBSOCKET_CONTROL_MAX - 2);
	send_frame(w, WEBSOCKET_CLOSE, (struct str){number, code ? 2 : 0}, text);
	w->close_sent = true;
	duplex_shutdown(w->duplex);
}

// ---- Coming in

// Nothing more is of interest. Where nobody listens any more, that was all the connection waited for.
static void end(struct websocket *w, const struct err *e)
{
	if (w->ended)
		return;
	w->ended = true;
	if (w->events)
		w->events->on_end(w->arg, e);
	else
		websocket_destroy(w);
}

static void fault(struct websocket *w, int code, const char *text)
{
	struct err e CLEAN_ERR = ERR_EMPTY;
	err_set(&e, ERR_BAD_REQUEST, "WebSocket: %s", text);
	send_close(w, code, str_of(text));
	end(w, &e);
}

// A close frame may only name codes that are meant to be sent (RFC 6455, 7.4).
static bool close_is_valid(struct str payload)
{
	if (payload.n == 0)
		return true;
	if (payload.n == 1 || !str_utf8_valid(str_from(payload, 2)))
		return false;
	unsigned code = (unsigned)(unsigned char)payload.p[0] << 8 | (unsigned char)payload.p[1];
	bool reserved = code == 1004 || code == 1005 || code == 1006;
	return (code >= 1000 && code <= 1011 && !reserved) || (code >= 3000 && code <= 4999);
}

static void take_control(struct websocket *w)
{
	struct str payload = w->reader.piece;
	if (w->reader.opcode == WEBSOCKET_PING) {
		// A peer that asks without reading the answers is not answered without end.
		if (duplex_pending(w->duplex) < DUPLEX_HIGH)
			send_frame(w, WEBSOCKET_PONG, payload, STR_NONE);
	} else if (w->reader.opcode == WEBSOCKET_CLOSE) {
		if (!close_is_valid(payload)) {
			fault(w, 1002, "a malformed close frame");
			return;
		}
		if (!w->close_sent)
			send_close(w, payload.n ? 1000 : 0, STR_NONE);
		end(w, NULL);
	}
}

static void take(struct websocket *w, struct str *data)
{
	while (!w->gone && !w->ended && (!w->paused || data->n == 0)) {
		switch (websocket_reader_next(&w->reader, data)) {
		case WEBSOCKET_MORE:
			return;
		case WEBSOCKET_DATA:
			if (w->events)
				w->events->on_data(w->arg, w->reader.opcode == WEBSOCKET_TEXT, w->reader.piece,
						   w->reader.first, w->reader.last);
			break;
		case WEBSOCKET_CONTROL:
			take_control(w);
			break;
		case WEBSOCKET_BAD:
			fault(w, w->reader.error_code, w->reader.error_text);
			break;
		}
	}
}

static void on_read(void *arg, struct str data, const struct err *e)
{
	struct websocket *w = arg;
	struct err cut CLEAN_ERR = ERR_EMPTY;
	bool over = e || data.n == 0;
	w->busy++;
	if (over)
		w->broken = true;
	if (over && !w->events) {
		websocket_destroy(w);
	} else if (over) {
		if (!e)
			err_set(&cut, ERR_UNAVAILABLE, "WebSocket: the connection was cut");
		end(w, e ? e : &cut);
	} else {
		take(w, &data);
		if (!w->gone && !w->ended && data.n) {
			duplex_unread(w->duplex, data);
			duplex_read(w->duplex, false);
		}
	}
	release(w);
}

static void on_drain(void *arg)
{
	struct websocket *w = arg;
	if (w->events && w->events->on_drain && !w->ended)
		w->events->on_drain(w->arg);
}

// ---- The connection

// Whether the peer takes nothing of what is pending, and has not for long. What is pending may be counted after TLS:
// only that the figure changes says something.
static bool is_stuck(struct websocket *w)
{
	int64_t now = loop_now(w->duplex->loop);
	uint64_t taken = w->written - duplex_pending(w->duplex);
	if (taken != w->taken || duplex_pending(w->duplex) == 0)
		w->taken_ns = now;
	w->taken = taken;
	return now - w->taken_ns >= PATIENCE_S * TIME_S;
}

static void give_up(struct websocket *w)
{
	struct err e CLEAN_ERR = ERR_EMPTY;
	err_set(&e, ERR_UNAVAILABLE, "WebSocket: the peer reads nothing");
	w->broken = true;
	end(w, &e);
}

static void on_timer(struct timer *t)
{
	struct websocket *w = CONTAINER_OF(t, struct websocket, timer);
	bool stuck = is_stuck(w);
	if (!w->events && (stuck || duplex_pending(w->duplex) == 0)) {
		websocket_destroy(w);
	} else if (!w->events) {
		timer_start(w->duplex->loop, t, CLOSE_S * TIME_S);
	} else if (stuck) {
		give_up(w);
	} else if (!w->ended) {
		send_frame(w, WEBSOCKET_PING, STR_NONE, STR_NONE);
		timer_start(w->duplex->loop, t, PING_S * TIME_S);
	}
}

struct websocket *websocket_create(struct duplex *d, bool client, const struct websocket_events *ev, void *arg)
{
	static const struct duplex_events events = {on_read, on_drain};
	struct websocket *w = MEM_NEW(struct websocket);
	w->duplex = d;
	w->client = client;
	w->events = ev;
	w->arg = arg;
	w->timer.fire = on_timer;
	w->taken_ns = loop_now(d->loop);
	websocket_reader_init(&w->reader, !client);
	timer_start(d->loop, &w->timer, PING_S * TIME_S);
	duplex_start(d, &events, w);
	return w;
}

void websocket_send(struct websocket *w, bool text, struct str a, struct str b)
{
	send_frame(w, text ? WEBSOCKET_TEXT : WEBSOCKET_BINARY, a, b);
}

void websocket_send_blob(struct websocket *w, bool text, struct blob *b)
{
	if (w->client || w->close_sent) {
		websocket_send(w, text, blob_str(b), STR_NONE);
		blob_unref(b);
		return;
	}
	write_blob(w, websocket_frame_head(text ? WEBSOCKET_TEXT : WEBSOCKET_BINARY, b->n));
	write_blob(w, b);
}

size_t websocket_pending(const struct websocket *w)
{
	return duplex_pending(w->duplex);
}

void websocket_read(struct websocket *w, bool on)
{
	w->paused = !on;
	duplex_read(w->duplex, on);
}

void websocket_finish(struct websocket *w)
{
	if (!w->close_sent)
		send_close(w, 1000, STR_NONE);
}

void websocket_close(struct websocket *w, int code, struct str reason)
{
	w->events = NULL;
	if (w->broken) {
		websocket_destroy(w);
		return;
	}
	if (!w->close_sent)
		send_close(w, code, reason);
	if (w->paused)
		websocket_read(w, true);
	timer_start(w->duplex->loop, &w->timer, CLOSE_S * TIME_S);
	if (w->ended && duplex_pending(w->duplex) == 0)
		websocket_destroy(w);
}
