// SPDX-License-Identifier: Apache-2.0
// What a status says of resources: those that were allocated, and those in force while a resize goes on. Pure.
#ifndef NODE_POD_STATUS_RESOURCES_H
#define NODE_POD_STATUS_RESOURCES_H

#include "node/pod/state.h"

// Of a container's status: allocatedResources and resources.
void status_put_container(struct arena *a, struct json *out, const struct pod_spec *s, const struct container_spec *c,
			  const struct container_state *st);
// The same of the pod as a whole: the sums, or what it says itself.
void status_put_pod(struct arena *a, struct json *status, const struct pod_spec *s, const struct pod_resize *resize);

#endif
