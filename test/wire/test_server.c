// SPDX-License-Identifier: Apache-2.0
// Server and client over real streams on one loop.
#include <stdlib.h>

#include "base/times.h"
#include "sys/real.h"
#include "unit.h"
#include "wire/client.h"
#include "wire/server.h"
#include "wire/x509.h"

struct world {
	struct loop *loop;
	struct http_server *server;
	struct http_client *client;
	struct tls_context *server_tls, *client_tls;
	char address[64];
	struct timer limit;

	// what the handler saw and keeps
	struct http_exchange *held;
	struct duplex *upgraded;
	struct buf pieces;
	unsigned requests, cancels, drains;
	size_t to_stream; // bytes that /stream still owes
	struct timer later;

	// what the client saw
	unsigned ends;
	int code;
	struct buf body;
	struct err error;
	char encoding[16];
	struct duplex *client_upgraded;
	bool both_ended;
};

static void stop_late(struct timer *t)
{
	struct world *w = CONTAINER_OF(t, struct world, limit);
	unit_fail(__FILE__, __LINE__, "nothing happened for 10 s");
	loop_real_stop(w->loop);
}

// ---- The handler

enum { PIECE = 50000, STREAMED = 20 * 1000 * 1000, LIST_COUNT = 10000 };

static void stream_on(struct world *w, struct http_exchange *x)
{
	while (w->to_stream && http_reply_pending(x) <= DUPLEX_HIGH) {
		struct blob *b = blob_create_raw(w->to_stream < PIECE ? w->to_stream : PIECE);
		memset(b->p, 's', b->n);
		w->to_stream -= b->n;
		http_reply_write(x, b);
	}
	CHECK(http_reply_pending(x) < DUPLEX_HIGH + 2 * PIECE);
	if (w->to_stream == 0)
		http_reply_end(x);
}

static void answer_later(struct timer *t)
{
	struct world *w = CONTAINER_OF(t, struct world, later);
	struct http_exchange *x = w->held;
	w->held = NULL;
	http_reply_str(x, 200, "text/plain", STR("late"));
}

static const struct duplex_events upgraded_events;

static void answer_list(struct http_exchange *x, bool gzip)
{
	struct blob **list = ARENA_ARRAY(&x->arena, struct blob *, LIST_COUNT);
	for (int i = 0; i < LIST_COUNT; i++) {
		list[i] = blob_create_raw(1024);
		memset(list[i]->p, 'a' + i % 26, 1024);
	}
	http_reply(x, &(struct http_reply){.code = 200, .content_type = "application/json", .gzip = gzip}, list, LIST_COUNT);
}

static void on_request(void *arg, struct http_exchange *x)
{
	struct world *w = arg;
	w->requests++;
	if (str_is(x->path, "/echo")) {
		http_reply_str(x, 200, "text/plain", x->body);
	} else if (str_is(x->path, "/who")) {
		http_reply_str(x, 200, "text/plain", x->peer && x->peer->verified ? x->peer->common_name : STR("nobody"));
	} else if (str_is(x->path, "/list")) {
		answer_list(x, str_is(x->query, "gzip"));
	} else if (str_is(x->path, "/later")) {
		w->held = x;
		w->later.fire = answer_later;
		timer_start(w->loop, &w->later, 20 * TIME_MS);
	} else if (str_is(x->path, "/never")) {
		w->held = x;
		http_reply_begin(x, &(struct http_reply){.code = 200, .content_type = "text/plain"});
		http_reply_write(x, blob_create(STR("first\n")));
	} else if (str_is(x->path, "/stream")) {
		w->to_stream = STREAMED;
		http_reply_begin(x, &(struct http_reply){.code = 200});
		stream_on(w, x);
	} else if (str_is(x->path, "/nothing")) {
		http_reply(x, &(struct http_reply){.code = 204}, NULL, 0);
	} else if (str_is(x->path, "/cut")) {
		http_reply_begin(x, &(struct http_reply){.code = 200});
		http_reply_write(x, blob_create(STR("half")));
		http_abort(x);
	} else if (str_is(x->path, "/upgrade")) {
		struct http_header upgrade = {STR("Upgrade"), STR("shout")};
		w->upgraded = http_upgrade(x, (struct http_headers){&upgrade, 1});
		if (w->upgraded)
			duplex_start(w->upgraded, &upgraded_events, w);
	} else if (str_is(x->path, "/pieces")) {
		w->held = x;
	} else {
		http_reply_str(x, 404, "text/plain", STR("no such page\n"));
	}
}

static enum http_take on_head(void *arg, struct http_exchange *x)
{
	if (str_is(x->path, "/early")) {
		http_reply_str(x, 401, "text/plain", STR("who are you?\n"));
		return HTTP_TAKE_WHOLE;
	}
	return str_is(x->path, "/pieces") ? HTTP_TAKE_PIECES : HTTP_TAKE_WHOLE;
}

static void on_body(void *arg, struct http_exchange *x, struct str piece, bool last)
{
	struct world *w = arg;
	buf_add(&w->pieces, piece);
	if (last) {
		char text[32];
		snprintf(text, sizeof text, "%zu", w->pieces.n);
		w->held = NULL;
		http_reply_str(x, 200, "text/plain", str_of(text));
	}
}

static void on_reply_drain(void *arg, struct http_exchange *x)
{
	struct world *w = arg;
	w->drains++;
	stream_on(w, x);
}

static void on_cancel(void *arg, struct http_exchange *x)
{
	struct world *w = arg;
	w->cancels++;
	CHECK(http_cancelled(x));
	if (w->held == x) {
		w->held = NULL;
		timer_stop(&w->later);
		http_abort(x);
	}
	loop_real_stop(w->loop);
}

static const struct http_handler handler = {on_head, on_request, on_body, on_reply_drain, on_cancel};

// Answers in capitals until the peer ends its direction.
static void on_upgraded_read(void *arg, struct str data, const struct err *e)
{
	struct world *w = arg;
	if (e || data.n == 0) {
		duplex_close(w->upgraded);
		w->upgraded = NULL;
		return;
	}
	struct blob *b = blob_create(data);
	for (size_t i = 0; i < b->n; i++)
		b->p[i] = b->p[i] >= 'a' && b->p[i] <= 'z' ? (char)(b->p[i] - 32) : b->p[i];
	duplex_write(w->upgraded, b);
}

static const struct duplex_events upgraded_events = {on_upgraded_read, NULL};

// ---- The world

static void make_tls(struct world *w)
{
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct x509_pair authority, server, client;
	struct str name = STR("127.0.0.1"), group = STR("system:masters");
	int64_t from = loop_wall(w->loop) - TIME_S, to = from + 3600 * TIME_S;
	struct x509_request for_server = {.common_name = STR("server"), .names = &name, .name_count = 1,
					  .uses = X509_USE_SERVER, .not_before_ns = from, .not_after_ns = to};
	struct x509_request for_client = {.common_name = STR("admin"), .organizations = &group, .organization_count = 1,
					  .uses = X509_USE_CLIENT, .not_before_ns = from, .not_after_ns = to};
	REQUIRE(x509_make_authority(STR("ca"), from, to, &authority, &e) == 0);
	struct str ca = buf_str(&authority.certificate), ca_key = buf_str(&authority.key);
	REQUIRE(x509_issue(ca, ca_key, &for_server, &server, &e) == 0);
	REQUIRE(x509_issue(ca, ca_key, &for_client, &client, &e) == 0);
	struct tls_config s = {buf_str(&server.certificate), buf_str(&server.key), ca, false, false};
	struct tls_config c = {buf_str(&client.certificate), buf_str(&client.key), ca, false, false};
	w->server_tls = tls_context_server(&s, &e);
	w->client_tls = tls_context_client(&c, &e);
	REQUIRE(w->server_tls && w->client_tls);
	x509_pair_finish(&authority);
	x509_pair_finish(&server);
	x509_pair_finish(&client);
}

static void world_init(struct world *w, bool tls)
{
	struct err e CLEAN_ERR = ERR_EMPTY;
	*w = (struct world){.loop = loop_real_create()};
	if (tls)
		make_tls(w);
	w->server = http_server_create(&(struct http_server_config){
		.loop = w->loop, .handler = &handler, .arg = w, .tls = w->server_tls, .body_max = 1000000});
	REQUIRE(http_server_listen(w->server, "127.0.0.1:0", &e) == 0);
	snprintf(w->address, sizeof w->address, "127.0.0.1:%d", http_server_port(w->server));
	w->client = http_client_create(&(struct http_client_config){
		.loop = w->loop, .address = w->address, .server_name = "127.0.0.1", .tls = w->client_tls});
	w->limit.fire = stop_late;
	timer_start(w->loop, &w->limit, 10 * TIME_S);
}

static void world_finish(struct world *w)
{
	timer_stop(&w->limit);
	timer_stop(&w->later);
	http_client_destroy(w->client);
	duplex_close(w->client_upgraded);
	duplex_close(w->upgraded);
	http_server_destroy(w->server);
	tls_context_unref(w->server_tls);
	tls_context_unref(w->client_tls);
	loop_real_destroy(w->loop);
	buf_finish(&w->body);
	buf_finish(&w->pieces);
	err_clear(&w->error);
}

static void on_response(void *arg, const struct http_response *r)
{
	struct world *w = arg;
	w->ends++;
	w->code = r->head ? r->head->code : 0;
	if (r->head)
		str_to_c(http_header(r->head->headers, "content-encoding"), w->encoding, sizeof w->encoding);
	buf_clear(&w->body);
	buf_add(&w->body, r->body);
	err_clear(&w->error);
	if (r->e)
		err_set(&w->error, r->e->reason, "%s", err_text(r->e));
	loop_real_stop(w->loop);
}

static void fetch(struct world *w, const char *method, const char *target, struct str body)
{
	struct http_call_request r = {.method = method, .target = str_of(target), .body = body};
	http_fetch(w->client, &r, 100 * 1000 * 1000, on_response, w);
	loop_real_run(w->loop);
}

static void run_basics(bool tls)
{
	struct world w;
	world_init(&w, tls);
	for (int i = 0; i < 3; i++) {
		fetch(&w, "POST", "/echo", STR("hello"));
		CHECK_INT(w.code, 200);
		CHECK_STR(buf_str(&w.body), "hello");
	}
	CHECK_INT(http_server_connections(w.server), 1); // kept
	fetch(&w, "GET", "/missing", STR_NONE);
	CHECK_INT(w.code, 404);
	fetch(&w, "GET", "/nothing", STR_NONE);
	CHECK(w.code == 204 && w.body.n == 0);
	fetch(&w, "HEAD", "/list", STR_NONE);
	CHECK(w.code == 200 && w.body.n == 0);
	fetch(&w, "GET", "/later", STR_NONE);
	CHECK_STR(buf_str(&w.body), "late");
	fetch(&w, "GET", "/who", STR_NONE);
	CHECK_STR(buf_str(&w.body), tls ? "admin" : "nobody");
	fetch(&w, "GET", "/cut", STR_NONE);
	CHECK(w.code == 0 && w.error.reason == ERR_UNAVAILABLE);
	fetch(&w, "POST", "/early", STR("a body that nobody reads"));
	CHECK_INT(w.code, 401);
	fetch(&w, "POST", "/echo", STR("again"));
	CHECK_STR(buf_str(&w.body), "again");
	world_finish(&w);
}

TEST(requests_are_answered) { run_basics(false); }
TEST(requests_are_answered_over_tls) { run_basics(true); }

static void run_large(bool tls)
{
	struct world w;
	world_init(&w, tls);
	fetch(&w, "GET", "/list", STR_NONE);
	CHECK_INT(w.body.n, LIST_COUNT * 1024);
	bool same = true;
	for (size_t i = 0; i < w.body.n; i++)
		same &= w.body.p[i] == (char)('a' + i / 1024 % 26);
	CHECK(same);
	fetch(&w, "GET", "/stream", STR_NONE);
	CHECK_INT(w.body.n, STREAMED);
	CHECK(w.drains > 10);
	struct buf big CLEAN_BUF;
	buf_init(&big);
	while (big.n < 1000000)
		buf_add_byte(&big, (char)big.n);
	fetch(&w, "POST", "/echo", buf_str(&big));
	CHECK(w.code == 200 && str_eq(buf_str(&w.body), buf_str(&big)));
	buf_add_byte(&big, 'x');
	fetch(&w, "POST", "/echo", buf_str(&big));
	CHECK_INT(w.code, 413);
	fetch(&w, "POST", "/pieces", buf_str(&big));
	CHECK_STR(buf_str(&w.body), "1000001");
	world_finish(&w);
}

TEST(large_bodies_pass) { run_large(false); }
TEST(large_bodies_pass_over_tls) { run_large(true); }

TEST(gzip_is_given_to_who_takes_it)
{
	struct world w;
	world_init(&w, false);
	struct http_header accept = {STR("Accept-Encoding"), STR("gzip")};
	struct http_call_request r = {.method = "GET", .target = STR("/list?gzip"), .headers = {&accept, 1}};
	http_fetch(w.client, &r, 100 * 1000 * 1000, on_response, &w);
	loop_real_run(w.loop);
	CHECK_STR(str_of(w.encoding), "gzip");
	CHECK(w.body.n > 1000 && w.body.n < 1000000);
	fetch(&w, "GET", "/list?gzip", STR_NONE);
	CHECK_INT(w.body.n, LIST_COUNT * 1024);
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

TEST(no_server_is_an_error)
{
	struct world w;
	world_init(&w, false);
	http_server_destroy(w.server);
	w.server = NULL;
	fetch(&w, "GET", "/x", STR_NONE);
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
	CHECK(r.answer.n > LIST_COUNT * 1024);
	buf_finish(&r.answer);
	world_finish(&w);
}

TEST(old_clients_are_served)
{
	struct world w;
	struct raw r;
	world_init(&w, false);
	talk(&w, &r, STR("GET /stream HTTP/1.0\r\n\r\n"), false);
	CHECK(r.answer.n > STREAMED && r.answer.n < STREAMED + 500);
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
	talk(&w, &r, STR("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\nExpect: 100-continue\r\n\r\n"), false);
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
