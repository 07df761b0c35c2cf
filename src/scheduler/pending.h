// SPDX-License-Identifier: Apache-2.0
// Pods in line: a heap, the one of highest priority first, of equals the one that came first.
#ifndef SCHEDULER_PENDING_H
#define SCHEDULER_PENDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pending { // member of what waits
	int64_t priority;
	uint64_t arrival;
	size_t place; // in the heap, from 1; 0: not in it
};

struct pending_heap {
	struct pending **p;
	size_t n, room;
};

void pending_add(struct pending_heap *h, struct pending *item);	   // not in it yet
void pending_remove(struct pending_heap *h, struct pending *item); // nothing where it is not in it
struct pending *pending_take(struct pending_heap *h);		   // NULL: empty
void pending_finish(struct pending_heap *h);

#endif
