// SPDX-License-Identifier: Apache-2.0
// Points for being near to, or far from, other pods: preferred pod affinity and anti-affinity, of the pod and of those
// that are there, and spreading by ScheduleAnyway. A pod without constraints of its own is spread over nodes and zones
// among those with the same labels.
#include "scheduler/filter.h"
#include "scheduler/score.h"

enum { POINTS = 100, WEIGHT_PODS = 2, WEIGHT_SPREAD = 2 };

static void stretch(const int64_t *values, size_t n, bool fewer_is_better, int64_t weight, int64_t *points)
{
	int64_t least = INT64_MAX, most = INT64_MIN;
	for (size_t i = 0; i < n; i++) {
		least = values[i] < least ? values[i] : least;
		most = values[i] > most ? values[i] : most;
	}
	for (size_t i = 0; i < n && most > least; i++) {
		int64_t above = fewer_is_better ? most - values[i] : values[i] - least;
		points[i] += weight * above * POINTS / (most - least);
	}
}

// ---- affinity

struct nearness {
	const struct snapshot *snapshot;
	struct node *const *nodes;
	size_t n;
	int64_t *values; // of each node
};

// Adds `weight` for each pod of `other` to every node in its domain.
static void add_near(struct nearness *x, const struct shape *other, struct str topology_key, int64_t weight)
{
	struct map counts CLEAN_MAP;
	map_init(&counts);
	for (size_t i = 0; i < other->placement_count; i++) {
		const struct placement *p = other->placements[i];
		const struct label *label = p->node->present ? labels_find(p->node->labels, topology_key) : NULL;
		if (label)
			domain_add(&counts, label->value, (int64_t)p->count);
	}
	for (size_t i = 0; i < x->n && counts.count; i++) {
		const struct label *label = labels_find(x->nodes[i]->labels, topology_key);
		if (label)
			x->values[i] += weight * domain_count(&counts, label->value);
	}
}

// Terms of `holder` that are about `subject`; `there` is the one of both that already has nodes.
static void add_terms(struct nearness *x, const struct pod_terms *terms, const struct shape *subject,
		      const struct shape *there, int64_t sign, int64_t fixed_weight)
{
	struct labels namespace_labels = snapshot_namespace(x->snapshot, subject->namespace);
	for (size_t i = 0; i < terms->n; i++) {
		const struct pod_term *t = &terms->p[i];
		if (pod_term_matches(t, subject->labels, subject->namespace, namespace_labels))
			add_near(x, there, t->topology_key, sign * (fixed_weight ? fixed_weight : t->weight));
	}
}

void score_pods(struct arena *a, const struct snapshot *s, const struct shape *shape, struct node *const *nodes,
		size_t n, int64_t *points)
{
	struct nearness x = {s, nodes, n, ARENA_ARRAY(a, int64_t, n)};
	for (size_t i = 0; i < s->shapes.count; i++) {
		const struct shape *other = s->shapes.entries[i].value;
		if (other->placement_count == 0)
			continue;
		add_terms(&x, &shape->preferred, other, other, 1, 0);
		add_terms(&x, &shape->preferred_anti, other, other, -1, 0);
		add_terms(&x, &other->preferred, shape, other, 1, 0);
		add_terms(&x, &other->preferred_anti, shape, other, -1, 0);
		add_terms(&x, &other->affinity, shape, other, 1, 1); // those that need pods near them draw more
	}
	stretch(x.values, n, false, WEIGHT_PODS, points);
}

// ---- spreading

static void add_spread(const struct shape *shape, struct str topology_key, const struct matcher *selector,
		       const struct snapshot *s, struct node *const *nodes, size_t n, int64_t *values)
{
	struct map counts CLEAN_MAP;
	map_init(&counts);
	for (size_t i = 0; i < s->shapes.count; i++) {
		const struct shape *other = s->shapes.entries[i].value;
		bool counted = selector ? matcher_matches(selector, other->labels) : other == shape;
		if (other->placement_count == 0 || !str_eq(other->namespace, shape->namespace) || !counted)
			continue;
		for (size_t k = 0; k < other->placement_count; k++) {
			const struct placement *p = other->placements[k];
			const struct label *label =
				p->node->present ? labels_find(p->node->labels, topology_key) : NULL;
			if (label)
				domain_add(&counts, label->value, (int64_t)(p->count - p->leaving));
		}
	}
	for (size_t i = 0; i < n && counts.count; i++) {
		const struct label *label = labels_find(nodes[i]->labels, topology_key);
		if (label)
			values[i] += domain_count(&counts, label->value);
	}
}

void score_spread(struct arena *a, const struct snapshot *s, const struct shape *shape, struct node *const *nodes,
		  size_t n, int64_t *points)
{
	int64_t *values = ARENA_ARRAY(a, int64_t, n);
	for (size_t i = 0; i < shape->spread_count; i++) {
		if (!shape->spreads[i].hard)
			add_spread(shape, shape->spreads[i].topology_key, &shape->spreads[i].selector, s, nodes, n,
				   values);
	}
	if (shape->spread_count == 0 && shape->labels.n > 0) {
		add_spread(shape, STR("kubernetes.io/hostname"), NULL, s, nodes, n, values);
		add_spread(shape, STR("topology.kubernetes.io/zone"), NULL, s, nodes, n, values);
	}
	stretch(values, n, true, WEIGHT_SPREAD, points);
}
