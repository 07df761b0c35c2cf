// SPDX-License-Identifier: Apache-2.0
// May a pod of this shape run on that node? The rules and their order are upstream's default plugins; the first that
// fails names its reasons. What concerns the whole cluster (affinity, spreading) is counted once a pod, by filter_init.
#ifndef SCHEDULER_FILTER_H
#define SCHEDULER_FILTER_H

#include "scheduler/snapshot.h"

enum reason {
	REASON_UNSCHEDULABLE,
	REASON_TAINT,
	REASON_NODE_AFFINITY,
	REASON_PORT,
	REASON_PODS,
	REASON_CPU,
	REASON_MEMORY,
	REASON_STORAGE,
	REASON_SPREAD_LABEL, // the node lacks the topology's label
	REASON_SPREAD,
	REASON_POD_AFFINITY,
	REASON_POD_ANTI_AFFINITY,
	REASON_EXISTING_ANTI_AFFINITY,
	REASON_OTHERS, // and on: REASON_OTHERS + resource
};

struct reasons {
	unsigned p[16]; // enum reason, or beyond
	size_t n;
};

// Pods by the value of a topology label.
struct domains {
	struct str key;	   // of the label
	struct map counts; // value -> count, as a pointer
};

struct filter {
	const struct snapshot *snapshot;
	const struct shape *shape;
	struct arena *arena;
	struct labels namespace_labels;
	struct str *only_nodes; // node affinity names them; NULL: any
	size_t only_count;
	struct map *spreads;	// of each spread constraint
	int64_t *spread_least;	// and the least of its domains
	struct map *affinities; // of each term of pod affinity
	bool affinity_alone;	// no pod fits all terms, but this one itself does
	struct map *anti_affinities;
	struct domains *repelled; // topologies where pods that are there repel this one
	size_t repelled_count;
};

void filter_init(struct filter *f, struct arena *a, const struct snapshot *s, const struct shape *shape);
void filter_finish(struct filter *f);
// Empty reasons: it may.
void filter_node(const struct filter *f, const struct node *node, struct reasons *out);
// "Insufficient cpu"; in the arena or static.
struct str filter_reason_text(struct arena *a, const struct snapshot *s, unsigned reason);

// Inner parts, each in a file of its own.
void spread_init(struct filter *f);
bool spread_allows(const struct filter *f, const struct node *node, struct reasons *out);
void pod_affinity_init(struct filter *f);
bool pod_affinity_allows(const struct filter *f, const struct node *node, struct reasons *out);

static inline void reasons_add(struct reasons *r, unsigned reason)
{
	if (r->n < ARRAY_LEN(r->p))
		r->p[r->n++] = reason;
}
// Whether taints keep the pod off the node.
bool filter_tolerates_node(const struct shape *shape, const struct node *node);

static inline int64_t domain_count(const struct map *counts, struct str value)
{
	return (int64_t)(intptr_t)map_get(counts, value);
}
static inline void domain_add(struct map *counts, struct str value, int64_t n)
{
	map_set(counts, value, (void *)(intptr_t)(domain_count(counts, value) + n));
}

#endif
