// SPDX-License-Identifier: Apache-2.0
// Pages that probes and hooks ask for, and where their redirects lead.
#include "node/probe/page.h"
#include "sys/sim.h"
#include "unit.h"
#include "wire/server.h"

struct site {
	struct sim *sim;
	struct loop *loop;
	struct http_server *one, *two; // two ports of one host
	int asked;
	struct str host, agent, mark, accept; // of the last request's headers
	int accepts;
	struct arena arena;
	bool done;
	int code;
	char failure[100], body[100];
};

static void move(struct http_exchange *x, int code, const char *to)
{
	struct http_header location = {STR("Location"), str_of(to)};
	struct http_reply r = {.code = code, .headers = {&location, 1}};
	http_reply(x, &r, NULL, 0);
}

static void on_request(void *arg, struct http_exchange *x)
{
	static const struct {
		const char *path, *to;
	} moves[] = {
		{"/absolute", "http://10.0.0.1:81/good"}, {"/relative/x", "sub?bad"}, {"/elsewhere", "http://10.0.0.2/bad"},
		{"/round", "/round"},			  {"/query", "?bad"},	      {"/port", "http://10.0.0.1:x/"},
		{"/slashes", "//10.0.0.1:81/bad"},
	};
	struct site *s = arg;
	s->asked++;
	s->host = arena_str(&s->arena, x->host);
	s->agent = arena_str(&s->arena, http_header(x->headers, "User-Agent"));
	s->accept = arena_str(&s->arena, http_header(x->headers, "Accept"));
	s->accepts = 0;
	for (size_t i = 0; i < x->headers.count; i++)
		s->accepts += str_eq_nocase(x->headers.list[i].name, STR("Accept"));
	s->mark = arena_str(&s->arena, http_header(x->headers, "X-Mark"));
	for (size_t i = 0; i < ARRAY_LEN(moves); i++)
		if (str_is(x->target, moves[i].path)) {
			move(x, i % 2 ? 302 : 307, moves[i].to);
			return;
		}
	bool bad = str_contains(x->target, STR("bad"));
	http_reply_str(x, bad ? 500 : 200, "text/plain", x->target);
}

static void site_init(struct site *s)
{
	static const struct http_handler handler = {.on_request = on_request};
	struct err e CLEAN_ERR = ERR_EMPTY;
	*s = (struct site){.sim = sim_create(5)};
	arena_init(&s->arena);
	s->loop = sim_loop(s->sim, "io");
	struct http_server_config c = {.loop = s->loop, .handler = &handler, .arg = s};
	s->one = http_server_create(&c);
	s->two = http_server_create(&c);
	REQUIRE(http_server_listen(s->one, "10.0.0.1:80", &e) == 0);
	REQUIRE(http_server_listen(s->two, "10.0.0.1:81", &e) == 0);
}

static void site_finish(struct site *s)
{
	http_server_destroy(s->one);
	http_server_destroy(s->two);
	arena_finish(&s->arena);
	sim_destroy(s->sim);
}

static void on_done(void *arg, const struct err *e, int code, struct str body)
{
	struct site *s = arg;
	CHECK(!s->done);
	s->done = true;
	s->code = e ? -1 : code;
	str_to_c(e ? str_of(err_text(e)) : STR(""), s->failure, sizeof s->failure);
	str_to_c(body, s->body, sizeof s->body);
}

static int get(struct site *s, const char *path, const char *headers)
{
	struct json *list = NULL;
	if (headers)
		REQUIRE(json_parse(&s->arena, str_of(headers), NULL, &list, NULL) == 0);
	struct page_request r = {
		.host = STR("10.0.0.1"), .port = 80, .path = str_of(path), .headers = list, .hook = !strcmp(path, "/hook")};
	s->done = false;
	s->asked = 0;
	page_get(s->loop, &r, on_done, s);
	for (int i = 0; i < 100000 && !s->done && sim_step(s->sim); i++)
		;
	REQUIRE(s->done);
	return s->code;
}

TEST(pages_are_asked_for)
{
	struct site s;
	site_init(&s);
	CHECK_INT(get(&s, "/good", NULL), 200);
	CHECK_STR(str_of(s.body), "/good");
	CHECK_STR(s.agent, "kube-probe/1.36");
	CHECK_INT(get(&s, "/hook", NULL), 200);
	CHECK_STR(s.agent, "kube-lifecycle/1.36");
	CHECK_INT(get(&s, "bad", NULL), 500); // a slash is added
	CHECK_INT(get(&s, "/", "[{\"name\":\"host\",\"value\":\"shop\"},{\"name\":\"X-Mark\",\"value\":\"7\"},"
			       "{\"name\":\"User-Agent\",\"value\":\"me\"}]"),
		  200);
	CHECK_STR(s.host, "shop");
	CHECK_STR(s.mark, "7");
	CHECK_STR(s.agent, "me");
	CHECK_STR(s.accept, "*/*");
	CHECK_INT(get(&s, "/", "[{\"name\":\"accept\",\"value\":\"text/plain\"}]"), 200);
	CHECK_STR(s.accept, "text/plain");
	CHECK_INT(s.accepts, 1);
	CHECK_INT(get(&s, "/", "[{\"name\":\"Accept\",\"value\":\"\"}]"), 200); // none is wanted
	CHECK_INT(s.accepts, 0);
	CHECK_INT(get(&s, "/is it\xc3\xa4?a=b%20c#part", NULL), 200);
	CHECK_STR(str_of(s.body), "/is%20it%C3%A4?a=b%20c");
	site_finish(&s);
}

TEST(redirects_are_followed_on_the_host)
{
	struct site s;
	site_init(&s);
	CHECK_INT(get(&s, "/absolute", NULL), 200);
	CHECK_INT(s.asked, 2);
	CHECK_INT(get(&s, "/relative/x", NULL), 500);
	CHECK_STR(str_of(s.body), "/relative/sub?bad");
	CHECK_INT(get(&s, "/slashes", NULL), 500);
	CHECK_INT(get(&s, "/query", NULL), 500);
	CHECK_STR(str_of(s.body), "/query?bad");
	CHECK_INT(get(&s, "/elsewhere", NULL), 307); // that is the answer
	CHECK_INT(s.asked, 1);
	CHECK_INT(get(&s, "/port", NULL), 302);
	CHECK_INT(get(&s, "/round", NULL), -1);
	CHECK_STR(str_of(s.failure), "stopped after 10 redirects");
	site_finish(&s);
}

TEST(pages_may_be_given_up)
{
	struct site s;
	site_init(&s);
	struct page_request r = {.host = STR("10.0.0.1"), .port = 80, .path = STR("/round")};
	for (int steps = 0; steps < 60; steps++) {
		struct page *p = page_get(s.loop, &r, on_done, &s);
		for (int i = 0; i < steps && !s.done; i++)
			sim_step(s.sim);
		if (s.done)
			break;
		page_cancel(p);
	}
	sim_run(s.sim, 1000000000);
	CHECK(!s.done);
	site_finish(&s);
}
