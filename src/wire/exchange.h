// SPDX-License-Identifier: Apache-2.0
// An exchange as the protocols see it; the handler sees its `seen` (server.h). For server.c, exchange.c,
// http1.c and http2.c only.
#ifndef WIRE_EXCHANGE_H
#define WIRE_EXCHANGE_H

#include "wire/server.h"

struct exchange;
struct server_connection;

// What carries an exchange: an HTTP/1 connection or an HTTP/2 stream.
struct carrier {
	const struct carrier_ops *ops;
};

struct carrier_ops {
	// The reply's head. length < 0: not known.
	void (*head)(struct carrier *, struct exchange *, const struct http_reply *, int64_t length);
	void (*data)(struct carrier *, struct blob *); // takes over the reference
	// The reply is complete; the carrier forgets the exchange. `whole`: it was given at once, nothing
	// follows soon.
	void (*end)(struct carrier *, bool whole);
	void (*abort)(struct carrier *); // forgets the exchange, and breaks what it carried
	size_t (*pending)(struct carrier *);
	void (*body_read)(struct carrier *, bool on);
	// Forgets the exchange. NULL where that can't be.
	struct duplex *(*upgrade)(struct carrier *, struct http_headers headers);
};

struct exchange {
	struct http_exchange seen;
	const struct http_handler *handler;
	void *arg;
	struct carrier *carrier; // NULL: the peer is gone
	struct buf body;
	bool shown;	// to on_request: the handler's to end
	bool begun;	// the reply's head is out
	bool cancelled;
	bool no_body;	// of the reply: HEAD, 204, 304
};

struct exchange *exchange_create(struct http_server *s, struct carrier *c);
void exchange_destroy(struct exchange *x); // by the carrier, while not shown
void exchange_set_origin(struct exchange *x, const struct server_connection *c); // remote, secure, peer
void exchange_set_target(struct exchange *x, struct str target); // path and query follow

// The carrier got the head; asks the handler how to go on. The exchange may be gone after it (`end` was
// called then).
enum http_take exchange_show_head(struct exchange *x);
void exchange_show(struct exchange *x); // the body is whole, or comes in pieces
// A piece of the body. 0, or -1: it is too large (WHOLE).
int exchange_add_body(struct exchange *x, struct str piece);
// The peer is gone or wants no more; with `cut` the carrier vanishes, else a reply may still be written.
// An exchange that was not shown is destroyed when cut.
void exchange_cancel(struct exchange *x, bool cut);
void exchange_drained(struct exchange *x);

// The body compressed, as a list of one or more blobs in the arena; consumes the references.
struct blob **gzip_blobs(struct arena *a, struct blob *const *body, size_t count, size_t *out_count, size_t *out_bytes);

#endif
