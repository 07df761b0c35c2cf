// SPDX-License-Identifier: Apache-2.0
#include "wire/forward_carrier.h"
#include "wire/websocket.h"

struct forward *forward_accept(struct http_exchange *x, const struct forward_events *ev, void *arg)
{
	if (forward_by_spdy.is_asked(x))
		return forward_by_spdy.accept(x, ev, arg);
	if (forward_by_websocket.is_asked(x))
		return forward_by_websocket.accept(x, ev, arg);
	if (websocket_requested(x->headers))
		http_reply_str(x, 403, "text/plain",
			       STR("no such protocol: SPDY/3.1+portforward.k8s.io is spoken, or v4.channel.k8s.io\n"));
	else
		http_reply_str(x, 400, "text/plain", STR("an upgrade is needed, to SPDY/3.1 or WebSocket\n"));
	return NULL;
}

struct duplex *forward_open(struct forward_connection *c)
{
	return c->forward->ops->open(c);
}

void forward_refuse(struct forward_connection *c, struct str message)
{
	c->forward->ops->refuse(c, message);
}

void forward_destroy(struct forward *f)
{
	if (f)
		f->ops->destroy(f);
}
