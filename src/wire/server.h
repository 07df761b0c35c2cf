// SPDX-License-Identifier: Apache-2.0
// HTTP server connections: HTTP/1.1 and HTTP/2 (by ALPN), plain or over TLS, to one handler.
//
// A server belongs to one loop; several loops have a server each. An exchange is one request and its reply.
// It is begun by the server and lives until the handler has ended it, exactly once, by http_reply,
// http_reply_end, http_abort or http_upgrade, also after on_cancel (what is then written is thrown away). So
// its arena, headers and body may be used meanwhile by another thread (one at a time); but every function
// here is called on the server's loop.
#ifndef WIRE_SERVER_H
#define WIRE_SERVER_H

#include "sys/sys.h"
#include "wire/duplex.h"
#include "wire/http.h"
#include "wire/tls.h"

struct http_exchange {
	struct str method; // "GET"
	struct str target; // as sent: "/api/v1/pods?limit=500"
	struct str path;   // of the target, still percent-encoded
	struct str query;  // after '?', still encoded
	struct http_headers headers;
	struct str host;	     // Host or :authority
	struct str body;	     // whole, from on_request on (HTTP_TAKE_WHOLE)
	size_t body_max;	     // of HTTP_TAKE_WHOLE: more is answered with 413. on_head may change it
	const struct tls_peer *peer; // the client's certificate; NULL: none given, or no TLS
	struct str remote;	     // "127.0.0.1:4711"
	bool secure;		     // over TLS
	struct loop *loop;
	struct arena arena; // freed with the exchange
	void *user;	    // the handler's
};

enum http_take {
	HTTP_TAKE_WHOLE,  // on_request comes with the whole body
	HTTP_TAKE_PIECES, // on_request comes at once, the body by on_body
};

struct http_handler {
	// The headers are here. Optional (NULL: whole, body_max of the config). May end the exchange already;
	// the body is then thrown away. An exchange whose body never comes whole vanishes without a word:
	// until on_request nothing may be kept for it outside its arena.
	enum http_take (*on_head)(void *arg, struct http_exchange *x);
	void (*on_request)(void *arg, struct http_exchange *x);
	// A piece of the body, valid during the call; `last` (perhaps with an empty piece) ends it.
	// http_body_read pauses.
	void (*on_body)(void *arg, struct http_exchange *x, struct str piece, bool last);
	// After http_reply_pending was above DUPLEX_HIGH: write on. Optional.
	void (*on_drain)(void *arg, struct http_exchange *x);
	// The peer is gone, or has ended its direction, or reset the exchange, or the server closes, before
	// the reply was complete. Comes at most once, after on_request; the exchange must still be ended.
	// Optional.
	void (*on_cancel)(void *arg, struct http_exchange *x);
};

struct http_server_config {
	struct loop *loop;
	const struct http_handler *handler;
	void *arg;
	struct tls_context *tls;    // NULL: plain; a reference is kept
	size_t body_max;	    // 0: 3 MiB, as Kubernetes
	unsigned connections_max;   // 0: 20,000; more are closed at once
	int64_t head_timeout_ns;    // 0: 30 s from the first byte to the end of the head, and for the TLS handshake
	int64_t body_timeout_ns;    // 0: 60 s without a byte of a body that was announced
	int64_t idle_timeout_ns;    // 0: 180 s between requests
	int64_t write_timeout_ns;   // 0: 60 s in which the peer takes not one byte of what is pending
};

struct http_server *http_server_create(const struct http_server_config *c);
// Closes listeners and connections; exchanges that are under way hear on_cancel, and are freed when they are
// ended (the loop must live until then).
void http_server_destroy(struct http_server *s);
// May be called for several addresses.
int http_server_listen(struct http_server *s, const char *address, struct err *e);
int http_server_port(const struct http_server *s); // of the first listener
// A stream that somebody else accepted; the server owns it now.
void http_server_accept(struct http_server *s, struct stream *stream);
// A connection that is there already (no TLS is added), whose it is, and whether it speaks HTTP/2.
void http_server_accept_duplex(struct http_server *s, struct duplex *d, struct str remote, bool http2);
// For connections from now on: a renewed certificate.
void http_server_set_tls(struct http_server *s, struct tls_context *tls);
// No new requests: closes idle connections, answers the rest with `Connection: close`.
void http_server_drain(struct http_server *s);
size_t http_server_connections(const struct http_server *s);

// ---- Replies

// Headers are copied. Not to be given: Content-Length, Transfer-Encoding, Connection, Date. For a code that
// has no body (1xx, 204, 304) and for HEAD the body is dropped (HEAD keeps its Content-Length).
struct http_reply {
	int code;
	const char *content_type; // NULL: none
	struct http_headers headers;
	bool gzip; // compress when the client takes it (HTTP/1.1 and 2; http_reply only)
};

// The whole reply: `body` are `count` blobs one after the other (none may be NULL), whose references pass to
// the server; they are encrypted piece by piece as the socket drains. Ends the exchange.
void http_reply(struct http_exchange *x, const struct http_reply *r, struct blob *const *body, size_t count);
void http_reply_str(struct http_exchange *x, int code, const char *content_type, struct str body); // copied

// A reply of unknown length, flushed at the end of each turn of the loop.
void http_reply_begin(struct http_exchange *x, const struct http_reply *r);
void http_reply_write(struct http_exchange *x, struct blob *b); // takes over the reference
size_t http_reply_pending(struct http_exchange *x);		// bytes not yet in the kernel
void http_reply_end(struct http_exchange *x);

// Ends the exchange without a proper end: closes the connection (HTTP/2: resets the stream). For replies cut
// short.
void http_abort(struct http_exchange *x);
bool http_cancelled(const struct http_exchange *x);

void http_body_read(struct http_exchange *x, bool on); // pauses on_body

// Answers 101 with these headers (Connection: Upgrade is added; Upgrade is the caller's) and hands the
// connection over; bytes that came after the head are delivered first. Ends the exchange: copy what you need
// out of its arena before. NULL when the peer is gone already or the connection cannot be upgraded (HTTP/2;
// then 400 was answered); the exchange is ended all the same.
struct duplex *http_upgrade(struct http_exchange *x, struct http_headers headers);
// The same, but the exchange, which carries nothing any more, keeps what is in its arena until http_abort. NULL: nothing
// was answered.
struct duplex *http_switch(struct http_exchange *x, struct http_headers headers);

#endif
