// SPDX-License-Identifier: Apache-2.0
// Keeps as many pods alive as each ReplicaSet says. The decisions are in replicaset_plan.h.
#ifndef CONTROLLERS_REPLICASET_H
#define CONTROLLERS_REPLICASET_H

#include "controllers/cluster.h"

void *replicaset_start(struct cluster *c);
void replicaset_stop(void *controller);

#endif
