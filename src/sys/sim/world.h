// SPDX-License-Identifier: Apache-2.0
// What the files of sys/sim share. Everything that is to happen is a timer in one queue: the users' own, and those
// that stand in an `event` for posts, work, messages.
#ifndef SYS_SIM_WORLD_H
#define SYS_SIM_WORLD_H

#include <sys/queue.h>

#include "base/buf.h"
#include "base/map.h"
#include "sys/sim.h"
#include "sys/timers.h"

struct sim_loop {
	struct loop base;
	struct sim *sim;
	bool isolated;
	char name[32];
	struct sim_loop *next;
};

struct sim {
	struct timers queue;
	int64_t now;
	uint64_t random[4]; // xoshiro256**
	uint64_t digest;
	struct sim_faults faults;
	struct sim_loop *loops;
	LIST_HEAD(, sim_stream) streams;
	struct map listeners; // address -> struct sim_listener
	int next_port;
	struct map files; // path -> struct blob
	struct map dirs;  // path -> itself
	struct buf trace;
};

// Happens once, then is freed.
struct event {
	struct timer timer;
	void (*happen)(struct event *ev);
	void (*drop)(struct event *ev); // instead, when the world ends; may be NULL
	void *subject;
};

static inline struct sim_loop *sim_loop_of(struct loop *l)
{
	return CONTAINER_OF(l, struct sim_loop, base);
}
static inline struct sim *sim_of(struct loop *l)
{
	return sim_loop_of(l)->sim;
}

void sim_expect(struct sim *s, int64_t delay_ns, void (*happen)(struct event *), void (*drop)(struct event *),
		void *subject);
bool sim_chance(struct sim *s, int per_mille);
void sim_mix(struct sim *s, struct str bytes); // into the digest

// stream.c
int sim_listen(struct loop *, const char *address, void (*on_accept)(void *arg, struct stream *), void *arg,
	       struct listener **out, struct err *e);
void sim_listener_close(struct listener *);
int sim_listener_port(struct listener *);
struct stream *sim_connect(struct loop *, const char *address,
			   void (*on_connect)(void *arg, struct stream *, const struct err *e), void *arg);
void sim_stream_move(struct stream *, struct loop *to, void (*on_moved)(void *arg, struct stream *), void *arg);
void sim_stream_start(struct stream *, const struct stream_events *, void *arg);
void sim_stream_read(struct stream *, bool on);
void sim_stream_write(struct stream *, struct blob *);
size_t sim_stream_pending(struct stream *);
void sim_stream_shutdown(struct stream *);
void sim_stream_close(struct stream *);
struct str sim_stream_peer(struct stream *, struct arena *);
void sim_net_finish(struct sim *s); // frees all streams and listeners

// file.c
int sim_file_read(struct loop *, struct arena *, const char *path, size_t max, struct str *out, struct err *e);
int sim_file_write(struct loop *, const char *path, struct str bytes, unsigned mode, struct err *e);
int sim_file_remove(struct loop *, const char *path, struct err *e);
int sim_dir_make(struct loop *, const char *path, unsigned mode, struct err *e);
void sim_files_init(struct sim *s);
void sim_files_finish(struct sim *s);

#endif
