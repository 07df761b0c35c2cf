// SPDX-License-Identifier: Apache-2.0
// The imitated remote side: the state on which all agree, and whom to tell of its changes.
#ifndef STORE_SIM_CLUSTER_H
#define STORE_SIM_CLUSTER_H

#include <sys/queue.h>

#include "store/history.h"
#include "store/sim.h"
#include "store/txn.h"

struct cluster_member {
	void (*on_commit)(struct cluster_member *m); // the cluster has a new revision
	LIST_ENTRY(cluster_member) members;
};

struct store_cluster {
	struct tree tree;
	struct history history;
	int64_t revision;
	struct store_cluster_faults faults;
	LIST_HEAD(, cluster_member) members;
};

// Compares and, where all holds, commits at once; else t->e says why.
void cluster_commit(struct store_cluster *c, struct txn *t);

#endif
