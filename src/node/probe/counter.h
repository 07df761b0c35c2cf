// SPDX-License-Identifier: Apache-2.0
// When single answers of a probe become a verdict: after successThreshold or failureThreshold of the same kind in a
// row. Pure.
#ifndef NODE_PROBE_COUNTER_H
#define NODE_PROBE_COUNTER_H

#include "node/pod/spec.h"

enum probe_verdict { PROBE_UNKNOWN, PROBE_GOOD, PROBE_BAD };

struct probe_counter {
	int row;       // equal answers so far
	bool was_good; // of which kind
	enum probe_verdict verdict;
};

// Takes one answer; whether the verdict changed (a BAD one that is confirmed by further failures counts as changed for
// startup and liveness probes each time: whoever acts on it may have been unable to before).
bool probe_count(struct probe_counter *c, const struct probe_spec *s, bool good);
// How long after the container's start the first answer counts: its initial delay, and then soon, but not at once, for
// what has just begun can't answer yet.
int64_t probe_first_ns(const struct probe_spec *s);

#endif
