// SPDX-License-Identifier: Apache-2.0
// Port-forward over SPDY, plain or within a WebSocket: for each connection the client opens a pair of streams with the
// same requestID, `error` and `data`.
#include <sys/queue.h>

#include "wire/forward_carrier.h"
#include "wire/spdy.h"
#include "wire/websocket.h"

enum { REQUEST_ID_MAX = 64 };

struct pair {
	struct forward_connection connection;
	char request_id[REQUEST_ID_MAX];
	struct duplex *data, *error; // NULL: not opened yet
	LIST_ENTRY(pair) all;
};

LIST_HEAD(pairs, pair);

struct by_spdy {
	struct forward forward;
	struct spdy_session *session;
	struct pairs waiting; // for their other stream, or for an answer
};

static const char plain_protocol[] = "portforward.k8s.io", tunnel_protocol[] = "SPDY/3.1+portforward.k8s.io";

static struct by_spdy *of(struct forward *f)
{
	return CONTAINER_OF(f, struct by_spdy, forward);
}

static struct pair *pair_of(struct forward_connection *c)
{
	return CONTAINER_OF(c, struct pair, connection);
}

static void pair_destroy(struct pair *p)
{
	LIST_REMOVE(p, all);
	duplex_close(p->data);
	duplex_close(p->error);
	free(p);
}

static struct pair *find_or_make(struct by_spdy *s, struct str request_id, uint16_t port)
{
	struct pair *p;
	LIST_FOREACH(p, &s->waiting, all)
		if (str_is(request_id, p->request_id))
			return p;
	p = MEM_NEW(struct pair);
	p->connection = (struct forward_connection){&s->forward, port};
	str_to_c(request_id, p->request_id, sizeof p->request_id);
	LIST_INSERT_HEAD(&s->waiting, p, all);
	return p;
}

static void on_stream(void *arg, struct duplex *stream, struct http_headers headers)
{
	struct by_spdy *s = arg;
	struct str id = http_header(headers, "requestid"), type = http_header(headers, "streamtype");
	uint64_t port;
	bool is_data = str_is(type, "data");
	if (id.n == 0 || id.n >= REQUEST_ID_MAX || str_to_u64(http_header(headers, "port"), &port) < 0 || port == 0 ||
	    port > UINT16_MAX || (!is_data && !str_is(type, "error"))) {
		duplex_close(stream);
		return;
	}
	struct pair *p = find_or_make(s, id, (uint16_t)port);
	struct duplex **place = is_data ? &p->data : &p->error;
	if (*place || p->connection.port != port) {
		duplex_close(stream);
		return;
	}
	*place = stream;
	if (p->data && p->error)
		s->forward.events->on_connect(s->forward.arg, &p->connection, p->connection.port);
}

static void on_end(void *arg)
{
	struct by_spdy *s = arg;
	struct forward *f = &s->forward;
	struct pair *p;
	while ((p = LIST_FIRST(&s->waiting))) {
		if (p->data && p->error && f->events->on_give_up)
			f->events->on_give_up(f->arg, &p->connection);
		pair_destroy(p);
	}
	f->events->on_end(f->arg);
}

static struct duplex *by_spdy_open(struct forward_connection *c)
{
	struct pair *p = pair_of(c);
	struct duplex *data = p->data;
	p->data = NULL;
	duplex_shutdown(p->error); // nothing to report
	pair_destroy(p);
	return data;
}

static void by_spdy_refuse(struct forward_connection *c, struct str message)
{
	struct pair *p = pair_of(c);
	duplex_write_str(p->error, message);
	duplex_shutdown(p->error);
	duplex_shutdown(p->data);
	pair_destroy(p);
}

static void by_spdy_destroy(struct forward *f)
{
	struct by_spdy *s = of(f);
	struct pair *p;
	while ((p = LIST_FIRST(&s->waiting)))
		pair_destroy(p);
	spdy_session_destroy(s->session);
	free(s);
}

// ---- Accepting

static bool wants_tunnel(const struct http_exchange *x)
{
	static const char *const protocols[] = {tunnel_protocol, NULL};
	return websocket_requested(x->headers) && websocket_choose(x->headers, protocols);
}

static bool is_asked(const struct http_exchange *x)
{
	return wants_tunnel(x) || (http_header_lists(x->headers, "upgrade", "SPDY/3.1") &&
				   http_header_lists(x->headers, "x-stream-protocol-version", plain_protocol));
}

static struct duplex *accept_tunnel(struct http_exchange *x)
{
	struct duplex *d = websocket_accept(x, tunnel_protocol);
	return d ? websocket_duplex(d, false) : NULL;
}

static struct duplex *accept_plain(struct http_exchange *x)
{
	struct http_header list[] = {{STR("Upgrade"), STR("SPDY/3.1")},
				     {STR("X-Stream-Protocol-Version"), str_of(plain_protocol)}};
	return http_upgrade(x, (struct http_headers){list, ARRAY_LEN(list)});
}

static struct forward *by_spdy_accept(struct http_exchange *x, const struct forward_events *ev, void *arg)
{
	static const struct forward_ops ops = {by_spdy_open, by_spdy_refuse, by_spdy_destroy};
	static const struct spdy_events events = {on_stream, NULL, on_end};
	struct duplex *d = wants_tunnel(x) ? accept_tunnel(x) : accept_plain(x);
	if (!d)
		return NULL;
	struct by_spdy *s = MEM_NEW(struct by_spdy);
	s->forward = (struct forward){&ops, ev, arg};
	LIST_INIT(&s->waiting);
	s->session = spdy_session_create(d, false, &events, s);
	return &s->forward;
}

const struct forward_way forward_by_spdy = {is_asked, by_spdy_accept};
