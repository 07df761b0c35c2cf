// SPDX-License-Identifier: Apache-2.0
#include "server/https.h"

#include "server/authenticate/authenticate.h"
#include "server/plain.h"
#include "server/respond.h"
#include "wire/server.h"

enum { BODY_MAX = 3 << 20, READ_BODY_MAX = 64 << 10 }; // the latter of GET and HEAD, which need none

struct https {
	struct worker *worker;
	struct http_server *server;
};

struct https_call {
	struct call call;
	struct http_exchange *x;
};

static struct http_exchange *exchange_of(struct call *c)
{
	return CONTAINER_OF(c, struct https_call, call)->x;
}

// ---- the front

static struct http_reply reply_of(const struct front_reply *r)
{
	return (struct http_reply){
		.code = r->code, .content_type = r->content_type, .headers = r->headers, .gzip = r->gzip};
}

static void front_reply_whole(struct call *c, const struct front_reply *r, struct blob *const *body, size_t count)
{
	struct http_reply reply = reply_of(r);
	http_reply(exchange_of(c), &reply, body, count);
}

static void front_begin(struct call *c, const struct front_reply *r)
{
	struct http_reply reply = reply_of(r);
	http_reply_begin(exchange_of(c), &reply);
}

static void front_write(struct call *c, struct blob *b)
{
	http_reply_write(exchange_of(c), b);
}

static size_t front_pending(struct call *c)
{
	return http_reply_pending(exchange_of(c));
}

static void front_end(struct call *c)
{
	http_reply_end(exchange_of(c));
}

static void front_abort(struct call *c)
{
	http_abort(exchange_of(c));
}

static struct duplex *front_upgrade(struct call *c, struct http_headers headers)
{
	return http_switch(exchange_of(c), headers);
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

// ---- exchanges

static struct https_call *call_of(struct https *h, struct http_exchange *x)
{
	struct https_call *hc = ARENA_NEW(&x->arena, struct https_call);
	hc->x = x;
	hc->call = (struct call){.front = &front,
				 .worker = h->worker,
				 .server = h->worker->server,
				 .loop = x->loop,
				 .arena = &x->arena,
				 .method = x->method,
				 .target = x->target,
				 .headers = x->headers,
				 .body = x->body,
				 .peer = x->peer,
				 .remote = x->remote};
	x->user = hc;
	return hc;
}

static bool announces_too_much(const struct http_exchange *x)
{
	int64_t length;
	struct str announced = http_header(x->headers, "Content-Length");
	return announced.p && str_to_i64(announced, &length) == 0 && length > BODY_MAX;
}

// Bodies are kept of those only whom we know. Who is nobody may read what is public; that needs none.
static int admit_body(struct call *c, struct http_exchange *x, struct err *e)
{
	bool reads = str_is(x->method, "GET") || str_is(x->method, "HEAD");
	x->body_max = reads ? READ_BODY_MAX : BODY_MAX;
	if (announces_too_much(x))
		return err_set(e, ERR_TOO_LARGE, "Request entity too large: limit is %d", BODY_MAX);
	if (reads || c->worker->stopping || authenticate(c, e) == 0)
		return 0;
	if (!plain_path_is_public(x->path))
		return -1;
	err_clear(e);
	x->body_max = 0;
	return 0;
}

// Refused here, it gets upstream's Status; a body that grows too large later is cut off by the wire.
static enum http_take on_head(void *arg, struct http_exchange *x)
{
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct call *c = &call_of(arg, x)->call;
	c->started_ns = loop_now(c->loop);
	if (admit_body(c, x, &e) < 0)
		respond_error(c, &e, NULL);
	return HTTP_TAKE_WHOLE;
}

static void on_request(void *arg, struct http_exchange *x)
{
	worker_call_begins(&call_of(arg, x)->call);
}

static void on_drain(void *arg, struct http_exchange *x)
{
	struct https_call *hc = x->user;
	if (hc && hc->call.on_drain)
		hc->call.on_drain(&hc->call);
}

static void on_cancel(void *arg, struct http_exchange *x)
{
	struct https_call *hc = x->user;
	if (!hc) {
		http_abort(x); // before it became a call
		return;
	}
	hc->call.cancelled = true;
	if (hc->call.on_cancel)
		hc->call.on_cancel(&hc->call);
}

static const struct http_handler handler = {
	.on_head = on_head,
	.on_request = on_request,
	.on_drain = on_drain,
	.on_cancel = on_cancel,
};

struct https *https_create(struct worker *w, struct tls_context *tls)
{
	struct https *h = MEM_NEW(struct https);
	struct http_server_config config = {
		.loop = w->loop, .handler = &handler, .arg = h, .tls = tls, .body_max = BODY_MAX};
	h->worker = w;
	h->server = http_server_create(&config);
	return h;
}

void https_accept(struct https *h, struct stream *s)
{
	http_server_accept(h->server, s);
}

void https_set_tls(struct https *h, struct tls_context *tls)
{
	http_server_set_tls(h->server, tls);
}

void https_destroy(struct https *h)
{
	if (!h)
		return;
	http_server_destroy(h->server);
	free(h);
}
