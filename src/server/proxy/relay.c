// SPDX-License-Identifier: Apache-2.0
#include "server/proxy/relay.h"

#include "server/respond.h"
#include "server/worker.h"
#include "wire/client.h"

enum { HEADERS_MAX = 64 };

struct relay {
	struct call *call;
	struct http_call *to;
	bool begun; // our answer
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
	for (size_t i = 0; i < from.count && n < HEADERS_MAX; i++)
		if (passes(from.list[i].name, upgrade))
			out[n++] = from.list[i];
	return n;
}

// ---- the answer

static void on_head(void *arg, const struct http_head *head)
{
	struct relay *r = arg;
	struct call *c = r->call;
	struct http_header headers[HEADERS_MAX];
	size_t n = select_headers(head->headers, false, headers);
	struct str type = http_header(head->headers, "Content-Type");
	size_t kept = 0;
	for (size_t i = 0; i < n; i++)
		if (!str_eq_nocase(headers[i].name, STR("Content-Type")))
			headers[kept++] = headers[i];
	struct front_reply reply = {.code = head->code,
				    .content_type = str_empty(type) ? NULL : arena_c(c->arena, type),
				    .headers = {headers, kept}};
	r->begun = true;
	c->code = head->code;
	c->front->begin(c, &reply);
}

static void on_body(void *arg, struct str piece)
{
	struct relay *r = arg;
	r->call->front->write(r->call, blob_create(piece));
	if (r->call->front->pending(r->call) > DUPLEX_HIGH)
		http_call_read(r->to, false);
}

static void on_end(void *arg, const struct err *why)
{
	struct relay *r = arg;
	struct call *c = r->call;
	r->to = NULL;
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
	struct http_header headers[HEADERS_MAX];
	size_t n = 0;
	for (size_t i = 0; i < head->headers.count && n < HEADERS_MAX; i++)
		if (passes(head->headers.list[i].name, true) &&
		    !str_eq_nocase(head->headers.list[i].name, STR("Connection")))
			headers[n++] = head->headers.list[i];
	r->to = NULL;
	c->code = 101;
	worker_call_ends(c);
	struct duplex *near = c->front->upgrade(c, (struct http_headers){headers, n});
	if (near)
		duplex_splice(near, far);
	else
		duplex_close(far);
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
	respond_stream_abort(c);
}

void relay_call(struct call *c, struct http_client *to, struct str target)
{
	static const struct http_call_events events = {on_head, on_body, on_end, on_upgrade};
	struct relay *r = ARENA_NEW(c->arena, struct relay);
	struct http_header headers[HEADERS_MAX];
	bool upgrade = http_header_lists(c->headers, "Connection", "upgrade");
	struct http_call_request request = {.method = arena_c(c->arena, c->method),
					    .target = target,
					    .headers = {headers, select_headers(c->headers, upgrade, headers)},
					    .body = c->body,
					    .fresh_connection = upgrade};
	r->call = c;
	c->state = r;
	c->on_drain = on_drain;
	c->on_cancel = on_cancel;
	r->to = http_call_start(to, &request, &events, r);
}
