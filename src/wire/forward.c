// SPDX-License-Identifier: Apache-2.0
// Port-forward: for each connection the client opens a pair of streams with the same requestID, `error` and
// `data`.
#include <sys/queue.h>

#include "wire/remote.h"
#include "wire/spdy.h"
#include "wire/websocket.h"

enum { REQUEST_ID_MAX = 64 };

struct forward_connection {
	struct forward *forward;
	char request_id[REQUEST_ID_MAX];
	uint16_t port;
	struct duplex *data, *error; // NULL: not opened yet
	LIST_ENTRY(forward_connection) all;
};

LIST_HEAD(forward_connections, forward_connection);

struct forward {
	struct spdy_session *session;
	const struct forward_events *events;
	void *arg;
	struct forward_connections waiting; // for their other stream, or for an answer
};

static const char plain_protocol[] = "portforward.k8s.io", tunnel_protocol[] = "SPDY/3.1+portforward.k8s.io";

static void connection_destroy(struct forward_connection *c)
{
	LIST_REMOVE(c, all);
	duplex_close(c->data);
	duplex_close(c->error);
	free(c);
}

static struct forward_connection *find_or_make(struct forward *f, struct str request_id, uint16_t port)
{
	struct forward_connection *c;
	LIST_FOREACH(c, &f->waiting, all)
		if (str_is(request_id, c->request_id))
			return c;
	c = MEM_NEW(struct forward_connection);
	c->forward = f;
	c->port = port;
	str_to_c(request_id, c->request_id, sizeof c->request_id);
	LIST_INSERT_HEAD(&f->waiting, c, all);
	return c;
}

static void on_stream(void *arg, struct duplex *stream, struct http_headers headers)
{
	struct forward *f = arg;
	struct str id = http_header(headers, "requestid"), type = http_header(headers, "streamtype");
	uint64_t port;
	bool is_data = str_is(type, "data");
	if (id.n == 0 || id.n >= REQUEST_ID_MAX || str_to_u64(http_header(headers, "port"), &port) < 0 || port == 0 ||
	    port > UINT16_MAX || (!is_data && !str_is(type, "error"))) {
		duplex_close(stream);
		return;
	}
	struct forward_connection *c = find_or_make(f, id, (uint16_t)port);
	struct duplex **place = is_data ? &c->data : &c->error;
	if (*place || c->port != port) {
		duplex_close(stream);
		return;
	}
	*place = stream;
	if (c->data && c->error)
		f->events->on_connect(f->arg, c, c->port);
}

static void on_end(void *arg)
{
	struct forward *f = arg;
	struct forward_connection *c;
	while ((c = LIST_FIRST(&f->waiting))) {
		if (c->data && c->error && f->events->on_give_up)
			f->events->on_give_up(f->arg, c);
		connection_destroy(c);
	}
	f->events->on_end(f->arg);
}

struct duplex *forward_open(struct forward_connection *c)
{
	struct duplex *data = c->data;
	c->data = NULL;
	duplex_shutdown(c->error); // nothing to report
	connection_destroy(c);
	return data;
}

void forward_refuse(struct forward_connection *c, struct str message)
{
	duplex_write_str(c->error, message);
	duplex_shutdown(c->error);
	duplex_shutdown(c->data);
	connection_destroy(c);
}

// ---- Accepting

static struct duplex *accept_tunnel(struct http_exchange *x)
{
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct http_headers headers;
	if (websocket_answer(&x->arena, x->headers, tunnel_protocol, &headers, &e) < 0) {
		http_reply_str(x, 400, "text/plain", str_of(err_text(&e)));
		return NULL;
	}
	struct duplex *d = http_upgrade(x, headers);
	return d ? websocket_duplex(d, false) : NULL;
}

static struct duplex *accept_plain(struct http_exchange *x)
{
	struct http_header list[] = {{STR("Upgrade"), STR("SPDY/3.1")},
				     {STR("X-Stream-Protocol-Version"), str_of(plain_protocol)}};
	return http_upgrade(x, (struct http_headers){list, ARRAY_LEN(list)});
}

struct forward *forward_accept(struct http_exchange *x, const struct forward_events *ev, void *arg)
{
	static const struct spdy_events events = {on_stream, NULL, on_end};
	static const char *const protocols[] = {tunnel_protocol, NULL};
	struct duplex *d = NULL;
	if (websocket_requested(x->headers) && websocket_choose(x->headers, protocols))
		d = accept_tunnel(x);
	else if (http_header_lists(x->headers, "upgrade", "SPDY/3.1") &&
		 http_header_lists(x->headers, "x-stream-protocol-version", plain_protocol))
		d = accept_plain(x);
	else
		http_reply_str(x, 400, "text/plain",
			       STR("an upgrade is needed, to SPDY/3.1 or WebSocket (SPDY/3.1+portforward.k8s.io)\n"));
	if (!d)
		return NULL;
	struct forward *f = MEM_NEW(struct forward);
	f->events = ev;
	f->arg = arg;
	LIST_INIT(&f->waiting);
	f->session = spdy_session_create(d, false, &events, f);
	return f;
}

void forward_destroy(struct forward *f)
{
	if (!f)
		return;
	struct forward_connection *c;
	while ((c = LIST_FIRST(&f->waiting)))
		connection_destroy(c);
	spdy_session_destroy(f->session);
	free(f);
}
