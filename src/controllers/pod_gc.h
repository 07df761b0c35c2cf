// SPDX-License-Identifier: Apache-2.0
// Removes pods that nobody else can: those of nodes that are gone for longer than 40 s, deleted ones that have no node or
// whose node has the taint node.kubernetes.io/out-of-service and is not ready, and the oldest of the ended ones where
// there are more than 12,500.
#ifndef CONTROLLERS_POD_GC_H
#define CONTROLLERS_POD_GC_H

#include "controllers/cluster.h"

void *pod_gc_start(struct cluster *c);
void pod_gc_stop(void *controller);

#endif
