// SPDX-License-Identifier: Apache-2.0
#include "server/respond.h"

#include "server/pretty.h"
#include "server/stored.h"
#include "server/worker.h"

enum { HEADERS_MAX = 24, WARNINGS_MAX = 20 };

struct reply_headers {
	struct http_header list[HEADERS_MAX];
	size_t count;
};

static void add_header(struct reply_headers *h, const char *name, struct str value)
{
	if (h->count < HEADERS_MAX)
		h->list[h->count++] = (struct http_header){str_of(name), value};
}

// `299 - "text"` with quotes and backslashes escaped (RFC 9111, 5.5 of its predecessor 7234).
static struct str warning_text(struct arena *a, struct str text)
{
	struct buf out CLEAN_BUF;
	buf_init(&out);
	BUF_LIT(&out, "299 - \"");
	for (size_t i = 0; i < text.n && i < 2000; i++) {
		unsigned char ch = (unsigned char)text.p[i];
		if (ch == '"' || ch == '\\')
			buf_add_byte(&out, '\\');
		buf_add_byte(&out, ch < 0x20 || ch == 0x7f ? ' ' : (char)ch);
	}
	buf_add_byte(&out, '"');
	return arena_str(a, buf_str(&out));
}

static void common_headers(struct call *c, struct reply_headers *h)
{
	add_header(h, "Cache-Control", STR("no-cache, private"));
	size_t n = 0;
	json_each(warning, c->warnings)
		if (n++ < WARNINGS_MAX)
			add_header(h, "Warning", warning_text(c->arena, warning->text));
}

static void reply(struct call *c, int code, const char *content_type, struct reply_headers *h, struct blob *body)
{
	struct front_reply r = {.code = code, .content_type = content_type, .headers = {h->list, h->count}};
	c->code = code;
	worker_call_ends(c);
	c->front->reply(c, &r, &body, body ? 1 : 0);
}

void respond_blob(struct call *c, int code, struct blob *json)
{
	struct reply_headers h = {.count = 0};
	common_headers(c, &h);
	if (query_is_true(&c->query, "pretty")) {
		struct buf out CLEAN_BUF;
		buf_init(&out);
		pretty_json(&out, blob_str(json));
		blob_unref(json);
		json = blob_create(buf_str(&out));
	}
	reply(c, code, "application/json", &h, json);
}

void respond_buf(struct call *c, int code, const struct buf *json)
{
	respond_blob(c, code, blob_create(buf_str(json)));
}

void respond_json(struct call *c, int code, const struct json *body)
{
	struct buf out CLEAN_BUF;
	buf_init(&out);
	json_write(&out, body);
	buf_add_byte(&out, '\n');
	respond_buf(c, code, &out);
}

void respond_text(struct call *c, int code, const char *content_type, struct str body)
{
	struct reply_headers h = {.count = 0};
	common_headers(c, &h);
	add_header(&h, "X-Content-Type-Options", STR("nosniff"));
	reply(c, code, content_type, &h, blob_create(body));
}

void respond_created(struct call *c)
{
	struct json *status = status_success(c->arena, NULL);
	json_put_int(c->arena, status, "code", 201);
	respond_json(c, 201, status);
}

void respond_error(struct call *c, struct err *e, const struct status_details *d)
{
	int code;
	struct reply_headers h = {.count = 0};
	struct json *status = status_error(c->arena, e, d, &code);
	common_headers(c, &h);
	if (e->retry_after_s)
		add_header(&h, "Retry-After", arena_fmt(c->arena, "%d", e->retry_after_s));
	if (code == 401)
		add_header(&h, "WWW-Authenticate", STR("Bearer"));
	struct buf out CLEAN_BUF;
	buf_init(&out);
	json_write(&out, status);
	buf_add_byte(&out, '\n');
	err_clear(e);
	reply(c, code, "application/json", &h, blob_create(buf_str(&out)));
}

void respond_failure(struct call *c, struct err *e, struct str name)
{
	const struct api_resource *r = c->route.resource;
	struct status_details d = {0};
	switch (e->reason) {
	case ERR_INVALID:
		d = status_of_kind(stored_as(r), name);
		break;
	case ERR_NOT_FOUND:
	case ERR_ALREADY_EXISTS:
	case ERR_CONFLICT:
	case ERR_FORBIDDEN:
		d = status_of_resource(r, name);
		break;
	default:
		break;
	}
	respond_error(c, e, &d);
}

void respond_moved(struct call *c, struct str location)
{
	struct reply_headers h = {.count = 0};
	add_header(&h, "Location", location);
	reply(c, 301, NULL, &h, NULL);
}

void respond_not_found_path(struct call *c)
{
	respond_text(c, 404, "text/plain; charset=utf-8", STR("404 page not found\n"));
}

static void respond_with_empty_details(struct call *c, enum err_reason reason, const char *text)
{
	struct err e = ERR_EMPTY;
	struct status_details d = status_empty();
	err_set(&e, reason, "%s", text);
	respond_error(c, &e, &d);
}

void respond_no_resource(struct call *c)
{
	respond_with_empty_details(c, ERR_NOT_FOUND, "the server could not find the requested resource");
}

void respond_method_not_allowed(struct call *c)
{
	respond_with_empty_details(c, ERR_METHOD_NOT_ALLOWED,
				   "the server does not allow this method on the requested resource");
}

void respond_stream_begin(struct call *c, int code, const char *content_type)
{
	struct reply_headers h = {.count = 0};
	common_headers(c, &h);
	struct front_reply r = {.code = code, .content_type = content_type, .headers = {h.list, h.count}};
	c->code = code;
	c->front->begin(c, &r);
}

void respond_stream_end(struct call *c)
{
	worker_call_ends(c);
	c->front->end(c);
}

void respond_stream_abort(struct call *c)
{
	worker_call_ends(c);
	c->front->abort(c);
}
