// SPDX-License-Identifier: Apache-2.0
// What the node knows of one pod at one moment: plain data, without clock or handles, so that plan and status are pure
// functions of it. Written by the pod's worker as things happen. Times are wall clock, ns since 1970.
#ifndef NODE_POD_STATE_H
#define NODE_POD_STATE_H

#include "node/pod/resources.h"

enum container_stage {
	STAGE_NONE,	// was never begun
	STAGE_STARTING, // being created and started
	STAGE_RUNNING,
	STAGE_STOPPING, // its preStop hook runs, or it was told to end
	STAGE_EXITED,	// `run` tells how
};

enum stop_cause { STOP_NONE, STOP_POD, STOP_LIVENESS, STOP_STARTUP, STOP_HOOK, STOP_RESIZE, STOP_IMAGE, STOP_ANEW };

enum { POD_ID_MAX = 64, POD_REASON_MAX = 48, POD_MESSAGE_MAX = 4096 };

// One life of a container: the process of one container ID.
struct container_run {
	char id[POD_ID_MAX + 1]; // empty: there was none
	char *image_id;		 // owned; NULL: not known
	int attempt;		 // 0, 1...
	int64_t started, finished;
	int exit_code, signal;
	char reason[POD_REASON_MAX]; // once it ended: Completed, Error, OOMKilled, StartError...
	char *message;		     // its last words; owned, NULL: none
};

// How long a failing container (or image) rests before the next try: 10 s, doubled up to 5 min, forgotten after 10 min.
struct pod_backoff {
	int64_t delay; // 0: none yet
	int64_t updated;
};

struct container_state {
	enum container_stage stage;
	struct container_run run;  // shown as its state (while a next one starts: still the one before)
	struct container_run last; // the one before that, ended; shown as lastState
	int attempts;		   // how many lives were begun
	struct container_size size; // of the life that is shown or begins
	int64_t image;		    // of the same (container_spec.image_key); 0: not known
	struct pod_backoff backoff;
	bool backing_off; // the rest was told of (event) for the newest end
	bool past;	  // it begins anew with the pod: what its lives did so far counts for nothing

	// Why the newest try did not lead to a running container; empty: it did. Shown as state.waiting.
	char waiting_reason[POD_REASON_MAX];
	char *waiting_message; // owned
	int64_t retry_at;      // of tries that made no life: a missing image, a missing ConfigMap
	struct pod_backoff image_backoff;

	bool hooking;		// its postStart hook has not succeeded yet; it is not shown as running
	bool started;		// startup probe passed (or there is none), postStart done
	bool ready;		// readiness probe says so (or there is none)
	enum stop_cause failed; // a probe or hook demands its end; STOP_NONE: none
	bool restart_at_exit;	// its end makes room for the next life at once
};

enum resize_pending { RESIZE_NOT_PENDING, RESIZE_DEFERRED, RESIZE_INFEASIBLE };

// Where a pod's resize stands (pods/resize): wanted (pending), then allocated, then in progress until it is done.
struct pod_resize {
	enum resize_pending pending; // why what the spec wants is not allocated
	char *pending_message;	     // owned
	int64_t pending_generation, pending_since;

	bool in_progress;
	char *error; // why it could not be done yet; owned, NULL: nothing failed
	int64_t generation, retry_at;

	bool kept; // what is allocated stands on the disk: only then it is given to what runs
	bool busy; // it is being written, or given
	bool told; // the API may show that there is a resize
	struct cgroup_limits pod; // what the pod's group has
};

enum sandbox_stage { SANDBOX_NONE, SANDBOX_STARTING, SANDBOX_READY, SANDBOX_STOPPING, SANDBOX_GONE };

struct pod_state {
	enum sandbox_stage sandbox; // network, cgroup, namespaces, volumes
	bool was_ready;		    // the sandbox stood once, or may have: an earlier agent's
	int64_t sandbox_retry_at;
	char *ip;		       // owned; NULL: none yet
	int64_t started;	       // when this node took the pod on; 0: not yet
	char rejected[POD_REASON_MAX]; // the node does not take it: OutOfcpu...; empty: it does
	bool deadline_exceeded;
	char *message;			    // with the two before; owned
	struct pod_resize resize;
	bool deleted;			    // the API object is gone: nothing to report to
	bool settled;			    // ended, and its end was reported: nothing is left to do
	struct container_state *containers; // as many as the spec has
	size_t count;
};

struct pod_state *pod_state_create(const struct pod_spec *s);
void pod_state_destroy(struct pod_state *st);
// Makes room for ephemeral containers that came with a newer spec.
void pod_state_grow(struct pod_state *st, const struct pod_spec *s);

void container_wait(struct container_state *c, const char *reason, const char *message); // sets waiting_*; NULL clears
void container_run_clear(struct container_run *r);
void container_run_move(struct container_run *to, struct container_run *from);

// Whether a process of the container exists or is about to.
static inline bool container_is_alive(const struct container_state *c)
{
	return c->stage == STAGE_STARTING || c->stage == STAGE_RUNNING || c->stage == STAGE_STOPPING;
}

// The next try after an end at `ended` may begin now?
bool pod_backoff_is_resting(const struct pod_backoff *b, int64_t ended, int64_t now);
int64_t pod_backoff_end(const struct pod_backoff *b, int64_t ended);	  // when it may
void pod_backoff_next(struct pod_backoff *b, int64_t ended, int64_t now); // a try begins: the next rest is longer

#endif
