// SPDX-License-Identifier: Apache-2.0
// A pod as the scheduler sees it: everything that decides where it may and should run, but not its name. The pods of
// one ReplicaSet are all of one shape, so shapes are kept once, by content, and pods point to them.
#ifndef SCHEDULER_SHAPE_H
#define SCHEDULER_SHAPE_H

#include "base/map.h"
#include "scheduler/match.h"

struct placement;
struct snapshot;

struct amount {		 // of a resource beyond cpu, memory and ephemeral-storage
	size_t resource; // index into snapshot's names
	int64_t value;
};

struct requests {
	int64_t cpu_milli, memory, storage; // bytes
	struct amount *others;
	size_t other_count;
};

struct host_port {
	struct str ip; // "0.0.0.0": every one
	struct str protocol;
	int64_t port;
};

struct node_term { // of node affinity; a term without requirements matches nothing
	struct matcher labels, fields;
	int64_t weight; // of preferred ones
};

struct node_terms {
	struct node_term *p;
	size_t n;
};

struct toleration {
	struct str key, value, effect; // empty: any
	enum { TOLERATE_EQUAL, TOLERATE_EXISTS, TOLERATE_LESS, TOLERATE_GREATER } op;
};

struct pod_term { // of pod affinity and anti-affinity
	struct matcher selector;
	struct str *namespaces;
	size_t namespace_count;
	struct matcher namespace_selector; // besides the namespaces listed
	struct str topology_key;
	int64_t weight; // of preferred ones
};

struct pod_terms {
	struct pod_term *p;
	size_t n;
};

struct spread { // a topology spread constraint
	struct str topology_key;
	int64_t max_skew, min_domains;
	struct matcher selector;
	bool counts_nothing; // an empty selector fits the pod itself, but is never counted
	bool hard;	     // DoNotSchedule
	bool honor_affinity, honor_taints;
};

struct shape {
	struct arena memory;
	struct str key; // in memory
	size_t refs;
	struct str namespace;
	struct labels labels;
	struct requests requests;
	int64_t usual_cpu_milli, usual_memory; // requests for scoring: what asks for nothing counts for something
	struct host_port *ports;
	size_t port_count;
	struct matcher node_selector;
	struct node_terms node_required, node_preferred;
	bool has_node_required;
	struct toleration *tolerations;
	size_t toleration_count;
	struct pod_terms affinity, anti_affinity, preferred, preferred_anti;
	struct spread *spreads;
	size_t spread_count;
	struct str *images;
	size_t image_count;
	struct placement **placements; // where pods of this shape are; snapshot.c
	size_t placement_count, placement_room;
};

// What the scheduler does not look at is not part of the key.
struct str shape_key(struct arena *a, const struct json *pod);
// Fills a zeroed shape but for refs and placements.
void shape_read(struct shape *s, struct snapshot *names, struct str key, const struct json *pod);
void shape_finish(struct shape *s);

bool shape_tolerates(const struct shape *s, struct str key, struct str value, struct str effect);
// Node selector and required node affinity together.
bool shape_wants_node(const struct shape *s, struct labels labels, struct str name);
bool node_term_matches(const struct node_term *t, struct labels labels, struct str name);
// Whether the term is about pods with these labels in that namespace, whose own labels are given.
bool pod_term_matches(const struct pod_term *t, struct labels pod, struct str namespace,
		      struct labels namespace_labels);

#endif
