// SPDX-License-Identifier: Apache-2.0
// What to do next with a pod: a pure function of its spec, what is known of it and the time. The worker applies the
// actions (pod/worker.h), writes what comes of them into the state, and asks again.
#ifndef NODE_POD_PLAN_H
#define NODE_POD_PLAN_H

#include "node/pod/state.h"

enum plan_kind {
	PLAN_PREPARE, // make network, cgroup, namespaces and volumes
	PLAN_START,   // begin the next life of a container
	PLAN_STOP,   // end a container within grace_ns, for `cause`; restart: and begin the next when it ended. Planned
		     // again while it ends: its turn may have come, or the grace have become shorter
	PLAN_REST,   // tell (once) that a container waits before its next life
	PLAN_EXPIRE, // activeDeadlineSeconds are over: note it
	PLAN_KEEP,     // write down what is allocated to the pod
	PLAN_RESIZE,   // give what runs what is allocated (resize_plan.h)
	PLAN_ANEW,     // nothing runs: the pod begins anew, with its first init container
	PLAN_TEARDOWN, // take away what PREPARE made; nothing runs any more
	PLAN_SETTLE,   // all is over: report the end and, where the pod is being deleted, delete it
};

struct plan_action {
	enum plan_kind kind;
	size_t container;
	enum stop_cause cause;
	int64_t grace_ns; // 0: kill at once
	bool restart;
	bool forced; // the grace is the caller's own, without the usual least time
	bool waits;  // its hook runs, but its signal waits for its turn, or for the end of the grace
};

struct pod_plan {
	struct plan_action *actions; // of the arena given
	size_t count;
	int64_t wake; // ask again then at the latest; 0: nothing is due by itself
};

void pod_plan(struct arena *a, const struct pod_spec *s, const struct pod_state *st, int64_t now, struct pod_plan *out);

// The pod comes to its end, whatever its restart policies say.
bool pod_is_stopping(const struct pod_spec *s, const struct pod_state *st);
// All main containers have ended for good, or the initialisation failed for good.
bool pod_has_finished(const struct pod_spec *s, const struct pod_state *st);
// A container has ended as one of its rules says that all begin anew: first all others end.
bool pod_begins_anew(const struct pod_spec *s, const struct pod_state *st);
// Every init container has succeeded (or, a sidecar, has started), or the main ones were begun before.
bool pod_is_initialized(const struct pod_spec *s, const struct pod_state *st);

// An end is shown as such for this long before it is called CrashLoopBackOff.
enum { PLAN_CRASH_SHOWN_AFTER_S = 10 };

#endif
