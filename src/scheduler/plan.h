// SPDX-License-Identifier: Apache-2.0
// The scheduler's decision: on which node a pod is to run, or why on none. Pure: reads a snapshot, changes nothing.
#ifndef SCHEDULER_PLAN_H
#define SCHEDULER_PLAN_H

#include "scheduler/snapshot.h"

struct schedule_verdict {
	struct node *node; // NULL: none fits
	// Of each reason, by filter.h's numbers, how many nodes it keeps off; only where none fits.
	struct schedule_reason {
		struct str text;
		size_t nodes;
	} *reasons; // sorted by text
	size_t reason_count;
	size_t looked_at; // nodes
};

// `start` spreads the search over large clusters: the first node looked at; pass verdict.looked_at on to the next pod.
void schedule_plan(struct arena *a, const struct snapshot *s, const struct shape *shape, size_t start,
		   struct schedule_verdict *out);
// "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) were unschedulable."
struct str schedule_message(struct arena *a, const struct snapshot *s, const struct schedule_verdict *v);

#endif
