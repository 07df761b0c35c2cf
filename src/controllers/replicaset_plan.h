// SPDX-License-Identifier: Apache-2.0
// What a ReplicaSet needs done, decided from a snapshot: which pods to adopt, to let go, to delete, how many to create,
// and what its status says. Pure. The order of deletion is that of upstream's ActivePodsWithRanks.
#ifndef CONTROLLERS_REPLICASET_PLAN_H
#define CONTROLLERS_REPLICASET_PLAN_H

#include "api/selector.h"
#include "controllers/pod_cache.h"

enum { REPLICASET_BURST = 500 }; // most pods created or deleted in one go

struct replicaset_view {
	const struct json *replicaset;
	const struct api_selector *selector;
	struct pod_list owned;	 // that it manages
	struct pod_list orphans; // of its namespace, managed by nobody
	struct pod_list *family; // pods of each ReplicaSet with the same owner, its own included
	size_t family_count;
	size_t unseen;					   // pods that were created but are in no cache yet
	bool (*is_doomed)(void *arg, const struct pod *p); // deleted, though the cache does not show it yet
	void *arg;
	int64_t now_ns;
	struct str failure; // why creating or deleting failed last; empty: it did not
	bool failed_creating;
};

struct replicaset_plan {
	struct pod_list adopt, release, delete;
	size_t create;
	struct json *status; // whole; NULL: as it stands
	int64_t again_ns;    // when a ready pod becomes available; 0: nothing to wait for
};

// Everything in the plan lives in the arena or in the view.
void replicaset_plan(struct arena *a, const struct replicaset_view *v, struct replicaset_plan *plan);

#endif
