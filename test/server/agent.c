// SPDX-License-Identifier: Apache-2.0
#include "agent.h"

static void on_echo(void *arg, struct str data, const struct err *e)
{
	struct agent *a = arg;
	if (e || !data.n) {
		duplex_close(a->stream);
		a->stream = NULL;
		return;
	}
	duplex_write_str(a->stream, data);
}

static void on_drain(void *arg) {}

static void on_request(void *arg, struct http_exchange *x)
{
	static const struct duplex_events echo = {on_echo, on_drain};
	struct agent *a = arg;
	str_to_c(x->target, a->target, sizeof(a->target));
	a->certified = x->peer && x->peer->verified && str_is(x->peer->common_name, "kube-apiserver-kubelet-client");
	a->upgrade = http_header_lists(x->headers, "Connection", "upgrade");
	str_to_c(http_header(x->headers, "Sec-WebSocket-Protocol"), a->protocols, sizeof(a->protocols));
	if (a->upgrade) {
		struct http_header h[] = {{STR("Upgrade"), STR("test")}, {STR("X-Stream-Protocol-Version"), STR("v4")}};
		a->stream = http_upgrade(x, (struct http_headers){h, 2});
		duplex_start(a->stream, &echo, a);
		return;
	}
	if (str_contains(x->target, STR("follow=true"))) {
		a->log = x;
		http_reply_begin(x, &(struct http_reply){.code = 200, .content_type = "text/plain"});
		return;
	}
	http_reply_str(x, str_contains(x->target, STR("bad")) ? 400 : 200, "text/plain", STR("two\nlines\n"));
}

static void on_cancel(void *arg, struct http_exchange *x)
{
	struct agent *a = arg;
	a->cancelled = true;
	a->log = NULL;
	http_abort(x);
}

void agent_init(struct agent *a, struct site *s)
{
	static const struct http_handler handler = {.on_request = on_request, .on_cancel = on_cancel};
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct x509_pair pair = {0};
	struct str name = STR("n1");
	*a = (struct agent){0};
	REQUIRE(pki_issue_node(&s->pki, name, &name, 1, &pair, &e) == 0);
	struct tls_config t = {.certificate = buf_str(&pair.certificate),
			       .key = buf_str(&pair.key),
			       .authorities = buf_str(&s->pki.authority.certificate)};
	struct tls_context *tls = tls_context_server(&t, &e);
	REQUIRE(tls != NULL);
	struct http_server_config c = {.loop = s->loop, .handler = &handler, .arg = a, .tls = tls};
	a->server = http_server_create(&c);
	REQUIRE(http_server_listen(a->server, "127.0.0.1:10250", &e) == 0);
	tls_context_unref(tls);
	x509_pair_finish(&pair);
}

void agent_make_pod(struct site *s, struct http_client *client, const char *node)
{
	CHECK_INT(
		site_ask(s, client, "POST", "/api/v1/nodes", arena_fmt(&s->arena, "{'metadata':{'name':'%s'}}", node).p)
			.code,
		201);
	CHECK_INT(site_ask(s, client, "PUT", arena_fmt(&s->arena, "/api/v1/nodes/%s/status", node).p,
			   arena_fmt(&s->arena,
				     "{'metadata':{'name':'%s'},'status':{'addresses':[{'type':'InternalIP','address':'"
				     "127.0.0.1'}],"
				     "'daemonEndpoints':{'kubeletEndpoint':{'Port':10250}}}}",
				     node)
				   .p)
			  .code,
		  200);
	site_ask(s, client, "POST", "/api/v1/namespaces/default/serviceaccounts", "{'metadata':{'name':'default'}}");
	CHECK_INT(site_ask(s, client, "POST", "/api/v1/namespaces/default/pods",
			   arena_fmt(&s->arena,
				     "{'metadata':{'name':'p'},'spec':{'nodeName':'%s','containers':[{'name':'c','"
				     "image':'x'}]}}",
				     node)
				   .p)
			  .code,
		  201);
}
