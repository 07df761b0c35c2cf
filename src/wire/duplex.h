// SPDX-License-Identifier: Apache-2.0
// A connection of bytes in both directions, whatever carries it: a plain stream, TLS over one, what is left
// of an HTTP connection after an upgrade, the binary messages of a WebSocket. The shape is that of `struct
// stream` (sys/sys.h).
//
// All calls and callbacks belong to the loop of the connection. Callbacks may call anything here, also
// duplex_close.
#ifndef WIRE_DUPLEX_H
#define WIRE_DUPLEX_H

#include "sys/sys.h"

struct duplex_events {
	// Bytes came; `data` is valid during the call. n == 0: the peer ended its direction, nothing more is
	// read; ours is still open. e != NULL: the connection broke (told also while reading is off), nothing
	// follows; duplex_close is still owed.
	void (*on_read)(void *arg, struct str data, const struct err *e);
	// What is pending fell below DUPLEX_LOW after it had been above DUPLEX_HIGH: write on.
	void (*on_drain)(void *arg);
};

// A writer that cares for memory stops when duplex_pending is above DUPLEX_HIGH, and goes on at on_drain.
enum { DUPLEX_HIGH = 256 * 1024, DUPLEX_LOW = 64 * 1024 };

struct duplex {
	const struct duplex_ops *ops;
	struct loop *loop;
};

struct duplex_ops {
	void (*start)(struct duplex *, const struct duplex_events *, void *arg);
	void (*read)(struct duplex *, bool on);
	void (*write)(struct duplex *, struct blob *);
	void (*flush)(struct duplex *);
	void (*unread)(struct duplex *, struct str);
	size_t (*pending)(struct duplex *);
	void (*shutdown)(struct duplex *);
	void (*close)(struct duplex *);
};

// Says who hears of the connection, and begins to read. Until then nothing is read. May be called again to
// hand the connection to another listener (an upgrade); with NULL nobody listens, until the next call.
static inline void duplex_start(struct duplex *d, const struct duplex_events *ev, void *arg)
{
	d->ops->start(d, ev, arg);
}

// Back-pressure on the peer. Nothing is delivered while off; what came meanwhile is kept (bounded) and
// delivered later, never from inside this call.
static inline void duplex_read(struct duplex *d, bool on)
{
	d->ops->read(d, on);
}

// Takes over the caller's reference. The writes of one turn of the loop leave together.
static inline void duplex_write(struct duplex *d, struct blob *b)
{
	d->ops->write(d, b);
}

static inline void duplex_write_str(struct duplex *d, struct str s)
{
	d->ops->write(d, blob_create(s));
}

// Optional: what was written leaves at once, not at the end of the turn. For an answer that is whole.
static inline void duplex_flush(struct duplex *d)
{
	d->ops->flush(d);
}

// Puts bytes back in front of what is read next. For handing a connection over: duplex_unread, then
// duplex_start.
static inline void duplex_unread(struct duplex *d, struct str s)
{
	d->ops->unread(d, s);
}

// Bytes written that have not gone to the kernel.
static inline size_t duplex_pending(struct duplex *d)
{
	return d->ops->pending(d);
}

// Ends our direction after what is pending; reading goes on.
static inline void duplex_shutdown(struct duplex *d)
{
	d->ops->shutdown(d);
}

// Frees; no callback comes after this, what is pending is thrown away. NULL is fine.
static inline void duplex_close(struct duplex *d)
{
	if (d)
		d->ops->close(d);
}

// A plain stream as a duplex; owns the stream, which has not been started.
struct duplex *duplex_of_stream(struct stream *s);

// Connects two started-by-nobody connections to each other with back-pressure until both directions have
// ended or one broke; then closes both.
void duplex_splice(struct duplex *a, struct duplex *b);

#endif
