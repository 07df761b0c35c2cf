// SPDX-License-Identifier: Apache-2.0
// The resources that a node has allocated to a pod: those that the pod asked for when the node took it on, or at the
// last resize (the subresource pods/resize) that the node took on. Until it takes one on, a pod_spec holds both: the
// allocated ones at their places in `object`, the others in `wanted`. Pure.
//
// As JSON, in `wanted` and on the disk: {"resources": the pod's own, "containers": {name: resources}}.
#ifndef NODE_POD_ALLOCATION_H
#define NODE_POD_ALLOCATION_H

#include "node/pod/spec.h"

// What is allocated, to be kept beyond this agent's life.
struct json *allocation_of(struct arena *a, const struct pod_spec *s);
// The spec, fresh from the API, is that of a pod to which this was allocated. NULL: nothing was; what it asks for is.
void allocation_carry(struct pod_spec *s, const struct json *allocation);
// The same pod with what it asks for allocated to it. A new spec with one reference.
struct pod_spec *allocation_accept(const struct pod_spec *s);

#endif
