// SPDX-License-Identifier: Apache-2.0
// Which of the nodes that a pod may run on is best. Each rule gives 0 to 100 points, weighted as upstream's defaults:
// tolerated taints 3; preferred node affinity, spreading and pod affinity 2; room left, balance of cpu and memory, and
// images that are there already 1.
#ifndef SCHEDULER_SCORE_H
#define SCHEDULER_SCORE_H

#include "scheduler/snapshot.h"

// nodes: at least one. Of equals the one with fewest pods, then the first by name: the same snapshot always gives the
// same node.
struct node *score_best(struct arena *a, const struct snapshot *s, const struct shape *shape, struct node *const *nodes,
			size_t n);

// Inner parts: add to points[i] for nodes[i].
void score_pods(struct arena *a, const struct snapshot *s, const struct shape *shape, struct node *const *nodes,
		size_t n, int64_t *points);
void score_spread(struct arena *a, const struct snapshot *s, const struct shape *shape, struct node *const *nodes,
		  size_t n, int64_t *points);

#endif
