// SPDX-License-Identifier: Apache-2.0
// A server connection that speaks HTTP/1.1: one exchange at a time. What a client sends ahead waits in the
// duplex, unread, so its memory is bounded by one read.
#include "base/times.h"
#include "wire/server_connection.h"

enum {
	SKIP_MAX = 64 * 1024, // of a body that nobody wants; more, and the connection is closed
	LINGER_S = 2,	      // wait for the peer to close, so that it gets our last answer and no reset
};

struct http1 {
	struct carrier carrier;
	struct server_connection *connection;
	struct http_reader reader;
	struct exchange *exchange; // whose head, body or reply is under way; NULL: idle
	struct str *input;	   // while reading: what is left of it

	bool request_done; // the exchange's head and body were read
	bool pieces;	   // the handler takes the body in pieces
	bool body_paused;
	bool skipping; // the rest of a request whose exchange has ended

	bool keep;    // the connection lives on after this reply
	bool chunked; // the reply is
	bool lingering;
	bool peer_ended;

	unsigned busy; // callbacks under way: memory stays
	bool gone;
};

static const struct carrier_ops http1_carrier;

static struct http1 *http1_of(struct carrier *c)
{
	return CONTAINER_OF(c, struct http1, carrier);
}

static void release(struct http1 *h)
{
	if (--h->busy || !h->gone)
		return;
	http_reader_finish(&h->reader);
	free(h);
}

// Lets go of everything but the duplex's fate.
static void leave(struct http1 *h)
{
	struct exchange *x = h->exchange;
	h->gone = true;
	h->exchange = NULL;
	if (h->input)
		*h->input = STR_NONE;
	if (x)
		exchange_cancel(x, true);
}

static void close_now(struct http1 *h)
{
	if (h->gone)
		return;
	h->busy++;
	leave(h);
	server_connection_close(h->connection, false);
	release(h);
}

static void close_gently(struct http1 *h)
{
	struct server_connection *c = h->connection;
	h->lingering = true;
	h->keep = false;
	duplex_shutdown(c->duplex);
	duplex_read(c->duplex, true);
	if (h->peer_ended && duplex_pending(c->duplex) == 0)
		close_now(h);
	else
		server_connection_expect(c, LINGER_S * TIME_S);
}

// ---- Writing

static void write_head_lines(struct http1 *h, struct buf *out, const struct http_reply *r)
{
	http_write_status(out, r->code);
	if (r->content_type)
		http_write_header(out, STR("Content-Type"), str_of(r->content_type));
	for (size_t i = 0; i < r->headers.count; i++)
		http_write_header(out, r->headers.list[i].name, r->headers.list[i].value);
	BUF_LIT(out, "Date: ");
	buf_add(out, http_server_date(h->connection->server));
	BUF_LIT(out, "\r\n");
}

static void write_buf(struct http1 *h, struct buf *b)
{
	server_connection_write(h->connection, blob_create(buf_str(b)));
}

// Whether the next request can be found on this connection after the reply.
static bool can_go_on(const struct http1 *h)
{
	const struct http_head *head = &h->reader.head;
	if (!head->keep_alive || h->peer_ended || h->connection->server->draining)
		return false;
	if (h->request_done)
		return true;
	return head->body == HTTP_BODY_NONE ||
	       (head->body == HTTP_BODY_LENGTH && h->reader.left <= SKIP_MAX && !head->expects_continue);
}

static void write_framing(struct http1 *h, struct buf *out, const struct exchange *x, const struct http_reply *r,
			  int64_t length)
{
	bool old = h->reader.head.minor == 0;
	h->chunked = length < 0 && !x->no_body && !old;
	h->keep = can_go_on(h) && (length >= 0 || x->no_body || h->chunked);
	if (h->chunked) {
		BUF_LIT(out, "Transfer-Encoding: chunked\r\n");
	} else if (length >= 0 && r->code != 204 && r->code != 304) {
		BUF_LIT(out, "Content-Length: ");
		buf_add_i64(out, length);
		BUF_LIT(out, "\r\n");
	}
	if (!h->keep)
		BUF_LIT(out, "Connection: close\r\n");
	else if (old)
		BUF_LIT(out, "Connection: keep-alive\r\n");
	BUF_LIT(out, "\r\n");
}

static void http1_head(struct carrier *carrier, struct exchange *x, const struct http_reply *r, int64_t length)
{
	struct http1 *h = http1_of(carrier);
	struct buf out CLEAN_BUF;
	buf_init(&out);
	buf_reserve(&out, 512);
	write_head_lines(h, &out, r);
	write_framing(h, &out, x, r, length);
	write_buf(h, &out);
}

static void http1_data(struct carrier *carrier, struct blob *b)
{
	struct http1 *h = http1_of(carrier);
	if (!h->chunked) {
		server_connection_write(h->connection, b);
	} else {
		struct buf head CLEAN_BUF;
		buf_init(&head);
		http_write_chunk_head(&head, b->n);
		write_buf(h, &head);
		server_connection_write(h->connection, b);
		server_connection_write(h->connection, blob_ref(h->connection->server->line_end));
	}
	server_connection_watch_write(h->connection);
}

static void next_request(struct http1 *h);

static void http1_end(struct carrier *carrier, bool whole)
{
	struct http1 *h = http1_of(carrier);
	h->busy++;
	if (h->chunked)
		server_connection_write(h->connection, blob_create(STR("0\r\n\r\n")));
	h->exchange = NULL;
	if (whole)
		duplex_flush(h->connection->duplex);
	if (!h->keep)
		close_gently(h);
	else
		next_request(h);
	release(h);
}

static void http1_abort(struct carrier *carrier)
{
	struct http1 *h = http1_of(carrier);
	h->exchange = NULL;
	close_now(h);
}

static size_t http1_pending(struct carrier *carrier)
{
	return duplex_pending(http1_of(carrier)->connection->duplex);
}

static void http1_body_read(struct carrier *carrier, bool on)
{
	struct http1 *h = http1_of(carrier);
	if (h->request_done || !h->pieces || h->body_paused == !on)
		return;
	h->body_paused = !on;
	duplex_read(h->connection->duplex, on);
	server_connection_expect(h->connection, on ? h->connection->server->config.body_timeout_ns : 0);
}

static struct duplex *http1_upgrade(struct carrier *carrier, struct http_headers headers)
{
	struct http1 *h = http1_of(carrier);
	struct server_connection *c = h->connection;
	struct duplex *d = c->duplex;
	bool complete = h->request_done || h->reader.head.body == HTTP_BODY_NONE;
	if (!complete || !h->reader.head.upgrade || h->peer_ended)
		return NULL;
	struct buf out CLEAN_BUF;
	buf_init(&out);
	write_head_lines(h, &out, &(struct http_reply){.code = 101, .headers = headers});
	BUF_LIT(&out, "Connection: Upgrade\r\n\r\n");
	write_buf(h, &out);
	if (h->input)
		duplex_unread(d, *h->input);
	duplex_start(d, NULL, NULL);
	h->busy++;
	h->exchange = NULL;
	leave(h);
	server_connection_close(c, true);
	release(h);
	return d;
}

static const struct carrier_ops http1_carrier = {
	.head = http1_head,
	.data = http1_data,
	.end = http1_end,
	.abort = http1_abort,
	.pending = http1_pending,
	.body_read = http1_body_read,
	.upgrade = http1_upgrade,
};

// ---- Reading

// Back to the state between two requests, or to skipping what is left of this one's body.
static void next_request(struct http1 *h)
{
	const struct http_server_config *config = &h->connection->server->config;
	bool was_paused = h->body_paused;
	h->skipping = !h->request_done;
	h->request_done = h->pieces = h->body_paused = h->chunked = false;
	server_connection_expect(h->connection, h->skipping ? config->body_timeout_ns : config->idle_timeout_ns);
	if (!h->input || was_paused) // else the reading loop goes on by itself
		duplex_read(h->connection->duplex, true);
}

// An answer of our own to what is no request that a handler could see.
static void refuse(struct http1 *h, int code, const char *text)
{
	struct exchange *x = h->exchange;
	struct buf out CLEAN_BUF;
	buf_init(&out);
	write_head_lines(h, &out, &(struct http_reply){.code = code, .content_type = "text/plain; charset=utf-8"});
	buf_fmt(&out, "Content-Length: %zu\r\nConnection: close\r\n\r\n%s\n", strlen(text) + 1, text);
	if (x && x->begun) { // in the middle of a reply: nothing sensible can be said
		close_now(h);
		return;
	}
	h->exchange = NULL;
	if (x)
		exchange_cancel(x, true);
	write_buf(h, &out);
	close_gently(h);
}

static void take_head(struct http1 *h)
{
	struct exchange *x = h->exchange;
	const struct http_head *head = &h->reader.head;
	struct server_connection *c = h->connection;
	x->seen.method = head->method;
	x->seen.headers = head->headers;
	x->seen.host = http_header(head->headers, "host");
	exchange_set_origin(x, c);
	exchange_set_target(x, head->target);
	server_connection_expect(c, c->server->config.body_timeout_ns);
	enum http_take take = exchange_show_head(x);
	if (h->gone || h->exchange != x)
		return;
	h->pieces = take == HTTP_TAKE_PIECES;
	if (!h->pieces && head->body == HTTP_BODY_LENGTH && head->length > x->seen.body_max) {
		refuse(h, 413, "the request's body is too large");
		return;
	}
	if (head->expects_continue && h->input->n == 0)
		server_connection_write(c, blob_create(STR("HTTP/1.1 100 Continue\r\n\r\n")));
	if (h->pieces)
		exchange_show(x);
}

static void take_piece(struct http1 *h, struct str piece)
{
	struct exchange *x = h->exchange;
	if (h->skipping || h->lingering)
		return;
	server_connection_expect(h->connection, h->connection->server->config.body_timeout_ns);
	if (h->pieces)
		x->handler->on_body(x->arg, &x->seen, piece, false);
	else if (exchange_add_body(x, piece) < 0)
		refuse(h, 413, "the request's body is too large");
}

static void take_end(struct http1 *h)
{
	struct exchange *x = h->exchange;
	const struct http_server_config *config = &h->connection->server->config;
	if (h->skipping) {
		h->skipping = false;
		server_connection_expect(h->connection, config->idle_timeout_ns);
		return;
	}
	h->request_done = true;
	server_connection_expect(h->connection, 0);
	server_connection_watch_write(h->connection);
	if (h->pieces)
		x->handler->on_body(x->arg, &x->seen, STR_NONE, true);
	else
		exchange_show(x);
}

// Whether input is looked at now.
static bool willing(const struct http1 *h)
{
	if (h->gone || h->lingering || (h->body_paused && h->input->n))
		return false;
	if (h->exchange)
		return !h->request_done || !h->exchange->shown;
	return duplex_pending(h->connection->duplex) <= DUPLEX_HIGH;
}

// One event of the reader; false when there is none.
static bool read_event(struct http1 *h)
{
	if (!h->exchange && !h->skipping && h->input->n) {
		h->exchange = exchange_create(h->connection->server, &h->carrier);
		server_connection_expect(h->connection, h->connection->server->config.head_timeout_ns);
	}
	struct arena *a = h->exchange ? &h->exchange->seen.arena : NULL;
	switch (http_reader_next(&h->reader, a, h->input)) {
	case HTTP_MORE:
		return false;
	case HTTP_HEAD:
		take_head(h);
		return true;
	case HTTP_DATA:
		take_piece(h, h->reader.piece);
		return true;
	case HTTP_DONE:
		take_end(h);
		return true;
	case HTTP_BAD:
		refuse(h, h->reader.error_code, h->reader.error_text);
		return true;
	}
	return false;
}

// The peer ended its direction. What was answered still goes out to it.
static void on_end(struct http1 *h)
{
	struct exchange *x = h->exchange;
	h->peer_ended = true;
	if (x && x->shown) {
		h->keep = false;
		exchange_cancel(x, false);
	} else if (x || duplex_pending(h->connection->duplex) == 0) {
		close_now(h);
	} else if (!h->lingering) {
		close_gently(h);
	}
}

static void on_read(void *arg, struct str data, const struct err *e)
{
	struct http1 *h = arg;
	if (e) {
		close_now(h);
		return;
	}
	h->busy++;
	h->input = &data;
	if (data.n == 0)
		on_end(h);
	while (willing(h) && read_event(h))
		;
	h->input = NULL;
	if (!h->gone && !h->lingering && data.n) {
		duplex_unread(h->connection->duplex, data);
		duplex_read(h->connection->duplex, false);
	}
	release(h);
}

static void on_drain(void *arg)
{
	struct http1 *h = arg;
	h->busy++;
	if (h->exchange)
		exchange_drained(h->exchange);
	else if (h->lingering && h->peer_ended)
		close_now(h);
	else
		duplex_read(h->connection->duplex, true);
	release(h);
}

// ---- The connection

static void http1_on_timeout(struct server_connection *c)
{
	struct http1 *h = c->state;
	int progress = server_connection_progress(c);
	if (progress > 0)
		return;
	bool waits = h->exchange && h->exchange->shown && (h->request_done || h->body_paused);
	if (progress == 0 && waits)
		return; // for the handler
	if (progress == 0 && h->exchange && !h->lingering && !h->exchange->shown)
		refuse(h, 408, "the request did not come in time");
	else
		close_now(h);
}

static void http1_drain(struct server_connection *c)
{
	struct http1 *h = c->state;
	if (!h->exchange && !h->skipping && !h->lingering)
		close_gently(h);
}

static void http1_destroy(struct server_connection *c)
{
	struct http1 *h = c->state;
	h->busy++;
	leave(h);
	release(h);
}

static const struct protocol http1_protocol = {http1_on_timeout, http1_drain, http1_destroy};

void http1_start(struct server_connection *c)
{
	static const struct duplex_events events = {on_read, on_drain};
	struct http1 *h = MEM_NEW(struct http1);
	h->carrier.ops = &http1_carrier;
	h->connection = c;
	http_reader_init(&h->reader, false);
	c->protocol = &http1_protocol;
	c->state = h;
	server_connection_expect(c, c->server->config.idle_timeout_ns);
	duplex_start(c->duplex, &events, h);
}
