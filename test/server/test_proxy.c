// SPDX-License-Identifier: Apache-2.0
// Logs, exec and plain HTTP through the server to the agent of a node.
#include "agent.h"
#include "server/proxy/node_clients.h"
#include "server/worker.h"

#define POD "/api/v1/namespaces/default/pods/p"

TEST(logs_come_from_the_node)
{
	struct site s;
	struct agent agent;
	site_init(&s, 0);
	agent_init(&agent, &s);
	struct http_client *client = site_connect(&s, NULL);
	agent_make_pod(&s, client, "n1");
	struct reply r = site_ask(&s, client, "GET", POD "/log?tailLines=2&timestamps=true&x=y", NULL);
	CHECK_INT(r.code, 200);
	CHECK_STR(r.body, "two\nlines\n");
	CHECK_STR(str_of(agent.target), "/containerLogs/default/p/c?tailLines=2&timestamps=true");
	CHECK(agent.certified);
	CHECK_INT(site_ask(&s, client, "GET", POD "/log?container=none", NULL).code, 400);
	CHECK_INT(site_ask(&s, client, "GET", POD "/log?tailLines=-1", NULL).code, 422);
	CHECK_INT(site_ask(&s, client, "GET", "/api/v1/namespaces/default/pods/none/log", NULL).code, 404);
	CHECK_INT(site_ask(&s, client, "GET", "/api/v1/nodes/n1/proxy/bad/path?a=b", NULL).code, 400);
	CHECK_STR(str_of(agent.target), "/bad/path?a=b");
	CHECK_INT(site_ask(&s, client, "GET", "/api/v1/nodes/n1:10250/proxy/bad/port", NULL).code, 400);
	CHECK_STR(str_of(agent.target), "/bad/port");
	http_client_destroy(client);
	http_server_destroy(agent.server);
	site_finish(&s);
}

static void tell_address(struct site *s, struct http_client *client, const char *ip)
{
	struct str status = arena_fmt(&s->arena, "{\"status\":{\"podIP\":\"%s\",\"podIPs\":[{\"ip\":\"%s\"}]}}", ip, ip);
	struct http_header h[] = {{STR("Content-Type"), STR("application/merge-patch+json")},
				  {STR("Authorization"), STR("Bearer root")}};
	CHECK_INT(site_fetch(s, client, "PATCH", POD "/status", h, 2, status).code, 200);
}

static void on_page(void *arg, struct http_exchange *x)
{
	struct http_header to = {STR("Location"), STR("http://10.1.2.3:80/login?from=/")};
	struct http_reply moved = {.code = 302, .headers = {&to, 1}};
	if (str_is(x->target, "/old"))
		http_reply(x, &moved, NULL, 0);
	else
		http_reply_str(x, 200, str_is(x->target, "/plain") ? "text/plain" : "text/html; charset=utf-8",
			       STR("<a href='/x'>"));
}

TEST(pages_of_pods_are_shown_below_the_proxy)
{
	static const struct http_handler handler = {.on_request = on_page};
	struct site s;
	struct err e CLEAN_ERR = ERR_EMPTY;
	site_init(&s, 0);
	struct http_server_config c = {.loop = s.loop, .handler = &handler};
	struct http_server *page = http_server_create(&c);
	REQUIRE(http_server_listen(page, "10.1.2.3:80", &e) == 0);
	struct http_client *client = site_connect(&s, NULL);
	agent_make_pod(&s, client, "n1");
	tell_address(&s, client, "10.1.2.3");
	CHECK_STR(site_ask(&s, client, "GET", POD "/proxy/", NULL).body, "<a href='" POD "/proxy/x'>");
	CHECK_STR(site_ask(&s, client, "GET", POD ":80/proxy/a/b", NULL).body, "<a href='" POD ":80/proxy/x'>");
	CHECK_STR(site_ask(&s, client, "GET", POD "/proxy/plain", NULL).body, "<a href='/x'>");
	struct reply r = site_ask(&s, client, "GET", POD "/proxy?a=b", NULL);
	CHECK_INT(r.code, 301);
	CHECK_STR(r.location, POD "/proxy/?a=b");
	r = site_ask(&s, client, "GET", POD "/proxy/old", NULL);
	CHECK_INT(r.code, 302);
	CHECK_STR(r.location, POD "/proxy/login?from=/");
	CHECK_INT(site_ask(&s, client, "GET", "/api/v1/namespaces/default/pods/ftp:p:80/proxy/", NULL).code, 400);
	CHECK_INT(site_ask(&s, client, "GET", POD ":web/proxy/", NULL).code, 400);
	CHECK_INT(site_ask(&s, client, "GET", POD ":70000/proxy/", NULL).code, 400);
	http_client_destroy(client);
	http_server_destroy(page);
	site_finish(&s);
}

// A pod's address is what somebody said: it does not lead to what listens beside the server.
enum { MANY = 80 }; // headers

static void fill_headers(struct arena *a, struct http_header *out)
{
	for (size_t i = 0; i < MANY; i++)
		out[i] = (struct http_header){arena_fmt(a, "X-Number-%zu", i), STR("x")};
}

static size_t count_numbers(struct http_headers h)
{
	size_t n = 0;
	for (size_t i = 0; i < h.count; i++)
		n += str_eq_nocase(str_sub(h.list[i].name, 0, 9), STR("X-Number-"));
	return n;
}

static void answer_many(void *arg, struct http_exchange *x)
{
	struct arena a CLEAN_ARENA;
	struct http_header headers[MANY];
	arena_init(&a);
	fill_headers(&a, headers);
	struct http_reply reply = {.code = 200, .headers = {headers, MANY}};
	*(size_t *)arg = count_numbers(x->headers);
	http_reply(x, &reply, NULL, 0);
}

static void count_reply(void *arg, const struct http_response *r)
{
	*(size_t *)arg = r->head ? count_numbers(r->head->headers) : 1;
}

TEST(many_headers_pass_both_ways)
{
	static const struct http_handler handler = {.on_request = answer_many};
	size_t there = 0, back = 0;
	struct http_header headers[MANY + 1] = {{STR("Authorization"), STR("Bearer root")}};
	struct site s;
	struct err e CLEAN_ERR = ERR_EMPTY;
	site_init(&s, 0);
	struct http_server_config c = {.loop = s.loop, .handler = &handler, .arg = &there};
	struct http_server *page = http_server_create(&c);
	REQUIRE(http_server_listen(page, "10.1.2.3:80", &e) == 0);
	struct http_client *client = site_connect(&s, NULL);
	agent_make_pod(&s, client, "n1");
	tell_address(&s, client, "10.1.2.3");
	fill_headers(&s.arena, headers + 1);
	struct http_call_request q = {
		.method = "GET", .target = STR(POD "/proxy/"), .headers = {headers, MANY + 1}};
	http_fetch(client, &q, 1 << 20, count_reply, &back);
	for (int i = 0; i < 1000000 && !back && sim_step(s.sim); i++)
		;
	CHECK_INT(there, MANY);
	CHECK_INT(back, MANY);
	http_client_destroy(client);
	http_server_destroy(page);
	site_finish(&s);
}

TEST(pods_do_not_lead_to_the_server_itself)
{
	static const char *const local[] = {"127.0.0.1", "127.1.2.3", "0.0.0.0", "169.254.169.254", "::1",
					    "0:0:0:0:0:0:0:1", "::ffff:127.0.0.1", "::ffff:7f00:1", "FE80::1"};
	struct site s;
	site_init(&s, 0);
	struct http_client *client = site_connect(&s, NULL);
	int asked = 0;
	agent_make_pod(&s, client, "n1");
	for (size_t i = 0; i < ARRAY_LEN(local); i++) {
		struct str status = arena_fmt(&s.arena, "{'status':{'podIP':'%s','podIPs':[{'ip':'%s'}]}}", local[i], local[i]);
		struct http_header h[] = {{STR("Content-Type"), STR("application/merge-patch+json")},
					  {STR("Authorization"), STR("Bearer root")}};
		for (size_t k = 0; k < status.n; k++)
			((char *)status.p)[k] = status.p[k] == '\'' ? '"' : status.p[k];
		if (site_fetch(&s, client, "PATCH", POD "/status", h, 2, status).code != 200)
			continue; // refused already
		struct reply r = site_ask(&s, client, "GET", POD "/proxy/", NULL);
		CHECK_INT(r.code, 400);
		CHECK(str_contains(r.body, STR("not reached from here")));
		asked++;
	}
	CHECK(asked > 5);
	http_client_destroy(client);
	site_finish(&s);
}

// However many places are asked for, few are kept in mind.
TEST(places_that_nobody_uses_are_forgotten)
{
	struct sim *sim = sim_create(3);
	struct server *server = MEM_NEW(struct server);
	struct worker w = {.server = server, .loop = sim_loop(sim, "io")};
	struct node_clients *n = node_clients_create(&w);
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	for (int i = 1; i < 5000; i++) {
		struct destination to = {.host = STR("10.9.9.9"), .port = arena_fmt(&a, "%d", i), .https = i % 2};
		CHECK(node_client(n, &to, NULL) != NULL);
	}
	CHECK(node_clients_count(n) <= 1000);
	node_clients_destroy(n);
	free(server);
	sim_destroy(sim);
}

TEST(an_agent_that_is_not_the_node_is_not_trusted)
{
	struct site s;
	struct agent agent;
	site_init(&s, 0);
	agent_init(&agent, &s); // its certificate says n1
	struct http_client *client = site_connect(&s, NULL);
	agent_make_pod(&s, client, "n2");
	CHECK_INT(site_ask(&s, client, "GET", POD "/log", NULL).code, 503);
	http_client_destroy(client);
	http_server_destroy(agent.server);
	site_finish(&s);
}

struct session {
	struct duplex *stream;
	char got[64];
	size_t n;
	bool upgraded, echoed;
};

static void on_session_read(void *arg, struct str data, const struct err *e)
{
	struct session *x = arg;
	for (size_t i = 0; i < data.n && x->n < sizeof(x->got); i++)
		x->got[x->n++] = data.p[i];
	x->echoed = x->n >= 5;
}

static void on_session_upgrade(void *arg, const struct http_head *head, struct duplex *d)
{
	static const struct duplex_events events = {on_session_read, NULL};
	struct session *x = arg;
	CHECK_STR(http_header(head->headers, "X-Stream-Protocol-Version"), "v4");
	x->stream = d;
	x->upgraded = true;
	duplex_start(d, &events, x);
}

static void on_session_end(void *arg, const struct err *e)
{
	unit_fail(__FILE__, __LINE__, "no upgrade: %s", err_text(e));
}

TEST(exec_is_handed_through)
{
	struct site s;
	struct agent agent;
	struct session x = {0};
	site_init(&s, 0);
	agent_init(&agent, &s);
	struct http_client *client = site_connect(&s, &s.pki.admin);
	agent_make_pod(&s, client, "n1");
	static const struct http_call_events events = {.on_end = on_session_end, .on_upgrade = on_session_upgrade};
	struct http_header h[] = {{STR("Connection"), STR("Upgrade")}, {STR("Upgrade"), STR("test")}};
	struct http_call_request q = {.method = "POST",
				      .target = STR(POD "/exec?command=ls&command=-l%20x&stdout=true&tty=false"),
				      .headers = {h, 2}};
	http_call_start(client, &q, &events, &x);
	site_run_until(&s, &x.upgraded);
	CHECK_STR(str_of(agent.target), "/exec/default/p/c?command=ls&command=-l%20x&output=1");
	duplex_write_str(x.stream, STR("hello"));
	site_run_until(&s, &x.echoed);
	CHECK_STR(((struct str){x.got, x.n}), "hello");
	duplex_close(x.stream);
	sim_run(s.sim, INT64_C(1000000000));
	CHECK(agent.stream == NULL); // the end was handed through too
	CHECK_INT(site_ask(&s, client, "POST", POD "/exec?command=ls", NULL).code, 400); // no upgrade asked for
	http_client_destroy(client);
	http_server_destroy(agent.server);
	site_finish(&s);
}
