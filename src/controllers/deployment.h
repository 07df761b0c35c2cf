// SPDX-License-Identifier: Apache-2.0
// Rolls Deployments out through ReplicaSets. The decisions are in deployment_plan.h.
#ifndef CONTROLLERS_DEPLOYMENT_H
#define CONTROLLERS_DEPLOYMENT_H

#include "controllers/cluster.h"

void *deployment_start(struct cluster *c);
void deployment_stop(void *controller);

#endif
