// SPDX-License-Identifier: Apache-2.0
// exec and port-forward between a client of our own engines and a server, over real streams.
#include "base/times.h"
#include "sys/real.h"
#include "unit.h"
#include "wire/client.h"
#include "wire/remote.h"
#include "wire/spdy.h"
#include "wire/websocket.h"

struct world {
	struct loop *loop;
	struct http_server *server;
	struct http_client *client;
	struct timer limit;
	// the server's side
	struct remote *remote;
	struct forward *forward;
	struct forward_connection *waiting;
	struct duplex *echo;
	unsigned ends;
	int width, height;
	// the client's side
	struct websocket *socket;
	struct spdy_session *session;
	struct duplex *streams[REMOTE_CHANNELS];
	struct buf got[REMOTE_CHANNELS];
	unsigned char channel;
	bool closed;
	int refusal;
};

static void stop_late(struct timer *t)
{
	struct world *w = CONTAINER_OF(t, struct world, limit);
	unit_fail(__FILE__, __LINE__, "nothing happened for 10 s");
	loop_real_stop(w->loop);
}

static void stop_quietly(struct timer *t)
{
	loop_real_stop(CONTAINER_OF(t, struct world, limit)->loop);
}

// ---- The server: a process that repeats stdin in brackets, tells its terminal's size, and ends with 3 at
// end of input

static void on_ready(void *arg)
{
	struct world *w = arg;
	remote_send(w->remote, REMOTE_STDOUT, STR("ready "));
	remote_send(w->remote, REMOTE_STDERR, STR("complaint"));
}

static void on_stdin(void *arg, struct str data)
{
	struct world *w = arg;
	remote_send(w->remote, REMOTE_STDOUT, STR("["));
	remote_send(w->remote, REMOTE_STDOUT, data);
	remote_send(w->remote, REMOTE_STDOUT, STR("]"));
}

static void finish(struct world *w)
{
	remote_finish(w->remote, 3, NULL);
	w->remote = NULL;
}

static void on_stdin_end(void *arg)
{
	finish(arg);
}

static void on_resize(void *arg, int width, int height)
{
	struct world *w = arg;
	w->width = width;
	w->height = height;
}

static void on_end(void *arg)
{
	struct world *w = arg;
	w->ends++;
	remote_destroy(w->remote);
	w->remote = NULL;
	loop_real_stop(w->loop);
}

static const struct remote_events remote_events = {on_ready, on_stdin, on_stdin_end, on_resize, NULL, on_end};

static void on_echo_read(void *arg, struct str data, const struct err *e)
{
	struct world *w = arg;
	if (data.n) {
		duplex_write_str(w->echo, data);
		return;
	}
	duplex_shutdown(w->echo);
	duplex_close(w->echo);
	w->echo = NULL;
}

static void on_connect(void *arg, struct forward_connection *c, uint16_t port)
{
	static const struct duplex_events echo = {on_echo_read, NULL};
	struct world *w = arg;
	if (port == 80) {
		w->echo = forward_open(c);
		duplex_start(w->echo, &echo, w);
	} else {
		forward_refuse(c, STR("no such port"));
	}
}

static void on_forward_end(void *arg)
{
	struct world *w = arg;
	w->ends++;
	duplex_close(w->echo);
	w->echo = NULL;
	forward_destroy(w->forward);
	w->forward = NULL;
	loop_real_stop(w->loop);
}

static const struct forward_events forward_events = {on_connect, NULL, on_forward_end};

static void on_request(void *arg, struct http_exchange *x)
{
	struct world *w = arg;
	struct remote_wanted wanted = {true, true, !str_is(x->path, "/tty"), str_is(x->path, "/tty")};
	if (str_is(x->path, "/forward"))
		w->forward = forward_accept(x, &forward_events, w);
	else
		w->remote = remote_accept(x, &wanted, &remote_events, w);
}

// ---- The client

static void on_call_end(void *arg, const struct err *e)
{
	loop_real_stop(((struct world *)arg)->loop);
}

static void on_head(void *arg, const struct http_head *head)
{
	((struct world *)arg)->refusal = head->code;
}

static void world_init(struct world *w)
{
	static const struct http_handler handler = {.on_request = on_request};
	struct err e CLEAN_ERR = ERR_EMPTY;
	char address[64];
	*w = (struct world){.loop = loop_real_create(), .limit.fire = stop_late};
	w->server = http_server_create(&(struct http_server_config){.loop = w->loop, .handler = &handler, .arg = w});
	REQUIRE(http_server_listen(w->server, "127.0.0.1:0", &e) == 0);
	snprintf(address, sizeof address, "127.0.0.1:%d", http_server_port(w->server));
	w->client = http_client_create(&(struct http_client_config){.loop = w->loop, .address = address});
	timer_start(w->loop, &w->limit, 10 * TIME_S);
}

static void world_finish(struct world *w)
{
	for (int i = 0; i < REMOTE_CHANNELS; i++) {
		duplex_close(w->streams[i]);
		buf_finish(&w->got[i]);
	}
	websocket_destroy(w->socket);
	spdy_session_destroy(w->session);
	http_client_destroy(w->client);
	// The server's side hears that the client has gone; what lingers there sees it, too.
	w->limit.fire = stop_quietly;
	timer_start(w->loop, &w->limit, 20 * TIME_MS);
	while (timer_running(&w->limit))
		loop_real_run(w->loop);
	http_server_destroy(w->server);
	loop_real_destroy(w->loop);
}

static void upgrade(struct world *w, const char *target, const struct http_header *list, size_t count,
		    void (*on_upgrade)(void *arg, const struct http_head *head, struct duplex *d))
{
	static struct http_call_events events;
	events = (struct http_call_events){on_head, NULL, on_call_end, on_upgrade};
	struct http_call_request r = {.method = "GET", .target = str_of(target), .headers = {list, count}};
	http_call_start(w->client, &r, &events, w);
	loop_real_run(w->loop);
}

// ---- By WebSocket

static void on_data(void *arg, bool text, struct str piece, bool first, bool last)
{
	struct world *w = arg;
	if (first && piece.n) {
		w->channel = (unsigned char)piece.p[0] - (text ? '0' : 0);
		piece = str_from(piece, 1);
	}
	if (w->channel < REMOTE_CHANNELS)
		buf_add(&w->got[w->channel], piece);
}

static void on_socket_end(void *arg, const struct err *e)
{
	struct world *w = arg;
	w->closed = !e;
	loop_real_stop(w->loop);
}

static const struct websocket_events socket_events = {on_data, NULL, on_socket_end};

static void on_socket(void *arg, const struct http_head *head, struct duplex *d)
{
	struct world *w = arg;
	bool text = str_is(http_header(head->headers, "sec-websocket-protocol"), "v4.base64.channel.k8s.io");
	w->socket = websocket_create(d, true, &socket_events, w);
	if (text) {
		websocket_send(w->socket, true, STR("0"), STR("aGVsbG8="));
		websocket_send(w->socket, true, STR("4"), STR("eyJXaWR0aCI6ODAsIkhlaWdodCI6MjR9"));
	} else {
		websocket_send(w->socket, false, STR("\0hello"), STR_NONE);
		websocket_send(w->socket, false, STR("\4{\"Width\":80,"), STR("\"Height\":24}"));
		websocket_send(w->socket, false, STR("\4nonsense"), STR_NONE);
	}
	websocket_send(w->socket, false, STR("\xff"), STR("\0"));
}

#define WEBSOCKET_HEADERS(protocol)                                                                       \
	{                                                                                                 \
		{STR_INIT("Connection"), STR_INIT("Upgrade")}, {STR_INIT("Upgrade"), STR_INIT("websocket")}, \
		{STR_INIT("Sec-WebSocket-Version"), STR_INIT("13")},                                      \
		{STR_INIT("Sec-WebSocket-Key"), STR_INIT("dGhlIHNhbXBsZSBub25jZQ==")},                    \
		{STR_INIT("Sec-WebSocket-Protocol"), STR_INIT(protocol)}                                  \
	}

static const char status_3[] = "\"details\":{\"causes\":[{\"reason\":\"ExitCode\",\"message\":\"3\"}]}";

TEST(exec_by_websocket)
{
	static const struct http_header headers[] = WEBSOCKET_HEADERS("v5.channel.k8s.io");
	struct world w;
	world_init(&w);
	upgrade(&w, "/exec", headers, 5, on_socket);
	CHECK(w.closed);
	CHECK_STR(buf_str(&w.got[REMOTE_STDOUT]), "ready [hello]");
	CHECK_STR(buf_str(&w.got[REMOTE_STDERR]), "complaint");
	CHECK(str_contains(buf_str(&w.got[REMOTE_ERROR]), str_of(status_3)));
	CHECK_INT(w.width, 80);
	world_finish(&w);
}

static void finish_soon(struct timer *t)
{
	struct world *w = CONTAINER_OF(t, struct world, limit);
	t->fire = stop_late;
	if (w->remote)
		finish(w);
}

TEST(exec_by_websocket_in_base64)
{
	static const struct http_header headers[] = WEBSOCKET_HEADERS("v4.base64.channel.k8s.io");
	struct world w;
	world_init(&w);
	w.limit.fire = finish_soon; // this form can't say the end of stdin
	timer_start(w.loop, &w.limit, 100 * TIME_MS);
	upgrade(&w, "/tty", headers, 5, on_socket);
	CHECK(w.closed && w.height == 24);
	CHECK_STR(buf_str(&w.got[REMOTE_STDOUT]), "cmVhZHkgWw==aGVsbG8=XQ==");
	CHECK_INT(w.got[REMOTE_STDERR].n, 0);
	world_finish(&w);
}

TEST(strange_upgrades_are_refused)
{
	static const struct http_header websocket[] = WEBSOCKET_HEADERS("v9.channel.k8s.io"),
					spdy[] = {{STR_INIT("Connection"), STR_INIT("Upgrade")},
						  {STR_INIT("Upgrade"), STR_INIT("SPDY/3.1")}};
	struct world w;
	world_init(&w);
	upgrade(&w, "/exec", websocket, 5, on_socket);
	CHECK_INT(w.refusal, 403);
	upgrade(&w, "/forward?port=80", websocket, 5, on_socket);
	CHECK_INT(w.refusal, 403);
	upgrade(&w, "/exec", spdy, 2, on_socket);
	CHECK_INT(w.refusal, 400);
	upgrade(&w, "/forward", spdy, 2, on_socket);
	CHECK_INT(w.refusal, 400);
	upgrade(&w, "/exec", NULL, 0, on_socket);
	CHECK_INT(w.refusal, 400);
	world_finish(&w);
}

static void on_silent_socket(void *arg, const struct http_head *head, struct duplex *d)
{
	struct world *w = arg;
	w->socket = websocket_create(d, true, &socket_events, w);
	websocket_destroy(w->socket);
	w->socket = NULL;
}

TEST(a_client_that_goes_ends_the_exec)
{
	static const struct http_header headers[] = WEBSOCKET_HEADERS("v4.channel.k8s.io");
	struct world w;
	world_init(&w);
	upgrade(&w, "/exec", headers, 5, on_silent_socket);
	CHECK_INT(w.ends, 1);
	world_finish(&w);
}

// ---- By SPDY

static void on_stream_read(void *arg, struct str data, const struct err *e)
{
	buf_add(arg, data);
}

static const struct duplex_events stream_events = {on_stream_read, NULL};

static void on_no_stream(void *arg, struct duplex *stream, struct http_headers headers)
{
	duplex_close(stream);
}

static void on_session_end(void *arg)
{
	struct world *w = arg;
	w->closed = true;
	loop_real_stop(w->loop);
}

static const struct spdy_events session_events = {on_no_stream, NULL, on_session_end};

static struct duplex *open_stream(struct world *w, const char *type, const char *port, int slot)
{
	struct http_header list[] = {{STR("streamType"), str_of(type)},
				     {STR("port"), str_of(port)},
				     {STR("requestID"), STR("1")}};
	w->streams[slot] = spdy_session_open(w->session, (struct http_headers){list, *port ? 3 : 1});
	duplex_start(w->streams[slot], &stream_events, &w->got[slot]);
	return w->streams[slot];
}

static void on_spdy_exec(void *arg, const struct http_head *head, struct duplex *d)
{
	struct world *w = arg;
	CHECK_STR(http_header(head->headers, "x-stream-protocol-version"), "v4.channel.k8s.io");
	w->session = spdy_session_create(d, true, &session_events, w);
	open_stream(w, "error", "", REMOTE_ERROR);
	struct duplex *in = open_stream(w, "stdin", "", REMOTE_STDIN);
	duplex_write_str(in, STR("early"));
	open_stream(w, "stdout", "", REMOTE_STDOUT);
	open_stream(w, "stderr", "", REMOTE_STDERR);
	duplex_shutdown(in);
}

#define SPDY_UPGRADE(protocol)                                                                              \
	{                                                                                                   \
		{STR_INIT("Connection"), STR_INIT("Upgrade")}, {STR_INIT("Upgrade"), STR_INIT("SPDY/3.1")},    \
		{STR_INIT("X-Stream-Protocol-Version"), STR_INIT(protocol)}                                 \
	}

TEST(exec_by_spdy)
{
	static const struct http_header headers[] = SPDY_UPGRADE("v4.channel.k8s.io");
	struct world w;
	world_init(&w);
	upgrade(&w, "/exec", headers, 3, on_spdy_exec);
	CHECK(w.closed);
	CHECK_STR(buf_str(&w.got[REMOTE_STDOUT]), "ready [early]");
	CHECK_STR(buf_str(&w.got[REMOTE_STDERR]), "complaint");
	CHECK(str_contains(buf_str(&w.got[REMOTE_ERROR]), str_of(status_3)));
	world_finish(&w);
}

// ---- Port-forward

static void on_forward_read(void *arg, struct str data, const struct err *e)
{
	struct world *w = arg;
	buf_add(&w->got[0], data);
	if (data.n == 0)
		loop_real_stop(w->loop);
}

static void begin_forward(struct world *w, const char *port)
{
	static const struct duplex_events events = {on_forward_read, NULL};
	duplex_shutdown(open_stream(w, "error", port, 1));
	struct duplex *data = open_stream(w, "data", port, 0);
	duplex_start(data, &events, w);
	duplex_write_str(data, STR("ping"));
	duplex_shutdown(data);
}

static void on_spdy_forward(void *arg, const struct http_head *head, struct duplex *d)
{
	struct world *w = arg;
	w->session = spdy_session_create(d, true, &session_events, w);
	begin_forward(w, "80");
}

static void on_tunnel_forward(void *arg, const struct http_head *head, struct duplex *d)
{
	on_spdy_forward(arg, head, websocket_duplex(d, true));
}

static void run_forward(const struct http_header *headers, size_t count,
			void (*on_upgrade)(void *arg, const struct http_head *head, struct duplex *d))
{
	struct world w;
	world_init(&w);
	upgrade(&w, "/forward", headers, count, on_upgrade);
	CHECK_STR(buf_str(&w.got[0]), "ping");
	CHECK_INT(w.got[1].n, 0);
	for (int i = 0; i < 2; i++) {
		duplex_close(w.streams[i]);
		w.streams[i] = NULL;
		buf_clear(&w.got[i]);
	}
	begin_forward(&w, "81");
	loop_real_run(w.loop);
	CHECK_STR(buf_str(&w.got[1]), "no such port");
	world_finish(&w);
}

TEST(forward_by_spdy)
{
	static const struct http_header headers[] = SPDY_UPGRADE("portforward.k8s.io");
	run_forward(headers, 3, on_spdy_forward);
}

TEST(forward_by_spdy_within_websocket)
{
	static const struct http_header headers[] = WEBSOCKET_HEADERS("SPDY/3.1+portforward.k8s.io");
	run_forward(headers, 5, on_tunnel_forward);
}

// ---- A peer that reads nothing

struct stuck { // a connection of which nothing leaves
	struct duplex base;
	const struct duplex_events *events;
	void *arg;
	bool reading;
	size_t pending;
};

static struct stuck *stuck_of(struct duplex *d)
{
	return CONTAINER_OF(d, struct stuck, base);
}

static void stuck_start(struct duplex *d, const struct duplex_events *events, void *arg)
{
	stuck_of(d)->events = events;
	stuck_of(d)->arg = arg;
	stuck_of(d)->reading = true;
}

static void stuck_read(struct duplex *d, bool on)
{
	stuck_of(d)->reading = on;
}

static void stuck_write(struct duplex *d, struct blob *b)
{
	stuck_of(d)->pending += b->n;
	blob_unref(b);
}

static void stuck_unread(struct duplex *d, struct str s)
{
}

static size_t stuck_pending(struct duplex *d)
{
	return stuck_of(d)->pending;
}

static void stuck_end(struct duplex *d)
{
}

static void refuse_stream(void *arg, struct duplex *stream, struct http_headers headers)
{
	duplex_close(stream);
}

static void hear_end(void *arg)
{
}

TEST(who_opens_streams_without_reading_is_not_read)
{
	static const struct duplex_ops stuck_ops = {.start = stuck_start, .read = stuck_read, .write = stuck_write,
						    .unread = stuck_unread, .pending = stuck_pending, .close = stuck_end};
	static const struct spdy_events events = {.on_stream = refuse_stream, .on_end = hear_end};
	enum { MANY = 200 * 1000, BOUND = 2 << 20 };
	struct loop *l = loop_real_create();
	struct stuck k = {.base = {&stuck_ops, l}};
	struct spdy_session *s = spdy_session_create(&k.base, false, &events, NULL);
	struct spdy_writer writer;
	spdy_writer_init(&writer);
	for (uint32_t i = 0; i < MANY && k.reading; i++) {
		struct buf frame CLEAN_BUF;
		buf_init(&frame);
		spdy_write_syn_stream(&writer, &frame, 2 * i + 1, false, (struct http_headers){0});
		k.events->on_read(k.arg, buf_str(&frame), NULL);
	}
	CHECK(!k.reading);
	CHECK(k.pending < BOUND);
	k.pending = 0;
	k.events->on_drain(k.arg);
	CHECK(k.reading);
	spdy_writer_finish(&writer);
	spdy_session_destroy(s);
	loop_real_destroy(l);
}
