// SPDX-License-Identifier: Apache-2.0
// The seam to the world. A `struct loop` is one thread of decisions and everything it can see of the world: clocks,
// random numbers, timers, messages from other loops, streams, files, work for a pool. Rooms are given a loop and ask
// nothing else. sys/real implements it with libuv; sys/sim with virtual time under a seed, all loops in one thread.
//
// Callbacks run on the loop they belong to, never from inside the call that asked for them. All functions but
// loop_post may only be called on the loop's own thread.
#ifndef SYS_SYS_H
#define SYS_SYS_H

#include "base/arena.h"
#include "base/blob.h"
#include "base/err.h"

struct loop {
	const struct loop_ops *ops;
};

// ---- messages between loops

struct task { // owned by the caller until run; may be a member of a larger struct
	void (*run)(struct task *t);
	struct task *next; // the loop's
};

// ---- timers

struct timer { // owned by the caller; must be stopped before its memory goes
	void (*fire)(struct timer *t);
	void *impl; // the loop's; NULL while stopped
	struct loop *loop;
};

// ---- work off the loop

struct work {
	void (*run)(struct work *w);  // on a pool thread: may block, touches only what w owns
	void (*done)(struct work *w); // on the loop that submitted it
	struct work *next;
	struct loop *loop; // set by loop_work
};

// ---- streams: TCP and Unix sockets

struct stream {
	struct loop *loop;
};

struct listener {
	struct loop *loop;
};

struct stream_events {
	// Bytes came; `data` is valid during the call. n == 0: the peer closed its side. e != NULL: it broke; nothing
	// follows. stream_read pauses.
	void (*on_read)(void *arg, struct str data, const struct err *e);
	// All that was handed to stream_write so far has gone to the kernel.
	void (*on_drain)(void *arg);
};

// ---- what a world implements; callers use the functions below

struct loop_ops {
	int64_t (*now)(struct loop *);	// monotonic, ns
	int64_t (*wall)(struct loop *); // since 1970, ns
	void (*random)(struct loop *, void *out, size_t n);
	void (*post)(struct loop *, struct task *);
	void (*timer_start)(struct loop *, struct timer *, int64_t delay_ns);
	void (*timer_stop)(struct loop *, struct timer *);
	void (*work)(struct loop *, struct work *);

	int (*listen)(struct loop *, const char *address, void (*on_accept)(void *arg, struct stream *), void *arg,
		      struct listener **out, struct err *e);
	void (*listener_close)(struct listener *);
	int (*listener_port)(struct listener *);
	struct stream *(*connect)(struct loop *, const char *address,
				  void (*on_connect)(void *arg, struct stream *, const struct err *e), void *arg);
	void (*stream_move)(struct stream *, struct loop *to, void (*on_moved)(void *arg, struct stream *), void *arg);
	void (*stream_start)(struct stream *, const struct stream_events *, void *arg);
	void (*stream_read)(struct stream *, bool on);
	void (*stream_write)(struct stream *, struct blob *);
	size_t (*stream_pending)(struct stream *);
	void (*stream_shutdown)(struct stream *);
	void (*stream_close)(struct stream *);
	struct str (*stream_peer)(struct stream *, struct arena *);

	int (*file_read)(struct loop *, struct arena *, const char *path, size_t max, struct str *out, struct err *e);
	int (*file_write)(struct loop *, const char *path, struct str bytes, unsigned mode, struct err *e);
	int (*file_remove)(struct loop *, const char *path, struct err *e);
	int (*dir_make)(struct loop *, const char *path, unsigned mode, struct err *e);
};

// ---- clocks and chance

// Monotonic, ns.
static inline int64_t loop_now(struct loop *l)
{
	return l->ops->now(l);
}

// Since 1970 UTC, ns.
static inline int64_t loop_wall(struct loop *l)
{
	return l->ops->wall(l);
}

static inline void loop_random(struct loop *l, void *out, size_t n)
{
	l->ops->random(l, out, n);
}

uint64_t loop_random_below(struct loop *l, uint64_t bound);		// uniform in [0, bound)
struct str loop_random_name(struct loop *l, struct arena *a, size_t n); // of "bcdfghjklmnpqrstvwxz2456789"
struct str loop_uuid(struct loop *l, struct arena *a);			// RFC 4122 version 4

// ---- messages, timers, work

// Runs t->run on loop l, in the order of posting from one thread. From any thread.
static inline void loop_post(struct loop *l, struct task *t)
{
	l->ops->post(l, t);
}

// (Re)starts; fires once, delay_ns from now.
static inline void timer_start(struct loop *l, struct timer *t, int64_t delay_ns)
{
	l->ops->timer_start(l, t, delay_ns);
}

static inline void timer_stop(struct timer *t)
{
	if (t->impl)
		t->loop->ops->timer_stop(t->loop, t);
}

static inline bool timer_running(const struct timer *t)
{
	return t->impl != NULL;
}

// The pool runs w->run, then the loop w->done.
static inline void loop_work(struct loop *l, struct work *w)
{
	l->ops->work(l, w);
}

// ---- streams

// address: "HOST:PORT" (numeric host, [v6]:PORT; port 0 picks one) or "unix:PATH".
static inline int net_listen(struct loop *l, const char *address, void (*on_accept)(void *, struct stream *), void *arg,
			     struct listener **out, struct err *e)
{
	return l->ops->listen(l, address, on_accept, arg, out, e);
}

// on_connect gets the stream, which it owns, or NULL and the error. What is returned is that same stream, still to be
// connected: its only use is stream_close, which gives up (on_connect does not come then). Most callers ignore it.
static inline struct stream *net_connect(struct loop *l, const char *address,
					 void (*on_connect)(void *, struct stream *, const struct err *), void *arg)
{
	return l->ops->connect(l, address, on_connect, arg);
}

static inline void listener_close(struct listener *x)
{
	if (x)
		x->loop->ops->listener_close(x);
}

static inline int listener_port(struct listener *x)
{
	return x->loop->ops->listener_port(x);
}

// Several loops serve one address: one of them listens and hands what it accepts to the others in turn. `s` must be
// fresh from on_accept, not started; it is gone for the caller. on_moved comes on loop `to` with the stream there, or
// NULL where the process has no descriptor left for it.
static inline void stream_move(struct stream *s, struct loop *to, void (*on_moved)(void *arg, struct stream *),
			       void *arg)
{
	s->loop->ops->stream_move(s, to, on_moved, arg);
}

// Says who hears of the stream, and begins to read.
static inline void stream_start(struct stream *s, const struct stream_events *ev, void *arg)
{
	s->loop->ops->stream_start(s, ev, arg);
}

// Back-pressure: while off, nothing is read.
static inline void stream_read(struct stream *s, bool on)
{
	s->loop->ops->stream_read(s, on);
}

// Takes over the caller's reference. Writes in one turn of the loop go out together (writev).
static inline void stream_write(struct stream *s, struct blob *b)
{
	s->loop->ops->stream_write(s, b);
}

// Bytes not yet in the kernel.
static inline size_t stream_pending(struct stream *s)
{
	return s->loop->ops->stream_pending(s);
}

// Half-close after what is pending.
static inline void stream_shutdown(struct stream *s)
{
	s->loop->ops->stream_shutdown(s);
}

// No callback comes after this; what is pending is thrown away. NULL is fine.
static inline void stream_close(struct stream *s)
{
	if (s)
		s->loop->ops->stream_close(s);
}

// The other end: "127.0.0.1:4711".
static inline struct str stream_peer(struct stream *s, struct arena *a)
{
	return s->loop->ops->stream_peer(s, a);
}

// ---- files

// Small files (keys, certificates, configuration), synchronously. file_write is atomic: a temporary file, fsync,
// rename, fsync of the directory. dir_make makes parents too (0755) and is content with a directory that is there.
static inline int file_read(struct loop *l, struct arena *a, const char *path, size_t max, struct str *out,
			    struct err *e)
{
	return l->ops->file_read(l, a, path, max, out, e);
}

static inline int file_write(struct loop *l, const char *path, struct str bytes, unsigned mode, struct err *e)
{
	return l->ops->file_write(l, path, bytes, mode, e);
}

static inline int file_remove(struct loop *l, const char *path, struct err *e)
{
	return l->ops->file_remove(l, path, e);
}

static inline int dir_make(struct loop *l, const char *path, unsigned mode, struct err *e)
{
	return l->ops->dir_make(l, path, mode, e);
}

#endif
