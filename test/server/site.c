// SPDX-License-Identifier: Apache-2.0
#include "site.h"

#include "base/times.h"

void site_run_until(struct site *s, const bool *done)
{
	for (int i = 0; i < 2000000 && !*done && sim_step(s->sim); i++)
		;
	REQUIRE(*done);
}

static void on_ready(void *arg, const struct err *e)
{
	if (e)
		unit_fail(__FILE__, __LINE__, "%s", err_text(e));
	*(bool *)arg = true;
}

static void on_stopped(void *arg)
{
	*(bool *)arg = true;
}

void site_init(struct site *s, unsigned writes_max)
{
	site_init_lasting(s, writes_max, 0);
}

void site_init_lasting(struct site *s, unsigned writes_max, int64_t certificate_life_ns)
{
	struct err e CLEAN_ERR = ERR_EMPTY;
	*s = (struct site){.sim = sim_create(1)};
	arena_init(&s->arena);
	s->loop = sim_loop(s->sim, "server");
	s->cluster = store_cluster_create();
	s->store = store_sim_open(s->cluster, s->loop);
	REQUIRE(dir_make(s->loop, "/data", 0700, &e) == 0);
	REQUIRE(file_write(s->loop, "/data/tokens", STR("secret,ann,7,devs\nroot,admin,1,system:masters\n"), 0600,
			   &e) == 0);
	struct server_config c = {.core = s->loop,
				  .io = &s->loop,
				  .io_count = 1,
				  .store = s->store,
				  .data_dir = "/data",
				  .listen = "127.0.0.1:6443",
				  .node = "edge",
				  .token_file = "/data/tokens",
				  .writes_max = writes_max,
				  .certificate_life_ns = certificate_life_ns};
	s->server = server_create(&c, &e);
	REQUIRE(s->server != NULL);
	server_start(s->server, on_ready, &s->ready);
	site_run_until(s, &s->ready);
	REQUIRE(pki_open(&s->pki, s->loop, "/data", NULL, 0, 0, &e) == 0);
}

void site_stop(struct site *s)
{
	server_stop(s->server, on_stopped, &s->stopped);
	site_run_until(s, &s->stopped);
}

void site_finish(struct site *s)
{
	if (!s->stopped)
		site_stop(s);
	server_destroy(s->server);
	store_destroy(s->store);
	store_cluster_destroy(s->cluster);
	pki_finish(&s->pki);
	sim_destroy(s->sim);
	arena_finish(&s->arena);
}

static void on_reply(void *arg, const struct http_response *r)
{
	struct reply *reply = arg;
	reply->code = r->head ? r->head->code : 0;
	reply->body = arena_str(&reply->site->arena, r->body);
	reply->location = r->head ? arena_str(&reply->site->arena, http_header(r->head->headers, "Location")) : STR_NONE;
	reply->warning = r->head ? arena_str(&reply->site->arena, http_header(r->head->headers, "Warning")) : STR_NONE;
	reply->done = true;
}

struct http_client *site_connect(struct site *s, const struct x509_pair *pair)
{
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct tls_config t = {.authorities = buf_str(&s->pki.authority.certificate)};
	if (pair) {
		t.certificate = buf_str(&pair->certificate);
		t.key = buf_str(&pair->key);
	}
	struct tls_context *tls = tls_context_client(&t, &e);
	REQUIRE(tls != NULL);
	struct http_client_config c = {
		.loop = s->loop, .address = "127.0.0.1:6443", .server_name = "127.0.0.1", .tls = tls};
	struct http_client *client = http_client_create(&c);
	tls_context_unref(tls);
	return client;
}

struct reply site_fetch(struct site *s, struct http_client *client, const char *method, const char *target,
			const struct http_header *headers, size_t count, struct str body)
{
	struct reply r = {.site = s};
	struct http_call_request q = {
		.method = method, .target = str_of(target), .headers = {headers, count}, .body = body};
	http_fetch(client, &q, 64 << 20, on_reply, &r);
	site_run_until(s, &r.done);
	return r;
}

struct reply site_ask(struct site *s, struct http_client *client, const char *method, const char *target,
		      const char *body)
{
	struct http_header h[] = {{STR("Authorization"), STR("Bearer root")},
				  {STR("Content-Type"), STR("application/json")}};
	char *text = arena_c(&s->arena, str_of(body ? body : ""));
	for (char *p = text; *p; p++)
		if (*p == '\'')
			*p = '"';
	return site_fetch(s, client, method, target, h, body ? 2 : 1, str_of(text));
}

// ---- WebSockets

static void on_message(void *arg, bool text, struct str piece, bool first, bool last)
{
	struct talk *t = arg;
	t->messages += last;
	t->bytes += piece.n;
	if (t->deaf)
		return;
	if (first)
		buf_add_byte(&t->got, text ? 't' : 'b');
	buf_add(&t->got, piece);
	if (last)
		buf_add_byte(&t->got, '|');
}

static void on_talk_end(void *arg, const struct err *e)
{
	struct talk *t = arg;
	t->ended = true;
	t->orderly = !e;
}

static void on_talk(void *arg, const struct http_head *head, struct duplex *d)
{
	static const struct websocket_events events = {on_message, NULL, on_talk_end};
	struct talk *t = arg;
	t->code = head->code;
	str_to_c(http_header(head->headers, "Sec-WebSocket-Protocol"), t->protocol, sizeof(t->protocol));
	t->socket = websocket_create(d, true, &events, t);
}

static void on_refusal_head(void *arg, const struct http_head *head)
{
	((struct talk *)arg)->code = head->code;
}

static void on_refusal(void *arg, struct str piece)
{
	buf_add(&((struct talk *)arg)->refusal, piece);
}

static void on_refusal_end(void *arg, const struct err *e)
{
	((struct talk *)arg)->ended = true;
}

void site_talk(struct site *s, struct http_client *client, const char *target, const char *protocols,
	       const struct http_header *headers, size_t count, struct talk *t)
{
	static const struct http_call_events events = {on_refusal_head, on_refusal, on_refusal_end, on_talk};
	struct http_header h[8] = {{STR("Connection"), STR("Upgrade")},
				   {STR("Upgrade"), STR("websocket")},
				   {STR("Sec-WebSocket-Version"), STR("13")},
				   {STR("Sec-WebSocket-Key"), STR("dGhlIHNhbXBsZSBub25jZQ==")}};
	size_t n = 4;
	for (size_t i = 0; i < count; i++)
		h[n++] = headers[i];
	if (protocols)
		h[n++] = (struct http_header){STR("Sec-WebSocket-Protocol"), str_of(protocols)};
	*t = (struct talk){.site = s};
	struct http_call_request q = {.method = "GET", .target = str_of(target), .headers = {h, n}};
	http_call_start(client, &q, &events, t);
	for (int i = 0; i < 100000 && !t->socket && !t->ended; i++)
		sim_step(s->sim);
}

void site_hear(struct talk *t, size_t messages)
{
	for (int i = 0; i < 1000000 && t->messages < messages && !t->ended; i++)
		sim_step(t->site->sim);
}

void talk_finish(struct talk *t)
{
	websocket_destroy(t->socket);
	sim_run(t->site->sim, TIME_MS); // the server sees it
	buf_finish(&t->got);
	buf_finish(&t->refusal);
}
