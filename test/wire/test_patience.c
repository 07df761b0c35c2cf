// SPDX-License-Identifier: Apache-2.0
// Peers that are slow, silent or gone, in virtual time.
#include "base/times.h"
#include "sys/sim.h"
#include "unit.h"
#include "wire/client.h"
#include "wire/remote.h"

struct world {
	struct sim *sim;
	struct loop *near, *far; // the server's, the client's
	struct http_server *server;
	struct http_client *client;
	struct remote *remote;
	struct http_exchange *held;
	unsigned requests, cancels, ends;

	struct stream *stream; // a client by hand
	struct buf answer;
	bool closed;
	int64_t closed_ns;

	int code;
	enum err_reason reason;
	int64_t done_ns;
};

static void on_remote_end(void *arg)
{
	struct world *w = arg;
	w->ends++;
	remote_destroy(w->remote);
	w->remote = NULL;
}

static void on_request(void *arg, struct http_exchange *x)
{
	static const struct remote_events events = {.on_end = on_remote_end};
	struct world *w = arg;
	w->requests++;
	if (str_is(x->path, "/hold")) {
		w->held = x;
	} else if (str_is(x->path, "/exec")) {
		w->remote = remote_accept(x, &(struct remote_wanted){.out = true}, &events, w);
	} else if (str_is(x->path, "/much")) {
		struct blob *b = blob_create_raw(8 << 20);
		memset(b->p, 'm', b->n);
		http_reply(x, &(struct http_reply){.code = 200}, &b, 1);
	} else {
		http_reply_str(x, 200, "text/plain", STR("ok"));
	}
}

static void on_cancel(void *arg, struct http_exchange *x)
{
	struct world *w = arg;
	w->cancels++;
	w->held = NULL;
	http_abort(x);
}

static const struct http_handler handler = {.on_request = on_request, .on_cancel = on_cancel};

static void world_init(struct world *w, uint64_t seed)
{
	struct err e CLEAN_ERR = ERR_EMPTY;
	*w = (struct world){.sim = sim_create(seed)};
	w->near = sim_loop(w->sim, "server");
	w->far = sim_loop(w->sim, "client");
	w->server = http_server_create(&(struct http_server_config){.loop = w->near, .handler = &handler, .arg = w});
	REQUIRE(http_server_listen(w->server, "10.0.0.1:80", &e) == 0);
	w->client = http_client_create(&(struct http_client_config){.loop = w->far, .address = "10.0.0.1:80"});
}

static void world_finish(struct world *w)
{
	stream_close(w->stream);
	http_client_destroy(w->client);
	sim_run(w->sim, TIME_S);
	remote_destroy(w->remote);
	http_server_destroy(w->server);
	sim_run(w->sim, 10 * TIME_S);
	sim_destroy(w->sim);
	buf_finish(&w->answer);
}

// ---- By hand

static void on_read(void *arg, struct str data, const struct err *e)
{
	struct world *w = arg;
	buf_add(&w->answer, data);
	if (data.n == 0) {
		w->closed = true;
		w->closed_ns = sim_now(w->sim);
	}
}

static void on_connect(void *arg, struct stream *s, const struct err *e)
{
	static const struct stream_events events = {on_read, NULL};
	struct world *w = arg;
	MUST(s);
	w->stream = s;
	stream_start(s, &events, w);
}

static void connect_by_hand(struct world *w)
{
	net_connect(w->far, "10.0.0.1:80", on_connect, w);
	sim_run(w->sim, TIME_S);
	REQUIRE(w->stream);
}

static void say(struct world *w, const char *text)
{
	stream_write(w->stream, blob_create(str_of(text)));
}

static void check_closed_after(struct world *w, int64_t seconds, const char *answer)
{
	sim_run(w->sim, (seconds - 2) * TIME_S);
	CHECK(!w->closed);
	sim_run(w->sim, 4 * TIME_S);
	CHECK(w->closed);
	CHECK(str_starts(buf_str(&w->answer), str_of(answer)));
}

TEST(silent_connections_are_closed)
{
	struct world w;
	world_init(&w, 1);
	connect_by_hand(&w);
	check_closed_after(&w, 179, "");
	CHECK_INT(http_server_connections(w.server), 0);
	world_finish(&w);
}

TEST(idle_connections_are_closed)
{
	struct world w;
	world_init(&w, 2);
	connect_by_hand(&w);
	sim_run(w.sim, 100 * TIME_S);
	say(&w, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
	check_closed_after(&w, 180, "HTTP/1.1 200 OK\r\n");
	world_finish(&w);
}

TEST(slow_heads_are_refused)
{
	struct world w;
	world_init(&w, 3);
	connect_by_hand(&w);
	for (int i = 0; i < 25; i++) {
		say(&w, i ? "x" : "GET /");
		sim_run(w.sim, TIME_S);
	}
	check_closed_after(&w, 5, "HTTP/1.1 408 ");
	CHECK_INT(w.requests, 0);
	world_finish(&w);
}

TEST(bodies_that_stop_are_refused)
{
	struct world w;
	world_init(&w, 4);
	connect_by_hand(&w);
	say(&w, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n");
	for (int i = 0; i < 10; i++) {
		sim_run(w.sim, 20 * TIME_S);
		say(&w, "x");
	}
	check_closed_after(&w, 60, "HTTP/1.1 408 ");
	CHECK_INT(w.requests, 0);
	world_finish(&w);
}

TEST(handlers_may_take_their_time)
{
	struct world w;
	world_init(&w, 5);
	connect_by_hand(&w);
	say(&w, "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
	sim_run(w.sim, 10000 * TIME_S);
	CHECK(!w.closed && w.held && w.cancels == 0);
	http_reply_str(w.held, 200, "text/plain", STR("at last"));
	sim_run(w.sim, TIME_S);
	CHECK(str_ends(buf_str(&w.answer), STR("at last")));
	world_finish(&w);
}

TEST(a_peer_that_vanishes_while_it_is_answered_is_given_up)
{
	struct world w;
	world_init(&w, 6);
	connect_by_hand(&w);
	say(&w, "GET /much HTTP/1.1\r\nHost: a\r\n\r\n");
	sim_isolate(w.far, false);
	sim_run(w.sim, 100 * TIME_MS);
	CHECK_INT(http_server_connections(w.server), 1);
	sim_isolate(w.far, true);
	sim_run(w.sim, 400 * TIME_S);
	CHECK_INT(http_server_connections(w.server), 0);
	sim_isolate(w.far, false);
	world_finish(&w);
}

TEST(exec_streams_must_be_opened_in_time)
{
	struct world w;
	world_init(&w, 7);
	connect_by_hand(&w);
	say(&w, "GET /exec HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"
		"X-Stream-Protocol-Version: v4.channel.k8s.io\r\n\r\n");
	sim_run(w.sim, 28 * TIME_S);
	CHECK(w.remote && w.ends == 0 && str_starts(buf_str(&w.answer), STR("HTTP/1.1 101 ")));
	sim_run(w.sim, 4 * TIME_S);
	CHECK(!w.remote && w.ends == 1 && w.closed);
	world_finish(&w);
}

// ---- By the client

static void on_response(void *arg, const struct http_response *r)
{
	struct world *w = arg;
	w->code = r->head ? r->head->code : 0;
	w->reason = r->e ? r->e->reason : ERR_NONE;
	w->done_ns = sim_now(w->sim);
}

static int64_t fetch(struct world *w, const char *target)
{
	int64_t start = sim_now(w->sim);
	struct http_call_request r = {.method = "GET", .target = str_of(target)};
	w->done_ns = 0;
	http_fetch(w->client, &r, 1000, on_response, w);
	sim_run(w->sim, 200 * TIME_S);
	CHECK(w->done_ns > 0);
	return (w->done_ns - start) / TIME_S;
}

TEST(the_client_gives_up_in_time)
{
	struct world w;
	world_init(&w, 8);
	CHECK_INT(fetch(&w, "/"), 0);
	CHECK_INT(w.code, 200);
	CHECK_INT(fetch(&w, "/hold"), 60);
	CHECK(w.code == 0 && w.reason == ERR_TIMEOUT && w.cancels == 1);
	sim_isolate(w.far, true);
	int64_t took = fetch(&w, "/");
	CHECK(took >= 9 && took <= 60);
	CHECK(w.code == 0 && w.reason != ERR_NONE);
	sim_isolate(w.far, false);
	CHECK_INT(fetch(&w, "/"), 0);
	CHECK_INT(w.code, 200);
	world_finish(&w);
}

TEST(a_call_on_a_kept_connection_that_is_just_closing_is_repeated)
{
	struct world w;
	struct err e CLEAN_ERR = ERR_EMPTY;
	world_init(&w, 9);
	struct http_call_request get = {.method = "GET", .target = STR("/")};
	struct http_call_request post = {.method = "POST", .target = STR("/")};
	struct http_server_config again = {.loop = w.near, .handler = &handler, .arg = &w};
	for (int round = 0; round < 2; round++) {
		http_fetch(w.client, &get, 1000, on_response, &w);
		sim_run(w.sim, TIME_S);
		CHECK_INT(w.code, 200);
		http_fetch(w.client, round ? &post : &get, 1000, on_response, &w);
		sim_run(w.sim, 1000); // sent, not there yet
		http_server_destroy(w.server);
		w.server = http_server_create(&again);
		REQUIRE(http_server_listen(w.server, "10.0.0.1:80", &e) == 0);
		sim_run(w.sim, TIME_S);
		CHECK_INT(w.code, round ? 0 : 200); // who knows what a POST has done
	}
	world_finish(&w);
}

static uint64_t digest_of(uint64_t seed)
{
	struct world w;
	world_init(&w, seed);
	sim_set_faults(w.sim, &(struct sim_faults){.message_delay_min_ns = 1000, .message_delay_max_ns = 1000000,
						   .stream_broken = 20, .connect_refused = 100});
	struct http_call_request r = {.method = "GET", .target = STR("/")};
	for (int i = 0; i < 100; i++) {
		http_fetch(w.client, &r, 1000, on_response, &w);
		sim_run(w.sim, (int64_t)sim_random_below(w.sim, 2 * TIME_MS));
	}
	sim_run(w.sim, 100 * TIME_S);
	uint64_t digest = sim_digest(w.sim);
	world_finish(&w);
	return digest;
}

TEST(the_same_seed_gives_the_same_traffic)
{
	CHECK(digest_of(10) == digest_of(10));
	CHECK(digest_of(10) != digest_of(11));
}
