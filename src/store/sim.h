// SPDX-License-Identifier: Apache-2.0
// An imitated remote store that several servers write, each through a `struct store` of its own: commits take time, a
// compare may lose against another server's write, and what others (and oneself) have changed arrives later as a
// stream. All loops of one cluster run on one thread (sys/sim); delays and chances are drawn from them.
#ifndef STORE_SIM_H
#define STORE_SIM_H

#include "store/store.h"

struct store_cluster;

struct store_cluster_faults { // delays are uniform in [min, max], each way; chances in 1/1000
	int64_t delay_min_ns, delay_max_ns;
	int request_lost, answer_lost; // of transactions: ERR_TIMEOUT after 5 s; the latter has happened
	int refused;		       // ERR_UNAVAILABLE
};

struct store_cluster *store_cluster_create(void);
void store_cluster_destroy(struct store_cluster *c); // after its stores
// NULL: 0.2 to 2 ms, no faults.
void store_cluster_set_faults(struct store_cluster *c, const struct store_cluster_faults *f);
int64_t store_cluster_revision(const struct store_cluster *c);
void store_cluster_forget(struct store_cluster *c); // all changes so far; the state stays

// One server's connection. Destroying answers what is under way with ERR_TIMEOUT.
struct store *store_sim_open(struct store_cluster *c, struct loop *core);
// While cut, transactions time out and no changes arrive; reading goes on with what is there. Afterwards the changes
// follow, or, where the cluster has forgotten them, the whole state (then watches end with ERR_EXPIRED).
void store_sim_cut(struct store *s, bool cut);

#endif
