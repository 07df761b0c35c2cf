// SPDX-License-Identifier: Apache-2.0
// What pods ask of the node, and what that means to the kernel. Pure.
#ifndef NODE_POD_RESOURCES_H
#define NODE_POD_RESOURCES_H

#include "node/cgroup/cgroup.h"
#include "node/pod/spec.h"

struct node_amounts {
	int64_t cpu_milli, memory, storage, pods;
};

// What a container has, or is to have, of what can be resized; cpu in thousandths, 0: none.
struct container_size {
	int64_t cpu_request, cpu_limit, memory_request, memory_limit;
};

// What the scheduler counts: main containers and sidecars together, or the greatest init container, and the overhead.
// held: by container, what they have now, counted where it is more (a resize goes on); NULL: only what is allocated.
struct node_amounts pod_requests(const struct pod_spec *s, const struct container_size *held);

// Limits that a container has not are the pod's.
struct container_size container_size_of(const struct pod_spec *s, const struct container_spec *c);
bool container_size_same(const struct container_size *a, const struct container_size *b);
struct cgroup_limits container_limits(const struct container_size *z);
struct cgroup_limits pod_limits(const struct pod_spec *s); // a limit only where every container or the pod has one
struct node_amounts pod_limit_amounts(const struct pod_spec *s); // the sums, of those that have any
// How soon the kernel kills it when memory runs out: 1000 first.
int container_oom_score(const struct pod_spec *s, const struct container_spec *c, int64_t node_memory);

// Whether the pod fits beside what is used; else *reason ("OutOfcpu") and the message say why.
bool pod_fits(struct arena *a, const struct pod_spec *s, const struct node_amounts *allocatable,
	      const struct node_amounts *used, const char **reason, struct str *message);

#endif
