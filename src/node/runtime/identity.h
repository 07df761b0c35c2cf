// SPDX-License-Identifier: Apache-2.0
// Who a container's process is: user, groups and capabilities, worked out from the pod's wishes and the image.
#ifndef NODE_IDENTITY_H
#define NODE_IDENTITY_H

#include "base/arena.h"
#include "node/runtime/runtime.h"

struct identity {
	int64_t uid, gid;
	int64_t *groups; // supplementary
	size_t group_count;
};

// Reads /etc/passwd and /etc/group below the open directory `root`, as it looks from inside. ERR_INVALID.
int identity_find(struct arena *a, int root, const struct runtime_container_spec *spec, struct identity *out,
		  struct err *e);

// Bit n stands for capability number n of the kernel.
uint64_t capabilities_own(void); // those this process may hand on (its bounding set)
// The default set of container engines, changed as the spec says, within `own`. ERR_INVALID for unknown names.
int capabilities_of(const struct runtime_container_spec *spec, uint64_t own, uint64_t *out, struct err *e);
struct json *capabilities_json(struct arena *a, uint64_t set); // ["CAP_CHOWN", ...]

#endif
