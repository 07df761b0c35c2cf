// SPDX-License-Identifier: Apache-2.0
#include "wire/remote_carrier.h"

#include "base/json.h"
#include "wire/websocket.h"

struct remote *remote_accept(struct http_exchange *x, const struct remote_wanted *wanted,
			     const struct remote_events *ev, void *arg)
{
	bool websocket = websocket_requested(x->headers);
	const char *by_websocket = websocket ? remote_websocket_choose(x->headers) : NULL;
	const char *by_spdy = websocket ? NULL : remote_spdy_choose(x->headers);
	struct remote *r = NULL;
	if (by_websocket)
		r = remote_websocket_accept(x, by_websocket);
	else if (by_spdy)
		r = remote_spdy_accept(x, by_spdy);
	else if (websocket)
		http_reply_str(x, 403, "text/plain", STR("no such protocol: v5.channel.k8s.io is spoken, or an older one\n"));
	else
		http_reply_str(x, 400, "text/plain",
			       STR("an upgrade is needed, to WebSocket (v5.channel.k8s.io) or SPDY/3.1\n"));
	if (!r)
		return NULL;
	r->wanted = *wanted;
	r->events = ev;
	r->arg = arg;
	if (by_websocket)
		remote_websocket_start(r);
	else
		remote_spdy_start(r);
	return r;
}

bool remote_has(const struct remote *r, enum remote_channel channel)
{
	switch (channel) {
	case REMOTE_STDIN:
		return r->wanted.in;
	case REMOTE_STDOUT:
		return r->wanted.out;
	case REMOTE_STDERR:
		return r->wanted.err && !r->wanted.tty;
	case REMOTE_ERROR:
		return true;
	case REMOTE_RESIZE:
		return r->wanted.tty;
	case REMOTE_CHANNELS:
		break;
	}
	return false;
}

void remote_told_size(struct remote *r, struct str text)
{
	struct arena a CLEAN_ARENA;
	struct json *size;
	struct json_options options = {.depth_max = 4};
	arena_init(&a);
	if (json_parse(&a, text, &options, &size, NULL) < 0)
		return;
	int64_t width = json_i64(size, "Width", 0), height = json_i64(size, "Height", 0);
	if (width > 0 && width <= UINT16_MAX && height > 0 && height <= UINT16_MAX)
		r->events->on_resize(r->arg, (int)width, (int)height);
}

void remote_send(struct remote *r, enum remote_channel channel, struct str data)
{
	if (data.n && remote_has(r, channel))
		r->ops->send(r, channel, data);
}

size_t remote_pending(const struct remote *r)
{
	return r->ops->pending(r);
}

void remote_read(struct remote *r, bool on)
{
	r->ops->read(r, on);
}

void remote_destroy(struct remote *r)
{
	if (r)
		r->ops->destroy(r);
}

// ---- How it ended, in the words that kubectl understands

static void add_exit(struct buf *out, int exit_code)
{
	if (exit_code == 0) {
		BUF_LIT(out, "{\"metadata\":{},\"status\":\"Success\"}");
		return;
	}
	buf_fmt(out,
		"{\"metadata\":{},\"status\":\"Failure\","
		"\"message\":\"command terminated with non-zero exit code: %d\",\"reason\":\"NonZeroExitCode\","
		"\"details\":{\"causes\":[{\"reason\":\"ExitCode\",\"message\":\"%d\"}]}}",
		exit_code, exit_code);
}

static void add_error(struct buf *out, struct str message)
{
	BUF_LIT(out, "{\"metadata\":{},\"status\":\"Failure\",\"message\":");
	json_write_string(out, message);
	BUF_LIT(out, ",\"reason\":\"InternalError\",\"details\":{\"causes\":[{\"message\":");
	json_write_string(out, message);
	BUF_LIT(out, "}]},\"code\":500}");
}

void remote_finish(struct remote *r, int exit_code, const struct err *e)
{
	struct buf status CLEAN_BUF;
	buf_init(&status);
	if (e && r->plain_status)
		buf_add_c(&status, err_text(e));
	else if (e)
		add_error(&status, str_of(err_text(e)));
	else if (!r->plain_status)
		add_exit(&status, exit_code);
	else if (exit_code)
		buf_fmt(&status, "command terminated with non-zero exit code: %d", exit_code);
	r->ops->finish(r, buf_str(&status));
}
