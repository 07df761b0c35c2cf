// SPDX-License-Identifier: Apache-2.0
#include "wire/grpc.h"

#include <nghttp2/nghttp2.h>
#include <stdio.h>

#include "base/buf.h"
#include "wire/duplex.h"

enum { PREFIX = 5, REASON_MAX = 1024 }; // before a message: whether it is compressed, its length

struct grpc_call {
	struct loop *loop;
	struct arena arena; // of the request
	struct grpc_request request;
	struct buf body; // the message in its frame
	size_t sent;	 // of it
	struct stream *connecting;
	struct duplex *duplex;
	nghttp2_session *session;
	int code, status; // of HTTP, of gRPC; -1: not told
	struct buf reason, answer;
	struct err failure;
	struct task finish;
	bool over;	// `finish` is posted
	bool cancelled; // nobody listens any more
	grpc_done *done;
	void *arg;
};

// ---- the end

static void call_free(struct grpc_call *c)
{
	nghttp2_session_del(c->session);
	stream_close(c->connecting);
	duplex_close(c->duplex);
	buf_finish(&c->body);
	buf_finish(&c->reason);
	buf_finish(&c->answer);
	err_clear(&c->failure);
	arena_finish(&c->arena);
	free(c);
}

static int take_message(const struct grpc_call *c, struct str *out, struct err *e)
{
	const unsigned char *p = (const unsigned char *)c->answer.p;
	*out = STR("");
	if (c->status != GRPC_OK)
		return 0;
	if (c->answer.n < PREFIX || p[0])
		return err_set(e, ERR_UNAVAILABLE, "the answer holds no plain message");
	size_t n = (size_t)p[1] << 24 | (size_t)p[2] << 16 | (size_t)p[3] << 8 | p[4];
	if (n != c->answer.n - PREFIX)
		return err_set(e, ERR_UNAVAILABLE, "the answer's message is not as long as it says");
	*out = str_from(buf_str(&c->answer), PREFIX);
	return 0;
}

static void judge(struct grpc_call *c, struct grpc_answer *out)
{
	struct err *e = &c->failure;
	*out = (struct grpc_answer){.status = c->status, .reason = buf_str(&c->reason)};
	if (!e->reason && c->code != 200)
		err_set(e, ERR_UNAVAILABLE, "it speaks no gRPC: HTTP status %d", c->code);
	else if (!e->reason && c->status < 0)
		err_set(e, ERR_UNAVAILABLE, "the answer ended without a grpc-status");
	if (e->reason || take_message(c, &out->message, e) < 0)
		*out = (struct grpc_answer){.e = e};
}

static void run_finish(struct task *t)
{
	struct grpc_call *c = CONTAINER_OF(t, struct grpc_call, finish);
	struct grpc_answer answer;
	judge(c, &answer);
	if (!c->cancelled)
		c->done(c->arg, &answer);
	call_free(c);
}

// The session may not be taken down from inside its own callbacks.
static void end(struct grpc_call *c)
{
	if (c->over)
		return;
	c->over = true;
	loop_post(c->loop, &c->finish);
}

static void fail(struct grpc_call *c, const char *why)
{
	if (!c->over)
		err_set(&c->failure, ERR_UNAVAILABLE, "%s", why);
	end(c);
}

// ---- what the session tells

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_n,
		     const uint8_t *value, size_t value_n, uint8_t flags, void *arg)
{
	struct grpc_call *c = arg;
	struct str key = {(const char *)name, name_n}, text = {(const char *)value, value_n};
	int64_t number;
	if (str_is(key, ":status") && str_to_i64(text, &number) == 0) {
		c->code = (int)number;
	} else if (str_is(key, "grpc-status") && str_to_i64(text, &number) == 0 && number >= 0 && number < 1000) {
		c->status = (int)number;
	} else if (str_is(key, "grpc-message")) {
		buf_clear(&c->reason);
		buf_add(&c->reason, str_sub(text, 0, REASON_MAX));
	}
	return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data, size_t n, void *arg)
{
	struct grpc_call *c = arg;
	if (c->answer.n + n > GRPC_ANSWER_MAX)
		fail(c, "the answer is too large");
	else
		buf_add(&c->answer, (struct str){(const char *)data, n});
	return 0;
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t error, void *arg)
{
	struct grpc_call *c = arg;
	if (error != NGHTTP2_NO_ERROR && c->status < 0)
		fail(c, "the call was reset");
	else
		end(c);
	return 0;
}

static ssize_t on_produce(nghttp2_session *session, int32_t id, uint8_t *out, size_t room, uint32_t *flags,
			  nghttp2_data_source *source, void *arg)
{
	struct grpc_call *c = arg;
	struct str rest = str_sub(buf_str(&c->body), c->sent, room);
	memcpy(out, rest.p, rest.n);
	c->sent += rest.n;
	if (c->sent == c->body.n)
		*flags |= NGHTTP2_DATA_FLAG_EOF;
	return (ssize_t)rest.n;
}

// ---- the connection

static void send_frames(struct grpc_call *c)
{
	const uint8_t *frame;
	ssize_t n;
	while ((n = nghttp2_session_mem_send(c->session, &frame)) > 0)
		duplex_write(c->duplex, blob_create((struct str){(const char *)frame, (size_t)n}));
}

static void on_read(void *arg, struct str data, const struct err *e)
{
	struct grpc_call *c = arg;
	if (c->over)
		return;
	if (e || data.n == 0)
		fail(c, e ? err_text(e) : "the connection was cut");
	else if (nghttp2_session_mem_recv(c->session, (const uint8_t *)data.p, data.n) < 0)
		fail(c, "it speaks no HTTP/2");
	else
		send_frames(c);
	if (!c->over && !nghttp2_session_want_read(c->session)) // its frames were none
		fail(c, "it speaks no HTTP/2");
}

static void on_drain(void *arg)
{
}

static nghttp2_nv header(const char *name, const char *value)
{
	return (nghttp2_nv){.name = (uint8_t *)name,
			    .value = (uint8_t *)value,
			    .namelen = strlen(name),
			    .valuelen = strlen(value)};
}

static void open_session(struct grpc_call *c)
{
	nghttp2_session_callbacks *callbacks;
	MUST(nghttp2_session_callbacks_new(&callbacks) == 0);
	nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
	nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
	MUST(nghttp2_session_client_new(&c->session, callbacks, c) == 0);
	nghttp2_session_callbacks_del(callbacks);
	nghttp2_settings_entry no_push = {NGHTTP2_SETTINGS_ENABLE_PUSH, 0};
	MUST(nghttp2_submit_settings(c->session, NGHTTP2_FLAG_NONE, &no_push, 1) == 0);
}

static void on_connect(void *arg, struct stream *s, const struct err *e)
{
	static const struct duplex_events events = {on_read, on_drain};
	struct grpc_call *c = arg;
	c->connecting = NULL;
	if (e) {
		fail(c, err_text(e));
		return;
	}
	const nghttp2_nv headers[] = {
		header(":method", "POST"),
		header(":scheme", "http"),
		header(":path", c->request.path),
		header(":authority", c->request.address),
		header("content-type", "application/grpc"),
		header("te", "trailers"),
		header("user-agent", c->request.user_agent),
	};
	nghttp2_data_provider body = {.read_callback = on_produce};
	c->duplex = duplex_of_stream(s);
	open_session(c);
	MUST(nghttp2_submit_request(c->session, NULL, headers, ARRAY_LEN(headers), &body, NULL) > 0);
	duplex_start(c->duplex, &events, c);
	send_frames(c);
}

// ---- the call

struct grpc_call *grpc_call_start(struct loop *l, const struct grpc_request *r, grpc_done *done, void *arg)
{
	struct grpc_call *c = MEM_NEW(struct grpc_call);
	*c = (struct grpc_call){.loop = l, .status = -1, .finish.run = run_finish, .done = done, .arg = arg};
	arena_init(&c->arena);
	buf_init(&c->body);
	buf_init(&c->reason);
	buf_init(&c->answer);
	c->request = (struct grpc_request){.address = arena_c(&c->arena, str_of(r->address)),
					   .path = arena_c(&c->arena, str_of(r->path)),
					   .user_agent = arena_c(&c->arena, str_of(r->user_agent))};
	size_t n = r->message.n;
	char prefix[PREFIX] = {0, (char)(n >> 24), (char)(n >> 16), (char)(n >> 8), (char)n};
	buf_add(&c->body, (struct str){prefix, PREFIX});
	buf_add(&c->body, r->message);
	c->connecting = net_connect(l, c->request.address, on_connect, c);
	return c;
}

void grpc_call_cancel(struct grpc_call *c)
{
	if (!c)
		return;
	c->cancelled = true;
	if (!c->over) // otherwise run_finish frees it
		call_free(c);
}
