// SPDX-License-Identifier: Apache-2.0
// How what runs gets the size that is allocated to it (allocation.h): which limits are to be changed in place and in
// which order, and which containers must be started anew for it. Pure.
#ifndef NODE_POD_RESIZE_PLAN_H
#define NODE_POD_RESIZE_PLAN_H

#include "node/pod/state.h"
#include "node/runtime/runtime.h"

struct resize_plan {
	const struct runtime_resize_step *steps; // of the arena given
	size_t count;
};

// What can be changed now. Memory first, then cpu. For each: the pod's group before its containers where it grows,
// after them where it shrinks; among containers, those that shrink before those that grow. The pod's group does not
// shrink while a container still has more than is allocated to it.
void resize_plan(struct arena *a, const struct pod_spec *s, const struct pod_state *st, struct resize_plan *out);
// The container runs with another size than it is to have, and its resizePolicy asks for a new life.
bool resize_needs_restart(const struct pod_spec *s, const struct pod_state *st, size_t container);
// All that lives has what is allocated.
bool resize_is_done(const struct pod_spec *s, const struct pod_state *st);

// A container's note at the runtime: which life it is, what size it has, and of which image it is.
struct container_note {
	int attempt;
	struct container_size size;
	int64_t image; // 0: not known
};
struct str resize_note(struct arena *a, const struct container_note *note);
// Whether it tells a size (those of older agents do not); else out->size stays as it is.
bool resize_read_note(struct str text, struct container_note *out);

// Resizes that wait for room, in the order in which they are tried: those that ask for no more than they have, then by
// priority, quality of service, and who has waited longest.
struct resize_claim {
	bool grows, guaranteed;
	int64_t priority;
	int64_t since; // 0: just now
};
int resize_claim_cmp(const struct resize_claim *a, const struct resize_claim *b);

#endif
