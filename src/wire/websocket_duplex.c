// SPDX-License-Identifier: Apache-2.0
// The bytes of a WebSocket's binary messages as a duplex.
#include "wire/inbox.h"
#include "wire/websocket.h"

struct tunnel {
	struct duplex base;
	struct inbox inbox;
	struct websocket *socket;
};

static struct tunnel *tunnel_of(struct duplex *d)
{
	return CONTAINER_OF(d, struct tunnel, base);
}

static void on_data(void *arg, bool text, struct str piece, bool first, bool last)
{
	struct tunnel *t = arg;
	if (!text)
		inbox_put(&t->inbox, piece, false);
}

static void on_drain(void *arg)
{
	struct tunnel *t = arg;
	inbox_drained(&t->inbox);
}

static void on_end(void *arg, const struct err *e)
{
	struct tunnel *t = arg;
	if (e)
		inbox_break(&t->inbox, e);
	else
		inbox_put(&t->inbox, STR_NONE, true);
}

static void tunnel_start(struct duplex *d, const struct duplex_events *events, void *arg)
{
	struct tunnel *t = tunnel_of(d);
	inbox_start(&t->inbox, events, arg);
	websocket_read(t->socket, events != NULL);
}

static void tunnel_read(struct duplex *d, bool on)
{
	struct tunnel *t = tunnel_of(d);
	inbox_read(&t->inbox, on);
	websocket_read(t->socket, on);
}

static void tunnel_write(struct duplex *d, struct blob *b)
{
	websocket_send(tunnel_of(d)->socket, false, blob_str(b), STR_NONE);
	blob_unref(b);
}

static void tunnel_flush(struct duplex *d)
{
}

static void tunnel_unread(struct duplex *d, struct str s)
{
	inbox_unread(&tunnel_of(d)->inbox, s);
}

static size_t tunnel_pending(struct duplex *d)
{
	return websocket_pending(tunnel_of(d)->socket);
}

static void tunnel_shutdown(struct duplex *d)
{
	websocket_finish(tunnel_of(d)->socket);
}

static void tunnel_close(struct duplex *d)
{
	struct tunnel *t = tunnel_of(d);
	websocket_close(t->socket, 1000, STR_NONE);
	inbox_close(&t->inbox);
}

static void tunnel_destroy(struct inbox *i)
{
	free(CONTAINER_OF(i, struct tunnel, inbox));
}

static const struct duplex_ops tunnel_ops = {
	.start = tunnel_start,
	.read = tunnel_read,
	.write = tunnel_write,
	.flush = tunnel_flush,
	.unread = tunnel_unread,
	.pending = tunnel_pending,
	.shutdown = tunnel_shutdown,
	.close = tunnel_close,
};

struct duplex *websocket_duplex(struct duplex *d, bool client)
{
	static const struct websocket_events events = {on_data, on_drain, on_end};
	struct tunnel *t = MEM_NEW(struct tunnel);
	t->base = (struct duplex){&tunnel_ops, d->loop};
	inbox_init(&t->inbox, d->loop, tunnel_destroy);
	t->socket = websocket_create(d, client, &events, t);
	websocket_read(t->socket, false); // until somebody listens
	return &t->base;
}
