// SPDX-License-Identifier: Apache-2.0
// What a pod asks for: the greater of its containers together and of each init container with the sidecars started
// before it, and the overhead; requests of the whole pod stand over those of its containers.
#ifndef SCHEDULER_REQUESTS_H
#define SCHEDULER_REQUESTS_H

#include "scheduler/shape.h"

// usual: containers that ask for no cpu or memory count as 100m and 200Mi.
struct requests requests_of(struct arena *a, struct snapshot *names, const struct json *pod_spec, bool usual);

#endif
