// SPDX-License-Identifier: Apache-2.0
// The server's side of exec, attach and port-forward, however the client carries them: exec and attach over
// WebSocket channels (v5.channel.k8s.io, v4.channel.k8s.io, channel.k8s.io or no protocol named, and base64 forms of
// these but v5) or over SPDY/3.1; port-forward over SPDY/3.1, plain or inside a WebSocket (SPDY/3.1+portforward.k8s.io),
// or over WebSocket channels (v4.channel.k8s.io or none named, v4.base64.channel.k8s.io).
//
// remote_accept and forward_accept answer the upgrade request themselves and end the exchange: with 101 and a
// result, or with NULL and 400, or 403 when client and server have no protocol in common. Check everything
// else before: after the 101 the only way to tell an error is remote_finish.
#ifndef WIRE_REMOTE_H
#define WIRE_REMOTE_H

#include "wire/server.h"

// ---- exec and attach

enum remote_channel {
	REMOTE_STDIN = 0,
	REMOTE_STDOUT = 1,
	REMOTE_STDERR = 2,
	REMOTE_ERROR = 3,  // how it ended; written by remote_finish only
	REMOTE_RESIZE = 4, // of a terminal
	REMOTE_CHANNELS,
};

struct remote_wanted { // what the request asks for; no stderr with a tty
	bool in, out, err, tty;
};

struct remote;

struct remote_events {
	// The client has opened what it wants (at once with WebSocket): start the process now. Once, and
	// never if on_end comes first (a client that does not open its streams within 30 s).
	void (*on_ready)(void *arg);
	void (*on_stdin)(void *arg, struct str data);
	void (*on_stdin_end)(void *arg); // the client closed stdin
	void (*on_resize)(void *arg, int width, int height); // may not end the remote
	// After remote_pending was above DUPLEX_HIGH: send on. Optional.
	void (*on_drain)(void *arg);
	// The client is gone; nothing follows. remote_destroy is owed. Not after remote_finish.
	void (*on_end)(void *arg);
};

struct remote *remote_accept(struct http_exchange *x, const struct remote_wanted *wanted,
			     const struct remote_events *ev, void *arg);
// Channel STDOUT or STDERR. What the client did not ask for is dropped.
void remote_send(struct remote *r, enum remote_channel channel, struct str data);
size_t remote_pending(const struct remote *r);
void remote_read(struct remote *r, bool on); // back-pressure on stdin
// The process has ended with this code, or e says why there is none: told after all data as a Status (before v4 only a
// failure, as text), then the connection is closed in order. Frees.
void remote_finish(struct remote *r, int exit_code, const struct err *e);
void remote_destroy(struct remote *r); // cuts; NULL is fine

// ---- port-forward

struct forward;
struct forward_connection;

struct forward_events {
	// The client wants a connection to this port. Answer with forward_open or forward_refuse, then or
	// later.
	void (*on_connect)(void *arg, struct forward_connection *c, uint16_t port);
	// The client has gone before this one was answered; forget it. Optional only if every answer is given
	// at once.
	void (*on_give_up)(void *arg, struct forward_connection *c);
	// The client is gone and all its connections are cut (those opened hear it by their duplex). Nothing
	// follows; forward_destroy is owed.
	void (*on_end)(void *arg);
};

struct forward *forward_accept(struct http_exchange *x, const struct forward_events *ev, void *arg);
void forward_destroy(struct forward *f); // cuts all; duplexes that were opened must still be closed. NULL is fine
// The bytes of the connection, to be started, usually spliced to the port's, and closed by the caller.
struct duplex *forward_open(struct forward_connection *c);
void forward_refuse(struct forward_connection *c, struct str message);

#endif
