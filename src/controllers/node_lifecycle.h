// SPDX-License-Identifier: Apache-2.0
// Watches over nodes: taints follow conditions; a node whose Lease is not renewed (nor its status changed) for 50 s
// becomes Unknown, its pods not ready. Pods that do not tolerate a node's NoExecute taints are evicted when their time
// is up. The decisions are in node_plan.h.
#ifndef CONTROLLERS_NODE_LIFECYCLE_H
#define CONTROLLERS_NODE_LIFECYCLE_H

#include "controllers/cluster.h"

void *node_lifecycle_start(struct cluster *c);
void node_lifecycle_stop(void *controller);

// The eviction alone.
void *taint_eviction_start(struct cluster *c);
void taint_eviction_stop(void *controller);

#endif
