// SPDX-License-Identifier: Apache-2.0
// What the garbage collector does about one object. Pure. As upstream:
//   * an object all of whose owners are gone is deleted; with some left, only the dead references are taken out;
//   * an object without a namespace that names an owner which has one is left alone;
//   * an owner that is being deleted in the foreground waits for the dependents that block it, which are deleted
//     (in the foreground, where they have dependents of their own) as soon as no other owner holds them;
//   * an owner that is being deleted as an orphaner first has its references taken out of its dependents.
#ifndef CONTROLLERS_GC_PLAN_H
#define CONTROLLERS_GC_PLAN_H

#include "controllers/gc_graph.h"

enum gc_action {
	GC_NOTHING,
	GC_ASK_OWNERS,	      // read `owners` live, then decide again
	GC_DELETE,	      // with `policy`
	GC_DROP_REFERENCES,   // of `owners` out of the object
	GC_UNBLOCK,	      // blockOwnerDeletion = false for all of them: a circle waits for itself; then GC_DELETE
	GC_RELEASE,	      // take `finalizer` out of the object
	GC_ORPHAN_DEPENDENTS, // take the reference to the object out of its dependents
};

struct gc_plan {
	enum gc_action action;
	const char *policy;    // "Background", "Foreground", "Orphan"
	const char *finalizer; // "foregroundDeletion", "orphan"
	const struct gc_reference **owners; // of the object
	size_t owner_count;
};

void gc_plan(struct arena *a, const struct gc_node *node, struct gc_plan *plan);

#endif
