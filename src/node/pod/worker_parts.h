// SPDX-License-Identifier: Apache-2.0
// What the files of one worker share: worker.c decides the order, prepare.c makes what the containers share, start.c
// and stop.c bring containers up and down, image.c looks for their images, tend.c minds those that run, resize.c changes
// what they have, adopt.c takes over those of a former agent, report.c tells the API, tell.c the users. Nobody else
// includes this.
#ifndef NODE_POD_WORKER_PARTS_H
#define NODE_POD_WORKER_PARTS_H

#include "node/pod/status.h"
#include "node/pod/worker.h"
#include "node/probe/prober.h"

struct container_stop;
struct report;
struct prepare;
struct hook;

struct container_work {		       // beside state->containers[i]
	struct container_start *start; // while STAGE_STARTING
	struct container_stop *stop;   // while STAGE_STOPPING
	struct action *hook;	       // postStart, while hooking
	struct prober *prober;
	struct pod_spec *probed; // holds what the prober looks at
	struct probe_slot *slot; // the prober's and the hook's argument
	int stop_signal;	 // the image's
};

struct probe_slot {
	struct pod_worker *worker;
	size_t container;
};

struct report { // statuses on their way to the API, in order
	struct report_item *first, *last;
	bool open; // the first one is being sent
	bool held; // the first one is a quiet one and waits for a better
	struct timer timer;
	int failures;
	struct arena shown;  // of `status`
	struct json *status; // the newest
	struct str text;     // the same as text
	bool settle;	     // when all is told: delete the API object, where that is due
	bool deleting;	     // that was asked
};

struct pod_worker {
	struct pod_host *host;
	struct pod_spec *spec;
	struct pod_state *state;
	struct node_amounts requests; // or, while a resize goes on, what it still has of more
	struct node_amounts used;     // as it was last seen (worker_uses)
	unsigned allocations;	      // how often resources were allocated to it
	struct container_work *containers;
	size_t container_room;
	struct report report;
	struct prepare *prepare; // while SANDBOX_STARTING or SANDBOX_STOPPING; owned by what is under way
	char *net_ns;
	struct timer wake;
	struct task step;
	bool step_posted;
	bool adopting;	// until the sandbox stands again nothing is reported
	bool resuming;	// and then the probes of what kept running begin anew
	bool wants;	// objects and tokens are on order
	bool destroyed; // freed when nothing is under way any more
	bool idle_told;
	unsigned busy;	      // calls under way that will come back to this worker
	struct work *refresh; // volumes being brought up to date
	bool refresh_again;
	struct timer refresh_retry; // after one that failed
};

int64_t worker_now(const struct pod_worker *w);
void worker_step_soon(struct pod_worker *w); // asks the plan in a turn of its own
void worker_report(struct pod_worker *w);    // the status as it is now
// Something under way came back; whether the worker is still there (else it was freed when nothing else is under way).
void worker_enter(struct pod_worker *w);
bool worker_leave(struct pod_worker *w);
struct downward_context worker_downward(const struct pod_worker *w);
// How a life ended, with its last words.
void worker_read_end(struct pod_worker *w, size_t container, int attempt, const struct runtime_state *rs,
		     struct container_run *out);
// The running container's life ended so; takes what `end` owns.
void worker_ended(struct pod_worker *w, size_t container, struct container_run *end);

// adopt.c
void adopt_recall(struct pod_worker *w, size_t container); // what the API still shows of it
void adopt_resume(struct pod_worker *w);		   // the sandbox stands again: probes go on
void adopt_anew(struct pod_worker *w);			   // nothing of the sandbox was left

// prepare.c
void prepare_begin(struct pod_worker *w);
void prepare_objects_changed(struct pod_worker *w); // tries the volumes again
void prepare_refresh(struct pod_worker *w);	    // brings the files of a running pod's volumes up to date
// Whether it is known of all that the container's environment refers to that it is there, or is not. An ephemeral one may
// refer to what the pod did not, so that nobody has looked yet.
bool prepare_knows_objects_of(struct pod_worker *w, const struct container_spec *container);
void prepare_teardown(struct pod_worker *w);
void prepare_abandon(struct pod_worker *w); // the worker is being destroyed

// resize.c
void resize_recall(struct pod_worker *w); // what a former agent had allocated, and the API still shows of a resize
void resize_adopt(struct pod_worker *w);  // whether one went on, as the runtime's containers tell
void resize_carry(struct pod_worker *w, struct pod_spec *fresh); // what is allocated stays so
void resize_count(struct pod_worker *w);			  // what it takes of the node's resources
void resize_keep(struct pod_worker *w);
void resize_give(struct pod_worker *w);
void resize_settle(struct pod_worker *w); // notes and tells that it is done; says when it makes room

// start.c
void start_begin(struct pod_worker *w, size_t container);
void start_cancel_queued(struct pod_worker *w);		    // those that have not had their turn need not wait for it
void start_abandon(struct pod_worker *w, size_t container); // the worker is being destroyed
bool start_exited(struct pod_worker *w, size_t container, const struct runtime_state *s); // before it was known to run

// image.c
struct image_lack { // why a container waits, and how long until it is tried again
	const char *reason;
	struct str message;
	int64_t rest;
};
// Whether an image that the container needs is not on the node, which is told to users; else its own is in *own.
bool image_lacks(struct pod_worker *w, size_t container, struct arena *a, struct image *own, struct image_lack *lack);
bool image_is_here(struct pod_worker *w, size_t container); // all that it needs, now; nothing is told

// tend.c
// It runs, since since_ns; was_started: its startup probe has passed before.
void tend_begin(struct pod_worker *w, size_t container, bool was_started, int64_t since_ns);
void tend_end(struct pod_worker *w, size_t container); // no more hooks and probes

// stop.c
void stop_begin(struct pod_worker *w, const struct plan_action *how);
void stop_finish(struct pod_worker *w, size_t container); // it has ended

// report.c
void report_init(struct pod_worker *w);
void report_finish(struct pod_worker *w);
void report_push(struct pod_worker *w, struct json *status);
void report_settle(struct pod_worker *w);

// tell.c: events. container -1: about the pod.
void tell(struct pod_worker *w, int container, enum events_type type, const char *reason, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

#endif
