// SPDX-License-Identifier: Apache-2.0
// The transport over HTTPS against a server of a few fixed answers, configured by a kubeconfig.
#include "base/encode.h"
#include "base/times.h"
#include "client/kubeconfig.h"
#include "sys/real.h"
#include "unit.h"
#include "wire/server.h"
#include "wire/x509.h"

struct world {
	struct loop *loop;
	struct http_server *server;
	struct tls_context *tls;
	struct x509_pair authority, own, client;
	struct transport *transport;
	struct http_exchange *watch;
	struct arena arena;

	int code;
	char text[200];
	enum err_reason reason;
	int retry_after;
	size_t causes;
	unsigned lines, ends;
	size_t line_bytes;
};

static const char refusal[] =
	"{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"status\":\"Failure\",\"message\":\"pods \\\"x\\\" is invalid\","
	"\"reason\":\"Invalid\",\"details\":{\"causes\":[{\"reason\":\"FieldValueRequired\",\"message\":\"Required value\","
	"\"field\":\"spec.containers\"}],\"retryAfterSeconds\":7},\"code\":422}";

static void on_request(void *arg, struct http_exchange *x)
{
	struct world *w = arg;
	if (str_is(x->path, "/who")) {
		struct str token = http_header(x->headers, "authorization");
		bool known = x->peer && x->peer->verified;
		http_reply_str(x, 200, "application/json", known ? x->peer->common_name : token);
	} else if (str_is(x->path, "/invalid")) {
		http_reply_str(x, 422, "application/json", str_of(refusal));
	} else if (str_is(x->path, "/gateway")) {
		http_reply_str(x, 502, "text/html", STR("<h1>no</h1>"));
	} else if (str_is(x->path, "/watch")) {
		w->watch = x;
		http_reply_begin(x, &(struct http_reply){.code = 200, .content_type = "application/json"});
		http_reply_write(x, blob_create(STR("{\"a\":1}\n{\"b\":2}\n{\"lo")));
		http_reply_write(x, blob_create(STR("ng\":3}\n")));
		if (str_is(x->query, "end"))
			http_reply_end(x);
	} else {
		http_reply_str(x, 404, "text/plain", STR("404"));
	}
}

static void on_cancel(void *arg, struct http_exchange *x)
{
	struct world *w = arg;
	w->watch = NULL;
	http_abort(x);
}

static void issue(struct world *w, struct str name, unsigned use, struct x509_pair *out)
{
	struct str address = STR("127.0.0.1");
	int64_t from = loop_wall(w->loop) - TIME_S, to = from + 3600 * TIME_S;
	struct x509_request r = {.common_name = name, .names = &address, .name_count = 1, .uses = use,
				 .not_before_ns = from, .not_after_ns = to};
	REQUIRE(x509_issue(buf_str(&w->authority.certificate), buf_str(&w->authority.key), &r, out, NULL) == 0);
}

static void write_data(struct buf *out, const char *key, struct str bytes)
{
	if (bytes.n == 0)
		return;
	buf_fmt(out, "    %s: ", key);
	encode_base64(out, bytes);
	buf_add_byte(out, '\n');
}

static void write_kubeconfig(struct buf *out, const struct https_config *c)
{
	BUF_LIT(out, "apiVersion: v1\nkind: Config\ncurrent-context: here\n");
	BUF_LIT(out, "contexts:\n- name: here\n  context: {cluster: there, user: me}\n");
	buf_fmt(out, "clusters:\n- name: there\n  cluster:\n    server: %s\n", c->server);
	write_data(out, "certificate-authority-data", c->authorities);
	BUF_LIT(out, "users:\n- name: me\n  user:\n");
	write_data(out, "client-certificate-data", c->certificate);
	write_data(out, "client-key-data", c->key);
	if (c->token.n)
		buf_fmt(out, "    token: \"%.*s\"\n", STR_FMT(c->token));
}

static void world_init(struct world *w, bool by_token)
{
	static const struct http_handler handler = {.on_request = on_request, .on_cancel = on_cancel};
	struct err e CLEAN_ERR = ERR_EMPTY;
	*w = (struct world){.loop = loop_real_create()};
	arena_init(&w->arena);
	int64_t now = loop_wall(w->loop);
	REQUIRE(x509_make_authority(STR("ca"), now - TIME_S, now + 3600 * TIME_S, &w->authority, &e) == 0);
	issue(w, STR("server"), X509_USE_SERVER, &w->own);
	issue(w, STR("node-1"), X509_USE_CLIENT, &w->client);
	struct tls_config tls = {.certificate = buf_str(&w->own.certificate), .key = buf_str(&w->own.key),
				 .authorities = buf_str(&w->authority.certificate)};
	REQUIRE(w->tls = tls_context_server(&tls, &e));
	w->server = http_server_create(
		&(struct http_server_config){.loop = w->loop, .handler = &handler, .arg = w, .tls = w->tls});
	REQUIRE(http_server_listen(w->server, "127.0.0.1:0", &e) == 0);
	char address[64];
	snprintf(address, sizeof address, "https://127.0.0.1:%d", http_server_port(w->server));
	struct https_config given = {.server = address, .authorities = buf_str(&w->authority.certificate)}, read;
	if (by_token) {
		given.token = STR("sesame");
	} else {
		given.certificate = buf_str(&w->client.certificate);
		given.key = buf_str(&w->client.key);
	}
	struct buf text CLEAN_BUF;
	buf_init(&text);
	write_kubeconfig(&text, &given);
	if (kubeconfig_parse(&w->arena, w->loop, buf_str(&text), ".", NULL, &read, &e) < 0)
		unit_fail(__FILE__, __LINE__, "%s", err_text(&e));
	REQUIRE(w->transport = transport_https_create(w->loop, &read, &e));
}

static void world_finish(struct world *w)
{
	client_destroy(w->transport);
	http_server_destroy(w->server);
	tls_context_unref(w->tls);
	x509_pair_finish(&w->authority);
	x509_pair_finish(&w->own);
	x509_pair_finish(&w->client);
	loop_real_destroy(w->loop);
	arena_finish(&w->arena);
}

static void on_done(void *arg, const struct client_response *r)
{
	struct world *w = arg;
	w->code = r->code;
	w->reason = r->e ? r->e->reason : ERR_NONE;
	w->causes = r->e ? r->e->cause_count : 0;
	w->retry_after = r->e ? r->e->retry_after_s : 0;
	str_to_c(r->e ? str_of(err_text(r->e)) : r->body, w->text, sizeof w->text);
	loop_real_stop(w->loop);
}

static void get(struct world *w, const char *path)
{
	client_get(w->transport, str_of(path), on_done, w);
	loop_real_run(w->loop);
}

TEST(https_carries_a_certificate)
{
	struct world w;
	world_init(&w, false);
	get(&w, "/who");
	CHECK_INT(w.code, 200);
	CHECK_STR(str_of(w.text), "node-1");
	world_finish(&w);
}

TEST(https_carries_a_token)
{
	struct world w;
	world_init(&w, true);
	get(&w, "/who");
	CHECK_STR(str_of(w.text), "Bearer sesame");
	world_finish(&w);
}

TEST(https_makes_errors_of_answers)
{
	struct world w;
	world_init(&w, false);
	get(&w, "/invalid");
	CHECK(w.code == 422 && w.reason == ERR_INVALID && w.causes == 1 && w.retry_after == 7);
	get(&w, "/gateway");
	CHECK(w.code == 502 && w.reason != ERR_NONE);
	CHECK_STR(str_of(w.text), "HTTP 502: <h1>no</h1>");
	http_server_destroy(w.server);
	w.server = NULL;
	get(&w, "/who");
	CHECK(w.code == 0 && w.reason == ERR_UNAVAILABLE);
	world_finish(&w);
}

static void on_line(void *arg, struct blob *line)
{
	struct world *w = arg;
	w->lines++;
	w->line_bytes += line->n;
	if (w->lines % 3 == 0)
		loop_real_stop(w->loop);
}

static void on_end(void *arg, const struct err *e)
{
	struct world *w = arg;
	w->ends++;
	w->reason = e ? e->reason : ERR_NONE;
	loop_real_stop(w->loop);
}

static const struct client_stream_events watch_events = {on_line, on_end};

TEST(https_connections_after_a_renewal_carry_the_new_certificate)
{
	struct world w;
	struct x509_pair renewed = {0};
	struct err e CLEAN_ERR = ERR_EMPTY;
	world_init(&w, false);
	get(&w, "/who");
	CHECK_STR(str_of(w.text), "node-1");
	issue(&w, STR("node-1 again"), X509_USE_CLIENT, &renewed);
	struct https_config c = {.authorities = buf_str(&w.authority.certificate), .key = buf_str(&renewed.key),
				 .certificate = buf_str(&w.client.certificate)};
	CHECK(transport_https_renew(w.transport, &c, &e) < 0); // the key of another certificate changes nothing
	err_clear(&e);
	c.certificate = buf_str(&renewed.certificate);
	REQUIRE(transport_https_renew(w.transport, &c, &e) == 0);
	struct client_stream *watch = client_watch(w.transport, STR("/watch"), &watch_events, &w);
	loop_real_run(w.loop); // it has taken the kept connection
	get(&w, "/who");
	CHECK_STR(str_of(w.text), "node-1 again");
	client_stream_close(w.transport, watch);
	x509_pair_finish(&renewed);
	world_finish(&w);
}

TEST(https_watches_by_lines)
{
	struct world w;
	world_init(&w, false);
	struct client_stream *s = client_watch(w.transport, STR("/watch"), &watch_events, &w);
	loop_real_run(w.loop);
	CHECK(w.lines == 3 && w.line_bytes == 7 + 7 + 10 && w.ends == 0 && w.watch);
	client_stream_close(w.transport, s);
	while (w.watch) // the server hears of it
		get(&w, "/who");
	CHECK_INT(w.ends, 0);
	client_watch(w.transport, STR("/watch?end"), &watch_events, &w);
	loop_real_run(w.loop);
	while (w.ends == 0)
		loop_real_run(w.loop);
	CHECK(w.lines == 6 && w.reason == ERR_NONE);
	client_watch(w.transport, STR("/invalid"), &watch_events, &w);
	loop_real_run(w.loop);
	CHECK(w.ends == 2 && w.reason == ERR_INVALID);
	client_watch(w.transport, STR("/watch"), &watch_events, &w);
	loop_real_run(w.loop);
	client_destroy(w.transport);
	w.transport = NULL;
	CHECK(w.ends == 3 && w.reason == ERR_UNAVAILABLE);
	world_finish(&w);
}

TEST(kubeconfigs_that_lack_something_are_refused)
{
	static const char *const texts[] = {
		"", "a", "[]", "current-context: x",
		"{\"current-context\":\"x\",\"contexts\":[{\"name\":\"x\",\"context\":{}}]}",
		"current-context: x\ncontexts:\n- name: x\n  context: {cluster: c, user: u}\n"
		"clusters:\n- name: c\n  cluster: {server: 'https://a', certificate-authority-data: '%%'}\n",
		"current-context: x\ncontexts:\n- name: x\n  context: {cluster: c, user: u}\n"
		"clusters:\n- name: c\n  cluster: {server: 'https://a'}\n",
	};
	struct loop *l = loop_real_create();
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct arena a CLEAN_ARENA;
		struct err e CLEAN_ERR = ERR_EMPTY;
		struct https_config out;
		arena_init(&a);
		CHECK(kubeconfig_parse(&a, l, str_of(texts[i]), ".", NULL, &out, &e) < 0 && e.text);
	}
	static const char *const servers[] = {"127.0.0.1:6443", "ftp://a", "https://", "https://a/b", "https://u@a",
					      "https://a:123456"};
	for (size_t i = 0; i < ARRAY_LEN(servers); i++) {
		struct err e CLEAN_ERR = ERR_EMPTY;
		CHECK(transport_https_create(l, &(struct https_config){.server = servers[i]}, &e) == NULL && e.text);
	}
	loop_real_destroy(l);
}
