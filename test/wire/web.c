// SPDX-License-Identifier: Apache-2.0
#include "web.h"

#include "base/times.h"
#include "wire/x509.h"

static void stop_late(struct timer *t)
{
	struct world *w = CONTAINER_OF(t, struct world, limit);
	unit_fail(__FILE__, __LINE__, "nothing happened for a minute");
	loop_real_stop(w->loop);
}

// ---- The handler

static void stream_on(struct world *w, struct http_exchange *x)
{
	while (w->to_stream && http_reply_pending(x) <= DUPLEX_HIGH) {
		struct blob *b = blob_create_raw(w->to_stream < WEB_PIECE ? w->to_stream : WEB_PIECE);
		memset(b->p, 's', b->n);
		w->to_stream -= b->n;
		http_reply_write(x, b);
	}
	CHECK(http_reply_pending(x) < DUPLEX_HIGH + 2 * WEB_PIECE);
	if (w->to_stream == 0)
		http_reply_end(x);
}

static void answer_later(struct timer *t)
{
	struct world *w = CONTAINER_OF(t, struct world, later);
	while (w->late_count)
		http_reply_str(w->late[--w->late_count], 200, "text/plain", STR("late"));
}

static const struct duplex_events upgraded_events;

static void answer_list(struct http_exchange *x, bool gzip)
{
	struct blob **list = ARENA_ARRAY(&x->arena, struct blob *, WEB_LIST_COUNT);
	for (int i = 0; i < WEB_LIST_COUNT; i++) {
		list[i] = blob_create_raw(1024);
		memset(list[i]->p, 'a' + i % 26, 1024);
	}
	struct http_reply r = {.code = 200, .content_type = "application/json", .gzip = gzip};
	http_reply(x, &r, list, WEB_LIST_COUNT);
}

static void on_request(void *arg, struct http_exchange *x)
{
	struct world *w = arg;
	w->requests++;
	if (str_is(x->path, "/echo")) {
		http_reply_str(x, 200, "text/plain", x->body);
	} else if (str_is(x->path, "/who")) {
		bool known = x->peer && x->peer->verified;
		http_reply_str(x, 200, "text/plain", known ? x->peer->common_name : STR("nobody"));
	} else if (str_is(x->path, "/list")) {
		answer_list(x, str_is(x->query, "gzip"));
	} else if (str_is(x->path, "/later")) {
		MUST(w->late_count < ARRAY_LEN(w->late));
		w->late[w->late_count++] = x;
		w->later.fire = answer_later;
		timer_start(w->loop, &w->later, 20 * TIME_MS);
		if (w->stop_at_late)
			loop_real_stop(w->loop);
	} else if (str_is(x->path, "/never")) {
		w->held = x;
		http_reply_begin(x, &(struct http_reply){.code = 200, .content_type = "text/plain"});
		http_reply_write(x, blob_create(STR("first\n")));
	} else if (str_is(x->path, "/stream")) {
		w->to_stream = WEB_STREAMED;
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
	} else if (str_is(x->path, "/enough")) {
		; // on_body answers
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
	bool pieces = str_is(x->path, "/pieces") || str_is(x->path, "/enough");
	return pieces ? HTTP_TAKE_PIECES : HTTP_TAKE_WHOLE;
}

static void on_body(void *arg, struct http_exchange *x, struct str piece, bool last)
{
	struct world *w = arg;
	if (str_is(x->path, "/enough")) { // of it: no more is to be read, and the answer is this
		http_body_read(x, false);
		http_reply_str(x, 200, "text/plain", STR("enough\n"));
		return;
	}
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
	struct tls_config s = {buf_str(&server.certificate), buf_str(&server.key), ca, false, true};
	struct tls_config c = {buf_str(&client.certificate), buf_str(&client.key), ca, false, false};
	w->server_tls = tls_context_server(&s, &e);
	w->client_tls = tls_context_client(&c, &e);
	REQUIRE(w->server_tls && w->client_tls);
	x509_pair_finish(&authority);
	x509_pair_finish(&server);
	x509_pair_finish(&client);
}

void world_init(struct world *w, bool tls)
{
	struct err e CLEAN_ERR = ERR_EMPTY;
	*w = (struct world){.loop = loop_real_create()};
	if (tls)
		make_tls(w);
	w->server = http_server_create(&(struct http_server_config){
		.loop = w->loop, .handler = &handler, .arg = w, .tls = w->server_tls, .body_max = WEB_BODY_MAX});
	REQUIRE(http_server_listen(w->server, "127.0.0.1:0", &e) == 0);
	snprintf(w->address, sizeof w->address, "127.0.0.1:%d", http_server_port(w->server));
	w->client = http_client_create(&(struct http_client_config){
		.loop = w->loop, .address = w->address, .server_name = "127.0.0.1", .tls = w->client_tls});
	w->limit.fire = stop_late;
	timer_start(w->loop, &w->limit, 60 * TIME_S);
}

void world_finish(struct world *w)
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

void world_on_response(void *arg, const struct http_response *r)
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

void world_fetch(struct world *w, const char *method, const char *target, struct str body)
{
	struct http_call_request r = {.method = method, .target = str_of(target), .body = body};
	http_fetch(w->client, &r, 100 * 1000 * 1000, world_on_response, w);
	loop_real_run(w->loop);
}
