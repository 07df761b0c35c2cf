// SPDX-License-Identifier: Apache-2.0
// Port-forward over WebSocket channels: the query names the ports, each of which is connected at once. The nth port's
// bytes are channel 2n, its error is channel 2n+1; on both the first message is the port, as two bytes, the lower first.
// No channel can be closed: once one side of a connection has ended, the other has a second left. When all ports are
// done, the WebSocket is closed.
#include "base/encode.h"
#include "base/times.h"
#include "wire/forward_carrier.h"
#include "wire/inbox.h"
#include "wire/server.h"
#include "wire/websocket_channels.h"

enum {
	PORTS_MAX = ('\x7f' - '0') / 2, // a channel is one character of text in the base64 form
	LAST_WORD_S = 1,
};

// A port and what passes through it. Once it is open, it belongs to whoever has the duplex.
struct port {
	struct forward_connection connection;
	struct duplex duplex;
	struct inbox inbox;
	struct by_websocket *owner; // NULL: the client is gone
	unsigned index;
	bool open;
	bool full;	    // holds so much that the client is not read
	struct timer timer; // for the last word
};

struct by_websocket {
	struct forward forward;
	struct loop *loop;
	struct channels channels;
	struct port *ports[PORTS_MAX]; // NULL: done
	unsigned count, left, full;
	struct task task; // connects; later tells that all are done
	bool connected, posted, destroyed;
	bool client_left; // in order
};

static const char binary_protocol[] = "v4.channel.k8s.io", base64_protocol[] = "v4.base64.channel.k8s.io";

static struct by_websocket *of(struct forward *f)
{
	return CONTAINER_OF(f, struct by_websocket, forward);
}

static struct port *port_of(struct duplex *d)
{
	return CONTAINER_OF(d, struct port, duplex);
}

static void post(struct by_websocket *w)
{
	if (w->posted)
		return;
	w->posted = true;
	loop_post(w->loop, &w->task);
}

// ---- One port

static void set_full(struct port *p, bool full)
{
	struct by_websocket *w = p->owner;
	if (!w || p->full == full)
		return;
	p->full = full;
	if (full)
		w->full++;
	else
		w->full--;
	channels_read(&w->channels, w->full == 0);
}

// The forward and the port have no more to do with each other.
static void part(struct port *p)
{
	struct by_websocket *w = p->owner;
	if (!w)
		return;
	set_full(p, false);
	p->owner = NULL;
	w->ports[p->index] = NULL;
	if (--w->left == 0)
		post(w);
}

static void port_close(struct port *p)
{
	part(p);
	timer_stop(&p->timer);
	inbox_close(&p->inbox);
}

static void port_free(struct inbox *i)
{
	free(CONTAINER_OF(i, struct port, inbox));
}

static void on_emptied(struct inbox *i)
{
	set_full(CONTAINER_OF(i, struct port, inbox), false);
}

static void last_word_over(struct timer *t)
{
	struct err e CLEAN_ERR = ERR_EMPTY;
	err_set(&e, ERR_UNAVAILABLE, "port-forward: the other side has ended");
	inbox_break(&CONTAINER_OF(t, struct port, timer)->inbox, &e);
}

static void duplex_op_start(struct duplex *d, const struct duplex_events *events, void *arg)
{
	inbox_start(&port_of(d)->inbox, events, arg);
}

static void duplex_op_read(struct duplex *d, bool on)
{
	inbox_read(&port_of(d)->inbox, on);
}

static void duplex_op_write(struct duplex *d, struct blob *b)
{
	struct port *p = port_of(d);
	if (p->owner)
		channels_send(&p->owner->channels, (unsigned char)(2 * p->index), blob_str(b));
	blob_unref(b);
}

static void duplex_op_flush(struct duplex *d)
{
}

static void duplex_op_unread(struct duplex *d, struct str s)
{
	inbox_unread(&port_of(d)->inbox, s);
}

static size_t duplex_op_pending(struct duplex *d)
{
	struct port *p = port_of(d);
	return p->owner ? channels_pending(&p->owner->channels) : 0;
}

static void duplex_op_shutdown(struct duplex *d)
{
	struct port *p = port_of(d);
	if (!timer_running(&p->timer))
		timer_start(d->loop, &p->timer, LAST_WORD_S * TIME_S);
}

static void duplex_op_close(struct duplex *d)
{
	port_close(port_of(d));
}

static const struct duplex_ops duplex_ops = {
	.start = duplex_op_start,
	.read = duplex_op_read,
	.write = duplex_op_write,
	.flush = duplex_op_flush,
	.unread = duplex_op_unread,
	.pending = duplex_op_pending,
	.shutdown = duplex_op_shutdown,
	.close = duplex_op_close,
};

static void add_port(struct by_websocket *w, uint16_t number)
{
	struct port *p = MEM_NEW(struct port);
	p->connection = (struct forward_connection){&w->forward, number};
	p->duplex = (struct duplex){&duplex_ops, w->loop};
	p->owner = w;
	p->index = w->count;
	p->timer.fire = last_word_over;
	inbox_init(&p->inbox, w->loop, port_free);
	p->inbox.emptied = on_emptied;
	w->ports[w->count++] = p;
	w->left++;
}

// ---- From the client

static void on_data(void *arg, unsigned char channel, struct str piece, bool last)
{
	struct by_websocket *w = arg;
	unsigned index = channel / 2;
	if (channel % 2 || index >= w->count || !w->ports[index] || !piece.n)
		return;
	inbox_put(&w->ports[index]->inbox, piece, false);
	struct port *p = w->ports[index]; // it may have gone with that
	if (p && p->inbox.held.n > DUPLEX_LOW)
		set_full(p, true);
}

static void on_drain(void *arg)
{
	struct by_websocket *w = arg;
	for (unsigned i = 0; i < w->count; i++)
		if (w->ports[i])
			inbox_drained(&w->ports[i]->inbox);
}

// The client is gone, as far as this port is concerned.
static void port_end(struct port *p, const struct err *e)
{
	p->owner = NULL;
	if (!p->open) {
		port_close(p);
	} else if (e) {
		inbox_break(&p->inbox, e);
	} else {
		duplex_op_shutdown(&p->duplex);
		inbox_put(&p->inbox, STR_NONE, true);
	}
}

static void end_ports(struct by_websocket *w, const struct err *e)
{
	for (unsigned i = 0; i < w->count; i++) {
		struct port *p = w->ports[i];
		w->ports[i] = NULL;
		if (p)
			port_end(p, e);
	}
}

static void on_end(void *arg, const struct err *e)
{
	struct by_websocket *w = arg;
	struct forward *f = &w->forward;
	for (unsigned i = 0; i < w->count && w->connected; i++)
		if (w->ports[i] && !w->ports[i]->open && f->events->on_give_up)
			f->events->on_give_up(f->arg, &w->ports[i]->connection);
	end_ports(w, e);
	w->client_left = !e;
	f->events->on_end(f->arg);
}

// ---- From the owner

static struct duplex *by_websocket_open(struct forward_connection *c)
{
	struct port *p = CONTAINER_OF(c, struct port, connection);
	p->open = true;
	return &p->duplex;
}

static void by_websocket_refuse(struct forward_connection *c, struct str message)
{
	struct port *p = CONTAINER_OF(c, struct port, connection);
	channels_send(&p->owner->channels, (unsigned char)(2 * p->index + 1), message);
	port_close(p);
}

static void by_websocket_destroy(struct forward *f)
{
	struct by_websocket *w = of(f);
	struct err cut CLEAN_ERR = ERR_EMPTY;
	err_set(&cut, ERR_UNAVAILABLE, "port-forward: cut");
	if (w->left == 0 || w->client_left)
		channels_finish(&w->channels);
	else
		channels_cut(&w->channels);
	end_ports(w, &cut);
	w->destroyed = true;
	if (!w->posted)
		free(w);
}

static void run_task(struct task *t)
{
	struct by_websocket *w = CONTAINER_OF(t, struct by_websocket, task);
	w->posted = false;
	if (w->destroyed) {
		free(w);
	} else if (w->left == 0) {
		w->forward.events->on_end(w->forward.arg);
	} else if (!w->connected) {
		w->connected = true;
		channels_read(&w->channels, true);
		for (unsigned i = 0; i < w->count; i++)
			w->forward.events->on_connect(w->forward.arg, &w->ports[i]->connection,
						      w->ports[i]->connection.port);
	}
}

// ---- Accepting

static const char *choose(const struct http_exchange *x)
{
	static const char *const protocols[] = {binary_protocol, base64_protocol, "", NULL};
	return websocket_requested(x->headers) ? websocket_choose(x->headers, protocols) : NULL;
}

static bool is_asked(const struct http_exchange *x)
{
	return choose(x);
}

static int parse_list(struct str list, uint16_t *out, size_t *count, struct err *e)
{
	struct str rest = list, one;
	uint64_t port;
	bool more = true;
	while (more) {
		more = str_cut(rest, ',', &one, &rest);
		if (str_to_u64(one, &port) < 0 || port == 0 || port > UINT16_MAX)
			return err_set(e, ERR_BAD_REQUEST, "port: \"%.*s\" is no port", STR_FMT(one));
		if (*count == PORTS_MAX)
			return err_set(e, ERR_BAD_REQUEST, "port: there are more than %d", PORTS_MAX);
		out[(*count)++] = (uint16_t)port;
	}
	return 0;
}

// Every `port` of the query, each a number or several with commas between.
static int parse_ports(struct http_exchange *x, uint16_t *out, size_t *count, struct err *e)
{
	struct str rest = x->query, pair, name, value;
	*count = 0;
	while (str_next(&rest, '&', &pair)) {
		str_cut(pair, '=', &name, &value);
		if (!str_is(name, "port"))
			continue;
		if (decode_url(&x->arena, value, true, &value) < 0 || str_empty(value))
			return err_set(e, ERR_BAD_REQUEST, "port: must be a number");
		if (parse_list(value, out, count, e) < 0)
			return -1;
	}
	return *count ? 0 : err_set(e, ERR_BAD_REQUEST, "port: over a WebSocket the query must name it");
}

static void begin(struct by_websocket *w, struct duplex *d, bool base64)
{
	static const struct channels_events events = {on_data, on_drain, on_end};
	channels_init(&w->channels, d, base64, &events, w);
	for (unsigned i = 0; i < 2 * w->count; i++) {
		uint16_t number = w->ports[i / 2]->connection.port;
		char bytes[2] = {(char)number, (char)(number >> 8)};
		channels_send(&w->channels, (unsigned char)i, (struct str){bytes, sizeof bytes});
	}
	post(w);
}

static struct forward *by_websocket_accept(struct http_exchange *x, const struct forward_events *ev, void *arg)
{
	static const struct forward_ops ops = {by_websocket_open, by_websocket_refuse, by_websocket_destroy};
	struct err e CLEAN_ERR = ERR_EMPTY;
	uint16_t ports[PORTS_MAX];
	size_t count;
	if (parse_ports(x, ports, &count, &e) < 0) {
		http_reply_str(x, 400, "text/plain", str_of(err_text(&e)));
		return NULL;
	}
	const char *protocol = choose(x);
	struct duplex *d = websocket_accept(x, protocol);
	if (!d)
		return NULL;
	struct by_websocket *w = MEM_NEW(struct by_websocket);
	w->forward = (struct forward){&ops, ev, arg};
	w->loop = d->loop;
	w->task.run = run_task;
	for (size_t i = 0; i < count; i++)
		add_port(w, ports[i]);
	begin(w, d, protocol == base64_protocol);
	return &w->forward;
}

const struct forward_way forward_by_websocket = {is_asked, by_websocket_accept};
