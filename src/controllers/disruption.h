// SPDX-License-Identifier: Apache-2.0
// The end of a pod that is not to blame for it: before it is deleted its status says why, in the condition
// DisruptionTarget, for those who count a pod's failures.
#ifndef CONTROLLERS_DISRUPTION_H
#define CONTROLLERS_DISRUPTION_H

#include "controllers/pod_cache.h"
#include "controllers/reconcile.h"

struct disruption {
	const char *reason, *message; // of the condition; NULL: none is set
	bool lost;		      // nobody is left to end it: unless it has ended it has failed; goes without grace
};

// Two requests, one after the other; `d` must outlive them.
void disruption_delete(struct sync *s, const struct pod *p, const struct disruption *d, int64_t now_ns);

#endif
