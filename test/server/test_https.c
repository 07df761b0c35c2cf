// SPDX-License-Identifier: Apache-2.0
// The server over HTTPS, in an imitated network: who asks, how much, and how it is told.
#include "base/json.h"
#include "server/pki.h"
#include "server/server.h"
#include "store/sim.h"
#include "sys/sim.h"
#include "unit.h"
#include "wire/client.h"

struct site {
	struct sim *sim;
	struct loop *loop;
	struct store_cluster *cluster;
	struct store *store;
	struct server *server;
	struct pki pki; // a second look at the server's files
	struct arena arena;
	bool ready, stopped;
};

static void run_until(struct site *s, const bool *done)
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

static void site_init(struct site *s, unsigned reads_max)
{
	struct err e CLEAN_ERR = ERR_EMPTY;
	*s = (struct site){.sim = sim_create(1)};
	arena_init(&s->arena);
	s->loop = sim_loop(s->sim, "server");
	s->cluster = store_cluster_create();
	s->store = store_sim_open(s->cluster, s->loop);
	REQUIRE(dir_make(s->loop, "/data", 0700, &e) == 0);
	REQUIRE(file_write(s->loop, "/data/tokens", STR("secret,ann,7,devs\nroot,admin,1,system:masters\n"), 0600, &e) == 0);
	struct server_config c = {.core = s->loop, .io = &s->loop, .io_count = 1, .store = s->store, .data_dir = "/data",
				  .listen = "127.0.0.1:6443", .token_file = "/data/tokens", .reads_max = reads_max};
	s->server = server_create(&c, &e);
	REQUIRE(s->server != NULL);
	server_start(s->server, on_ready, &s->ready);
	run_until(s, &s->ready);
	REQUIRE(pki_open(&s->pki, s->loop, "/data", NULL, 0, &e) == 0);
}

static void site_finish(struct site *s)
{
	server_stop(s->server, on_stopped, &s->stopped);
	run_until(s, &s->stopped);
	server_destroy(s->server);
	store_destroy(s->store);
	store_cluster_destroy(s->cluster);
	pki_finish(&s->pki);
	sim_destroy(s->sim);
	arena_finish(&s->arena);
}

struct reply {
	int code;
	struct str body;
	bool done;
	struct site *site;
};

static void on_reply(void *arg, const struct http_response *r)
{
	struct reply *reply = arg;
	reply->code = r->head ? r->head->code : 0;
	reply->body = arena_str(&reply->site->arena, r->body);
	reply->done = true;
}

static struct http_client *connect_as(struct site *s, const struct x509_pair *pair)
{
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct tls_config t = {.authorities = buf_str(&s->pki.authority.certificate)};
	if (pair) {
		t.certificate = buf_str(&pair->certificate);
		t.key = buf_str(&pair->key);
	}
	struct tls_context *tls = tls_context_client(&t, &e);
	REQUIRE(tls != NULL);
	struct http_client_config c = {.loop = s->loop, .address = "127.0.0.1:6443", .server_name = "127.0.0.1", .tls = tls};
	struct http_client *client = http_client_create(&c);
	tls_context_unref(tls);
	return client;
}

static struct reply fetch(struct site *s, struct http_client *client, const char *method, const char *target,
			  const struct http_header *headers, size_t count, struct str body)
{
	struct reply r = {.site = s};
	struct http_call_request q = {.method = method, .target = str_of(target), .headers = {headers, count}, .body = body};
	http_fetch(client, &q, 64 << 20, on_reply, &r);
	run_until(s, &r.done);
	return r;
}

static struct reply get_as(struct site *s, struct http_client *client, const char *target, const char *token, const char *as)
{
	struct http_header h[3];
	size_t n = 0;
	if (token)
		h[n++] = (struct http_header){STR("Authorization"), arena_fmt(&s->arena, "Bearer %s", token)};
	if (as)
		h[n++] = (struct http_header){STR("Impersonate-User"), str_of(as)};
	h[n++] = (struct http_header){STR("X-Remote-User"), STR("admin")};
	return fetch(s, client, "GET", target, h, n, STR(""));
}

#define NODES "/api/v1/nodes"

TEST(who_asks_is_proven)
{
	struct site s;
	site_init(&s, 0);
	struct http_client *nobody = connect_as(&s, NULL), *admin = connect_as(&s, &s.pki.admin);
	CHECK_INT(get_as(&s, nobody, "/version", NULL, NULL).code, 200);
	CHECK_INT(get_as(&s, nobody, "/livez/ping", NULL, NULL).code, 200);
	CHECK_INT(get_as(&s, nobody, NODES, NULL, NULL).code, 401); // whatever X-Remote-User says
	CHECK_INT(get_as(&s, nobody, "/apis", NULL, NULL).code, 401);
	CHECK_INT(get_as(&s, nobody, NODES, "wrong", NULL).code, 401);
	CHECK_INT(get_as(&s, nobody, "/version", "wrong", NULL).code, 401);
	CHECK_INT(get_as(&s, nobody, NODES, "secret", NULL).code, 403);
	CHECK_INT(get_as(&s, nobody, NODES, "root", NULL).code, 200);
	CHECK_INT(get_as(&s, admin, NODES, NULL, NULL).code, 200);
	CHECK_INT(get_as(&s, admin, NODES, NULL, "ann").code, 403);
	CHECK_INT(get_as(&s, nobody, NODES, "secret", "admin").code, 403); // ann may not be another
	http_client_destroy(nobody);
	http_client_destroy(admin);
	site_finish(&s);
}

TEST(certificates_of_others_are_refused)
{
	struct site s;
	site_init(&s, 0);
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct x509_pair authority = {0}, forged = {0};
	struct str masters = STR("system:masters");
	int64_t now = loop_wall(s.loop);
	REQUIRE(x509_make_authority(STR("onggi"), now - INT64_C(1000000000), now + INT64_C(3600000000000), &authority, &e) == 0);
	struct x509_request r = {.common_name = STR("kubernetes-admin"), .organizations = &masters, .organization_count = 1,
				 .uses = X509_USE_CLIENT, .not_before_ns = now - INT64_C(1000000000),
				 .not_after_ns = now + INT64_C(3600000000000)};
	REQUIRE(x509_issue(buf_str(&authority.certificate), buf_str(&authority.key), &r, &forged, &e) == 0);
	struct http_client *client = connect_as(&s, &forged);
	int code = get_as(&s, client, NODES, NULL, NULL).code;
	CHECK(code == 401 || code == 0); // the answer, or no handshake at all
	http_client_destroy(client);
	x509_pair_finish(&authority);
	x509_pair_finish(&forged);
	site_finish(&s);
}

static struct reply post(struct site *s, struct http_client *client, struct str body)
{
	struct http_header h[] = {{STR("Authorization"), STR("Bearer root")}, {STR("Content-Type"), STR("application/json")}};
	return fetch(s, client, "POST", "/api/v1/namespaces/default/configmaps", h, 2, body);
}

TEST(bad_bodies_get_a_status_and_change_nothing)
{
	struct site s;
	site_init(&s, 0);
	struct http_client *client = connect_as(&s, NULL);
	int64_t before = store_cluster_revision(s.cluster);
	struct buf body CLEAN_BUF;
	buf_init(&body);
	CHECK_INT(post(&s, client, STR("{")).code, 400);
	CHECK_INT(post(&s, client, STR("")).code, 400);
	for (int i = 0; i < 100000; i++)
		BUF_LIT(&body, "[");
	CHECK_INT(post(&s, client, buf_str(&body)).code, 400);
	buf_clear(&body);
	BUF_LIT(&body, "{\"metadata\":{\"name\":\"a\"},\"data\":{\"k\":\"");
	while (body.n < 4 << 20)
		BUF_LIT(&body, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
	BUF_LIT(&body, "\"}}");
	struct reply r = post(&s, client, buf_str(&body));
	CHECK(r.code == 413 || r.code == 0); // refused before it was sent whole
	CHECK_INT(store_cluster_revision(s.cluster), before);
	CHECK_INT(post(&s, client, STR("{\"metadata\":{\"name\":\"a\"}}")).code, 201);
	http_client_destroy(client);
	site_finish(&s);
}

TEST(long_lists_come_whole)
{
	struct site s;
	site_init(&s, 0);
	struct http_client *client = connect_as(&s, NULL);
	enum { COUNT = 1200 };
	static char pad[2000];
	memset(pad, 'x', sizeof(pad));
	for (int i = 0; i < COUNT; i++) {
		struct str body = arena_fmt(&s.arena, "{\"metadata\":{\"name\":\"m%d\"},\"data\":{\"k\":\"%.*s\"}}", i, 2000, pad);
		CHECK_INT(post(&s, client, body).code, 201);
	}
	struct reply r = get_as(&s, client, "/api/v1/configmaps", "root", NULL);
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct json *list;
	CHECK_INT(r.code, 200);
	REQUIRE(json_parse(&s.arena, r.body, NULL, &list, &e) == 0);
	struct json *items = json_get(list, STR("items"));
	CHECK_INT(items ? items->count : 0, COUNT);
	CHECK(!json_at(list, "items.0.kind"));
	CHECK_STR(json_str(list, "kind"), "ConfigMapList");
	http_client_destroy(client);
	site_finish(&s);
}

static void on_watch_body(void *arg, struct str piece)
{
	*(size_t *)arg += piece.n;
}

static void on_watch_end(void *arg, const struct err *e)
{
}

TEST(too_many_requests_are_told_to_wait)
{
	struct site s;
	site_init(&s, 1); // one read at a time
	struct http_client *client = connect_as(&s, &s.pki.admin);
	// The body of a slow reader's list is still under way when the next one asks.
	CHECK_INT(get_as(&s, client, NODES, NULL, NULL).code, 200);
	CHECK_INT(get_as(&s, client, NODES, NULL, NULL).code, 200); // one after the other is fine
	// A watch does not count as a read for long.
	static const struct http_call_events events = {.on_body = on_watch_body, .on_end = on_watch_end};
	size_t got = 0;
	struct http_call_request q = {.method = "GET", .target = STR("/api/v1/namespaces?watch=true")};
	struct http_call *watch = http_call_start(client, &q, &events, &got);
	for (int i = 0; i < 100000 && !got; i++)
		sim_step(s.sim);
	CHECK(got > 0);
	CHECK_INT(get_as(&s, client, NODES, NULL, NULL).code, 200);
	http_call_cancel(watch);
	http_client_destroy(client);
	site_finish(&s);
}

TEST(a_watcher_that_does_not_read_holds_up_nobody)
{
	struct site s;
	site_init(&s, 0);
	struct http_client *client = connect_as(&s, &s.pki.admin);
	static const struct http_call_events events = {.on_body = on_watch_body, .on_end = on_watch_end};
	size_t got = 0;
	struct http_call_request q = {.method = "GET", .target = STR("/api/v1/configmaps?watch=true")};
	struct http_call *watch = http_call_start(client, &q, &events, &got);
	CHECK_INT(post(&s, client, STR("{\"metadata\":{\"name\":\"first\"}}")).code, 201);
	for (int i = 0; i < 100000 && !got; i++)
		sim_step(s.sim);
	http_call_read(watch, false);
	enum { COUNT = 200, SIZE = 20000 };
	char *pad = mem_alloc(SIZE);
	memset(pad, 'x', SIZE);
	for (int i = 0; i < COUNT; i++) {
		struct str body = arena_fmt(&s.arena, "{\"metadata\":{\"name\":\"m%d\"},\"data\":{\"k\":\"%.*s\"}}", i, SIZE, pad);
		CHECK_INT(post(&s, client, body).code, 201);
	}
	free(pad);
	size_t before = got;
	http_call_read(watch, true); // and then it gets all of it
	for (int i = 0; i < 1000000 && got < (size_t)COUNT * SIZE && sim_step(s.sim); i++)
		;
	CHECK(got > before);
	CHECK(got >= (size_t)COUNT * SIZE);
	http_call_cancel(watch);
	http_client_destroy(client);
	site_finish(&s);
}
