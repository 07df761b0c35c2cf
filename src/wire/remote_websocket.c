// SPDX-License-Identifier: Apache-2.0
// exec and attach over WebSocket channels.
#include "wire/remote_carrier.h"
#include "wire/websocket_channels.h"

enum {
	MESSAGE_MAX = 1024,  // of those that are gathered whole: all but stdin
	CHANNEL_CLOSE = 255, // where the protocol has it: "this channel has ended"
};

struct by_websocket {
	struct remote remote;
	const struct protocol *protocol;
	struct duplex *duplex; // until started
	struct channels channels;
	struct task ready;
	bool ready_posted;
	struct buf message; // what of it is gathered
	bool left;	    // the client has closed in order
	bool closed;
};

// How these differ; upstream tells of a failure only as text before v4.
static const struct protocol {
	const char *name;
	bool base64, closes, plain_status;
} protocols[] = {
	{"v5.channel.k8s.io", false, true, false}, {"v4.channel.k8s.io", false, false, false},
	{"v4.base64.channel.k8s.io", true, false, false}, {"channel.k8s.io", false, false, true},
	{"base64.channel.k8s.io", true, false, true}, {"", false, false, true},
};

static struct by_websocket *of(const struct remote *r)
{
	return CONTAINER_OF(r, struct by_websocket, remote);
}

// v5 wherever it stands in the client's list, else what it names first.
const char *remote_websocket_choose(struct http_headers h)
{
	const char *newest[] = {protocols[0].name, NULL}, *others[ARRAY_LEN(protocols)] = {NULL};
	for (size_t i = 1; i < ARRAY_LEN(protocols); i++)
		others[i - 1] = protocols[i].name;
	const char *chosen = websocket_choose(h, newest);
	return chosen ? chosen : websocket_choose(h, others);
}

static void free_it(struct by_websocket *w)
{
	buf_finish(&w->message);
	free(w);
}

// ---- Coming in

static void take_gathered(struct by_websocket *w, unsigned char channel)
{
	struct remote *r = &w->remote;
	struct buf message CLEAN_BUF = w->message;
	struct str data = buf_str(&message);
	buf_init(&w->message);
	if (channel == REMOTE_RESIZE)
		remote_told_size(r, data);
	else if (channel == CHANNEL_CLOSE && w->protocol->closes && r->wanted.in && data.n == 1 && data.p[0] == REMOTE_STDIN)
		r->events->on_stdin_end(r->arg);
}

static void on_data(void *arg, unsigned char channel, struct str piece, bool last)
{
	struct by_websocket *w = arg;
	struct remote *r = &w->remote;
	if (channel == REMOTE_STDIN) {
		if (r->wanted.in && piece.n)
			r->events->on_stdin(r->arg, piece);
		return;
	}
	if (w->message.n + piece.n <= MESSAGE_MAX)
		buf_add(&w->message, piece);
	if (last)
		take_gathered(w, channel);
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
	w->left = !e;
	w->remote.events->on_end(w->remote.arg);
}

// ---- Going out

static void by_websocket_send(struct remote *r, enum remote_channel channel, struct str data)
{
	channels_send(&of(r)->channels, (unsigned char)channel, data);
}

static size_t by_websocket_pending(const struct remote *r)
{
	return channels_pending(&of(r)->channels);
}

static void by_websocket_read(struct remote *r, bool on)
{
	channels_read(&of(r)->channels, on);
}

// The task that was posted frees it, if there is one.
static void close_it(struct by_websocket *w)
{
	w->closed = true;
	if (!w->ready_posted)
		free_it(w);
}

static void by_websocket_finish(struct remote *r, struct str status)
{
	struct by_websocket *w = of(r);
	if (status.n)
		by_websocket_send(r, REMOTE_ERROR, status);
	channels_finish(&w->channels);
	close_it(w);
}

static void by_websocket_destroy(struct remote *r)
{
	struct by_websocket *w = of(r);
	if (w->left)
		channels_finish(&w->channels);
	else
		channels_cut(&w->channels);
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
	channels_read(&w->channels, true);
	w->remote.events->on_ready(w->remote.arg);
}

static const struct protocol *find_protocol(const char *name)
{
	size_t i = 0;
	while (i + 1 < ARRAY_LEN(protocols) && protocols[i].name != name)
		i++;
	return &protocols[i];
}

struct remote *remote_websocket_accept(struct http_exchange *x, const char *protocol)
{
	struct duplex *d = websocket_accept(x, protocol);
	if (!d)
		return NULL;
	struct by_websocket *w = MEM_NEW(struct by_websocket);
	w->protocol = find_protocol(protocol);
	w->remote.ops = &ops;
	w->remote.plain_status = w->protocol->plain_status;
	w->duplex = d;
	w->ready.run = tell_ready;
	return &w->remote;
}

void remote_websocket_start(struct remote *r)
{
	static const struct channels_events events = {on_data, on_drain, on_end};
	struct by_websocket *w = of(r);
	channels_init(&w->channels, w->duplex, w->protocol->base64, &events, w);
	// An empty message shows the client that the connection stands.
	enum remote_channel first = r->wanted.out ? REMOTE_STDOUT : r->wanted.err ? REMOTE_STDERR : REMOTE_ERROR;
	by_websocket_send(r, first, STR_NONE);
	w->ready_posted = true;
	loop_post(w->duplex->loop, &w->ready);
}
