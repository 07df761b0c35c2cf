// SPDX-License-Identifier: Apache-2.0
// A server connection that speaks HTTP/2; for http2*.c only.
#ifndef WIRE_HTTP2_H
#define WIRE_HTTP2_H

#include <nghttp2/nghttp2.h>

#include "wire/server_connection.h"

enum {
	HTTP2_STREAMS_MAX = 128,
	// Exchanges of one connection that the handler has not ended, those of streams that the peer has
	// reset among them.
	HTTP2_EXCHANGES_MAX = 2 * HTTP2_STREAMS_MAX,
	HTTP2_WINDOW = 256 * 1024,
};

// Its memory stays until the session has closed the stream and the handler has ended the exchange.
struct http2_stream {
	struct carrier carrier;
	struct http2 *owner;
	int32_t id;
	bool closed;
	LIST_ENTRY(http2_stream) all; // while not closed
	struct exchange *exchange;    // NULL: ended

	// the request
	struct http_header *headers;
	size_t header_count, header_bytes;
	bool too_large; // the headers
	bool head_done, body_done;
	bool pieces; // the handler takes the body in pieces
	bool body_paused;
	struct buf held; // of the body while paused

	// the reply
	struct blob **queue; // from `first`
	size_t first, count, room;
	size_t offset; // into the first
	size_t queued; // bytes
	bool complete; // nothing is added any more
	bool deferred; // the session waits for more
	bool high;     // on_drain is owed
	bool draining; // and comes now
};

LIST_HEAD(http2_streams, http2_stream);

struct http2 {
	struct server_connection *base;
	nghttp2_session *session;
	struct http2_streams streams;
	size_t stream_count, exchange_count;
	struct task task; // flushes
	bool posted;
	uint64_t sent, seen_sent; // bytes of bodies: now, and when the timer last looked
	bool receiving;		  // the session is reading: it must not write
	bool closing;
	unsigned busy; // callbacks under way and the posted task
	bool gone;
};

// ---- http2_stream.c
struct http2_stream *http2_stream_create(struct http2 *h, int32_t id);
// The session has closed the stream, or the connection goes.
void http2_stream_close(struct http2_stream *s);
void http2_stream_header(struct http2_stream *s, struct str name, struct str value);
void http2_stream_head(struct http2_stream *s); // all headers are there
void http2_stream_body(struct http2_stream *s, struct str piece);
void http2_stream_body_end(struct http2_stream *s);
// Moves up to `room` bytes of the reply's body out; an nghttp2 flag or NGHTTP2_ERR_DEFERRED where there is no
// more.
ssize_t http2_stream_produce(struct http2_stream *s, char *out, size_t room, uint32_t *flags);

// ---- http2.c
void http2_flush_soon(struct http2 *h);
void http2_release(struct http2 *h); // when `busy` or exchange_count went down
nghttp2_data_provider http2_provider(struct http2_stream *s);

#endif
