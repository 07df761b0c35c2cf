// SPDX-License-Identifier: Apache-2.0
// A node without containers, for simulations: registers itself, renews its Lease, and says of its pods that they run
// after a seeded delay and that they are gone after another. To the API it is a node like any other.
#ifndef SIM_IMITATED_NODE_H
#define SIM_IMITATED_NODE_H

#include "client/client.h"

struct imitated_node;

struct imitated_node_config {
	const char *name;
	int64_t pod_count_max;
	int64_t start_min_ns, start_max_ns; // from seeing a pod to Ready
	size_t *running;		    // pods that run, of all nodes that count here
};

// The transport must outlive it. Random delays come from its loop.
struct imitated_node *imitated_node_create(struct transport *t, const struct imitated_node_config *config);
void imitated_node_destroy(struct imitated_node *n); // as a crash: nothing is told to the API

#endif
