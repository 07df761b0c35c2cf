// SPDX-License-Identifier: Apache-2.0
// What the files of sys/real share: one loop over libuv.
//
// A turn of the loop: wait for the kernel -> its callbacks -> tasks posted -> timers -> tasks posted -> all that was
// written to streams goes out -> wait again. Posting to a loop that is awake costs one atomic exchange; only a loop
// that sleeps in the kernel is woken by a system call.
#ifndef SYS_REAL_LOOP_H
#define SYS_REAL_LOOP_H

#include <stdatomic.h>
#include <sys/queue.h>
#include <uv.h>

#include "sys/real.h"
#include "sys/timers.h"

enum { READ_BUFFER_SIZE = 64 * 1024, RANDOM_SIZE = 256 };

struct real_stream;
struct real_listener;
TAILQ_HEAD(stream_list, real_stream);
LIST_HEAD(all_streams, real_stream);
LIST_HEAD(all_listeners, real_listener);

struct signal_watch {
	uv_signal_t uv;
	void (*on_signal)(void *arg, int number);
	void *arg;
	struct signal_watch *next;
};

struct real_loop {
	struct loop base;
	uv_loop_t uv;
	uv_async_t wake;
	uv_prepare_t before_poll;
	uv_check_t after_poll;
	uv_idle_t busy;			// active while there is more to do, so that the loop does not sleep
	_Atomic(struct task *) posted;	// newest first
	_Atomic(struct work *) finished; // newest first
	size_t working;			// handed to the pool, not yet done
	atomic_bool asleep;		// in the kernel, or about to be: whoever posts must wake it
	atomic_bool stop;
	struct timers timers;
	uv_timer_t alarm;
	int64_t alarm_due; // INT64_MAX: not set
	struct all_streams streams;
	struct all_listeners listeners;
	struct stream_list unsent; // streams with something to write
	size_t unsent_count;
	char *read_buffer; // of all streams: what is read is handed on at once
	struct signal_watch *signals;
	unsigned char random[RANDOM_SIZE]; // drawn from the kernel in advance
	size_t random_left;
	uv_thread_t thread; // of loop_real_thread
	char name[16];
};

static inline struct real_loop *real_of(struct loop *l)
{
	return CONTAINER_OF(l, struct real_loop, base);
}

int64_t real_now(struct loop *l);
void real_awake(struct real_loop *l); // at the head of the kernel's callbacks: posts need no wake-up from here on
void real_wake(struct real_loop *l);  // after something was put into posted or finished

// work.c
void real_work(struct loop *l, struct work *w);
void real_work_finish(struct real_loop *l); // runs done() of all that is finished

// stream.c
void real_stream_start(struct stream *, const struct stream_events *, void *arg);
void real_stream_read(struct stream *, bool on);
void real_stream_write(struct stream *, struct blob *);
size_t real_stream_pending(struct stream *);
void real_stream_shutdown(struct stream *);
void real_stream_close(struct stream *);
void real_streams_flush(struct real_loop *l); // writes what this turn has gathered
void real_streams_close(struct real_loop *l);

// connect.c
int real_listen(struct loop *, const char *address, void (*on_accept)(void *arg, struct stream *), void *arg,
		struct listener **out, struct err *e);
void real_listener_close(struct listener *);
void real_listeners_close(struct real_loop *l);
int real_listener_port(struct listener *);
struct stream *real_connect(struct loop *, const char *address,
			    void (*on_connect)(void *arg, struct stream *, const struct err *e), void *arg);
void real_stream_move(struct stream *, struct loop *to, void (*on_moved)(void *arg, struct stream *), void *arg);
struct str real_stream_peer(struct stream *, struct arena *);

// file.c
int real_file_read(struct loop *, struct arena *, const char *path, size_t max, struct str *out, struct err *e);
int real_file_write(struct loop *, const char *path, struct str bytes, unsigned mode, struct err *e);
int real_file_remove(struct loop *, const char *path, struct err *e);
int real_dir_make(struct loop *, const char *path, unsigned mode, struct err *e);

#endif
