// SPDX-License-Identifier: Apache-2.0
#include "controllers/gc_plan.h"

struct owners {					// of a node, by how they stand
	const struct gc_reference **unknown, **dead; // dead: absent, or waiting for their dependents to go
	size_t unknown_count, dead_count, solid, waiting;
};

static struct owners classify(struct arena *a, const struct gc_node *node)
{
	struct owners o = {ARENA_ARRAY(a, const struct gc_reference *, node->owner_count + 1),
			   ARENA_ARRAY(a, const struct gc_reference *, node->owner_count + 1),
			   0,
			   0,
			   0,
			   0};
	for (size_t i = 0; i < node->owner_count; i++) {
		const struct gc_reference *r = &node->owners[i];
		const struct gc_node *owner = r->owner;
		const struct gc_claim *claim = gc_reference_claim(r);
		if (owner->state == GC_ABSENT || (claim && claim->refuted)) {
			o.dead[o.dead_count++] = r;
		} else if (owner->state == GC_UNSEEN) {
			o.unknown[o.unknown_count++] = r;
		} else if (!gc_owner_is_near(owner, node)) {
			o.dead[o.dead_count++] = r;
		} else if (owner->deleting && owner->foreground) {
			o.dead[o.dead_count++] = r;
			o.waiting++;
		} else {
			o.solid++;
		}
	}
	return o;
}

// An object of the whole cluster that names an owner in some namespace: which one cannot be told, so nothing is done.
static bool has_owner_without_place(const struct gc_node *node)
{
	for (size_t i = 0; i < node->owner_count; i++) {
		const struct api_resource *r = gc_reference_place(&node->owners[i]).resource;
		if (str_empty(node->namespace) && r && r->namespaced)
			return true;
	}
	return false;
}

static bool has_blocking_dependent(const struct gc_node *node)
{
	for (size_t i = 0; i < node->dependent_count; i++) {
		const struct gc_node *dependent = node->dependents[i];
		for (size_t n = 0; n < dependent->owner_count; n++) {
			if (dependent->owners[n].owner == node && dependent->owners[n].blocks)
				return true;
		}
	}
	return false;
}

// A dependent that itself waits for its dependents: they may wait for each other in a circle.
static bool is_waited_for_by_a_dependent(const struct gc_node *node)
{
	for (size_t i = 0; i < node->dependent_count; i++) {
		if (node->dependents[i]->deleting && node->dependents[i]->foreground)
			return true;
	}
	return false;
}

static bool blocks_any(const struct gc_node *node)
{
	for (size_t i = 0; i < node->owner_count; i++) {
		if (node->owners[i].blocks)
			return true;
	}
	return false;
}

static void plan_orphaned(const struct gc_node *node, const struct owners *o, struct gc_plan *plan)
{
	plan->action = GC_DELETE;
	if (o->waiting > 0 && node->dependent_count > 0) {
		plan->policy = "Foreground";
		if (is_waited_for_by_a_dependent(node) && blocks_any(node))
			plan->action = GC_UNBLOCK;
		return;
	}
	plan->policy = node->orphan ? "Orphan" : node->foreground ? "Foreground" : "Background";
}

void gc_plan(struct arena *a, const struct gc_node *node, struct gc_plan *plan)
{
	*plan = (struct gc_plan){0};
	if (node->state != GC_PRESENT)
		return;
	if (node->deleting) {
		if (node->orphan) {
			plan->action = node->dependent_count > 0 ? GC_ORPHAN_DEPENDENTS : GC_RELEASE;
			plan->finalizer = "orphan";
		} else if (node->foreground && !has_blocking_dependent(node)) {
			plan->action = GC_RELEASE;
			plan->finalizer = "foregroundDeletion";
		}
		return;
	}
	if (node->owner_count == 0 || has_owner_without_place(node))
		return;
	struct owners o = classify(a, node);
	if (o.unknown_count > 0) {
		plan->action = GC_ASK_OWNERS;
		plan->owners = o.unknown;
		plan->owner_count = o.unknown_count;
	} else if (o.solid == 0) {
		plan_orphaned(node, &o, plan);
	} else if (o.dead_count > 0) {
		plan->action = GC_DROP_REFERENCES;
		plan->owners = o.dead;
		plan->owner_count = o.dead_count;
	}
}
