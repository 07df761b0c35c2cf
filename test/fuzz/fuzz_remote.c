// SPDX-License-Identifier: Apache-2.0
// exec and port-forward in a simulated world: what a client sends behind a proper upgrade. The first byte
// chooses the protocol (mod 8) and, bit 7, whether the client ends its direction; the second seeds the world.
// Frames from a client of WebSockets are masked: a mask of zeros is as good as any. Nothing may leak, and all
// ends.
#include "base/times.h"
#include "sys/sim.h"
#include "wire/remote.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

#define WEBSOCKET(protocol)                                                              \
	"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"                            \
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: " protocol
#define SPDY(protocol) "Upgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: " protocol

static const struct {
	const char *path, *headers;
} upgrades[] = {
	{"/exec", WEBSOCKET("v5.channel.k8s.io")},
	{"/exec", WEBSOCKET("v4.base64.channel.k8s.io")},
	{"/exec", SPDY("v4.channel.k8s.io")},
	{"/forward", SPDY("portforward.k8s.io")},
	{"/forward", WEBSOCKET("SPDY/3.1+portforward.k8s.io")},
	{"/forward?port=1,2&port=3", WEBSOCKET("v4.channel.k8s.io")},
	{"/forward?port=1,2&port=3", WEBSOCKET("v4.base64.channel.k8s.io")},
	{"/exec", WEBSOCKET("channel.k8s.io")},
};

struct echo { // of a forwarded connection
	struct world *world;
	struct duplex *duplex;
};

struct world {
	struct sim *sim;
	struct http_server *server;
	struct remote *remote;
	struct forward *forward;
	unsigned echoes;
	struct stream *client;
	struct buf bytes;
	bool half_close;
};

// ---- exec

static void on_ready(void *arg)
{
	struct world *w = arg;
	remote_send(w->remote, REMOTE_STDOUT, STR("hello"));
}

static void on_stdin(void *arg, struct str data)
{
	struct world *w = arg;
	remote_send(w->remote, REMOTE_STDOUT, data);
	remote_read(w->remote, data.n % 2);
	remote_read(w->remote, true);
}

static void on_stdin_end(void *arg)
{
	struct world *w = arg;
	remote_finish(w->remote, 0, NULL);
	w->remote = NULL;
}

static void on_resize(void *arg, int width, int height)
{
	MUST(width > 0 && height > 0);
}

static void on_end(void *arg)
{
	struct world *w = arg;
	remote_destroy(w->remote);
	w->remote = NULL;
}

static const struct remote_events remote_events = {on_ready, on_stdin, on_stdin_end, on_resize, NULL, on_end};

// ---- port-forward: odd ports repeat what they hear

static void on_echo(void *arg, struct str data, const struct err *e)
{
	struct echo *echo = arg;
	if (data.n) {
		duplex_write_str(echo->duplex, data);
		return;
	}
	echo->world->echoes--;
	duplex_close(echo->duplex);
	free(echo);
}

static void on_connect(void *arg, struct forward_connection *c, uint16_t port)
{
	static const struct duplex_events events = {on_echo, NULL};
	struct world *w = arg;
	if (port % 2 == 0) {
		forward_refuse(c, STR("no"));
		return;
	}
	struct echo *echo = MEM_NEW(struct echo);
	*echo = (struct echo){w, forward_open(c)};
	w->echoes++;
	duplex_start(echo->duplex, &events, echo);
}

static void on_forward_end(void *arg)
{
	struct world *w = arg;
	forward_destroy(w->forward);
	w->forward = NULL;
}

static const struct forward_events forward_events = {on_connect, NULL, on_forward_end};

// ---- The world

static void on_request(void *arg, struct http_exchange *x)
{
	struct world *w = arg;
	struct remote_wanted wanted = {.in = true, .out = true, .tty = true};
	if (str_is(x->path, "/exec"))
		w->remote = remote_accept(x, &wanted, &remote_events, w);
	else
		w->forward = forward_accept(x, &forward_events, w);
	MUST(w->remote || w->forward);
}

static void on_answer(void *arg, struct str data, const struct err *e)
{
}

static void on_client(void *arg, struct stream *s, const struct err *e)
{
	static const struct stream_events events = {on_answer, NULL};
	struct world *w = arg;
	w->client = s;
	stream_start(s, &events, w);
	stream_write(s, blob_create(buf_str(&w->bytes)));
	if (w->half_close)
		stream_shutdown(s);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	static const struct http_handler handler = {.on_request = on_request};
	if (size < 3 || size > 20000)
		return 0;
	size_t way = (data[0] & 0x7f) % ARRAY_LEN(upgrades);
	struct world w = {.sim = sim_create(data[1]), .half_close = data[0] & 0x80};
	buf_fmt(&w.bytes, "GET %s HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n%s\r\n\r\n", upgrades[way].path,
		upgrades[way].headers);
	buf_add(&w.bytes, (struct str){(const char *)data + 2, size - 2});
	w.server = http_server_create(
		&(struct http_server_config){.loop = sim_loop(w.sim, "server"), .handler = &handler, .arg = &w});
	MUST(http_server_listen(w.server, "10.0.0.1:80", NULL) == 0);
	net_connect(sim_loop(w.sim, "client"), "10.0.0.1:80", on_client, &w);
	sim_run(w.sim, 50 * TIME_S);
	stream_close(w.client);
	sim_run(w.sim, 100 * TIME_S);
	MUST(!w.remote && !w.forward && w.echoes == 0);
	http_server_destroy(w.server);
	sim_destroy(w.sim);
	buf_finish(&w.bytes);
	return 0;
}
