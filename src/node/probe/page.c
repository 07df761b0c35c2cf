// SPDX-License-Identifier: Apache-2.0
#include "node/probe/page.h"

#include <stdio.h>

#include "wire/client.h"

enum { BODY_MAX = 10 << 10 };

struct place {
	bool https;
	struct str host; // without brackets
	int port;
	struct str target; // path?query
};

struct page {
	struct loop *loop;
	struct arena arena;
	struct place at; // where it asks now
	const char *host_header; // of the first request's headers, or NULL
	struct http_headers headers;
	struct http_client *client;
	struct str location; // of the answer under way
	int code;	     // of it; 0: none yet
	int redirects;
	struct buf body;
	struct err failure;
	struct task next; // asks the place that a redirect named, or ends
	bool over, cancelled;
	page_done *done;
	void *arg;
};

// ---- where a redirect leads

// "host", "host:port", "[::1]:port"; false where it is malformed.
static bool take_authority(struct str text, struct place *out)
{
	int64_t number = out->https ? 443 : 80;
	ptrdiff_t colon = str_find_last(text, ':'), bracket = str_find_last(text, ']');
	bool with_port = colon > bracket;
	if (with_port && str_to_i64(str_from(text, (size_t)colon + 1), &number) < 0)
		return false;
	out->host = with_port ? str_sub(text, 0, (size_t)colon) : text;
	if (bracket > 1 && text.p[0] == '[')
		out->host = str_sub(text, 1, (size_t)bracket - 1);
	out->port = (int)number;
	return number > 0 && number < 65536;
}

// Takes "https://host:port" off the front of a link where it has such; false where that is malformed.
static bool take_origin(struct str *link, struct place *out)
{
	struct str origin = str_sub(*link, 0, http_origin_length(*link)), scheme, authority;
	if (str_empty(origin))
		return true; // a path
	*link = str_from(*link, origin.n);
	str_cut(origin, '/', &scheme, &authority); // "https:", "/host:port"
	if (!str_empty(scheme))
		out->https = str_eq_nocase(scheme, STR("https:"));
	return take_authority(str_from(authority, 1), out);
}

// The place that a link on a page means; false: it can't be asked, or is another host's.
static bool follow(struct arena *a, const struct place *from, struct str link, struct place *out)
{
	struct str fragment, query, path, whole = link;
	*out = *from;
	str_cut(link, '#', &link, &fragment);
	if (!take_origin(&link, out) || !str_eq_nocase(out->host, from->host))
		return false;
	str_cut(from->target, '?', &path, &query);
	if (link.p != whole.p || str_starts(link, STR("/"))) // relative to nothing
		path = str_starts(link, STR("/")) ? STR("") : STR("/");
	else if (!str_starts(link, STR("?"))) // relative to the page's directory
		path = str_sub(path, 0, (size_t)(str_find_last(path, '/') + 1));
	out->target = arena_fmt(a, "%.*s%.*s", STR_FMT(path), STR_FMT(link));
	return true;
}

// ---- one request

static void page_free(struct page *p)
{
	http_client_destroy(p->client);
	buf_finish(&p->body);
	err_clear(&p->failure);
	arena_finish(&p->arena);
	free(p);
}

static void on_head(void *arg, const struct http_head *head)
{
	struct page *p = arg;
	p->code = head->code;
	p->location = arena_str(&p->arena, http_header(head->headers, "Location"));
}

static void on_body(void *arg, struct str piece)
{
	struct page *p = arg;
	buf_add(&p->body, str_sub(piece, 0, BODY_MAX - p->body.n));
}

static void on_end(void *arg, const struct err *e)
{
	struct page *p = arg;
	if (p->cancelled) // the client is being destroyed
		return;
	if (!p->code)
		err_set(&p->failure, ERR_UNAVAILABLE, "%s", e ? err_text(e) : "no answer");
	p->over = true;
	loop_post(p->loop, &p->next); // the client must not be destroyed from inside its callback
}

static void ask(struct page *p)
{
	static const struct http_call_events events = {.on_head = on_head, .on_body = on_body, .on_end = on_end};
	static const struct tls_config anybody = {.insecure = true}; // probes ask whether it answers, not who it is
	bool v6 = str_find(p->at.host, ':') >= 0;
	const char *address = arena_fmt(&p->arena, v6 ? "[%.*s]:%d" : "%.*s:%d", STR_FMT(p->at.host), p->at.port).p;
	struct tls_context *tls = p->at.https ? tls_context_client(&anybody, &p->failure) : NULL;
	if (p->at.https && !tls) {
		p->over = true;
		loop_post(p->loop, &p->next);
		return;
	}
	struct http_client_config config = {.loop = p->loop,
					    .address = address,
					    .server_name = p->host_header ? p->host_header : address,
					    .tls = tls,
					    .connections_max = 1};
	struct http_call_request request = {
		.method = "GET", .target = p->at.target, .headers = p->headers, .fresh_connection = true};
	p->client = http_client_create(&config);
	tls_context_unref(tls);
	http_call_start(p->client, &request, &events, p);
}

static bool is_redirect(int code)
{
	return (code >= 301 && code <= 303) || code == 307 || code == 308;
}

static void go_on(struct task *t)
{
	struct page *p = CONTAINER_OF(t, struct page, next);
	struct place next;
	if (p->cancelled) {
		page_free(p);
		return;
	}
	bool moved = is_redirect(p->code) && p->location.n && follow(&p->arena, &p->at, p->location, &next);
	if (moved && p->redirects++ == PAGE_REDIRECTS_MAX)
		err_set(&p->failure, ERR_UNAVAILABLE, "stopped after %d redirects", PAGE_REDIRECTS_MAX);
	if (!moved || p->failure.reason) {
		p->done(p->arg, p->failure.reason ? &p->failure : NULL, p->code, buf_str(&p->body));
		page_free(p);
		return;
	}
	http_client_destroy(p->client);
	p->client = NULL;
	p->at = next;
	p->code = 0;
	p->over = false;
	buf_clear(&p->body);
	ask(p);
}

// ---- the page

static void set_headers(struct page *p, const struct json *list, bool hook)
{
	struct http_header *headers = ARENA_ARRAY(&p->arena, struct http_header, (list ? list->count : 0) + 2);
	size_t n = 0;
	bool agent = false, accept = false;
	json_each(h, list) {
		struct str name = arena_str(&p->arena, json_str(h, "name"));
		struct str value = arena_str(&p->arena, json_str(h, "value"));
		if (str_eq_nocase(name, STR("Host"))) {
			p->host_header = p->host_header ? p->host_header : arena_c(&p->arena, value);
			continue;
		}
		agent |= str_eq_nocase(name, STR("User-Agent"));
		accept |= str_eq_nocase(name, STR("Accept"));
		if (value.n || !str_eq_nocase(name, STR("Accept"))) // an empty one asks for none
			headers[n++] = (struct http_header){name, value};
	}
	if (!agent)
		headers[n++] = (struct http_header){STR("User-Agent"), hook ? STR("kube-lifecycle/1.36") : STR("kube-probe/1.36")};
	if (!accept)
		headers[n++] = (struct http_header){STR("Accept"), STR("*/*")};
	p->headers = (struct http_headers){headers, n};
}

// What a request line cannot hold is escaped; what follows a '#' is the client's own.
static struct str target_of(struct arena *a, struct str path)
{
	struct buf out CLEAN_BUF;
	buf_init(&out);
	if (!str_starts(path, STR("/")))
		buf_add_byte(&out, '/');
	for (size_t i = 0; i < path.n && path.p[i] != '#'; i++) {
		unsigned char c = (unsigned char)path.p[i];
		if (c <= ' ' || c >= 0x7f || strchr("\"<>\\^`{|}", c))
			buf_fmt(&out, "%%%02X", c);
		else
			buf_add_byte(&out, (char)c);
	}
	return arena_str(a, buf_str(&out));
}

struct page *page_get(struct loop *l, const struct page_request *r, page_done *done, void *arg)
{
	struct page *p = MEM_NEW(struct page);
	*p = (struct page){.loop = l, .next.run = go_on, .done = done, .arg = arg};
	arena_init(&p->arena);
	buf_init(&p->body);
	p->at = (struct place){.https = r->https,
			       .host = arena_str(&p->arena, r->host),
			       .port = r->port,
			       .target = target_of(&p->arena, r->path)};
	set_headers(p, r->headers, r->hook);
	ask(p);
	return p;
}

void page_cancel(struct page *p)
{
	if (!p)
		return;
	p->cancelled = true;
	if (!p->over) // otherwise go_on frees it
		page_free(p);
}
