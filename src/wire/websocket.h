// SPDX-License-Identifier: Apache-2.0
// WebSocket (RFC 6455): the handshake, frames as an engine without I/O, a connection over a duplex, and the
// bytes of binary messages as a duplex. No extensions. Whether text is UTF-8 is the reader's business.
#ifndef WIRE_WEBSOCKET_H
#define WIRE_WEBSOCKET_H

#include "wire/duplex.h"
#include "wire/http.h"

struct http_exchange;

// ---- Handshake

enum { WEBSOCKET_OFFERS_MAX = 32 };

// The subprotocols that a client offers, in its order; more than there is room for are not seen.
struct websocket_offers {
	struct str list[WEBSOCKET_OFFERS_MAX];
	size_t count;
};

// Whether a request asks for a WebSocket (however badly).
bool websocket_requested(struct http_headers h);
struct websocket_offers websocket_offers(struct http_headers h);
// What the client offers first of ours (ends with NULL); NULL: nothing. "" among ours: it may also offer none at all,
// which is answered with none.
const char *websocket_choose(struct http_headers h, const char *const *ours);
// The headers of the 101 (Upgrade, Sec-WebSocket-Accept, and the protocol unless empty), in the arena. -1 and
// ERR_BAD_REQUEST when the request is no proper WebSocket handshake.
int websocket_answer(struct arena *a, struct http_headers request, struct str protocol, struct http_headers *out,
		     struct err *e);
// Answers an exchange so and hands the connection over, as http_upgrade does; or answers with 400 and returns NULL.
struct duplex *websocket_accept(struct http_exchange *x, const char *protocol);
// What the server makes of the client's Sec-WebSocket-Key.
void websocket_accept_key(struct str key, char out[29]);

// ---- Frames

enum websocket_opcode {
	WEBSOCKET_CONTINUATION = 0,
	WEBSOCKET_TEXT = 1,
	WEBSOCKET_BINARY = 2,
	WEBSOCKET_CLOSE = 8,
	WEBSOCKET_PING = 9,
	WEBSOCKET_PONG = 10,
};

enum {
	WEBSOCKET_FRAME_MAX = 64 * 1024 * 1024,
	WEBSOCKET_CONTROL_MAX = 125,
	WEBSOCKET_HEAD_MAX = 14,
};

enum websocket_event {
	WEBSOCKET_MORE,	   // the input is used up
	WEBSOCKET_DATA,	   // a piece of a message; an empty message is one empty piece
	WEBSOCKET_CONTROL, // opcode says which; piece is its payload
	WEBSOCKET_BAD,	   // error_code and error_text; nothing more can be read
};

struct websocket_reader {
	bool from_client; // frames must be masked; from a server they must not
	enum websocket_opcode opcode; // of the message or control frame
	struct str piece;	      // valid until the next call
	bool first, last;	      // of the message
	int error_code;		      // for the close frame: 1002, 1009
	const char *error_text;
	// private
	int state;
	enum websocket_opcode message; // under way; WEBSOCKET_CONTINUATION: none
	bool message_begun;	       // a piece of it was told
	bool final;		       // the frame ends its message
	unsigned char head[WEBSOCKET_HEAD_MAX];
	size_t head_n;
	unsigned char mask[4];
	uint64_t left;
	size_t mask_at;
	struct buf plain; // unmasked bytes, control payloads
};

void websocket_reader_init(struct websocket_reader *r, bool from_client);
void websocket_reader_finish(struct websocket_reader *r);
enum websocket_event websocket_reader_next(struct websocket_reader *r, struct str *input);

// One whole frame, FIN set, its payload `a` followed by `b`. mask: four random bytes (a client), or NULL.
struct blob *websocket_frame(enum websocket_opcode opcode, struct str a, struct str b, const unsigned char *mask);
// The head of such a frame without a mask, of a payload of n bytes that follows.
struct blob *websocket_frame_head(enum websocket_opcode opcode, size_t n);

// ---- A connection

struct websocket;

struct websocket_events {
	// A piece of a message, valid during the call; an empty message is one empty piece.
	void (*on_data)(void *arg, bool text, struct str piece, bool first, bool last);
	void (*on_drain)(void *arg); // as of the duplex. Optional
	// The peer has closed, or broke, or broke the rules; nothing follows. websocket_close or
	// websocket_destroy is owed.
	void (*on_end)(void *arg, const struct err *e); // e NULL: closed in order
};

// Owns the duplex; starts it. Pings are answered, and sent every 20 s, so that proxies keep the line. A peer that
// takes nothing of what is pending for 60 s is given up.
struct websocket *websocket_create(struct duplex *d, bool client, const struct websocket_events *ev, void *arg);
// One binary or text message: `a` followed by `b`.
void websocket_send(struct websocket *w, bool text, struct str a, struct str b);
// A message that may be shared: where nothing is masked, as by a server, it is not copied. Takes over the reference.
void websocket_send_blob(struct websocket *w, bool text, struct blob *b);
size_t websocket_pending(const struct websocket *w);
void websocket_read(struct websocket *w, bool on);
// Sends a close frame; what the peer still sends, and its end, are told as before.
void websocket_finish(struct websocket *w);
// Sends a close frame (1000: all is well) behind what is pending, and frees the connection when the peer has answered
// or is given up: 5 s after it has taken everything. Right also after on_end: the answer to the peer's own close frame
// leaves first. No callback comes after this.
void websocket_close(struct websocket *w, int code, struct str reason);
void websocket_destroy(struct websocket *w); // at once; NULL is fine

// The binary messages as bytes: each write is a message; duplex_shutdown sends a close frame. Owns `d`.
struct duplex *websocket_duplex(struct duplex *d, bool client);

#endif
