// SPDX-License-Identifier: Apache-2.0
// What a pod may know of itself: fieldRef and resourceFieldRef, in environment variables and files.
#ifndef NODE_ENV_DOWNWARD_H
#define NODE_ENV_DOWNWARD_H

#include "node/pod/spec.h"

struct downward_context {
	const struct pod_spec *pod;
	struct str ip, host_ip, node_name;		   // ip: empty before the pod has one
	int64_t node_cpu_milli, node_memory, node_storage; // what a container without limit may use at most
};

// "metadata.labels['x']", "status.podIP"...; whole maps (only files may ask for these) as lines KEY="VALUE".
// ERR_INVALID for a path that is none.
int downward_field(struct arena *a, const struct downward_context *x, struct str path, struct str *value,
		   struct err *e);
// `ref` is a ResourceFieldSelector; its containerName, where empty, is `container`.
int downward_resource(struct arena *a, const struct downward_context *x, const struct json *ref, struct str container,
		      struct str *value, struct err *e);

#endif
