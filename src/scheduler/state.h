// SPDX-License-Identifier: Apache-2.0
// What the files of the scheduler's loop share: scheduler.c decides, binding.c carries out, follow.c hears of changes.
#ifndef SCHEDULER_STATE_H
#define SCHEDULER_STATE_H

#include "client/events.h"
#include "client/watcher.h"
#include "scheduler/pending.h"
#include "scheduler/scheduler.h"
#include "scheduler/snapshot.h"

enum pod_state { POD_IGNORED, POD_QUEUED, POD_BINDING, POD_BOUND, POD_WAITING, POD_BACKING_OFF };

struct scheduler_pod {
	struct scheduler *scheduler;
	struct pending pending;
	struct str key, namespace, name, uid; // behind the struct
	struct shape *shape;
	enum pod_state state;
	struct scheduler_pod *next_waiting, *previous_waiting; // of those in POD_WAITING
	uint32_t round;	      // of the last list that showed it
	unsigned attempts;    // that found no node, in a row
	int64_t attempted_ns; // the last of them
	uint64_t told;	      // hash of the message that its condition shows
	int64_t unplaced_ns;  // wall; since when it shows that none was found; 0: it does not
	struct timer backoff;
};

struct known_node {
	uint64_t placing, scoring; // hashes of what matters for either
	uint32_t round;
};

struct scheduler {
	struct transport *transport;
	struct str name; // heap
	struct snapshot snapshot;
	struct watcher *pods_watcher, *nodes_watcher, *namespaces_watcher;
	struct map pods, nodes, namespaces; // -> struct scheduler_pod, struct known_node, round as a pointer
	uint32_t pods_round, nodes_round, namespaces_round;
	bool pods_listed, nodes_listed, namespaces_listed;
	struct pending_heap queue;
	uint64_t arrivals;
	size_t start; // of the next search
	struct timer turn, flush;
	struct events *events;
	struct scheduler_pod *waiting; // those in POD_WAITING
	struct binding *bindings;      // under way
};

// scheduler.c
void scheduler_wake(struct scheduler *s); // there may be something to decide
void scheduler_enter(struct scheduler_pod *p, enum pod_state state);
void scheduler_queue(struct scheduler_pod *p);
void scheduler_retry(struct scheduler_pod *p); // not before its time
// Something changed that may let pods in that waited; with `affine_only`, only those that look for other pods.
void scheduler_wake_waiting(struct scheduler *s, bool affine_only);
struct events_about scheduler_about(const struct scheduler_pod *p);
// The pod has left the cluster, or another has taken its name.
void scheduler_forget(struct scheduler *s, struct str key);
struct scheduler_pod *scheduler_add(struct scheduler *s, struct str key, struct str uid);

// binding.c
void binding_start(struct scheduler_pod *p, const struct node *node); // the pod keeps its place meanwhile
void bindings_stop(struct scheduler *s);

// follow.c
void follow_start(struct scheduler *s);
void follow_stop(struct scheduler *s);

#endif
