// SPDX-License-Identifier: Apache-2.0
// From a container of a pod's spec to what the runtime is told: who it runs as, what it may do, what it sees. Pure.
#ifndef NODE_POD_LAUNCH_H
#define NODE_POD_LAUNCH_H

#include "node/env/env.h"
#include "node/runtime/runtime.h"
#include "node/volume/disk.h"

struct launch_context {
	struct arena *arena;
	const struct pod_spec *pod;
	const struct container_spec *container;
	const struct image *image;
	const struct env *env;
	struct str hostname;
	struct str target; // id of the container that targetContainerName names, while it runs; else empty
	int64_t node_memory;
};

// Everything but id, note, log_path and mounts. ERR_INVALID: what the pod demands cannot be granted.
int launch_build(const struct launch_context *x, struct runtime_container_spec *out, struct err *e);
// The container's volumeMounts, for pod_disk's set_up_container: as many as the spec has.
int launch_mounts(const struct launch_context *x, struct pod_disk_mount **out, size_t *count, struct err *e);
// The runtime's mounts: of the volumes (sources resolved), hosts, resolv.conf, hostname and the file for last words.
void launch_finish(const struct launch_context *x, const struct pod_disk *disk, const struct pod_disk_mount *mounts,
		   size_t count, struct str words, struct runtime_container_spec *out);

// What the pod's containers share. sysctls are in the arena.
void launch_pod(struct arena *a, const struct pod_spec *s, struct str net_ns, struct str hostname,
		struct runtime_pod_spec *out);

#endif
