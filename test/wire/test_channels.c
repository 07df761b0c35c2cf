// SPDX-License-Identifier: Apache-2.0
// exec and port-forward over WebSocket channels in virtual time: every protocol, and clients of every habit.
#include "base/times.h"
#include "sys/sim.h"
#include "unit.h"
#include "wire/remote.h"
#include "wire/websocket.h"

enum { CONNECTIONS = 3, CHANNELS = 256 };

struct pipe { // a connection within the pod
	struct world *world;
	struct duplex *duplex;
	struct buf got;
	bool ended;
};

struct world {
	struct sim *sim;
	struct loop *near, *far;
	struct http_server *server;
	// the server's side
	struct remote *remote;
	struct buf stdin_got;
	bool stdin_ended, gone;
	int width;
	struct forward *forward;
	struct pipe pipes[CONNECTIONS];
	size_t pipe_count;
	struct forward_connection *waiting; // to port 9, that is not answered
	bool gave_up;
	// the client's side
	struct stream *stream;
	struct buf raw;
	size_t head; // bytes of the answer's; 0: not there yet
	struct websocket_reader reader;
	unsigned char channel;
	bool text;
	struct buf got[CHANNELS];
	struct buf frames; // kinds of the frames: 't', 'b', '8'...
	bool cut;
};

// ---- The server's side

static void on_ready(void *arg) {}

static void on_stdin(void *arg, struct str data)
{
	struct world *w = arg;
	buf_add(&w->stdin_got, data);
}

static void on_stdin_end(void *arg)
{
	((struct world *)arg)->stdin_ended = true;
}

static void on_resize(void *arg, int width, int height)
{
	((struct world *)arg)->width = width;
}

static void on_remote_end(void *arg)
{
	struct world *w = arg;
	w->gone = true;
	remote_destroy(w->remote);
	w->remote = NULL;
}

static void on_pipe(void *arg, struct str data, const struct err *e)
{
	struct pipe *p = arg;
	buf_add(&p->got, data);
	p->ended = p->ended || data.n == 0;
	if (e) {
		duplex_close(p->duplex);
		p->duplex = NULL;
	}
}

static void on_connect(void *arg, struct forward_connection *c, uint16_t port)
{
	static const struct duplex_events events = {on_pipe, NULL};
	struct world *w = arg;
	if (port == 9) {
		w->waiting = c;
	} else if (port % 2) {
		forward_refuse(c, STR("odd"));
	} else {
		struct pipe *p = &w->pipes[w->pipe_count++];
		*p = (struct pipe){.world = w, .duplex = forward_open(c)};
		duplex_start(p->duplex, &events, p);
	}
}

static void on_give_up(void *arg, struct forward_connection *c)
{
	struct world *w = arg;
	w->gave_up = w->waiting == c;
	w->waiting = NULL;
}

static void on_forward_end(void *arg)
{
	struct world *w = arg;
	w->gone = true;
	forward_destroy(w->forward);
	w->forward = NULL;
}

static void on_request(void *arg, struct http_exchange *x)
{
	static const struct remote_events remote_events = {on_ready,  on_stdin, on_stdin_end,
							   on_resize, NULL,     on_remote_end};
	static const struct forward_events forward_events = {on_connect, on_give_up, on_forward_end};
	struct world *w = arg;
	struct remote_wanted wanted = {.in = true, .out = true, .err = true, .tty = str_is(x->path, "/tty")};
	if (str_is(x->path, "/forward"))
		w->forward = forward_accept(x, &forward_events, w);
	else
		w->remote = remote_accept(x, &wanted, &remote_events, w);
}

// ---- The client's side

static void take_piece(struct world *w)
{
	struct websocket_reader *r = &w->reader;
	struct str piece = r->piece;
	if (r->first && piece.n) {
		buf_add_byte(&w->frames, r->opcode == WEBSOCKET_TEXT ? 't' : 'b');
		w->channel = (unsigned char)(piece.p[0] - (r->opcode == WEBSOCKET_TEXT ? '0' : 0));
		piece = str_from(piece, 1);
	}
	buf_add(&w->got[w->channel], piece);
	if (r->last)
		buf_add_byte(&w->got[w->channel], '|');
}

static void on_read(void *arg, struct str data, const struct err *e)
{
	struct world *w = arg;
	w->cut = w->cut || data.n == 0;
	buf_add(&w->raw, data);
	if (w->head == 0) {
		const char *end = memmem(w->raw.p, w->raw.n, "\r\n\r\n", 4);
		if (!end)
			return;
		w->head = (size_t)(end - w->raw.p) + 4;
		data = str_from(buf_str(&w->raw), w->head);
	}
	enum websocket_event event;
	while ((event = websocket_reader_next(&w->reader, &data)) != WEBSOCKET_MORE && event != WEBSOCKET_BAD) {
		if (event == WEBSOCKET_DATA)
			take_piece(w);
		else
			buf_fmt(&w->frames, "%d", (int)w->reader.opcode);
	}
}

static void on_stream(void *arg, struct stream *s, const struct err *e)
{
	static const struct stream_events events = {on_read, NULL};
	struct world *w = arg;
	MUST(s);
	w->stream = s;
	stream_start(s, &events, w);
}

static void ask(struct world *w, const char *target, const char *protocol)
{
	struct buf text CLEAN_BUF;
	buf_init(&text);
	buf_fmt(&text,
		"GET %s HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
		target);
	if (protocol)
		buf_fmt(&text, "Sec-WebSocket-Protocol: %s\r\n", protocol);
	BUF_LIT(&text, "\r\n");
	net_connect(w->far, "10.0.0.1:80", on_stream, w);
	sim_run(w->sim, 100 * TIME_MS);
	REQUIRE(w->stream);
	stream_write(w->stream, blob_create(buf_str(&text)));
	sim_run(w->sim, 100 * TIME_MS);
}

static void send_frame(struct world *w, enum websocket_opcode opcode, struct str payload)
{
	stream_write(w->stream, websocket_frame(opcode, payload, STR_NONE, (const unsigned char *)"mask"));
	sim_run(w->sim, 100 * TIME_MS);
}

static void world_init(struct world *w, const char *target, const char *protocol)
{
	static const struct http_handler handler = {.on_request = on_request};
	struct err e CLEAN_ERR = ERR_EMPTY;
	*w = (struct world){.sim = sim_create(1)};
	w->near = sim_loop(w->sim, "server");
	w->far = sim_loop(w->sim, "client");
	websocket_reader_init(&w->reader, false);
	w->server = http_server_create(&(struct http_server_config){.loop = w->near, .handler = &handler, .arg = w});
	REQUIRE(http_server_listen(w->server, "10.0.0.1:80", &e) == 0);
	ask(w, target, protocol);
}

static void world_finish(struct world *w)
{
	stream_close(w->stream);
	sim_run(w->sim, 100 * TIME_S);
	CHECK(!w->remote && !w->forward);
	for (size_t i = 0; i < w->pipe_count; i++) {
		duplex_close(w->pipes[i].duplex);
		buf_finish(&w->pipes[i].got);
	}
	for (size_t i = 0; i < CHANNELS; i++)
		buf_finish(&w->got[i]);
	http_server_destroy(w->server);
	sim_destroy(w->sim);
	websocket_reader_finish(&w->reader);
	buf_finish(&w->raw);
	buf_finish(&w->frames);
	buf_finish(&w->stdin_got);
}

static bool answer_has(struct world *w, const char *text)
{
	return str_contains(str_sub(buf_str(&w->raw), 0, w->head), str_of(text));
}

// ---- exec

TEST(older_protocols_tell_failures_as_text)
{
	static const struct {
		const char *protocol, *chosen, *out, *failure;
	} ways[] = {
		{"channel.k8s.io", "channel.k8s.io\r", "|one|", "command terminated with non-zero exit code: 3|"},
		{NULL, NULL, "|one|", "command terminated with non-zero exit code: 3|"},
		{"base64.channel.k8s.io", "base64.channel.k8s.io\r", "|b25l|",
		 "Y29tbWFuZCB0ZXJtaW5hdGVkIHdpdGggbm9uLXplcm8gZXhpdCBjb2RlOiAz|"},
		{"new, channel.k8s.io,v4.channel.k8s.io", "channel.k8s.io\r", "|one|",
		 "command terminated with non-zero exit code: 3|"},
	};
	for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
		struct world w;
		world_init(&w, "/exec", ways[i].protocol);
		CHECK(answer_has(&w, "HTTP/1.1 101 "));
		if (ways[i].chosen)
			CHECK(answer_has(&w, ways[i].chosen));
		else
			CHECK(!answer_has(&w, "Sec-WebSocket-Protocol"));
		remote_send(w.remote, REMOTE_STDOUT, STR("one"));
		remote_finish(w.remote, 3, NULL);
		w.remote = NULL;
		sim_run(w.sim, TIME_S);
		CHECK_STR(buf_str(&w.got[REMOTE_STDOUT]), ways[i].out);
		CHECK_STR(buf_str(&w.got[REMOTE_ERROR]), ways[i].failure);
		world_finish(&w);
	}
}

TEST(older_protocols_tell_nothing_of_success)
{
	struct world w;
	world_init(&w, "/exec", "channel.k8s.io");
	remote_finish(w.remote, 0, NULL);
	w.remote = NULL;
	sim_run(w.sim, TIME_S);
	CHECK_INT(w.got[REMOTE_ERROR].n, 0);
	CHECK_STR(buf_str(&w.frames), "b8");
	world_finish(&w);
}

TEST(v5_is_taken_wherever_it_stands)
{
	struct world w;
	world_init(&w, "/exec", "v4.channel.k8s.io, v5.channel.k8s.io");
	CHECK(answer_has(&w, "v5.channel.k8s.io\r"));
	send_frame(&w, WEBSOCKET_BINARY, (struct str){"\xff\0", 2});
	CHECK(w.stdin_ended);
	world_finish(&w);
}

TEST(text_or_binary_says_nothing)
{
	struct world w;
	world_init(&w, "/tty", "v4.channel.k8s.io");
	send_frame(&w, WEBSOCKET_TEXT, (struct str){"\0as text", 8});
	send_frame(&w, WEBSOCKET_BINARY, (struct str){"\0, as bytes", 11});
	send_frame(&w, WEBSOCKET_BINARY, (struct str){"\xff\0", 2}); // not before v5
	send_frame(&w, WEBSOCKET_TEXT, STR("\4{\"Width\":99,\"Height\":9}"));
	CHECK_STR(buf_str(&w.stdin_got), "as text, as bytes");
	CHECK(!w.stdin_ended);
	CHECK_INT(w.width, 99);
	world_finish(&w);
}

// However long, and however cut into frames.
TEST(base64_is_decoded_as_it_comes)
{
	struct world w;
	struct buf message CLEAN_BUF;
	enum { GROUPS = 100000 };
	buf_init(&message);
	world_init(&w, "/exec", "v4.base64.channel.k8s.io");
	BUF_LIT(&message, "0");
	for (int i = 0; i < GROUPS; i++)
		BUF_LIT(&message, "YWJj");
	send_frame(&w, WEBSOCKET_TEXT, buf_str(&message));
	CHECK_INT(w.stdin_got.n, 3 * GROUPS);
	buf_clear(&w.stdin_got);
	send_frame(&w, WEBSOCKET_TEXT, STR("0aGV\nsbG8="));
	CHECK_STR(buf_str(&w.stdin_got), "hello");
	send_frame(&w, WEBSOCKET_TEXT, STR("0aGVsbG8")); // not whole
	send_frame(&w, WEBSOCKET_TEXT, STR("0aGVsbG8=YWJj"));
	send_frame(&w, WEBSOCKET_TEXT, STR("0!!!!"));
	CHECK_STR(buf_str(&w.stdin_got), "hello");
	send_frame(&w, WEBSOCKET_TEXT, STR("0IQ=="));
	CHECK_STR(buf_str(&w.stdin_got), "hello!");
	world_finish(&w);
}

TEST(who_closes_is_answered)
{
	struct world w;
	world_init(&w, "/exec", "v4.channel.k8s.io");
	send_frame(&w, WEBSOCKET_CLOSE, STR("\3\350"));
	CHECK(w.gone);
	CHECK_STR(buf_str(&w.frames), "b8");
	world_finish(&w);
}

// ---- Patience

TEST(a_peer_that_takes_nothing_is_given_up)
{
	struct world w;
	world_init(&w, "/exec", "v4.channel.k8s.io");
	stream_read(w.stream, false);
	struct buf much CLEAN_BUF;
	buf_init(&much);
	for (int i = 0; i < 100000; i++)
		BUF_LIT(&much, "0123456789abcdef");
	remote_send(w.remote, REMOTE_STDOUT, buf_str(&much));
	sim_run(w.sim, 50 * TIME_S);
	CHECK(w.remote && remote_pending(w.remote) > 0);
	sim_run(w.sim, 50 * TIME_S);
	CHECK(!w.remote && w.gone);
	world_finish(&w);
}

TEST(what_was_sent_arrives_however_slow_the_peer)
{
	struct world w;
	world_init(&w, "/exec", "v4.channel.k8s.io");
	stream_read(w.stream, false);
	struct buf much CLEAN_BUF;
	buf_init(&much);
	for (int i = 0; i < 100000; i++)
		BUF_LIT(&much, "0123456789abcdef");
	remote_send(w.remote, REMOTE_STDOUT, buf_str(&much));
	remote_finish(w.remote, 0, NULL);
	w.remote = NULL;
	sim_run(w.sim, 30 * TIME_S);
	stream_read(w.stream, true);
	sim_run(w.sim, 30 * TIME_S);
	CHECK_INT(w.got[REMOTE_STDOUT].n, 1 + much.n + 1);
	CHECK(str_ends(buf_str(&w.frames), STR("b8")));
	world_finish(&w);
}

// ---- port-forward

TEST(ports_are_forwarded_over_channels)
{
	struct world w;
	world_init(&w, "/forward?port=80,82&x=y&port=4097", NULL);
	CHECK(answer_has(&w, "HTTP/1.1 101 "));
	CHECK_INT(w.pipe_count, 2);
	CHECK(str_eq(buf_str(&w.got[0]), (struct str){"P\0|", 3}) && str_eq(buf_str(&w.got[1]), (struct str){"P\0|", 3}));
	CHECK(str_eq(buf_str(&w.got[2]), (struct str){"R\0|", 3}));
	CHECK_STR(buf_str(&w.got[5]), "\1\20|odd|"); // the lower byte first, then why it is refused
	send_frame(&w, WEBSOCKET_BINARY, (struct str){"\0one", 4});
	send_frame(&w, WEBSOCKET_BINARY, STR("\2two"));
	send_frame(&w, WEBSOCKET_BINARY, STR("\1no"));
	send_frame(&w, WEBSOCKET_BINARY, STR("\4no"));
	send_frame(&w, WEBSOCKET_BINARY, STR("\77no"));
	CHECK_STR(buf_str(&w.pipes[0].got), "one");
	CHECK_STR(buf_str(&w.pipes[1].got), "two");
	duplex_write_str(w.pipes[1].duplex, STR("answer"));
	sim_run(w.sim, TIME_S);
	CHECK(str_eq(buf_str(&w.got[2]), (struct str){"R\0|answer|", 10}));
	world_finish(&w);
	CHECK(w.pipes[0].ended && w.pipes[1].ended);
}

TEST(ports_are_forwarded_in_base64)
{
	struct world w;
	world_init(&w, "/forward?port=80", "v4.base64.channel.k8s.io");
	CHECK(answer_has(&w, "v4.base64.channel.k8s.io\r"));
	CHECK_STR(buf_str(&w.got[0]), "UAA=|");
	send_frame(&w, WEBSOCKET_TEXT, STR("0aGVsbG8="));
	CHECK_STR(buf_str(&w.pipes[0].got), "hello");
	duplex_write_str(w.pipes[0].duplex, STR("hello"));
	sim_run(w.sim, TIME_S);
	CHECK_STR(buf_str(&w.got[0]), "UAA=|aGVsbG8=|");
	CHECK_STR(buf_str(&w.frames), "ttt");
	world_finish(&w);
}

TEST(a_forward_ends_with_its_last_port)
{
	struct world w;
	world_init(&w, "/forward?port=80&port=82", "v4.channel.k8s.io");
	duplex_close(w.pipes[0].duplex);
	w.pipes[0].duplex = NULL;
	sim_run(w.sim, TIME_S);
	CHECK(w.forward && !w.gone);
	duplex_shutdown(w.pipes[1].duplex); // it could still read
	sim_run(w.sim, 500 * TIME_MS);
	CHECK(w.forward && !w.pipes[1].ended);
	send_frame(&w, WEBSOCKET_BINARY, STR("\2late"));
	CHECK_STR(buf_str(&w.pipes[1].got), "late");
	sim_run(w.sim, TIME_S);
	CHECK(w.gone && w.pipes[1].ended);
	CHECK_STR(buf_str(&w.frames), "bbbb8");
	world_finish(&w);
}

TEST(all_ports_refused_is_an_end)
{
	struct world w;
	world_init(&w, "/forward?port=81", "v4.channel.k8s.io");
	CHECK(w.gone);
	CHECK_STR(buf_str(&w.frames), "bbb8");
	world_finish(&w);
}

TEST(a_forward_that_nobody_wants_any_more_is_given_up)
{
	struct world w;
	world_init(&w, "/forward?port=9", "v4.channel.k8s.io");
	CHECK(w.forward && w.waiting);
	send_frame(&w, WEBSOCKET_CLOSE, STR(""));
	CHECK(w.gave_up && w.gone && !w.forward);
	CHECK_STR(buf_str(&w.frames), "bb8");
	world_finish(&w);
}

#define TEN "1,1,1,1,1,1,1,1,1,1"

TEST(ports_must_be_named)
{
	static const char *const targets[] = {
		"/forward", "/forward?port=", "/forward?port=0", "/forward?port=65536", "/forward?port=80,", "/forward?port=a",
		("/forward?port=" TEN "," TEN "," TEN "," TEN),
	};
	for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
		struct world w;
		world_init(&w, targets[i], "v4.channel.k8s.io");
		CHECK(answer_has(&w, "HTTP/1.1 400 ") && !w.forward);
		world_finish(&w);
	}
}

// One port that takes nothing holds the client up, but only when much has come for it.
TEST(a_port_that_takes_nothing_stops_the_client)
{
	struct world w;
	world_init(&w, "/forward?port=80&port=82", "v4.channel.k8s.io");
	char block[20000] = {0};
	duplex_read(w.pipes[0].duplex, false);
	send_frame(&w, WEBSOCKET_BINARY, (struct str){block, sizeof block});
	send_frame(&w, WEBSOCKET_BINARY, STR("\2two"));
	CHECK_STR(buf_str(&w.pipes[1].got), "two");
	for (int i = 0; i < 10; i++)
		send_frame(&w, WEBSOCKET_BINARY, (struct str){block, sizeof block});
	send_frame(&w, WEBSOCKET_BINARY, STR("\2more"));
	CHECK_STR(buf_str(&w.pipes[1].got), "two");
	duplex_read(w.pipes[0].duplex, true);
	sim_run(w.sim, TIME_S);
	CHECK_INT(w.pipes[0].got.n, 11 * (sizeof block - 1));
	CHECK_STR(buf_str(&w.pipes[1].got), "twomore");
	world_finish(&w);
}
