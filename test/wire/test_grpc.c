// SPDX-License-Identifier: Apache-2.0
// Unary gRPC calls to servers of nghttp2, and to what is none, in an imitated network.
#include <nghttp2/nghttp2.h>

#include "base/buf.h"
#include "sys/sim.h"
#include "unit.h"
#include "wire/duplex.h"
#include "wire/grpc.h"

enum manner { GOOD, REFUSES, NO_STATUS, TOO_LARGE, NO_HTTP2, CUTS, SILENT };

struct far { // the server
	enum manner manner;
	struct duplex *duplex;
	nghttp2_session *session;
	struct buf asked; // the request's body
	struct buf body;  // the answer's
	size_t sent;
	bool typed; // the request said application/grpc
};

static nghttp2_nv pair(const char *name, const char *value)
{
	return (nghttp2_nv){(uint8_t *)name, (uint8_t *)value, strlen(name), strlen(value), NGHTTP2_NV_FLAG_NONE};
}

static void send_frames(struct far *f)
{
	const uint8_t *frame;
	ssize_t n;
	while ((n = nghttp2_session_mem_send(f->session, &frame)) > 0)
		duplex_write_str(f->duplex, (struct str){(const char *)frame, (size_t)n});
}

static ssize_t on_produce(nghttp2_session *session, int32_t id, uint8_t *out, size_t room, uint32_t *flags,
			  nghttp2_data_source *source, void *arg)
{
	struct far *f = arg;
	struct str rest = str_sub(buf_str(&f->body), f->sent, room);
	memcpy(out, rest.p, rest.n);
	f->sent += rest.n;
	if (f->sent < f->body.n)
		return (ssize_t)rest.n;
	*flags |= NGHTTP2_DATA_FLAG_EOF;
	if (f->manner != NO_STATUS) {
		nghttp2_nv trailer = pair("grpc-status", "0");
		*flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
		nghttp2_submit_trailer(session, id, &trailer, 1);
	}
	return (ssize_t)rest.n;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
	struct far *f = arg;
	bool whole = frame->hd.type == NGHTTP2_DATA && frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
	if (!whole || f->manner == SILENT)
		return 0;
	nghttp2_nv head[] = {pair(":status", "200"), pair("content-type", "application/grpc"),
			     pair("grpc-status", "12"), pair("grpc-message", "unknown service")};
	nghttp2_data_provider body = {.read_callback = on_produce};
	if (f->manner == REFUSES)
		return nghttp2_submit_response(session, frame->hd.stream_id, head, 4, NULL);
	return nghttp2_submit_response(session, frame->hd.stream_id, head, 2, &body);
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_n,
		     const uint8_t *value, size_t value_n, uint8_t flags, void *arg)
{
	struct far *f = arg;
	f->typed |= str_is((struct str){(const char *)name, name_n}, "content-type") &&
		    str_is((struct str){(const char *)value, value_n}, "application/grpc");
	return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data, size_t n, void *arg)
{
	buf_add(&((struct far *)arg)->asked, (struct str){(const char *)data, n});
	return 0;
}

static void on_read(void *arg, struct str data, const struct err *e)
{
	struct far *f = arg;
	if (e || !data.n)
		return;
	if (f->manner == NO_HTTP2) {
		duplex_write_str(f->duplex, STR("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"));
	} else if (f->manner == CUTS) {
		duplex_shutdown(f->duplex);
	} else if (nghttp2_session_mem_recv(f->session, (const uint8_t *)data.p, data.n) >= 0) {
		send_frames(f);
	}
}

static void on_drain(void *arg)
{
}

static void on_accept(void *arg, struct stream *s)
{
	static const struct duplex_events events = {on_read, on_drain};
	struct far *f = arg;
	f->duplex = duplex_of_stream(s);
	nghttp2_session_callbacks *callbacks;
	nghttp2_session_callbacks_new(&callbacks);
	nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
	nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
	nghttp2_session_server_new(&f->session, callbacks, f);
	nghttp2_session_callbacks_del(callbacks);
	nghttp2_submit_settings(f->session, NGHTTP2_FLAG_NONE, NULL, 0);
	duplex_start(f->duplex, &events, f);
	if (f->manner != NO_HTTP2)
		send_frames(f);
}

struct near { // what the caller is told
	bool done;
	int status;
	char text[200]; // the message, or why there is none
	size_t n;
};

static void on_done(void *arg, const struct grpc_answer *answer)
{
	struct near *n = arg;
	struct str text = answer->e ? str_of(err_text(answer->e)) : answer->status ? answer->reason : answer->message;
	CHECK(!n->done);
	n->done = true;
	n->status = answer->e ? -1 : answer->status;
	n->n = text.n;
	str_to_c(text, n->text, sizeof n->text);
}

static struct near ask(enum manner manner, const char *body, size_t body_n)
{
	struct sim *sim = sim_create(7);
	struct loop *loop = sim_loop(sim, "io");
	struct far far = {.manner = manner};
	struct near near = {.done = false};
	struct listener *listener;
	struct err e CLEAN_ERR = ERR_EMPTY;
	buf_init(&far.asked);
	buf_init(&far.body);
	buf_add(&far.body, (struct str){body, body_n});
	REQUIRE(net_listen(loop, "10.0.0.1:9000", on_accept, &far, &listener, &e) == 0);
	struct grpc_request r = {
		.address = "10.0.0.1:9000", .path = "/a.B/C", .user_agent = "test", .message = STR("\n\2hi")};
	struct grpc_call *call = grpc_call_start(loop, &r, on_done, &near);
	for (int i = 0; i < 10000 && !near.done && sim_step(sim); i++)
		;
	if (manner == SILENT)
		grpc_call_cancel(call);
	else
		REQUIRE(near.done);
	if (manner < NO_HTTP2) {
		CHECK(far.typed);
		CHECK(str_eq(buf_str(&far.asked), (struct str){"\0\0\0\0\4\n\2hi", 9}));
	}
	nghttp2_session_del(far.session);
	duplex_close(far.duplex);
	listener_close(listener);
	buf_finish(&far.asked);
	buf_finish(&far.body);
	sim_destroy(sim);
	return near;
}

#define ASK(manner, body) ask(manner, body, sizeof(body) - 1)

TEST(grpc_calls_are_answered)
{
	struct near n = ASK(GOOD, "\0\0\0\0\2\x08\1");
	CHECK_INT(n.status, GRPC_OK);
	CHECK_STR(str_of(n.text), "\x08\1");
	n = ASK(GOOD, "\0\0\0\0\0");
	CHECK_INT(n.status, GRPC_OK);
	CHECK_INT(n.n, 0);
	n = ASK(REFUSES, "");
	CHECK_INT(n.status, GRPC_UNIMPLEMENTED);
	CHECK_STR(str_of(n.text), "unknown service");
}

static void check_fails(struct near n, const char *why)
{
	CHECK_INT(n.status, -1);
	if (!str_contains(str_of(n.text), str_of(why)))
		unit_fail(__FILE__, __LINE__, "\"%s\" does not say \"%s\"", n.text, why);
}

TEST(grpc_calls_fail_with_a_reason)
{
	static char large[GRPC_ANSWER_MAX + 100];
	check_fails(ASK(NO_STATUS, "\0\0\0\0\0"), "without a grpc-status");
	check_fails(ASK(GOOD, "\0\0\0\0\3\x08\1"), "not as long as it says");
	check_fails(ASK(GOOD, "\1\0\0\0\2\x08\1"), "no plain message");
	check_fails(ASK(GOOD, "\0"), "no plain message");
	check_fails(ask(TOO_LARGE, large, sizeof large), "too large");
	check_fails(ASK(NO_HTTP2, ""), "no HTTP/2");
	check_fails(ASK(CUTS, ""), "cut");
	CHECK(!ASK(SILENT, "").done);
}
