// SPDX-License-Identifier: Apache-2.0
// Runs the probes of one running container, each in its own rhythm, and tells their verdicts. Readiness and liveness
// wait for the startup probe. Between the start and the first answer that counts, readiness and startup probes over the
// network are tried more often, and only their success matters: a container is ready as soon as it answers.
#ifndef NODE_PROBE_PROBER_H
#define NODE_PROBE_PROBER_H

#include "node/probe/action.h"
#include "node/probe/counter.h"

struct prober;

struct prober_events {
	void (*on_verdict)(void *arg, enum probe_type type, enum probe_verdict v);
	// Each single failure, verdict or not; and each success that should be told of (ACTION_DOUBTFUL).
	void (*on_remark)(void *arg, enum probe_type type, enum action_result result, struct str said);
};

// `since_ns` ago the container started (adopted ones started long before). started: its startup probe has passed
// already.
struct prober *prober_create(const struct action_context *x, const struct container_spec *c, bool started,
			     int64_t since_ns, const struct prober_events *ev, void *arg);
// The container is about to end: no more startup and liveness probes.
void prober_only_readiness(struct prober *p);
void prober_destroy(struct prober *p); // also from inside an event; NULL is fine

#endif
