// SPDX-License-Identifier: Apache-2.0
// Pod affinity and anti-affinity, required. Pods of one shape are looked at once, and then counted wherever they are.
#include "scheduler/filter.h"

// Every shape that some pod has, or had of late.
#define each_shape(shape_, s)                                                                                          \
	for (struct map_entry *entry_ = (s)->shapes.entries;                                                           \
	     entry_ && entry_ < (s)->shapes.entries + (s)->shapes.count; entry_++)                                     \
		for (struct shape *shape_ = entry_->value; shape_; shape_ = NULL)

static bool fits_all_terms(const struct filter *f, const struct pod_terms *terms, const struct shape *other)
{
	struct labels namespace_labels = snapshot_namespace(f->snapshot, other->namespace);
	for (size_t i = 0; i < terms->n; i++) {
		if (!pod_term_matches(&terms->p[i], other->labels, other->namespace, namespace_labels))
			return false;
	}
	return terms->n > 0;
}

// Counts the pods of a shape in the term's topology.
static void count_shape(const struct pod_term *term, const struct shape *other, struct map *counts)
{
	for (size_t i = 0; i < other->placement_count; i++) {
		const struct placement *p = other->placements[i];
		const struct label *label = p->node->present ? labels_find(p->node->labels, term->topology_key) : NULL;
		if (label)
			domain_add(counts, label->value, (int64_t)p->count);
	}
}

static void count_affinity(struct filter *f)
{
	const struct pod_terms *terms = &f->shape->affinity;
	bool any = false;
	f->affinities = ARENA_ARRAY(f->arena, struct map, terms->n);
	each_shape(other, f->snapshot) {
		if (terms->n == 0 || !fits_all_terms(f, terms, other))
			continue;
		for (size_t i = 0; i < terms->n; i++) {
			count_shape(&terms->p[i], other, &f->affinities[i]);
			any |= f->affinities[i].count > 0;
		}
	}
	f->affinity_alone = !any && fits_all_terms(f, terms, f->shape);
}

static void count_anti_affinity(struct filter *f)
{
	const struct pod_terms *terms = &f->shape->anti_affinity;
	f->anti_affinities = ARENA_ARRAY(f->arena, struct map, terms->n);
	each_shape(other, f->snapshot) {
		for (size_t i = 0; i < terms->n; i++) {
			struct labels namespace_labels = snapshot_namespace(f->snapshot, other->namespace);
			if (pod_term_matches(&terms->p[i], other->labels, other->namespace, namespace_labels))
				count_shape(&terms->p[i], other, &f->anti_affinities[i]);
		}
	}
}

static struct map *repelled_domain(struct filter *f, struct str key)
{
	for (size_t i = 0; i < f->repelled_count; i++) {
		if (str_eq(f->repelled[i].key, key))
			return &f->repelled[i].counts;
	}
	struct domains *more = ARENA_ARRAY(f->arena, struct domains, f->repelled_count + 1);
	if (f->repelled_count)
		memcpy(more, f->repelled, f->repelled_count * sizeof *more);
	f->repelled = more;
	f->repelled[f->repelled_count].key = key;
	return &f->repelled[f->repelled_count++].counts;
}

// Pods that are there and do not want this one near.
static void count_repelled(struct filter *f)
{
	if (f->snapshot->repelling == 0)
		return;
	each_shape(other, f->snapshot) {
		for (size_t i = 0; i < other->anti_affinity.n; i++) {
			const struct pod_term *term = &other->anti_affinity.p[i];
			if (pod_term_matches(term, f->shape->labels, f->shape->namespace, f->namespace_labels))
				count_shape(term, other, repelled_domain(f, term->topology_key));
		}
	}
}

void pod_affinity_init(struct filter *f)
{
	count_affinity(f);
	count_anti_affinity(f);
	count_repelled(f);
}

static bool near_enough(const struct filter *f, const struct node *node)
{
	bool all = true;
	for (size_t i = 0; i < f->shape->affinity.n; i++) {
		const struct label *label = labels_find(node->labels, f->shape->affinity.p[i].topology_key);
		if (!label)
			return false;
		all &= domain_count(&f->affinities[i], label->value) > 0;
	}
	return all || f->affinity_alone;
}

static bool far_enough(const struct filter *f, const struct node *node)
{
	for (size_t i = 0; i < f->shape->anti_affinity.n; i++) {
		const struct label *label = labels_find(node->labels, f->shape->anti_affinity.p[i].topology_key);
		if (label && domain_count(&f->anti_affinities[i], label->value) > 0)
			return false;
	}
	return true;
}

static bool is_repelled(const struct filter *f, const struct node *node)
{
	for (size_t i = 0; i < f->repelled_count; i++) {
		const struct label *label = labels_find(node->labels, f->repelled[i].key);
		if (label && domain_count(&f->repelled[i].counts, label->value) > 0)
			return true;
	}
	return false;
}

bool pod_affinity_allows(const struct filter *f, const struct node *node, struct reasons *out)
{
	if (!near_enough(f, node))
		reasons_add(out, REASON_POD_AFFINITY);
	else if (!far_enough(f, node))
		reasons_add(out, REASON_POD_ANTI_AFFINITY);
	else if (is_repelled(f, node))
		reasons_add(out, REASON_EXISTING_ANTI_AFFINITY);
	return out->n == 0;
}
