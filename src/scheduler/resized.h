// SPDX-License-Identifier: Apache-2.0
// What a pod counts while it is being resized: of each resource the most of what it asks for, what its node has
// allocated to it and what it still has; what its node can never give (a resize that is infeasible) does not count.
// Source: Kubernetes v1.36, requests of pods with the resources of their status.
#ifndef SCHEDULER_RESIZED_H
#define SCHEDULER_RESIZED_H

#include "base/json.h"

// The pod with its requests as they count: the pod itself where its status says nothing else, else a copy.
const struct json *pod_as_counted(struct arena *a, const struct json *pod);

#endif
