// SPDX-License-Identifier: Apache-2.0
// A stream over a uv_tcp_t or uv_pipe_t.
//
// Writes are queued and go out once a turn with one writev; what the kernel does not take at once waits in a single
// uv_write. Memory: freed when libuv has closed the handle.
#ifndef SYS_REAL_STREAM_H
#define SYS_REAL_STREAM_H

#include "sys/real/loop.h"

struct real_stream {
	struct stream base;
	union {
		uv_handle_t handle;
		uv_stream_t uv;
		uv_tcp_t tcp;
		uv_pipe_t pipe;
	};
	struct stream_events events;
	void *arg;

	struct blob **queue; // queue[head .. head + count), the first sent up to `sent`
	size_t head, count, room, sent;
	size_t pending;	     // bytes of the queue not yet in the kernel
	uv_write_t write;
	size_t writing;	     // bytes handed to uv_write; 0: it is free
	uv_shutdown_t shutdown;
	bool shutdown_wanted, shut, broken, closed, gathered;
	TAILQ_ENTRY(real_stream) unsent;
	LIST_ENTRY(real_stream) all;

	// while connecting
	uv_connect_t connecting;
	void (*on_connect)(void *arg, struct stream *, const struct err *e);
	struct task later; // tells of a failure that was there at once
	int failure;
	bool telling;
};

static inline struct real_stream *real_stream_of(struct stream *s)
{
	return CONTAINER_OF(s, struct real_stream, base);
}

struct real_stream *real_stream_create(struct real_loop *l, bool is_unix);
// From libuv's negative number.
int real_error(struct err *e, int code, const char *what);

#endif
