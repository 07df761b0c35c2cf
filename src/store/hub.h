// SPDX-License-Identifier: Apache-2.0
// All watches of a store. The hub lives on the store's core loop and reads the history; each watch's callbacks run on
// the loop of its own.
//
// A watch is a place in the history, not a queue: what it has not been told yet stays there until it is, and where
// the history forgets it first, the watch ends (ERR_EXPIRED). At most one batch is on its way to a watcher, so a slow
// one costs nobody memory. Watches are found by their prefix, as one look-up for each '/' of the changed key, and by
// what their facet wants, as one look-up for each facet; only those whose prefix ends elsewhere are all looked at.
#ifndef STORE_HUB_H
#define STORE_HUB_H

#include <sys/queue.h>

#include "base/map.h"
#include "store/history.h"
#include "store/store.h"

LIST_HEAD(watch_list, store_watch);

struct hub {
	struct loop *core;
	const struct store_ops *ops;
	const struct history *history;
	int64_t revision;	   // of the newest change published
	struct watch_list all;
	struct map groups;	 // prefix that is empty or ends in '/' -> struct group
	struct watch_list odd;	 // those with other prefixes
	struct watch_list ready; // to be told of the changes being published
	struct timer progress;
	void (*on_gone)(void *owner); // a watch is finally gone; from the core loop
	void *owner;
};

void hub_init(struct hub *h, struct loop *core, const struct store_ops *ops, const struct history *history,
	      int64_t revision);
void hub_finish(struct hub *h); // no watch is left

// From any loop. Close it on its own loop, also after on_end.
struct store_watch *hub_watch(struct hub *h, const struct store_scope *scope, int64_t after, struct loop *loop,
			      const struct store_watch_events *events, void *arg);
void hub_watch_close(struct store_watch *w);

// The history from place `from` on is new; on the core loop.
void hub_publish(struct hub *h, uint64_t from, int64_t revision);
// Changes have passed unseen: all watches end with ERR_EXPIRED.
void hub_expire(struct hub *h, int64_t revision);

#endif
