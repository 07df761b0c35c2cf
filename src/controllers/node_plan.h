// SPDX-License-Identifier: Apache-2.0
// What a node's conditions mean for its taints, and what its silence means for its conditions. Pure. The keys are
// upstream's node.kubernetes.io/...; taints of others are left alone.
#ifndef CONTROLLERS_NODE_PLAN_H
#define CONTROLLERS_NODE_PLAN_H

#include "base/json.h"

struct node_view {
	const struct json *node;
	bool silent;	// no heartbeat for longer than the grace period
	bool none_ready; // of all nodes
	int64_t now_ns;
};

struct node_plan {
	struct json *taints;	 // all of them, or NULL: as they are
	struct json *conditions; // all of them, or NULL: as they are
	bool ready;		 // as it will be
	bool lost;		 // it was not silent before
};

// Where no node is ready, the fault is more likely ours than theirs, and there is nowhere to go: then nodes lose the
// NoExecute taints that follow from their readiness, so that no pod is evicted.
void node_plan(struct arena *a, const struct node_view *v, struct node_plan *plan);

// How long a pod may stay on a node once it has these taints: 0 to go at once, -1 for ever. Only NoExecute counts.
int64_t node_pod_stay(const struct json *taints, const struct json *tolerations);

#endif
