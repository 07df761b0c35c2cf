// SPDX-License-Identifier: Apache-2.0
// The node's HTTPS endpoint: who may call, and who answers what.
#include "node/stream/server.h"

#include "base/encode.h"
#include "base/json.h"
#include "node/stream/stream_server.h"

enum { OPEN_MAX = 1000 };

// ---- what is under way

void open_stream_add(struct stream_server *s, struct open_stream *o, void (*cut)(struct open_stream *))
{
	o->server = s;
	o->cut = cut;
	o->next = s->open;
	o->link = &s->open;
	if (s->open)
		s->open->link = &o->next;
	s->open = o;
	s->open_count++;
}

void open_stream_drop(struct open_stream *o)
{
	o->server->open_count--;
	*o->link = o->next;
	if (o->next)
		o->next->link = o->link;
}

// ---- helpers of the handlers

void stream_refuse(struct http_exchange *x, const struct err *e)
{
	struct arena *a = &x->arena;
	struct json *j = json_object(a);
	json_put_str(a, j, "kind", STR("Status"));
	json_put_str(a, j, "apiVersion", STR("v1"));
	json_put(j, "metadata", json_object(a));
	json_put_str(a, j, "status", STR("Failure"));
	json_put_str(a, j, "message", str_of(err_text(e)));
	json_put_str(a, j, "reason", str_of(err_reason_name(e->reason)));
	json_put_int(a, j, "code", err_http_code(e->reason));
	http_reply_str(x, err_http_code(e->reason), "application/json", json_text(a, j));
}

bool stream_flag(struct http_exchange *x, const char *name)
{
	struct str value;
	return http_query(&x->arena, x->query, name, &value) && (str_is(value, "1") || str_is(value, "true"));
}

bool stream_path_parse(struct arena *a, struct str path, bool with_container, struct stream_path *out)
{
	struct str parts[6], rest = str_from(path, 1);
	size_t n = 0;
	while (n < ARRAY_LEN(parts) && str_next(&rest, '/', &parts[n]))
		if (decode_url(a, parts[n], false, &parts[n]) == 0 && !str_empty(parts[n]))
			n++;
		else
			return false;
	size_t fixed = with_container ? 4 : 3;
	if (!str_empty(rest) || (n != fixed && n != fixed + 1))
		return false;
	*out = (struct stream_path){
		.namespace = parts[1],
		.pod = parts[2],
		.uid = n == fixed + 1 ? parts[3] : STR_NONE,
		.container = with_container ? parts[n - 1] : STR_NONE,
	};
	return true;
}

int stream_find(struct stream_server *s, struct http_exchange *x, const struct stream_path *p, bool running,
		struct stream_container *out)
{
	struct err e CLEAN_ERR = ERR_EMPTY;
	int found =
		s->pods->find_container(s->pods_arg, &x->arena, p->namespace, p->pod, p->uid, p->container, out, &e);
	if (found == 0 && (!running || out->running))
		return 0;
	if (found == 0)
		err_set(&e, ERR_NOT_FOUND, "container not found (\"%.*s\")", STR_FMT(p->container));
	stream_refuse(x, &e);
	return -1;
}

// ---- small answers

static void healthz(struct stream_server *s, struct http_exchange *x)
{
	http_reply_str(x, 200, "text/plain; charset=utf-8", STR("ok"));
}

static void list_pods(struct stream_server *s, struct http_exchange *x)
{
	struct buf text CLEAN_BUF;
	buf_init(&text);
	s->pods->pods_json(s->pods_arg, &text);
	http_reply_str(x, 200, "application/json", buf_str(&text));
}

// ---- routes

static const struct route {
	const char *first; // part of the path, or a whole path
	bool whole, post;
	void (*run)(struct stream_server *, struct http_exchange *);
} routes[] = {
	{"/containerLogs/", false, false, stream_logs},
	{"/exec/", false, true, stream_exec},
	{"/attach/", false, true, stream_attach},
	{"/portForward/", false, true, stream_port_forward},
	{"/pods", true, false, list_pods},
	{"/healthz", true, false, healthz},
	{"/stats/summary", true, false, stream_summary},
	{"/metrics/cadvisor", true, false, stream_metrics_cadvisor},
	{"/metrics", true, false, stream_metrics},
};

static const struct route *find_route(struct str path)
{
	for (size_t i = 0; i < ARRAY_LEN(routes); i++)
		if (routes[i].whole ? str_is(path, routes[i].first) : str_starts(path, str_of(routes[i].first)))
			return &routes[i];
	return NULL;
}

// Whether the caller is the API server, by its certificate.
static int authenticate(const struct stream_server *s, const struct http_exchange *x, struct err *e)
{
	if (!x->peer || !x->peer->verified)
		return err_set(e, ERR_UNAUTHORIZED, "a client certificate of the cluster's authority is required");
	if (s->allowed_name && !str_is(x->peer->common_name, s->allowed_name))
		return err_set(e, ERR_FORBIDDEN, "user \"%.*s\" may not call this node", STR_FMT(x->peer->common_name));
	return 0;
}

static void on_request(void *arg, struct http_exchange *x)
{
	struct stream_server *s = arg;
	struct err e CLEAN_ERR = ERR_EMPTY;
	const struct route *r = find_route(x->path);
	bool get = str_is(x->method, "GET"), post = str_is(x->method, "POST");
	int ok = authenticate(s, x, &e);
	if (ok == 0 && !r)
		ok = err_set(&e, ERR_NOT_FOUND, "no such path");
	if (ok == 0 && !get && !(post && r->post))
		ok = err_set(&e, ERR_METHOD_NOT_ALLOWED, "method not allowed");
	if (ok == 0 && s->open_count >= OPEN_MAX)
		ok = err_set(&e, ERR_TOO_MANY_REQUESTS, "more than %d logs and sessions are open on this node",
			     OPEN_MAX);
	if (ok < 0)
		stream_refuse(x, &e);
	else
		r->run(s, x);
}

static void on_drain(void *arg, struct http_exchange *x)
{
	if (x->user)
		stream_logs_drain(x);
}

static void on_cancel(void *arg, struct http_exchange *x)
{
	if (x->user)
		stream_logs_cancel(x);
}

static const struct http_handler handler = {.on_request = on_request, .on_drain = on_drain, .on_cancel = on_cancel};

// ---- opening and closing

static char *copy(struct str s)
{
	if (str_empty(s))
		return NULL;
	char *c = mem_alloc(s.n + 1);
	str_to_c(s, c, s.n + 1);
	return c;
}

static struct tls_context *make_context(const struct stream_server_options *o, struct err *e)
{
	struct tls_config tls = {.certificate = o->certificate, .key = o->key, .authorities = o->client_ca};
	struct tls_context *context = tls_context_server(&tls, e);
	if (!context)
		err_wrap(e, "endpoint of the node");
	return context;
}

int stream_server_open(struct loop *l, const struct stream_server_options *o, struct stream_server **out, struct err *e)
{
	struct tls_context *context = make_context(o, e);
	if (!context)
		return -1;
	struct stream_server *s = MEM_NEW(struct stream_server);
	*s = (struct stream_server){.loop = l, .runtime = o->runtime, .pods = o->pods, .pods_arg = o->pods_arg};
	s->allowed_name = copy(o->allowed_name);
	s->node_name = copy(o->node_name);
	struct http_server_config c = {.loop = l, .handler = &handler, .arg = s, .tls = context};
	s->http = http_server_create(&c);
	tls_context_unref(context);
	if (http_server_listen(s->http, o->listen, e) < 0) {
		stream_server_close(s);
		return err_wrap(e, "endpoint of the node at %s", o->listen);
	}
	*out = s;
	return 0;
}

int stream_server_renew(struct stream_server *s, const struct stream_server_options *o, struct err *e)
{
	struct tls_context *context = make_context(o, e);
	if (!context)
		return -1;
	http_server_set_tls(s->http, context);
	tls_context_unref(context);
	return 0;
}

int stream_server_port(const struct stream_server *s)
{
	return http_server_port(s->http);
}

void stream_server_close(struct stream_server *s)
{
	if (!s)
		return;
	while (s->open)
		s->open->cut(s->open);
	http_server_destroy(s->http);
	free(s->allowed_name);
	free(s->node_name);
	free(s);
}
