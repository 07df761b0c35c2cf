// SPDX-License-Identifier: Apache-2.0
// exec and attach over WebSocket: the first byte of each binary message is its channel. In the base64 form
// messages are text: the channel as a digit, then base64.
#include "base/encode.h"
#include "wire/remote_carrier.h"
#include "wire/websocket.h"

enum {
	MESSAGE_MAX = 128 * 1024, // of those that are gathered whole
	CHANNEL_CLOSE = 255,	  // v5: "this channel has ended"
};

struct by_websocket {
	struct remote remote;
	struct websocket *socket;
	struct duplex *duplex; // until started
	struct task ready;
	bool ready_posted;
	bool base64;
	unsigned char channel; // of the message under way
	struct buf message;    // what of it is gathered
	bool closed;
};

static const char binary_v5[] = "v5.channel.k8s.io", binary_v4[] = "v4.channel.k8s.io";
static const char text_v4[] = "v4.base64.channel.k8s.io";

static struct by_websocket *of(const struct remote *r)
{
	return CONTAINER_OF(r, struct by_websocket, remote);
}

const char *remote_websocket_choose(struct http_headers h)
{
	static const char *const ours[] = {binary_v5, binary_v4, text_v4, NULL};
	return websocket_requested(h) ? websocket_choose(h, ours) : NULL;
}

static void free_it(struct by_websocket *w)
{
	buf_finish(&w->message);
	free(w);
}

// ---- Coming in

static void take_bytes(struct by_websocket *w, struct str data)
{
	struct remote *r = &w->remote;
	if (w->channel == REMOTE_STDIN && r->wanted.in && data.n)
		r->events->on_stdin(r->arg, data);
}

static void take_gathered(struct by_websocket *w)
{
	struct remote *r = &w->remote;
	struct str data = buf_str(&w->message);
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	if (w->base64 && decode_base64(&a, data, &data) < 0)
		return;
	if (w->channel == REMOTE_RESIZE)
		remote_told_size(r, data);
	else if (w->channel == CHANNEL_CLOSE && data.n == 1 && data.p[0] == REMOTE_STDIN && r->wanted.in)
		r->events->on_stdin_end(r->arg);
	else
		take_bytes(w, data);
}

static void on_data(void *arg, bool text, struct str piece, bool first, bool last)
{
	struct by_websocket *w = arg;
	if (text != w->base64)
		return;
	if (first && piece.n == 0)
		return;
	if (first) {
		w->channel = (unsigned char)(w->base64 ? piece.p[0] - '0' : piece.p[0]);
		piece = str_from(piece, 1);
		buf_clear(&w->message);
	}
	if (!w->base64 && w->channel == REMOTE_STDIN) {
		take_bytes(w, piece);
		return;
	}
	if (w->message.n + piece.n <= MESSAGE_MAX)
		buf_add(&w->message, piece);
	if (last)
		take_gathered(w);
}

static void on_drain(void *arg)
{
	struct by_websocket *w = arg;
	if (w->remote.events->on_drain)
		w->remote.events->on_drain(w->remote.arg);
}

static void on_end(void *arg, const struct err *e)
{
	struct by_websocket *w = arg;
	w->remote.events->on_end(w->remote.arg);
}

// ---- Going out

static void by_websocket_send(struct remote *r, enum remote_channel channel, struct str data)
{
	struct by_websocket *w = of(r);
	char byte = (char)(w->base64 ? '0' + (int)channel : (int)channel);
	struct buf text CLEAN_BUF;
	buf_init(&text);
	if (w->base64) {
		encode_base64(&text, data);
		data = buf_str(&text);
	}
	websocket_send(w->socket, w->base64, (struct str){&byte, 1}, data);
}

static size_t by_websocket_pending(const struct remote *r)
{
	return websocket_pending(of(r)->socket);
}

static void by_websocket_read(struct remote *r, bool on)
{
	websocket_read(of(r)->socket, on);
}

// The task that was posted frees it, if there is one.
static void close_it(struct by_websocket *w)
{
	w->closed = true;
	if (!w->ready_posted)
		free_it(w);
}

static void by_websocket_finish(struct remote *r, struct str status_json)
{
	struct by_websocket *w = of(r);
	by_websocket_send(r, REMOTE_ERROR, status_json);
	websocket_close(w->socket, 1000, STR_NONE);
	close_it(w);
}

static void by_websocket_destroy(struct remote *r)
{
	struct by_websocket *w = of(r);
	websocket_destroy(w->socket);
	close_it(w);
}

static const struct remote_ops ops = {by_websocket_send, by_websocket_pending, by_websocket_read, by_websocket_finish,
				      by_websocket_destroy};

// ---- Accepting

static void tell_ready(struct task *t)
{
	struct by_websocket *w = CONTAINER_OF(t, struct by_websocket, ready);
	w->ready_posted = false;
	if (w->closed) {
		free_it(w);
		return;
	}
	websocket_read(w->socket, true);
	w->remote.events->on_ready(w->remote.arg);
}

struct remote *remote_websocket_accept(struct http_exchange *x, const char *protocol)
{
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct http_headers headers;
	if (websocket_answer(&x->arena, x->headers, protocol, &headers, &e) < 0) {
		http_reply_str(x, 400, "text/plain", str_of(err_text(&e)));
		return NULL;
	}
	struct duplex *d = http_upgrade(x, headers);
	if (!d)
		return NULL;
	struct by_websocket *w = MEM_NEW(struct by_websocket);
	w->remote.ops = &ops;
	w->duplex = d;
	w->base64 = protocol == text_v4;
	w->ready.run = tell_ready;
	return &w->remote;
}

void remote_websocket_start(struct remote *r)
{
	static const struct websocket_events events = {on_data, on_drain, on_end};
	struct by_websocket *w = of(r);
	w->socket = websocket_create(w->duplex, false, &events, w);
	websocket_read(w->socket, false); // until on_ready
	// An empty message shows the client that the connection stands.
	by_websocket_send(r, r->wanted.out ? REMOTE_STDOUT : REMOTE_ERROR, STR_NONE);
	w->ready_posted = true;
	loop_post(w->duplex->loop, &w->ready);
}
