// SPDX-License-Identifier: Apache-2.0
#include "server/proxy/relay.h"

#include "server/proxy/links.h"
#include "server/respond.h"
#include "server/worker.h"
#include "wire/client.h"

struct relay {
	struct call *call;
	struct http_call *to;
	bool begun; // our answer
	const struct link_view *view; // NULL: links stay as they are
	struct links *page;	      // in the arena; the body is a page with links to move
};

// Headers that are about one connection, about who asks, or made anew on each leg.
static bool passes(struct str name, bool upgrade)
{
	static const char *const kept_back[] = {
		"Host",
		"Content-Length",
		"Transfer-Encoding",
		"Keep-Alive",
		"TE",
		"Trailer",
		"Date",
		"Authorization",
		"Accept-Encoding",
		"Expect",
		"Proxy-Connection",
		"X-Forwarded-For",
		"X-Forwarded-Uri",
	};
	for (size_t i = 0; i < ARRAY_LEN(kept_back); i++)
		if (str_eq_nocase(name, str_of(kept_back[i])))
			return false;
	struct str impersonate = STR("Impersonate-"), remote = STR("X-Remote-");
	if (str_eq_nocase(str_sub(name, 0, impersonate.n), impersonate) ||
	    str_eq_nocase(str_sub(name, 0, remote.n), remote))
		return false;
	bool of_upgrade = str_eq_nocase(name, STR("Connection")) || str_eq_nocase(name, STR("Upgrade"));
	return upgrade || !of_upgrade;
}

static size_t select_headers(struct http_headers from, bool upgrade, struct http_header *out)
{
	size_t n = 0;
	for (size_t i = 0; i < from.count && n < HTTP_HEADERS_MAX; i++)
		if (passes(from.list[i].name, upgrade))
			out[n++] = from.list[i];
	return n;
}

// ---- the answer

static bool is_page(const struct http_head *head)
{
	struct str type, parameters;
	str_cut(http_header(head->headers, "Content-Type"), ';', &type, &parameters);
	bool whole = head->code != 206 && !http_header(head->headers, "Content-Encoding").p;
	return whole && str_eq_nocase(str_trim(type), STR("text/html"));
}

static void move_links(struct relay *r, const struct http_head *head, struct http_header *headers, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq_nocase(headers[i].name, STR("Location")))
			headers[i].value = link_move(r->call->arena, r->view, headers[i].value);
	if (!is_page(head))
		return;
	r->page = ARENA_NEW(r->call->arena, struct links);
	links_init(r->page, r->view);
}

static void write_page(struct relay *r, struct str piece, bool last)
{
	struct buf moved CLEAN_BUF;
	buf_init(&moved);
	if (last)
		links_end(r->page, &moved);
	else
		links_feed(r->page, piece, &moved);
	if (moved.n)
		r->call->front->write(r->call, blob_create(buf_str(&moved)));
}

static void forget_page(struct relay *r)
{
	if (r->page)
		links_finish(r->page);
	r->page = NULL;
}

static void on_head(void *arg, const struct http_head *head)
{
	struct relay *r = arg;
	struct call *c = r->call;
	struct http_header headers[HTTP_HEADERS_MAX];
	size_t n = select_headers(head->headers, false, headers);
	struct str type = http_header(head->headers, "Content-Type");
	size_t kept = 0;
	for (size_t i = 0; i < n; i++)
		if (!str_eq_nocase(headers[i].name, STR("Content-Type")))
			headers[kept++] = headers[i];
	struct front_reply reply = {.code = head->code,
				    .content_type = str_empty(type) ? NULL : arena_c(c->arena, type),
				    .headers = {headers, kept}};
	if (r->view)
		move_links(r, head, headers, kept);
	r->begun = true;
	c->code = head->code;
	c->front->begin(c, &reply);
}

static void on_body(void *arg, struct str piece)
{
	struct relay *r = arg;
	if (r->page)
		write_page(r, piece, false);
	else
		r->call->front->write(r->call, blob_create(piece));
	if (r->call->front->pending(r->call) > DUPLEX_HIGH)
		http_call_read(r->to, false);
}

static void on_end(void *arg, const struct err *why)
{
	struct relay *r = arg;
	struct call *c = r->call;
	r->to = NULL;
	if (r->page && !why)
		write_page(r, STR(""), true);
	forget_page(r);
	if (r->begun && !why) {
		respond_stream_end(c);
	} else if (r->begun) {
		respond_stream_abort(c);
	} else {
		struct err e CLEAN_ERR = ERR_EMPTY;
		err_set(&e, ERR_UNAVAILABLE, "error trying to reach the node: %s", err_text(why));
		respond_error(c, &e, NULL);
	}
}

static void on_upgrade(void *arg, const struct http_head *head, struct duplex *far)
{
	struct relay *r = arg;
	struct call *c = r->call;
	struct http_header headers[HTTP_HEADERS_MAX];
	size_t n = 0;
	for (size_t i = 0; i < head->headers.count && n < HTTP_HEADERS_MAX; i++)
		if (passes(head->headers.list[i].name, true) &&
		    !str_eq_nocase(head->headers.list[i].name, STR("Connection")))
			headers[n++] = head->headers.list[i];
	r->to = NULL;
	c->code = 101;
	struct duplex *near = c->front->upgrade(c, (struct http_headers){headers, n});
	if (near)
		duplex_splice(near, far);
	else
		duplex_close(far);
	respond_stream_abort(c);
}

static void on_drain(struct call *c)
{
	struct relay *r = c->state;
	if (r->to)
		http_call_read(r->to, true);
}

static void on_cancel(struct call *c)
{
	struct relay *r = c->state;
	http_call_cancel(r->to);
	forget_page(r);
	respond_stream_abort(c);
}

void relay_call(struct call *c, struct http_client *to, struct str target, const struct link_view *view)
{
	static const struct http_call_events events = {on_head, on_body, on_end, on_upgrade};
	struct relay *r = ARENA_NEW(c->arena, struct relay);
	struct http_header headers[HTTP_HEADERS_MAX + 1];
	bool upgrade = http_header_lists(c->headers, "Connection", "upgrade");
	size_t n = select_headers(c->headers, upgrade, headers);
	if (view)
		headers[n++] = (struct http_header){STR("X-Forwarded-Uri"), c->path};
	struct http_call_request request = {.method = arena_c(c->arena, c->method),
					    .target = target,
					    .headers = {headers, n},
					    .body = c->body,
					    .fresh_connection = upgrade};
	r->call = c;
	r->view = view;
	c->state = r;
	c->on_drain = on_drain;
	c->on_cancel = on_cancel;
	r->to = http_call_start(to, &request, &events, r);
}
