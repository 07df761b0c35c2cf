// SPDX-License-Identifier: Apache-2.0
// Does what a probe or a lifecycle hook asks for, once: runs a command in the container, opens a connection to the pod,
// GETs a page of it, asks it after its health by gRPC, or sleeps.
#ifndef NODE_PROBE_ACTION_H
#define NODE_PROBE_ACTION_H

#include "node/pod/spec.h"
#include "node/runtime/runtime.h"

struct action;

struct action_context { // strings are borrowed during action_start
	struct loop *loop;
	struct runtime *runtime;
	struct str container_id;
	struct str ip;	 // of the pod; http and tcp go there unless they name a host
	bool any_answer; // http: whatever the code (hooks)
};

enum action_result {
	ACTION_BAD,
	ACTION_GOOD,
	ACTION_DOUBTFUL, // good, but `said` should be told
};

// Called once, never from inside action_start; `said` is what came out, or why it failed (at most 10 KiB).
typedef void action_done(void *arg, enum action_result result, struct str said);

// timeout_ns 0: none. Returns a handle that is valid until `done`.
struct action *action_start(const struct action_context *x, const struct pod_action *what, int64_t timeout_ns,
			    action_done *done, void *arg);
void action_cancel(struct action *a); // no `done` after this; NULL is fine

#endif
