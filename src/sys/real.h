// SPDX-License-Identifier: Apache-2.0
// The real world: libuv, threads, files.
#ifndef SYS_REAL_H
#define SYS_REAL_H

#include "sys/sys.h"

struct loop *loop_real_create(void); // the process ignores SIGPIPE from here on
// Both: not running, and on the thread that ran it. Runs the tasks posted so far and waits for work in the pool.
void loop_real_settle(struct loop *l);
// And closes streams and listeners without a word.
void loop_real_destroy(struct loop *l);
void loop_real_run(struct loop *l);	// until loop_real_stop
void loop_real_stop(struct loop *l);	// from any thread or signal-safe context
// A loop on a thread of its own; name shows in ps. Destroying stops and joins.
struct loop *loop_real_thread(const char *name);
void loop_real_thread_destroy(struct loop *l);
// Calls on_signal on the loop.
void loop_real_on_signal(struct loop *l, int number, void (*on_signal)(void *arg, int number), void *arg);
// The uv_loop_t, for kernel adapters (processes, inotify, netlink) only.
void *loop_real_uv(struct loop *l);

#endif
