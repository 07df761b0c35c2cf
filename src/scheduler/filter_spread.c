// SPDX-License-Identifier: Apache-2.0
// Topology spread constraints: no domain (the nodes with one value of a label) may hold more than maxSkew pods above
// the one that holds fewest. Only nodes count that have the labels of all hard constraints.
#include "scheduler/filter.h"

static bool has_all_labels(const struct shape *shape, const struct node *node)
{
	for (size_t i = 0; i < shape->spread_count; i++) {
		if (shape->spreads[i].hard && !labels_find(node->labels, shape->spreads[i].topology_key))
			return false;
	}
	return true;
}

static bool is_included(const struct shape *shape, const struct spread *spread, const struct node *node)
{
	return (!spread->honor_affinity || shape_wants_node(shape, node->labels, node->name)) &&
	       (!spread->honor_taints || filter_tolerates_node(shape, node));
}

// Pods on the node that the constraint counts.
static int64_t count_pods(const struct shape *shape, const struct spread *spread, const struct node *node)
{
	int64_t count = 0;
	if (spread->counts_nothing)
		return 0;
	for (size_t i = 0; i < node->placement_count; i++) {
		const struct placement *p = node->placements[i];
		if (p->count > p->leaving && str_eq(p->shape->namespace, shape->namespace) &&
		    matcher_matches(&spread->selector, p->shape->labels))
			count += (int64_t)(p->count - p->leaving);
	}
	return count;
}

static int64_t least_of(const struct map *counts, int64_t min_domains)
{
	int64_t least = INT32_MAX;
	if ((int64_t)counts->count < min_domains)
		return 0;
	map_each(domain, counts) {
		if ((int64_t)(intptr_t)domain->value < least)
			least = (int64_t)(intptr_t)domain->value;
	}
	return least;
}

static bool has_hard(const struct shape *shape)
{
	for (size_t i = 0; i < shape->spread_count; i++) {
		if (shape->spreads[i].hard)
			return true;
	}
	return false;
}

void spread_init(struct filter *f)
{
	const struct shape *shape = f->shape;
	f->spreads = ARENA_ARRAY(f->arena, struct map, shape->spread_count);
	f->spread_least = ARENA_ARRAY(f->arena, int64_t, shape->spread_count);
	for (size_t n = 0; has_hard(shape) && n < f->snapshot->node_count; n++) {
		const struct node *node = f->snapshot->nodes[n];
		if (!node->present || !has_all_labels(shape, node))
			continue;
		for (size_t i = 0; i < shape->spread_count; i++) {
			const struct spread *spread = &shape->spreads[i];
			if (spread->hard && is_included(shape, spread, node))
				domain_add(&f->spreads[i], labels_find(node->labels, spread->topology_key)->value,
					   count_pods(shape, spread, node));
		}
	}
	for (size_t i = 0; i < shape->spread_count; i++)
		f->spread_least[i] = least_of(&f->spreads[i], shape->spreads[i].min_domains);
}

bool spread_allows(const struct filter *f, const struct node *node, struct reasons *out)
{
	for (size_t i = 0; i < f->shape->spread_count; i++) {
		const struct spread *spread = &f->shape->spreads[i];
		if (!spread->hard)
			continue;
		const struct label *label = labels_find(node->labels, spread->topology_key);
		if (!label) {
			reasons_add(out, REASON_SPREAD_LABEL);
			return false;
		}
		int64_t self = matcher_matches(&spread->selector, f->shape->labels);
		if (domain_count(&f->spreads[i], label->value) + self - f->spread_least[i] > spread->max_skew) {
			reasons_add(out, REASON_SPREAD);
			return false;
		}
	}
	return true;
}
