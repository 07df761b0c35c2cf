// SPDX-License-Identifier: Apache-2.0
// Watches and logs over WebSockets, and the tokens that browsers put among the subprotocols.
#include "agent.h"
#include "base/encode.h"
#include "base/times.h"

#define CONFIG_MAPS "/api/v1/namespaces/default/configmaps"
#define POD	    "/api/v1/namespaces/default/pods/p"

static const struct http_header as_root[] = {{STR_INIT("Authorization"), STR_INIT("Bearer root")}};

static void make(struct site *s, struct http_client *client, const char *name)
{
	struct str body = arena_fmt(&s->arena, "{'metadata':{'name':'%s'}}", name);
	CHECK_INT(site_ask(s, client, "POST", CONFIG_MAPS, body.p).code, 201);
}

static bool told(const struct talk *t, const char *text)
{
	return str_contains(buf_str(&t->got), str_of(text));
}

// What the server counts as watches.
static bool watches_are(struct site *s, struct http_client *client, int count)
{
	struct reply r = site_ask(s, client, "GET", "/metrics", NULL);
	struct str line = arena_fmt(&s->arena, "apiserver_longrunning_requests{verb=\"WATCH\"} %d\n", count);
	return str_contains(r.body, line);
}

// ---- watches

TEST(a_watch_is_a_message_for_each_event)
{
	struct site s;
	struct talk t;
	site_init(&s, 0);
	struct http_client *client = site_connect(&s, NULL);
	make(&s, client, "a");
	site_talk(&s, client, CONFIG_MAPS "?watch=true", NULL, as_root, 1, &t);
	CHECK_INT(t.code, 101);
	site_hear(&t, 1);
	make(&s, client, "b");
	CHECK_INT(site_ask(&s, client, "DELETE", CONFIG_MAPS "/a", NULL).code, 200);
	site_hear(&t, 3);
	CHECK_INT(t.messages, 3);
	CHECK(str_starts(buf_str(&t.got), STR("t{\"type\":\"ADDED\",\"object\":{")));
	CHECK(told(&t, "}\n|t{\"type\":\"ADDED\"") && told(&t, "}\n|t{\"type\":\"DELETED\""));
	CHECK(str_ends(buf_str(&t.got), STR("}\n|")));
	CHECK(watches_are(&s, client, 1));
	websocket_send(t.socket, true, STR("clients have nothing to say"), STR_NONE);
	websocket_close(t.socket, 1000, STR_NONE);
	t.socket = NULL;
	sim_run(s.sim, TIME_S);
	CHECK(watches_are(&s, client, 0));
	talk_finish(&t);
	http_client_destroy(client);
	site_finish(&s);
}

TEST(a_watch_ends_in_order_when_its_time_is_over)
{
	struct site s;
	struct talk t;
	site_init(&s, 0);
	struct http_client *client = site_connect(&s, NULL);
	site_talk(&s, client, CONFIG_MAPS "?watch=true&timeoutSeconds=3&allowWatchBookmarks=true", "any", as_root, 1, &t);
	CHECK_INT(t.code, 101);
	CHECK_STR(str_of(t.protocol), "any");
	site_hear(&t, 2);
	CHECK(t.ended && t.orderly && told(&t, "BOOKMARK"));
	CHECK(watches_are(&s, client, 0));
	talk_finish(&t);
	http_client_destroy(client);
	site_finish(&s);
}

TEST(refusals_come_before_the_websocket)
{
	static const struct {
		const char *target, *protocols;
		int code;
	} refused[] = {
		{CONFIG_MAPS "?watch=true", "one,two", 400},
		{CONFIG_MAPS "?watch=true&fieldSelector=nonsense", NULL, 400},
		{CONFIG_MAPS "?watch=true&resourceVersion=x", NULL, 400},
		{"/api/v1/namespaces/default/nothings?watch=true", NULL, 404},
		{POD "/log", NULL, 404},
		{POD "/log", "text.k8s.io", 403},
		{POD "/log?tailLines=-1", "binary.k8s.io", 422},
	};
	struct site s;
	site_init(&s, 0);
	struct http_client *client = site_connect(&s, NULL);
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		struct talk t;
		site_talk(&s, client, refused[i].target, refused[i].protocols, as_root, 1, &t);
		CHECK_INT(t.code, refused[i].code);
		CHECK(str_contains(buf_str(&t.refusal), STR("\"kind\":\"Status\"")));
		talk_finish(&t);
	}
	struct talk t; // a list is no stream
	site_talk(&s, client, CONFIG_MAPS, NULL, as_root, 1, &t);
	CHECK_INT(t.code, 200);
	talk_finish(&t);
	http_client_destroy(client);
	site_finish(&s);
}

TEST(a_watch_waits_for_a_slow_client)
{
	struct site s;
	struct talk t;
	enum { COUNT = 600, SIZE = 4000 };
	static char pad[SIZE];
	memset(pad, 'x', sizeof pad);
	site_init(&s, 0);
	struct http_client *client = site_connect(&s, NULL);
	site_talk(&s, client, CONFIG_MAPS "?watch=true", NULL, as_root, 1, &t);
	t.deaf = true;
	websocket_read(t.socket, false);
	for (int i = 0; i < COUNT; i++) {
		struct str body = arena_fmt(&s.arena, "{'metadata':{'name':'m%d'},'data':{'k':'%.*s'}}", i, SIZE, pad);
		CHECK_INT(site_ask(&s, client, "POST", CONFIG_MAPS, body.p).code, 201);
	}
	sim_run(s.sim, TIME_S);
	CHECK_INT(t.messages, 0);
	websocket_read(t.socket, true);
	site_hear(&t, COUNT);
	CHECK_INT(t.messages, COUNT);
	CHECK(t.bytes > (size_t)COUNT * SIZE && !t.ended);
	site_stop(&s); // does not wait for the watch
	talk_finish(&t);
	http_client_destroy(client);
	site_finish(&s);
}

TEST(a_watcher_that_reads_nothing_is_given_up)
{
	struct site s;
	struct talk t;
	enum { SIZE = 900000 };
	static char pad[SIZE];
	memset(pad, 'x', sizeof pad);
	site_init(&s, 0);
	struct http_client *client = site_connect(&s, NULL);
	site_talk(&s, client, CONFIG_MAPS "?watch=true", NULL, as_root, 1, &t);
	websocket_read(t.socket, false);
	for (int i = 0; i < 4; i++) {
		struct str body = arena_fmt(&s.arena, "{'metadata':{'name':'m%d'},'data':{'k':'%.*s'}}", i, SIZE, pad);
		CHECK_INT(site_ask(&s, client, "POST", CONFIG_MAPS, body.p).code, 201);
	}
	sim_run(s.sim, 50 * TIME_S);
	CHECK(watches_are(&s, client, 1));
	sim_run(s.sim, 60 * TIME_S);
	CHECK(watches_are(&s, client, 0));
	talk_finish(&t);
	http_client_destroy(client);
	site_finish(&s);
}

// ---- logs

struct stage { // a pod, its node, and a client
	struct site site;
	struct agent agent;
	struct http_client *client;
};

static void stage_init(struct stage *g)
{
	site_init(&g->site, 0);
	agent_init(&g->agent, &g->site);
	g->client = site_connect(&g->site, NULL);
	agent_make_pod(&g->site, g->client, "n1");
}

static void stage_finish(struct stage *g)
{
	http_client_destroy(g->client);
	http_server_destroy(g->agent.server);
	site_finish(&g->site);
}

TEST(logs_are_messages)
{
	static const struct {
		const char *protocols, *chosen, *messages;
	} ways[] = {
		{NULL, "", "b|btwo\nlines\n|"},
		{"binary.k8s.io", "binary.k8s.io", "b|btwo\nlines\n|"},
		{"x, base64.binary.k8s.io, binary.k8s.io", "base64.binary.k8s.io", "t|tdHdvCmxpbmVzCg==|"},
	};
	struct stage g;
	stage_init(&g);
	for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
		struct talk t;
		site_talk(&g.site, g.client, POD "/log?tailLines=2", ways[i].protocols, as_root, 1, &t);
		CHECK_INT(t.code, 101);
		CHECK_STR(str_of(t.protocol), ways[i].chosen);
		site_hear(&t, 3);
		CHECK_STR(buf_str(&t.got), ways[i].messages);
		CHECK(t.ended && t.orderly);
		CHECK_STR(str_of(g.agent.target), "/containerLogs/default/p/c?tailLines=2");
		CHECK(!g.agent.upgrade);
		talk_finish(&t);
	}
	stage_finish(&g);
}

TEST(a_followed_log_ends_with_its_client)
{
	struct stage g;
	struct talk t;
	stage_init(&g);
	site_talk(&g.site, g.client, POD "/log?follow=true", "binary.k8s.io", as_root, 1, &t);
	REQUIRE(g.agent.log);
	for (int i = 0; i < 3; i++) {
		http_reply_write(g.agent.log, blob_create(STR("more\n")));
		site_hear(&t, (size_t)i + 2);
	}
	CHECK_STR(buf_str(&t.got), "b|bmore\n|bmore\n|bmore\n|");
	CHECK(!g.agent.cancelled);
	websocket_close(t.socket, 1000, STR_NONE);
	t.socket = NULL;
	sim_run(g.site.sim, TIME_S);
	CHECK(g.agent.cancelled);
	talk_finish(&t);
	stage_finish(&g);
}

TEST(a_log_cut_off_is_told_as_such)
{
	struct stage g;
	struct talk t;
	stage_init(&g);
	site_talk(&g.site, g.client, POD "/log?follow=true", NULL, as_root, 1, &t);
	REQUIRE(g.agent.log);
	http_abort(g.agent.log);
	site_hear(&t, 100);
	CHECK(t.ended && t.orderly); // closed, with a code that says it (1011)
	CHECK_STR(buf_str(&t.got), "b|");
	talk_finish(&t);
	stage_finish(&g);
}

TEST(a_log_that_the_node_refuses_is_refused)
{
	struct stage g;
	struct talk t;
	stage_init(&g);
	site_talk(&g.site, g.client, POD "/log?sinceTime=2026-01-01T00:00:00Z&stream=bad", NULL, as_root, 1, &t);
	CHECK_INT(t.code, 400);
	CHECK_STR(buf_str(&t.refusal), "two\nlines\n");
	talk_finish(&t);
	stage_finish(&g);
}

// ---- tokens among the subprotocols

#define TOKEN(text) "base64url.bearer.authorization.k8s.io." text

TEST(tokens_of_browsers)
{
	static const struct {
		const char *protocols;
		int code;
		const char *chosen;
	} cases[] = {
		{TOKEN("cm9vdA") ", base64.binary.k8s.io", 101, "base64.binary.k8s.io"}, // "root"
		{"any," TOKEN("cm9vdA"), 101, "any"},
		{TOKEN("cm9vdA"), 401, ""}, // nothing is left to answer
		{TOKEN("cm9vdA") ",any," TOKEN("cm9vdA"), 401, ""},
		{TOKEN("d3Jvbmc") ",any", 401, ""}, // "wrong"
		{TOKEN("c2VjcmV0") ",any", 403, ""}, // ann
		{TOKEN("cm9vdA==") ",any", 401, ""},
		{TOKEN("_w") ",any", 401, ""}, // no UTF-8
		{TOKEN("") ",any", 401, ""},
		{"any", 401, ""},
		{TOKEN("cm9vdA") ",one,two", 400, ""},
	};
	struct site s;
	site_init(&s, 0);
	struct http_client *client = site_connect(&s, NULL);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct talk t;
		site_talk(&s, client, CONFIG_MAPS "?watch=true", cases[i].protocols, NULL, 0, &t);
		CHECK_INT(t.code, cases[i].code);
		CHECK_STR(str_of(t.protocol), cases[i].chosen);
		talk_finish(&t);
	}
	struct http_header plain[] = {{STR("Sec-WebSocket-Protocol"), STR("any, " TOKEN("cm9vdA"))}};
	CHECK_INT(site_fetch(&s, client, "GET", CONFIG_MAPS, plain, 1, STR("")).code, 401); // no WebSocket
	http_client_destroy(client);
	site_finish(&s);
}

TEST(tokens_do_not_reach_the_node)
{
	struct stage g;
	stage_init(&g);
	struct talk t;
	site_talk(&g.site, g.client, POD "/exec?command=x&stdout=1", TOKEN("cm9vdA") ", v4.channel.k8s.io,x", NULL, 0, &t);
	CHECK_INT(t.code, 101);
	CHECK_STR(str_of(g.agent.protocols), "v4.channel.k8s.io,x");
	talk_finish(&t);
	stage_finish(&g);
}
