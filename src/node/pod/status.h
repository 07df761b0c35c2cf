// SPDX-License-Identifier: Apache-2.0
// The status that a pod shows: a pure function of its spec, what is known of it and the time. Source of phases,
// conditions and their reasons: the Kubernetes API conventions for Pods, v1.36.
#ifndef NODE_POD_STATUS_H
#define NODE_POD_STATUS_H

#include "node/pod/state.h"

struct status_context {
	struct arena *arena;
	int64_t now; // wall clock
	struct str host_ip;
	const struct json *previous; // the status shown before, for times of transition; NULL: none
};

// The whole status object, in the arena.
struct json *pod_status(const struct status_context *x, const struct pod_spec *s, const struct pod_state *st);
// The body of a strategic merge patch that makes the API's status this one: with the uid as a precondition, nulls for
// what conditions no longer say, without conditions of resizes that are over, and addresses in place of others.
struct json *pod_status_patch(struct arena *a, const struct pod_spec *s, const struct pod_state *st,
			      const struct json *status);
// What each container is doing, in brief ("web=running:1;"): two statuses that differ here are both worth telling.
struct str pod_status_gist(struct arena *a, const struct json *status);
// Nothing in it but that containers wait to be created.
bool pod_status_is_quiet(const struct json *status);

// "Pending", "Running", "Succeeded" or "Failed".
const char *pod_phase(const struct pod_spec *s, const struct pod_state *st);
// Started, not told to wait, and its readiness probe says so.
bool container_is_ready(const struct container_spec *c, const struct container_state *st);

#endif
