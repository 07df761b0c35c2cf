// SPDX-License-Identifier: Apache-2.0
// Who owns whom, by uid: the garbage collector's picture of the cluster. It holds only objects that have owners, are
// owners, or wait for the collector (finalizers), so that what nobody refers to costs nothing. Pure.
#ifndef CONTROLLERS_GC_GRAPH_H
#define CONTROLLERS_GC_GRAPH_H

#include "api/schema.h"
#include "base/map.h"

enum gc_state {
	GC_UNSEEN,  // only references speak of it
	GC_PRESENT, // seen
	GC_ABSENT,  // known not to exist (a uid never comes back)
};

struct gc_place { // of an object, as it was seen or as a reference says
	const struct api_resource *resource; // NULL: a kind that we do not know
	struct str namespace, name;
};

// Where a reference says that an owner is which was not seen yet. Whoever writes the reference may be wrong, and must not
// spoil the references of others: each claim is looked at by itself.
struct gc_claim {
	struct gc_place place;
	bool refuted; // it was looked for there in vain
};

struct gc_reference {
	struct gc_node *owner;
	bool blocks;		// blockOwnerDeletion
	struct gc_claim *claim; // where it says otherwise than the first reference did; NULL: the same
};

struct gc_node {
	struct str uid;
	enum gc_state state;
	struct gc_claim *claim;		     // of the first reference to it while it was unseen, or NULL
	const struct api_resource *resource; // this and what follows: once it is seen
	struct str namespace, name;
	bool deleting, foreground, orphan; // deletionTimestamp, and the collector's two finalizers
	uint32_t round;			   // of the list that showed it
	struct gc_reference *owners;
	size_t owner_count;
	struct gc_node **dependents;
	size_t dependent_count, dependent_room;
};

struct gc_graph {
	struct map nodes; // uid -> struct gc_node
	// Called when something about the node may have to be done.
	void (*touched)(void *arg, const struct gc_node *node);
	void *arg;
};

void gc_graph_init(struct gc_graph *g, void (*touched)(void *arg, const struct gc_node *node), void *arg);
void gc_graph_finish(struct gc_graph *g);
struct gc_node *gc_graph_find(const struct gc_graph *g, struct str uid); // NULL: nothing to do with it

// An object as a watch shows it.
void gc_graph_see(struct gc_graph *g, const struct api_resource *r, struct str text, uint32_t round);
// It is gone, by a watch or a list that lacks it.
void gc_graph_lose(struct gc_graph *g, struct str uid);
// A live read found it at this place, or found it not where the dependent's reference says.
void gc_graph_confirm(struct gc_graph *g, struct str uid, struct gc_place place, uint32_t round);
void gc_graph_refute(struct gc_graph *g, struct str uid, struct str dependent_uid, struct gc_place place);

static inline struct gc_place gc_node_place(const struct gc_node *n)
{
	return (struct gc_place){n->resource, n->namespace, n->name};
}
static inline const struct gc_claim *gc_reference_claim(const struct gc_reference *r) // NULL: it had been seen before
{
	return r->claim ? r->claim : r->owner->claim;
}
// Where the owner is, as far as this reference is concerned.
static inline struct gc_place gc_reference_place(const struct gc_reference *r)
{
	const struct gc_claim *claim = gc_reference_claim(r);
	return r->owner->state == GC_UNSEEN && claim ? claim->place : gc_node_place(r->owner);
}

// What is known of an owner's right to be one: a namespaced owner only counts in its own namespace.
bool gc_owner_is_near(const struct gc_node *owner, const struct gc_node *dependent);

#endif
