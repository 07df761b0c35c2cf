// SPDX-License-Identifier: Apache-2.0
#include "client/https.h"

#include <stdio.h>

#include "base/times.h"
#include "client/status.h"
#include "wire/client.h"

enum {
	ANSWER_MAX = 256 * 1024 * 1024,
	LINE_MAX_BYTES = 16 * 1024 * 1024,
	REFUSAL_MAX = 64 * 1024,  // of a watch that was not granted
	WATCH_SILENCE_S = 5 * 60, // then the peer counts as gone: servers send bookmarks every minute
};

struct https {
	struct transport base;
	struct http_client *http;
	char *authorization; // "Bearer ...", or NULL
	char *user_agent;
};

static struct https *https_of(struct transport *t)
{
	return CONTAINER_OF(t, struct https, base);
}

// ---- Requests

struct request {
	client_done *done;
	void *arg;
};

static void on_response(void *arg, const struct http_response *r)
{
	struct request *q = arg;
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct client_response out = {.e = r->e};
	if (r->head) {
		out.code = r->head->code;
		out.body = r->body;
		if (out.code >= 300) {
			status_to_err(r->body, out.code, http_header(r->head->headers, "retry-after"), &e);
			out.e = &e;
		}
	}
	q->done(q->arg, &out);
	free(q);
}

enum { HEADERS_ROOM = 4 };

static struct http_headers headers_of(const struct https *t, const char *content_type,
				      struct http_header list[HEADERS_ROOM])
{
	size_t n = 0;
	list[n++] = (struct http_header){STR("Accept"), STR("application/json")};
	list[n++] = (struct http_header){STR("User-Agent"), str_of(t->user_agent)};
	if (content_type)
		list[n++] = (struct http_header){STR("Content-Type"), str_of(content_type)};
	if (t->authorization)
		list[n++] = (struct http_header){STR("Authorization"), str_of(t->authorization)};
	return (struct http_headers){list, n};
}

static void https_send(struct transport *base, const struct client_request *r, client_done *done, void *arg)
{
	struct https *t = https_of(base);
	struct request *q = MEM_NEW(struct request);
	*q = (struct request){done, arg};
	struct http_header list[HEADERS_ROOM];
	const char *type = r->body.n ? (r->content_type ? r->content_type : "application/json") : NULL;
	struct http_call_request call = {.method = r->method, .target = r->path, .body = r->body,
					 .headers = headers_of(t, type, list)};
	http_fetch(t->http, &call, ANSWER_MAX, on_response, q);
}

// ---- Watches

struct client_stream {
	struct http_call *call;
	const struct client_stream_events *events;
	void *arg;
	int code;
	char retry_after[16];
	struct buf partial; // of a line, or of the answer that refuses
	unsigned busy;
	bool closed;
};

static void stream_release(struct client_stream *s)
{
	if (--s->busy || !s->closed)
		return;
	buf_finish(&s->partial);
	free(s);
}

// The stream ends; the call has ended, or is cancelled here.
static void stream_end(struct client_stream *s, const struct err *e)
{
	s->closed = true;
	http_call_cancel(s->call);
	s->call = NULL;
	s->events->on_end(s->arg, e);
}

static void on_watch_head(void *arg, const struct http_head *head)
{
	struct client_stream *s = arg;
	s->code = head->code;
	str_to_c(http_header(head->headers, "retry-after"), s->retry_after, sizeof s->retry_after);
}

static void hand_line(struct client_stream *s, struct str line)
{
	if (str_trim(line).n == 0)
		return;
	struct blob *b = blob_create(line);
	s->events->on_line(s->arg, b);
	blob_unref(b);
}

static void take_lines(struct client_stream *s, struct str piece)
{
	ptrdiff_t end;
	while (!s->closed && (end = str_find(piece, '\n')) >= 0) {
		struct str line = str_sub(piece, 0, (size_t)end);
		piece = str_from(piece, (size_t)end + 1);
		if (s->partial.n) {
			struct buf whole CLEAN_BUF = s->partial;
			buf_init(&s->partial);
			buf_add(&whole, line);
			hand_line(s, buf_str(&whole));
		} else {
			hand_line(s, line);
		}
	}
	if (!s->closed)
		buf_add(&s->partial, piece);
}

static void on_watch_body(void *arg, struct str piece)
{
	struct client_stream *s = arg;
	s->busy++;
	if (s->code == 200)
		take_lines(s, piece);
	else if (s->partial.n < REFUSAL_MAX)
		buf_add(&s->partial, str_sub(piece, 0, REFUSAL_MAX - s->partial.n));
	if (!s->closed && s->partial.n > LINE_MAX_BYTES) {
		struct err e CLEAN_ERR = ERR_EMPTY;
		err_set(&e, ERR_TOO_LARGE, "an event of the watch is larger than %d bytes", LINE_MAX_BYTES);
		stream_end(s, &e);
	}
	stream_release(s);
}

static void on_watch_end(void *arg, const struct err *e)
{
	struct client_stream *s = arg;
	struct err refusal CLEAN_ERR = ERR_EMPTY;
	s->busy++;
	s->call = NULL;
	if (!e && s->code != 200) {
		status_to_err(buf_str(&s->partial), s->code, str_of(s->retry_after), &refusal);
		e = &refusal;
	} else if (!e && s->partial.n) {
		err_set(&refusal, ERR_UNAVAILABLE, "the watch was cut in the middle of an event");
		e = &refusal;
	}
	stream_end(s, e);
	stream_release(s);
}

static struct client_stream *https_watch(struct transport *base, struct str path,
					 const struct client_stream_events *ev, void *arg)
{
	static const struct http_call_events events = {on_watch_head, on_watch_body, on_watch_end, NULL};
	struct https *t = https_of(base);
	struct client_stream *s = MEM_NEW(struct client_stream);
	*s = (struct client_stream){.events = ev, .arg = arg};
	struct http_header list[HEADERS_ROOM];
	struct http_call_request r = {.method = "GET", .target = path, .headers = headers_of(t, NULL, list),
				      .read_timeout_ns = WATCH_SILENCE_S * TIME_S};
	s->call = http_call_start(t->http, &r, &events, s);
	return s;
}

static void https_stream_close(struct transport *base, struct client_stream *s)
{
	if (s->closed)
		return;
	s->busy++;
	s->closed = true;
	http_call_cancel(s->call);
	s->call = NULL;
	stream_release(s);
}

// ---- Life

static void https_destroy(struct transport *base)
{
	struct https *t = https_of(base);
	http_client_destroy(t->http);
	if (t->authorization)
		explicit_bzero(t->authorization, strlen(t->authorization));
	free(t->authorization);
	free(t->user_agent);
	free(t);
}

static const struct transport_ops https_ops = {https_send, https_watch, https_stream_close, https_destroy};

struct url {
	bool tls;
	struct str host; // without brackets
	char address[300]; // for net_connect
};

// scheme://host[:port][/]; a path is not supported.
static int parse_url(const char *text, struct url *out, struct err *e)
{
	struct str rest = str_of(text);
	if (str_starts(rest, STR("https://")))
		out->tls = true;
	else if (!str_starts(rest, STR("http://")))
		return err_set(e, ERR_BAD_REQUEST, "server %s: must begin with https://", text);
	rest = str_from(rest, out->tls ? 8 : 7);
	if (str_ends(rest, STR("/")))
		rest.n--;
	struct str host = rest, port = STR_NONE;
	ptrdiff_t colon = str_find_last(rest, ':');
	if (colon >= 0 && !str_ends(rest, STR("]"))) {
		host = str_sub(rest, 0, (size_t)colon);
		port = str_from(rest, (size_t)colon + 1);
	}
	out->host = str_starts(host, STR("[")) && str_ends(host, STR("]")) ? str_sub(host, 1, host.n - 2) : host;
	if (host.n == 0 || host.n > 253 || port.n > 5 || str_find(rest, '/') >= 0 || str_find(rest, '@') >= 0)
		return err_set(e, ERR_BAD_REQUEST, "server %s: not an address", text);
	if (str_is(host, "localhost"))
		host = STR("127.0.0.1");
	if (port.n == 0)
		port = out->tls ? STR("443") : STR("80");
	snprintf(out->address, sizeof out->address, "%.*s:%.*s", STR_FMT(host), STR_FMT(port));
	return 0;
}

static int make_tls(const struct https_config *c, struct tls_context **out, struct err *e)
{
	struct tls_config config = {.certificate = c->certificate, .key = c->key, .authorities = c->authorities,
				    .insecure = c->insecure};
	*out = tls_context_client(&config, e);
	return *out ? 0 : -1;
}

struct transport *transport_https_create(struct loop *l, const struct https_config *c, struct err *e)
{
	struct url url = {0};
	struct tls_context *tls = NULL;
	if (parse_url(c->server, &url, e) < 0 || (url.tls && make_tls(c, &tls, e) < 0))
		return NULL;
	struct buf text CLEAN_BUF;
	buf_init(&text);
	buf_add(&text, c->server_name ? str_of(c->server_name) : url.host);
	buf_add_byte(&text, '\0');
	struct https *t = MEM_NEW(struct https);
	t->base = (struct transport){&https_ops, l};
	t->http = http_client_create(&(struct http_client_config){
		.loop = l, .address = url.address, .server_name = text.p, .tls = tls,
		.connections_max = c->connections_max ? c->connections_max : 256});
	tls_context_unref(tls);
	t->user_agent = mem_strdup(c->user_agent ? c->user_agent : "onggi");
	if (c->token.n) {
		buf_clear(&text);
		buf_fmt(&text, "Bearer %.*s", STR_FMT(str_trim(c->token)));
		buf_add_byte(&text, '\0');
		t->authorization = mem_strdup(text.p);
	}
	return &t->base;
}

int transport_https_renew(struct transport *t, const struct https_config *c, struct err *e)
{
	struct tls_context *tls;
	if (make_tls(c, &tls, e) < 0)
		return -1;
	http_client_set_tls(https_of(t)->http, tls);
	tls_context_unref(tls);
	return 0;
}
