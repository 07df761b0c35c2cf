// SPDX-License-Identifier: Apache-2.0
#include "server/websocket_front.h"

#include "base/encode.h"
#include "server/worker.h"
#include "wire/websocket.h"

enum { CLOSE_NORMAL = 1000, CLOSE_FAULT = 1011 };

struct websocket_front {
	struct front front; // the call's, until it is answered over plain HTTP
	const struct front *inner;
	struct call *call;
	enum websocket_messages messages;
	bool base64;
	struct http_headers answer; // of the handshake
	struct websocket *socket;   // NULL: not begun
	LIST_ENTRY(websocket_front) link;
};

static struct websocket_front *front_of(const struct call *c)
{
	return (struct websocket_front *)CONTAINER_OF(c->front, struct websocket_front, front);
}

// ---- the socket

static void ignore_data(void *arg, bool text, struct str piece, bool first, bool last)
{
}

static void on_drain(void *arg)
{
	struct call *c = ((struct websocket_front *)arg)->call;
	if (c->on_drain)
		c->on_drain(c);
}

static void cancel(struct call *c)
{
	c->cancelled = true;
	if (c->on_cancel)
		c->on_cancel(c);
}

static void on_end(void *arg, const struct err *e)
{
	cancel(((struct websocket_front *)arg)->call);
}

void websocket_fronts_cancel(struct worker *w)
{
	struct websocket_front *f, *next;
	for (f = LIST_FIRST(&w->sockets); f; f = next) {
		next = LIST_NEXT(f, link);
		cancel(f->call);
	}
}

static void begin_socket(struct websocket_front *f, struct duplex *d)
{
	static const struct websocket_events events = {ignore_data, on_drain, on_end};
	f->socket = websocket_create(d, false, &events, f);
	f->call->code = 101;
	LIST_INSERT_HEAD(&f->call->worker->sockets, f, link);
	if (f->messages == WEBSOCKET_OF_BYTES)
		websocket_send(f->socket, f->base64, STR_NONE, STR_NONE);
}

// The loop of a worker that stops does not wait for the peer.
static void finish(struct websocket_front *f, int code)
{
	struct call *c = f->call;
	if (f->socket) {
		LIST_REMOVE(f, link);
		if (c->worker->stopping)
			websocket_destroy(f->socket);
		else
			websocket_close(f->socket, code, STR_NONE);
	}
	f->inner->abort(c); // it has carried nothing since the handshake
}

// ---- the front

static const struct front *take_off(struct call *c)
{
	c->front = front_of(c)->inner;
	return c->front;
}

static void front_reply_whole(struct call *c, const struct front_reply *r, struct blob *const *body, size_t count)
{
	take_off(c)->reply(c, r, body, count);
}

static void front_begin(struct call *c, const struct front_reply *r)
{
	struct websocket_front *f = front_of(c);
	struct duplex *d = r->code == 200 ? f->inner->upgrade(c, f->answer) : NULL;
	if (d)
		begin_socket(f, d);
	else
		take_off(c)->begin(c, r);
}

static void front_write(struct call *c, struct blob *b)
{
	struct websocket_front *f = front_of(c);
	if (!f->base64) {
		websocket_send_blob(f->socket, f->messages == WEBSOCKET_OF_EVENTS, b);
		return;
	}
	struct buf text CLEAN_BUF;
	buf_init(&text);
	encode_base64(&text, blob_str(b));
	websocket_send(f->socket, true, buf_str(&text), STR_NONE);
	blob_unref(b);
}

static size_t front_pending(struct call *c)
{
	return websocket_pending(front_of(c)->socket);
}

static void front_end(struct call *c)
{
	finish(front_of(c), CLOSE_NORMAL);
}

static void front_abort(struct call *c)
{
	finish(front_of(c), CLOSE_FAULT);
}

static struct duplex *front_upgrade(struct call *c, struct http_headers headers)
{
	return front_of(c)->inner->upgrade(c, headers);
}

static const struct front front = {
	.reply = front_reply_whole,
	.begin = front_begin,
	.write = front_write,
	.pending = front_pending,
	.end = front_end,
	.abort = front_abort,
	.upgrade = front_upgrade,
};

// ---- putting it there

static int choose_protocol(struct websocket_front *f, struct str *protocol, struct err *e)
{
	static const char text[] = "base64.binary.k8s.io";
	static const char *const of_bytes[] = {"binary.k8s.io", text, "", NULL};
	struct http_headers h = f->call->headers;
	if (f->messages == WEBSOCKET_OF_EVENTS) {
		struct websocket_offers offers = websocket_offers(h);
		*protocol = offers.count ? offers.list[0] : STR("");
		return offers.count < 2 ? 0 : err_set(e, ERR_BAD_REQUEST, "offer one WebSocket subprotocol, or none");
	}
	const char *chosen = websocket_choose(h, of_bytes);
	if (!chosen)
		return err_set(e, ERR_FORBIDDEN, "the WebSocket subprotocols here are binary.k8s.io and %s", text);
	*protocol = str_of(chosen);
	f->base64 = chosen == text;
	return 0;
}

static bool is_of_handshake(struct str name)
{
	struct str prefix = STR("Sec-WebSocket-");
	return str_eq_nocase(str_sub(name, 0, prefix.n), prefix) || str_eq_nocase(name, STR("Connection")) ||
	       str_eq_nocase(name, STR("Upgrade"));
}

static struct http_headers without_handshake(struct arena *a, struct http_headers h)
{
	struct http_header *kept = ARENA_ARRAY(a, struct http_header, h.count);
	size_t n = 0;
	for (size_t i = 0; i < h.count; i++)
		if (!is_of_handshake(h.list[i].name))
			kept[n++] = h.list[i];
	return (struct http_headers){kept, n};
}

int websocket_front_put(struct call *c, enum websocket_messages m, struct err *e)
{
	struct str protocol;
	if (!websocket_requested(c->headers))
		return 0;
	struct websocket_front *f = ARENA_NEW(c->arena, struct websocket_front);
	*f = (struct websocket_front){.front = front, .inner = c->front, .call = c, .messages = m};
	if (choose_protocol(f, &protocol, e) < 0 || websocket_answer(c->arena, c->headers, protocol, &f->answer, e) < 0)
		return -1;
	c->headers = without_handshake(c->arena, c->headers);
	c->front = &f->front;
	return 0;
}
