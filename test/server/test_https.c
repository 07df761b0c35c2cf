// SPDX-License-Identifier: Apache-2.0
// The server over HTTPS, in an imitated network: who asks, how much, and how it is told.
#include "site.h"

static struct reply get_as(struct site *s, struct http_client *client, const char *target, const char *token,
			   const char *as)
{
	struct http_header h[3];
	size_t n = 0;
	if (token)
		h[n++] = (struct http_header){STR("Authorization"), arena_fmt(&s->arena, "Bearer %s", token)};
	if (as)
		h[n++] = (struct http_header){STR("Impersonate-User"), str_of(as)};
	h[n++] = (struct http_header){STR("X-Remote-User"), STR("admin")};
	return site_fetch(s, client, "GET", target, h, n, STR(""));
}

#define NODES "/api/v1/nodes"

TEST(who_asks_is_proven)
{
	struct site s;
	site_init(&s, 0);
	struct http_client *nobody = site_connect(&s, NULL), *admin = site_connect(&s, &s.pki.admin);
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
	struct http_header extra[] = {{STR("Authorization"), STR("Bearer root")},
				      {STR("Impersonate-Extra-Scopes"), STR("few")}};
	CHECK_INT(site_fetch(&s, nobody, "GET", NODES, extra, 2, STR_NONE).code, 400); // of whom?
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
	REQUIRE(x509_make_authority(STR("onggi"), now - INT64_C(1000000000), now + INT64_C(3600000000000), &authority,
				    &e) == 0);
	struct x509_request r = {.common_name = STR("kubernetes-admin"),
				 .organizations = &masters,
				 .organization_count = 1,
				 .uses = X509_USE_CLIENT,
				 .not_before_ns = now - INT64_C(1000000000),
				 .not_after_ns = now + INT64_C(3600000000000)};
	REQUIRE(x509_issue(buf_str(&authority.certificate), buf_str(&authority.key), &r, &forged, &e) == 0);
	struct http_client *client = site_connect(&s, &forged);
	int code = get_as(&s, client, NODES, NULL, NULL).code;
	CHECK(code == 401 || code == 0); // the answer, or no handshake at all
	http_client_destroy(client);
	x509_pair_finish(&authority);
	x509_pair_finish(&forged);
	site_finish(&s);
}

static struct reply post(struct site *s, struct http_client *client, struct str body)
{
	struct http_header h[] = {{STR("Authorization"), STR("Bearer root")},
				  {STR("Content-Type"), STR("application/json")}};
	return site_fetch(s, client, "POST", "/api/v1/namespaces/default/configmaps", h, 2, body);
}

TEST(bad_bodies_get_a_status_and_change_nothing)
{
	struct site s;
	site_init(&s, 0);
	struct http_client *client = site_connect(&s, NULL);
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

static struct reply post_secret(struct site *s, struct http_client *client, struct str certificate, struct str key)
{
	struct json *secret = json_object(&s->arena);
	json_put_str(&s->arena, json_need_object(&s->arena, secret, "metadata"), "name", STR("pair"));
	json_put_str(&s->arena, secret, "type", STR("kubernetes.io/tls"));
	struct json *data = json_need_object(&s->arena, secret, "stringData");
	json_put_str(&s->arena, data, "tls.crt", certificate);
	json_put_str(&s->arena, data, "tls.key", key);
	struct http_header h[] = {{STR("Authorization"), STR("Bearer root")}};
	return site_fetch(s, client, "POST", "/api/v1/namespaces/default/secrets?dryRun=All", h, 1,
			  json_text(&s->arena, secret));
}

TEST(warnings_are_headers)
{
	struct site s;
	site_init(&s, 0);
	struct http_client *client = site_connect(&s, NULL);
	struct str certificate = buf_str(&s.pki.server.certificate), key = buf_str(&s.pki.server.key);
	CHECK(str_starts(site_ask(&s, client, "GET", "/api/v1/endpoints", NULL).warning, STR("299 - \"v1 Endpoints is deprecated")));
	CHECK(!site_ask(&s, client, "GET", "/api/v1/services", NULL).warning.n);
	CHECK(post_secret(&s, client, STR("x"), STR("y")).warning.n > 0);
	CHECK(post_secret(&s, client, certificate, buf_str(&s.pki.admin.key)).warning.n > 0);
	struct reply r = post_secret(&s, client, certificate, key);
	CHECK_INT(r.code, 201);
	CHECK(!r.warning.n);
	http_client_destroy(client);
	site_finish(&s);
}

// Whoever it is that does not come with a body: nobody waits for it, or keeps it.
TEST(bodies_of_strangers_are_not_waited_for)
{
	struct site s;
	site_init(&s, 0);
	struct http_client *client = site_connect(&s, NULL);
	struct http_header h[] = {{STR("Transfer-Encoding"), STR("chunked")}, {STR("Authorization"), STR("Bearer wrong")}};
	int64_t before = loop_now(s.loop);
	CHECK_INT(site_fetch(&s, client, "DELETE", NODES "/n", h, 1, STR("")).code, 401);
	CHECK_INT(site_fetch(&s, client, "DELETE", NODES "/n", h, 2, STR("")).code, 401);
	CHECK_INT(site_fetch(&s, client, "DELETE", "/nowhere", h, 2, STR("")).code, 401);
	CHECK(loop_now(s.loop) - before < INT64_C(1000000000));
	CHECK_INT(site_fetch(&s, client, "POST", "/version", NULL, 0, STR("body")).code, 413);
	CHECK_INT(site_fetch(&s, client, "POST", NODES, NULL, 0, STR("{}")).code, 401);
	http_client_destroy(client);
	site_finish(&s);
}

TEST(long_lists_come_whole)
{
	struct site s;
	site_init(&s, 0);
	struct http_client *client = site_connect(&s, NULL);
	enum { COUNT = 1200 };
	static char pad[2000];
	memset(pad, 'x', sizeof(pad));
	for (int i = 0; i < COUNT; i++) {
		struct str body = arena_fmt(&s.arena, "{\"metadata\":{\"name\":\"m%d\"},\"data\":{\"k\":\"%.*s\"}}", i,
					    2000, pad);
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

static void on_watch_end(void *arg, const struct err *e) {}

struct counted {
	int made, told_to_wait, others, answers;
	bool done;
};

static void on_counted(void *arg, const struct http_response *r)
{
	struct counted *c = arg;
	int code = r->head ? r->head->code : 0;
	c->made += code == 201;
	c->told_to_wait += code == 429 && http_header_has(r->head->headers, "Retry-After");
	c->others += code != 201 && code != 429;
	c->done = ++c->answers == 10;
}

TEST(too_many_requests_are_told_to_wait)
{
	struct site s;
	site_init(&s, 2); // writes at a time
	struct http_client *client = site_connect(&s, &s.pki.admin);
	struct counted counted = {0};
	for (int i = 0; i < 10; i++) {
		struct http_header h[] = {{STR("Content-Type"), STR("application/json")}};
		struct http_call_request q = {.method = "POST",
					      .target = STR("/api/v1/namespaces/default/configmaps"),
					      .headers = {h, 1},
					      .body = arena_fmt(&s.arena, "{\"metadata\":{\"name\":\"c%d\"}}", i)};
		http_fetch(client, &q, 1 << 20, on_counted, &counted);
	}
	site_run_until(&s, &counted.done);
	CHECK(counted.made >= 2);
	CHECK(counted.told_to_wait > 0);
	CHECK_INT(counted.others, 0);
	CHECK_INT(get_as(&s, client, NODES, NULL, NULL).code, 200);
	http_client_destroy(client);
	site_finish(&s);
}

TEST(a_watcher_that_does_not_read_holds_up_nobody)
{
	struct site s;
	site_init(&s, 0);
	struct http_client *client = site_connect(&s, &s.pki.admin);
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
		struct str body = arena_fmt(&s.arena, "{\"metadata\":{\"name\":\"m%d\"},\"data\":{\"k\":\"%.*s\"}}", i,
					    SIZE, pad);
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

TEST(certificates_renew_themselves)
{
	static const char *const files[] = {"/data/admin.kubeconfig", "/data/node.kubeconfig"};
	const int64_t life = INT64_C(600) * 1000000000;
	struct site s;
	site_init_lasting(&s, 0, life);
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct str before = arena_str(&s.arena, buf_str(&s.pki.server.certificate)), first[2], later[2];
	for (int i = 0; i < 2; i++)
		REQUIRE(file_read(s.loop, &s.arena, files[i], 1 << 20, &first[i], &e) == 0);
	sim_run(s.sim, life / 4);
	for (int i = 0; i < 2; i++) {
		REQUIRE(file_read(s.loop, &s.arena, files[i], 1 << 20, &later[i], &e) == 0);
		CHECK(str_eq(first[i], later[i])); // while they last
	}
	sim_run(s.sim, life + life / 2);
	pki_finish(&s.pki);
	REQUIRE(pki_open(&s.pki, s.loop, "/data", NULL, 0, life, &e) == 0);
	CHECK(!str_eq(before, buf_str(&s.pki.server.certificate)));
	struct http_client *client = site_connect(&s, &s.pki.admin);
	CHECK_INT(get_as(&s, client, NODES, NULL, NULL).code, 200);
	for (int i = 0; i < 2; i++) {
		REQUIRE(file_read(s.loop, &s.arena, files[i], 1 << 20, &later[i], &e) == 0);
		CHECK(!str_eq(first[i], later[i]));
	}
	http_client_destroy(client);
	site_finish(&s);
}

TEST(certificates_renew_once_a_full_disk_has_room_again)
{
	const int64_t second = INT64_C(1000000000), life = 600 * second;
	struct sim_faults faults = {
		.message_delay_min_ns = 50000, .message_delay_max_ns = 500000, .file_write_failed = 1000};
	struct site s;
	site_init_lasting(&s, 0, life);
	sim_run(s.sim, 370 * second);
	sim_set_faults(s.sim, &faults); // while three renewals in a row are tried
	sim_run(s.sim, 130 * second);
	faults.file_write_failed = 0;
	sim_set_faults(s.sim, &faults);
	sim_run(s.sim, 140 * second);
	struct http_client *client = site_connect(&s, NULL); // the first certificate is over by now
	CHECK_INT(site_ask(&s, client, "GET", NODES, NULL).code, 200);
	http_client_destroy(client);
	site_finish(&s);
}

TEST(tables_are_of_the_version_asked_for)
{
	static const char *const versions[] = {"v1", "v1beta1"};
	struct site s;
	site_init(&s, 0);
	struct http_client *client = site_connect(&s, NULL);
	for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
		struct str accept = arena_fmt(&s.arena, "application/json;as=Table;v=%s;g=meta.k8s.io", versions[i]);
		struct http_header h[] = {{STR("Accept"), accept}, {STR("Authorization"), STR("Bearer root")}};
		struct reply r = site_fetch(&s, client, "GET", "/api/v1/namespaces", h, 2, STR_NONE);
		struct str head = arena_fmt(&s.arena, "{\"kind\":\"Table\",\"apiVersion\":\"meta.k8s.io/%s\",", versions[i]);
		CHECK_INT(r.code, 200);
		CHECK(str_starts(r.body, head));
	}
	http_client_destroy(client);
	site_finish(&s);
}
