// SPDX-License-Identifier: Apache-2.0
// Server and client over real streams on one loop.
#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/times.h"
#include "web.h"

static void run_basics(bool tls)
{
	struct world w;
	world_init(&w, tls);
	for (int i = 0; i < 3; i++) {
		world_fetch(&w, "POST", "/echo", STR("hello"));
		CHECK_INT(w.code, 200);
		CHECK_STR(buf_str(&w.body), "hello");
	}
	CHECK_INT(http_server_connections(w.server), 1); // kept
	world_fetch(&w, "GET", "/missing", STR_NONE);
	CHECK_INT(w.code, 404);
	world_fetch(&w, "GET", "/nothing", STR_NONE);
	CHECK(w.code == 204 && w.body.n == 0);
	world_fetch(&w, "HEAD", "/list", STR_NONE);
	CHECK(w.code == 200 && w.body.n == 0);
	world_fetch(&w, "GET", "/later", STR_NONE);
	CHECK_STR(buf_str(&w.body), "late");
	world_fetch(&w, "GET", "/who", STR_NONE);
	CHECK_STR(buf_str(&w.body), tls ? "admin" : "nobody");
	world_fetch(&w, "GET", "/cut", STR_NONE);
	CHECK(w.code == 0 && w.error.reason == ERR_UNAVAILABLE);
	world_fetch(&w, "POST", "/early", STR("a body that nobody reads"));
	CHECK_INT(w.code, 401);
	world_fetch(&w, "POST", "/echo", STR("again"));
	CHECK_STR(buf_str(&w.body), "again");
	world_finish(&w);
}

TEST(requests_are_answered) { run_basics(false); }
TEST(requests_are_answered_over_tls) { run_basics(true); }

static void run_large(bool tls)
{
	struct world w;
	world_init(&w, tls);
	world_fetch(&w, "GET", "/list", STR_NONE);
	CHECK_INT(w.body.n, WEB_LIST_COUNT * 1024);
	bool same = true;
	for (size_t i = 0; i < w.body.n; i++)
		same &= w.body.p[i] == (char)('a' + i / 1024 % 26);
	CHECK(same);
	world_fetch(&w, "GET", "/stream", STR_NONE);
	CHECK_INT(w.body.n, WEB_STREAMED);
	CHECK(w.drains > 10);
	struct buf big CLEAN_BUF;
	buf_init(&big);
	while (big.n < 1000000)
		buf_add_byte(&big, (char)big.n);
	world_fetch(&w, "POST", "/echo", buf_str(&big));
	CHECK(w.code == 200 && str_eq(buf_str(&w.body), buf_str(&big)));
	buf_add_byte(&big, 'x');
	world_fetch(&w, "POST", "/echo", buf_str(&big));
	CHECK_INT(w.code, 413);
	world_fetch(&w, "POST", "/pieces", buf_str(&big));
	CHECK_STR(buf_str(&w.body), "1000001");
	world_finish(&w);
}

TEST(large_bodies_pass) { run_large(false); }
TEST(large_bodies_pass_over_tls) { run_large(true); }

TEST(an_answer_amid_a_paused_body_leaves_the_connection_in_order)
{
	struct world w;
	char text[1000];
	world_init(&w, false);
	memset(text, 'x', sizeof text);
	world_fetch(&w, "POST", "/enough", (struct str){text, sizeof text});
	CHECK_STR(buf_str(&w.body), "enough\n");
	int64_t before_ns = loop_now(w.loop);
	world_fetch(&w, "GET", "/who", STR_NONE);
	CHECK_INT(w.code, 200);
	CHECK(loop_now(w.loop) - before_ns < 5 * TIME_S);
	world_finish(&w);
}

TEST(gzip_is_given_to_who_takes_it)
{
	struct world w;
	world_init(&w, false);
	struct http_header accept = {STR("Accept-Encoding"), STR("gzip")};
	struct http_call_request r = {.method = "GET", .target = STR("/list?gzip"), .headers = {&accept, 1}};
	http_fetch(w.client, &r, 100 * 1000 * 1000, world_on_response, &w);
	loop_real_run(w.loop);
	CHECK_STR(str_of(w.encoding), "gzip");
	CHECK(w.body.n > 1000 && w.body.n < 1000000);
	world_fetch(&w, "GET", "/list?gzip", STR_NONE);
	CHECK_INT(w.body.n, WEB_LIST_COUNT * 1024);
	world_finish(&w);
}

// ---- Going away

static void ignore_head(void *arg, const struct http_head *head)
{
	struct world *w = arg;
	w->code = head->code;
}

static void stop_at_body(void *arg, struct str piece)
{
	struct world *w = arg;
	buf_add(&w->body, piece);
	loop_real_stop(w->loop);
}

static void stop_at_end(void *arg, const struct err *e)
{
	struct world *w = arg;
	w->ends++;
	loop_real_stop(w->loop);
}

TEST(a_peer_that_goes_cancels_the_exchange)
{
	static const struct http_call_events events = {ignore_head, stop_at_body, stop_at_end, NULL};
	struct world w;
	world_init(&w, true);
	struct http_call_request r = {.method = "GET", .target = STR("/never")};
	struct http_call *call = http_call_start(w.client, &r, &events, &w);
	loop_real_run(w.loop);
	CHECK_STR(buf_str(&w.body), "first\n");
	http_call_cancel(call);
	loop_real_run(w.loop);
	CHECK_INT(w.cancels, 1);
	CHECK_INT(w.ends, 0);
	CHECK_INT(http_server_connections(w.server), 0);
	world_finish(&w);
}

TEST(destroying_the_server_ends_what_is_under_way)
{
	static const struct http_call_events events = {ignore_head, stop_at_body, stop_at_end, NULL};
	struct world w;
	world_init(&w, false);
	struct http_call_request r = {.method = "GET", .target = STR("/never")};
	http_call_start(w.client, &r, &events, &w);
	loop_real_run(w.loop);
	http_server_destroy(w.server);
	w.server = NULL;
	CHECK_INT(w.cancels, 1);
	for (int i = 0; i < 2 && w.ends == 0; i++) // on_cancel stops it, too
		loop_real_run(w.loop);
	CHECK_INT(w.ends, 1);
	world_finish(&w);
}

TEST(a_renewed_certificate_is_for_new_connections)
{
	struct world w, other;
	world_init(&w, true);
	world_init(&other, true);
	world_fetch(&w, "GET", "/who", STR_NONE);
	http_server_set_tls(w.server, other.server_tls);
	world_fetch(&w, "GET", "/who", STR_NONE); // on the kept connection
	CHECK_STR(buf_str(&w.body), "admin");
	struct http_call_request fresh = {.method = "GET", .target = STR("/who"), .fresh_connection = true};
	http_fetch(w.client, &fresh, 1000, world_on_response, &w);
	loop_real_run(w.loop);
	CHECK(w.code == 0 && w.error.reason == ERR_UNAVAILABLE); // of an authority that this client does not know
	http_client_set_tls(w.client, other.client_tls);
	http_fetch(w.client, &fresh, 1000, world_on_response, &w);
	loop_real_run(w.loop);
	CHECK_STR(buf_str(&w.body), "admin");
	world_finish(&other);
	world_finish(&w);
}

TEST(a_draining_server_finishes_what_it_has_begun)
{
	struct world w;
	world_init(&w, true);
	world_fetch(&w, "GET", "/nothing", STR_NONE); // kept
	struct http_call_request r = {.method = "GET", .target = STR("/later"), .fresh_connection = true};
	http_fetch(w.client, &r, 1000, world_on_response, &w);
	w.stop_at_late = true;
	loop_real_run(w.loop);
	CHECK_INT(http_server_connections(w.server), 2);
	http_server_drain(w.server);
	loop_real_run(w.loop);
	CHECK_STR(buf_str(&w.body), "late");
	world_fetch(&w, "GET", "/nothing", STR_NONE);
	CHECK(w.code == 0 && w.error.reason == ERR_UNAVAILABLE);
	world_finish(&w);
}

TEST(no_server_is_an_error)
{
	struct world w;
	world_init(&w, false);
	http_server_destroy(w.server);
	w.server = NULL;
	world_fetch(&w, "GET", "/x", STR_NONE);
	CHECK(w.error.reason == ERR_UNAVAILABLE);
	world_finish(&w);
}

// ---- Upgrade

static void on_shout(void *arg, struct str data, const struct err *e)
{
	struct world *w = arg;
	buf_add(&w->body, data);
	if (e || data.n == 0 || w->body.n == 11) {
		w->both_ended = data.n == 0;
		loop_real_stop(w->loop);
	}
}

static void on_upgrade(void *arg, const struct http_head *head, struct duplex *d)
{
	static const struct duplex_events events = {on_shout, NULL};
	struct world *w = arg;
	CHECK_STR(http_header(head->headers, "upgrade"), "shout");
	w->client_upgraded = d;
	duplex_start(d, &events, w);
	duplex_write_str(d, STR("hello "));
	duplex_write_str(d, STR("world"));
}

static void run_upgrade(bool tls)
{
	static const struct http_call_events events = {NULL, NULL, stop_at_end, on_upgrade};
	static const struct http_header headers[] = {{STR_INIT("Connection"), STR_INIT("Upgrade")},
						     {STR_INIT("Upgrade"), STR_INIT("shout")}};
	struct world w;
	world_init(&w, tls);
	struct http_call_request r = {.method = "GET", .target = STR("/upgrade"), .headers = {headers, 2}};
	http_call_start(w.client, &r, &events, &w);
	loop_real_run(w.loop);
	CHECK_STR(buf_str(&w.body), "HELLO WORLD");
	CHECK_INT(w.ends, 0);
	duplex_shutdown(w.client_upgraded);
	loop_real_run(w.loop);
	CHECK(w.both_ended && !w.upgraded);
	world_finish(&w);
}

TEST(connections_are_handed_over) { run_upgrade(false); }
TEST(connections_are_handed_over_with_tls) { run_upgrade(true); }

// ---- Raw bytes

struct raw {
	struct world *w;
	struct stream *stream;
	struct str text;
	struct buf answer;
	bool half_close;
};

static void on_raw_read(void *arg, struct str data, const struct err *e)
{
	struct raw *r = arg;
	buf_add(&r->answer, data);
	if (e || data.n == 0)
		loop_real_stop(r->w->loop);
}

static void on_raw_connect(void *arg, struct stream *s, const struct err *e)
{
	static const struct stream_events events = {on_raw_read, NULL};
	struct raw *r = arg;
	MUST(s);
	r->stream = s;
	stream_start(s, &events, r);
	stream_write(s, blob_create(r->text));
	if (r->half_close)
		stream_shutdown(s);
}

// Sends the text and gives all that comes until the server closes.
static void talk(struct world *w, struct raw *r, struct str text, bool half_close)
{
	*r = (struct raw){.w = w, .text = text, .half_close = half_close};
	net_connect(w->loop, w->address, on_raw_connect, r);
	loop_real_run(w->loop);
	stream_close(r->stream);
}

static size_t count(struct str text, const char *part)
{
	size_t n = 0;
	for (size_t i = 0; i + strlen(part) <= text.n; i++)
		n += memcmp(text.p + i, part, strlen(part)) == 0;
	return n;
}

TEST(pipelined_requests_are_answered_in_order)
{
	struct world w;
	struct raw r;
	world_init(&w, false);
	talk(&w, &r, STR("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\none"
			 "GET /later HTTP/1.1\r\nHost: a\r\n\r\n"
			 "POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nxxx"
			 "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
			 "3\r\nend\r\n0\r\n\r\n"), false);
	CHECK_INT(count(buf_str(&r.answer), "HTTP/1.1 200 OK"), 3);
	CHECK_INT(count(buf_str(&r.answer), "HTTP/1.1 401"), 1);
	CHECK(str_ends(buf_str(&r.answer), STR("end")));
	CHECK_INT(w.requests, 3);
	buf_finish(&r.answer);
	world_finish(&w);
}

TEST(half_closed_connections_get_their_answer)
{
	struct world w;
	struct raw r;
	world_init(&w, false);
	talk(&w, &r, STR("GET /list HTTP/1.1\r\nHost: a\r\n\r\n"), true);
	CHECK(r.answer.n > WEB_LIST_COUNT * 1024);
	buf_finish(&r.answer);
	world_finish(&w);
}

TEST(old_clients_are_served)
{
	struct world w;
	struct raw r;
	world_init(&w, false);
	talk(&w, &r, STR("GET /stream HTTP/1.0\r\n\r\n"), false);
	CHECK(r.answer.n > WEB_STREAMED && r.answer.n < WEB_STREAMED + 500);
	CHECK_INT(count(str_sub(buf_str(&r.answer), 0, 500), "chunked"), 0);
	buf_finish(&r.answer);
	world_finish(&w);
}

TEST(bad_requests_are_refused_and_closed)
{
	struct world w;
	struct raw r;
	world_init(&w, false);
	talk(&w, &r, STR("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"
			 "0\r\n\r\nGET /echo HTTP/1.1\r\nHost: a\r\n\r\n"), false);
	CHECK(str_starts(buf_str(&r.answer), STR("HTTP/1.1 400")));
	CHECK_INT(count(buf_str(&r.answer), "HTTP/1.1"), 1);
	CHECK_INT(w.requests, 0);
	buf_finish(&r.answer);
	talk(&w, &r, STR("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n"
			 "Expect: 100-continue\r\n\r\n"), false);
	CHECK(str_starts(buf_str(&r.answer), STR("HTTP/1.1 413")));
	buf_finish(&r.answer);
	talk(&w, &r, STR("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"), true);
	CHECK(str_starts(buf_str(&r.answer), STR("HTTP/1.1 100 Continue")));
	buf_finish(&r.answer);
	world_finish(&w);
}

TEST(tls_takes_no_plain_text)
{
	struct world w;
	struct raw r;
	world_init(&w, true);
	talk(&w, &r, STR("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), false);
	CHECK_INT(w.requests, 0);
	CHECK_INT(http_server_connections(w.server), 0);
	buf_finish(&r.answer);
	world_finish(&w);
}

// ---- peers that never come to an end

static void answer_without_end(void *arg, struct stream *s)
{
	struct buf many CLEAN_BUF;
	struct stream **kept = arg;
	buf_init(&many);
	for (int i = 0; i < 1000; i++)
		BUF_LIT(&many, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
	*kept = s;
	stream_write(s, blob_create(buf_str(&many)));
}

TEST(interim_answers_have_a_bound)
{
	struct world w;
	struct listener *l;
	struct stream *s = NULL;
	char address[64];
	world_init(&w, false);
	REQUIRE(net_listen(w.loop, "127.0.0.1:0", answer_without_end, &s, &l, NULL) == 0);
	snprintf(address, sizeof address, "127.0.0.1:%d", listener_port(l));
	http_client_destroy(w.client);
	w.client = http_client_create(&(struct http_client_config){.loop = w.loop, .address = address});
	world_fetch(&w, "GET", "/", STR_NONE);
	CHECK(str_contains(str_of(err_text(&w.error)), STR("too many interim answers")));
	stream_close(s);
	listener_close(l);
	world_finish(&w);
}

struct asker { // for ever new keys, reading no answer
	int port;
	bool cut;
	pthread_t thread;
};

static void *ask_for_keys(void *arg)
{
	enum { TIMES = 1000 * 1000 };
	struct asker *k = arg;
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)k->port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), room = 4096;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	SSL *ssl = SSL_new(context);
	bool good = connect(fd, (struct sockaddr *)&to, sizeof to) == 0 && SSL_set_fd(ssl, fd) == 1 && SSL_connect(ssl) == 1;
	for (int i = 0; good && i < TIMES && !k->cut; i++)
		k->cut = SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED) != 1 || SSL_do_handshake(ssl) != 1;
	SSL_free(ssl);
	SSL_CTX_free(context);
	close(fd);
	return NULL;
}

static void stop_loop(struct timer *t)
{
	loop_real_stop(t->loop);
}

TEST(who_asks_for_keys_without_reading_is_cut_off)
{
	struct world w;
	world_init(&w, true);
	struct asker k = {.port = http_server_port(w.server)};
	struct timer look = {.fire = stop_loop};
	REQUIRE(pthread_create(&k.thread, NULL, ask_for_keys, &k) == 0);
	while (pthread_tryjoin_np(k.thread, NULL) != 0) {
		timer_start(w.loop, &look, 20 * TIME_MS);
		loop_real_run(w.loop);
	}
	CHECK(k.cut);
	world_finish(&w);
}

// ---- a connection through another

struct relay {
	struct world *world;
	char backend_address[64];
	struct stream *client, *backend;
	struct duplex *near;
	struct timer rest; // of a client that reads slowly
	size_t came;
	bool ended;
};

enum { RELAYED = 8 << 20 };

static void on_relay_read(void *arg, struct str data, const struct err *e)
{
	struct relay *r = arg;
	r->came += data.n;
	r->ended = data.n == 0 && !e;
	stream_read(r->client, false);
	timer_start(r->world->loop, &r->rest, TIME_MS);
	if (data.n == 0)
		loop_real_stop(r->world->loop);
}

static void read_on(struct timer *t)
{
	stream_read(CONTAINER_OF(t, struct relay, rest)->client, true);
}

static void ignore_read(void *arg, struct str data, const struct err *e)
{
}

static void on_client(void *arg, struct stream *s, const struct err *e)
{
	static const struct stream_events events = {.on_read = on_relay_read};
	struct relay *r = arg;
	r->client = s;
	stream_start(s, &events, r);
	stream_shutdown(s);
}

static void on_far(void *arg, struct stream *s, const struct err *e)
{
	struct relay *r = arg;
	duplex_splice(r->near, duplex_of_stream(s));
}

static void on_near(void *arg, struct stream *s)
{
	struct relay *r = arg;
	r->near = duplex_of_stream(s);
	net_connect(r->world->loop, r->backend_address, on_far, r);
}

static void on_backend(void *arg, struct stream *s)
{
	static const struct stream_events events = {.on_read = ignore_read};
	struct relay *r = arg;
	struct blob *b = blob_create_raw(RELAYED);
	memset(b->p, 'b', b->n);
	r->backend = s;
	stream_start(s, &events, r);
	stream_write(s, b);
	stream_shutdown(s);
}

// What the one end said before it closed reaches the other, however slowly that takes it and whoever closed first.
TEST(a_relayed_connection_gives_all_it_got_before_it_closes)
{
	struct world w;
	world_init(&w, false);
	struct relay r = {.world = &w, .rest = {.fire = read_on}};
	struct listener *near, *far;
	char address[64];
	REQUIRE(net_listen(w.loop, "127.0.0.1:0", on_near, &r, &near, NULL) == 0);
	REQUIRE(net_listen(w.loop, "127.0.0.1:0", on_backend, &r, &far, NULL) == 0);
	snprintf(address, sizeof address, "127.0.0.1:%d", listener_port(near));
	snprintf(r.backend_address, sizeof r.backend_address, "127.0.0.1:%d", listener_port(far));
	net_connect(w.loop, address, on_client, &r);
	loop_real_run(w.loop);
	CHECK_INT(r.came, RELAYED);
	CHECK(r.ended);
	timer_stop(&r.rest);
	stream_close(r.client);
	stream_close(r.backend);
	listener_close(near);
	listener_close(far);
	world_finish(&w);
}
