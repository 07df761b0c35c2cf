// SPDX-License-Identifier: Apache-2.0
// SPDY/3.1 as the clients of Kubernetes speak it: streams in both directions over one connection, without
// flow control (the clients send no WINDOW_UPDATE and heed none; TCP alone holds back). Frames as an engine
// without I/O, and sessions over a duplex, whose streams are duplexes themselves.
#ifndef WIRE_SPDY_H
#define WIRE_SPDY_H

#include <zlib.h>

#include "wire/duplex.h"
#include "wire/http.h"

enum {
	SPDY_CONTROL_MAX = 64 * 1024, // bytes of a control frame
	SPDY_HEADERS_MAX = 64 * 1024, // of a header block, inflated
	SPDY_STREAMS_MAX = 1000,      // of a session, open
};

enum spdy_event {
	SPDY_MORE,
	SPDY_DATA, // piece of stream; fin with the last piece
	SPDY_SYN_STREAM, // stream, headers, fin
	SPDY_SYN_REPLY,
	SPDY_HEADERS,
	SPDY_RST_STREAM, // stream, value: status
	SPDY_PING,	 // value: id
	SPDY_GOAWAY,
	SPDY_IGNORED, // settings, windows
	SPDY_BAD,     // error_text; nothing more can be read
};

struct spdy_reader {
	uint32_t stream;
	uint32_t value;
	bool fin;
	struct http_headers headers; // names in lower case; in the arena given
	struct str piece;
	const char *error_text;
	// private
	int state;
	z_stream inflate;
	struct buf frame; // a frame's head, then the control frame
	uint64_t left;	  // of the data frame
	bool data_fin;
};

void spdy_reader_init(struct spdy_reader *r);
void spdy_reader_finish(struct spdy_reader *r);
enum spdy_event spdy_reader_next(struct spdy_reader *r, struct arena *a, struct str *input);

struct spdy_writer {
	z_stream deflate; // header blocks of a connection share their history, so order matters
};

void spdy_writer_init(struct spdy_writer *w);
void spdy_writer_finish(struct spdy_writer *w);
void spdy_write_syn_stream(struct spdy_writer *w, struct buf *out, uint32_t stream, bool fin, struct http_headers h);
void spdy_write_syn_reply(struct spdy_writer *w, struct buf *out, uint32_t stream, bool fin, struct http_headers h);
void spdy_write_data(struct buf *out, uint32_t stream, bool fin, struct str data); // less than 16 MiB
enum { SPDY_REFUSED_STREAM = 3, SPDY_CANCEL = 5 };
void spdy_write_rst_stream(struct buf *out, uint32_t stream, uint32_t status);
void spdy_write_ping(struct buf *out, uint32_t id);
void spdy_write_goaway(struct buf *out, uint32_t last_stream);

// ---- A session (the server's side, or with `client` the other, which tests use)

struct spdy_session;

struct spdy_events {
	// The peer opened a stream. It is confirmed (SYN_REPLY); take it by keeping the duplex, which must be
	// closed one day, or close it at once. The headers are borrowed.
	void (*on_stream)(void *arg, struct duplex *stream, struct http_headers headers);
	void (*on_drain)(void *arg); // of the connection. Optional
	// The connection has ended; streams that are open have heard it. spdy_session_destroy is owed.
	void (*on_end)(void *arg);
};

// Owns d; starts it.
struct spdy_session *spdy_session_create(struct duplex *d, bool client, const struct spdy_events *ev, void *arg);
// Streams that are open hear that they broke (they must still be closed). NULL is fine.
void spdy_session_destroy(struct spdy_session *s);
// Sends GOAWAY after all that was written, waits for the peer to close (5 s at most), then frees; no callback
// comes after this. The streams must be closed already.
void spdy_session_close(struct spdy_session *s);
struct duplex *spdy_session_open(struct spdy_session *s, struct http_headers headers);
size_t spdy_session_pending(const struct spdy_session *s);

#endif
