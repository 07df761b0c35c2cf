// SPDX-License-Identifier: Apache-2.0
#include "wire/exchange.h"

#include "wire/server_connection.h"

enum { GZIP_MIN = 1400 }; // bytes that fit one packet anyway

static struct exchange *exchange_of(const struct http_exchange *seen)
{
	return CONTAINER_OF(seen, struct exchange, seen);
}

// ---- For the carriers

struct exchange *exchange_create(struct http_server *s, struct carrier *c)
{
	struct exchange *x = MEM_NEW(struct exchange);
	x->seen.loop = s->config.loop;
	x->seen.body_max = s->config.body_max;
	arena_init(&x->seen.arena);
	x->handler = s->config.handler;
	x->arg = s->config.arg;
	x->carrier = c;
	return x;
}

void exchange_destroy(struct exchange *x)
{
	if (!x)
		return;
	arena_finish(&x->seen.arena);
	buf_finish(&x->body);
	free(x);
}

void exchange_set_origin(struct exchange *x, const struct server_connection *c)
{
	x->seen.secure = c->secure;
	x->seen.remote = arena_str(&x->seen.arena, str_of(c->remote));
	x->seen.peer = tls_peer_copy(&x->seen.arena, c->peer);
}

void exchange_set_target(struct exchange *x, struct str target)
{
	x->seen.target = target;
	str_cut(target, '?', &x->seen.path, &x->seen.query);
}

enum http_take exchange_show_head(struct exchange *x)
{
	return x->handler->on_head ? x->handler->on_head(x->arg, &x->seen) : HTTP_TAKE_WHOLE;
}

void exchange_show(struct exchange *x)
{
	x->shown = true;
	x->seen.body = buf_str(&x->body);
	x->handler->on_request(x->arg, &x->seen);
}

int exchange_add_body(struct exchange *x, struct str piece)
{
	if (piece.n > x->seen.body_max - x->body.n)
		return -1;
	buf_add(&x->body, piece);
	return 0;
}

void exchange_cancel(struct exchange *x, bool cut)
{
	if (cut)
		x->carrier = NULL;
	if (!x->shown) {
		if (cut)
			exchange_destroy(x);
		return;
	}
	if (x->cancelled)
		return;
	x->cancelled = true;
	if (x->handler->on_cancel)
		x->handler->on_cancel(x->arg, &x->seen);
}

void exchange_drained(struct exchange *x)
{
	if (x->begun && x->handler->on_drain)
		x->handler->on_drain(x->arg, &x->seen);
}

// ---- For the handler

static void drop(struct blob *const *body, size_t count)
{
	for (size_t i = 0; i < count; i++)
		blob_unref(body[i]);
}

static void begin(struct exchange *x, const struct http_reply *r, int64_t length)
{
	MUST(!x->begun);
	x->begun = true;
	x->no_body = r->code < 200 || r->code == 204 || r->code == 304 || str_is(x->seen.method, "HEAD");
	if (x->carrier)
		x->carrier->ops->head(x->carrier, x, r, length);
}

static void write_blob(struct exchange *x, struct blob *b)
{
	if (x->carrier && !x->no_body && b->n)
		x->carrier->ops->data(x->carrier, b);
	else
		blob_unref(b);
}

static void finish(struct exchange *x, bool whole)
{
	if (x->carrier)
		x->carrier->ops->end(x->carrier, whole);
	exchange_destroy(x);
}

static void reply_gzip(struct exchange *x, const struct http_reply *r, struct blob *const *body, size_t count)
{
	struct arena *a = &x->seen.arena;
	struct http_header *list = ARENA_ARRAY(a, struct http_header, r->headers.count + 2);
	if (r->headers.count)
		memcpy(list, r->headers.list, r->headers.count * sizeof *list);
	list[r->headers.count] = (struct http_header){STR("Content-Encoding"), STR("gzip")};
	list[r->headers.count + 1] = (struct http_header){STR("Vary"), STR("Accept-Encoding")};
	struct http_reply zipped = *r;
	zipped.gzip = false;
	zipped.headers = (struct http_headers){list, r->headers.count + 2};
	size_t n, bytes;
	struct blob **blobs = gzip_blobs(a, body, count, &n, &bytes);
	begin(x, &zipped, (int64_t)bytes);
	for (size_t i = 0; i < n; i++)
		write_blob(x, blobs[i]);
	finish(x, true);
}

void http_reply(struct http_exchange *seen, const struct http_reply *r, struct blob *const *body, size_t count)
{
	struct exchange *x = exchange_of(seen);
	size_t bytes = 0;
	for (size_t i = 0; i < count; i++)
		bytes += body[i]->n;
	if (!x->carrier) {
		drop(body, count);
		exchange_destroy(x);
	} else if (r->gzip && bytes >= GZIP_MIN && http_accepts_gzip(seen->headers)) {
		reply_gzip(x, r, body, count);
	} else {
		begin(x, r, (int64_t)bytes);
		for (size_t i = 0; i < count; i++)
			write_blob(x, body[i]);
		finish(x, true);
	}
}

void http_reply_str(struct http_exchange *x, int code, const char *content_type, struct str body)
{
	struct blob *b = blob_create(body);
	http_reply(x, &(struct http_reply){.code = code, .content_type = content_type}, &b, 1);
}

void http_reply_begin(struct http_exchange *seen, const struct http_reply *r)
{
	begin(exchange_of(seen), r, -1);
}

void http_reply_write(struct http_exchange *seen, struct blob *b)
{
	struct exchange *x = exchange_of(seen);
	MUST(x->begun);
	write_blob(x, b);
}

size_t http_reply_pending(struct http_exchange *seen)
{
	struct exchange *x = exchange_of(seen);
	return x->carrier ? x->carrier->ops->pending(x->carrier) : 0;
}

void http_reply_end(struct http_exchange *seen)
{
	struct exchange *x = exchange_of(seen);
	MUST(x->begun);
	finish(x, false);
}

void http_abort(struct http_exchange *seen)
{
	struct exchange *x = exchange_of(seen);
	if (x->carrier)
		x->carrier->ops->abort(x->carrier);
	exchange_destroy(x);
}

bool http_cancelled(const struct http_exchange *seen)
{
	return exchange_of(seen)->cancelled;
}

void http_body_read(struct http_exchange *seen, bool on)
{
	struct exchange *x = exchange_of(seen);
	if (x->carrier)
		x->carrier->ops->body_read(x->carrier, on);
}

struct duplex *http_switch(struct http_exchange *seen, struct http_headers headers)
{
	struct exchange *x = exchange_of(seen);
	struct duplex *d = x->carrier && !x->cancelled ? x->carrier->ops->upgrade(x->carrier, headers) : NULL;
	if (d)
		x->carrier = NULL;
	return d;
}

struct duplex *http_upgrade(struct http_exchange *seen, struct http_headers headers)
{
	struct duplex *d = http_switch(seen, headers);
	if (d)
		exchange_destroy(exchange_of(seen));
	else if (http_cancelled(seen))
		http_abort(seen);
	else
		http_reply_str(seen, 400, "text/plain", STR("this connection can't be upgraded\n"));
	return d;
}
