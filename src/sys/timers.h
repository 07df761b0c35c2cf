// SPDX-License-Identifier: Apache-2.0
// Timers in order, earliest first: a binary heap that finds a timer's place by its `impl`, so that starting and
// stopping need no memory of their own and cost O(log n). Each real loop has one; in the simulation one holds all
// that is to happen.
#ifndef SYS_TIMERS_H
#define SYS_TIMERS_H

#include "sys/sys.h"

struct timer_entry {
	int64_t due;	    // ns
	uint64_t sequence;  // timers due at the same time fire in the order of their starting
	struct timer *timer;
};

struct timers {
	struct timer_entry *heap;
	size_t count, room;
	uint64_t sequence;
};

void timers_finish(struct timers *t); // all that still run count as stopped
void timers_set(struct timers *t, struct timer *timer, int64_t due);
void timers_unset(struct timers *t, struct timer *timer);
int64_t timers_due(const struct timers *t); // of the earliest; INT64_MAX: none
struct timer *timers_take(struct timers *t); // the earliest, now stopped

#endif
