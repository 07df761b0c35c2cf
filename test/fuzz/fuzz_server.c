// SPDX-License-Identifier: Apache-2.0
// A whole server connection in a simulated world: bytes from a client, cut by chance, to a handler of every
// habit. The first byte: bit 0 HTTP/2, bit 1 the client ends its direction, bit 2 it vanishes, bit 3 the
// server closes in the middle; the second seeds the world. Nothing may leak, every exchange is ended once,
// and in the end no connection is left.
#include "base/times.h"
#include "sys/sim.h"
#include "wire/duplex.h"
#include "wire/server.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

enum { HELD_MAX = 64 };

struct world {
	struct sim *sim;
	struct loop *near;
	struct http_server *server;
	bool http2;
	struct http_exchange *held[HELD_MAX]; // answered later
	size_t held_count;
	struct duplex *upgraded;
	struct stream *client;
	struct str bytes;
	bool half_close;
	unsigned open; // exchanges that the handler owes
};

// ---- The handler: the path's first letter is its habit

static void keep(struct world *w, struct http_exchange *x)
{
	if (w->held_count == HELD_MAX) {
		w->open--;
		http_abort(x);
	} else {
		w->held[w->held_count++] = x;
	}
}

static void on_echo(void *arg, struct str data, const struct err *e)
{
	struct world *w = arg;
	if (data.n) {
		duplex_write_str(w->upgraded, data);
		return;
	}
	duplex_close(w->upgraded);
	w->upgraded = NULL;
}

static void upgrade(struct world *w, struct http_exchange *x)
{
	static const struct duplex_events echo = {on_echo, NULL};
	struct duplex *d = http_upgrade(x, (struct http_headers){0});
	w->open--;
	if (d && w->upgraded) {
		duplex_close(d);
	} else if (d) {
		w->upgraded = d;
		duplex_start(d, &echo, w);
	}
}

static void on_request(void *arg, struct http_exchange *x)
{
	struct world *w = arg;
	w->open++;
	switch (x->path.n > 1 ? x->path.p[1] : 0) {
	case 'k': // keeps it
		keep(w, x);
		break;
	case 'p': // takes the body in pieces, and answers at their end
		break;
	case 's': // streams, and keeps it
		http_reply_begin(x, &(struct http_reply){.code = 200});
		http_reply_write(x, blob_create(STR("streamed")));
		keep(w, x);
		break;
	case 'a':
		w->open--;
		http_abort(x);
		break;
	case 'u':
		upgrade(w, x);
		break;
	default:
		w->open--;
		http_reply_str(x, 200, "text/plain", x->body);
	}
}

static enum http_take on_head(void *arg, struct http_exchange *x)
{
	x->body_max = 1000;
	if (x->path.n > 1 && x->path.p[1] == 'e')
		http_reply_str(x, 401, "text/plain", STR("early"));
	else if (x->path.n > 1 && x->path.p[1] == 'p')
		return HTTP_TAKE_PIECES;
	return HTTP_TAKE_WHOLE;
}

static void on_body(void *arg, struct http_exchange *x, struct str piece, bool last)
{
	struct world *w = arg;
	if (last) {
		w->open--;
		http_reply_str(x, 200, "text/plain", STR("whole"));
	} else if (piece.n % 3 == 0) {
		http_body_read(x, false);
		http_body_read(x, true);
	}
}

static bool let_go(struct world *w, struct http_exchange *x)
{
	for (size_t i = 0; i < w->held_count; i++)
		if (w->held[i] == x) {
			w->held[i] = w->held[--w->held_count];
			return true;
		}
	return false;
}

// Some are ended at once, some later.
static void on_cancel(void *arg, struct http_exchange *x)
{
	struct world *w = arg;
	bool pieces = x->path.n > 1 && x->path.p[1] == 'p';
	if (pieces || (x->path.n % 2 && let_go(w, x))) {
		w->open--;
		http_abort(x);
	}
}

static const struct http_handler handler = {on_head, on_request, on_body, NULL, on_cancel};

static void answer_held(struct world *w)
{
	while (w->held_count) {
		struct http_exchange *x = w->held[--w->held_count];
		w->open--;
		if (x->path.p[1] == 's')
			http_reply_end(x);
		else
			http_reply_str(x, 200, "text/plain", STR("kept"));
	}
}

// ---- The client

static void on_answer(void *arg, struct str data, const struct err *e)
{
}

static void on_connect(void *arg, struct stream *s, const struct err *e)
{
	static const struct stream_events events = {on_answer, NULL};
	struct world *w = arg;
	w->client = s;
	stream_start(s, &events, w);
	stream_write(s, blob_create(w->bytes));
	if (w->half_close)
		stream_shutdown(s);
}

static void on_accept(void *arg, struct stream *s)
{
	struct world *w = arg;
	http_server_accept_duplex(w->server, duplex_of_stream(s), STR("10.0.0.2:1"), w->http2);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	if (size < 3 || size > 20000)
		return 0;
	struct listener *listener;
	struct world w = {.sim = sim_create(data[1]), .http2 = data[0] & 1, .half_close = data[0] & 2,
			  .bytes = {(const char *)data + 2, size - 2}};
	w.near = sim_loop(w.sim, "server");
	w.server = http_server_create(&(struct http_server_config){.loop = w.near, .handler = &handler, .arg = &w});
	MUST(net_listen(w.near, "10.0.0.1:80", on_accept, &w, &listener, NULL) == 0);
	net_connect(sim_loop(w.sim, "client"), "10.0.0.1:80", on_connect, &w);
	sim_run(w.sim, 5 * TIME_MS);
	if (data[0] & 4) {
		stream_close(w.client);
		w.client = NULL;
	}
	if (data[0] & 8) {
		http_server_destroy(w.server);
		w.server = NULL;
	}
	sim_run(w.sim, 5 * TIME_MS);
	answer_held(&w);
	sim_run(w.sim, 5 * TIME_MS);
	stream_close(w.client);
	do { // what was sent ahead is answered one by one
		answer_held(&w);
		sim_run(w.sim, 300 * TIME_S);
	} while (w.held_count);
	MUST(w.open == 0);
	MUST(!w.server || http_server_connections(w.server) == 0);
	duplex_close(w.upgraded);
	listener_close(listener);
	http_server_destroy(w.server);
	sim_destroy(w.sim);
	return 0;
}
