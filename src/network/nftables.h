// SPDX-License-Identifier: Apache-2.0
// The kernel's packet tables: one table "ip onggi" whose rules never change while we run, and whose sets are changed
// in place over netlink (see plan.h for what they mean). The rules are loaded by the nft program at start; a table that
// an earlier agent left, of the same version, is taken over as it is, so that traffic goes on.
#ifndef NETWORK_NFTABLES_H
#define NETWORK_NFTABLES_H

#include "network/plan.h"

struct nftables_config {
	const char *table;    // "onggi"
	const char *bridge;   // the pods' bridge
	const char *range;    // of pods: "10.244.0.0/24"
	const char *services; // range of Services: "10.96.0.0/16"
};

struct nftables;

// Loads the rules, and lets the bridge through the firewalls of others (firewall.h).
int nftables_open(const struct nftables_config *config, struct nftables **out, struct err *e);
void nftables_close(struct nftables *t); // leaves the table in the kernel
// The table, and what was put into the firewalls of others (firewall.h) for the bridge; absent: fine.
int nftables_remove(const char *table, const char *bridge, struct err *e);

// Loads the rules again: something else may have flushed them, as a restart of the host's firewall does. What stands
// keeps its elements.
int nftables_restore(struct nftables *t, struct err *e);

enum nftables_state {
	NFTABLES_OURS,	    // nobody else has changed any packet table since this was asked last
	NFTABLES_SOMEBODYS, // somebody has changed some table: our rules stand, our elements may not
	NFTABLES_BROKEN,    // our rules are not what they were: nftables_restore is due
};
// Cheap while it is NFTABLES_OURS: to be asked every few seconds. Firewalls that have come are seen to as well.
enum nftables_state nftables_look(struct nftables *t);

// The elements in the kernel now, in plan_element_cmp's order.
int nftables_read(struct nftables *t, struct arena *a, struct plan_element **elements, size_t *count, struct err *e);
// Goes from one sorted list to the other: in one transaction, but for changes so large (beyond 50,000 elements) that the
// kernel does not take them in one. *changed (may be NULL): whether the lists differ.
int nftables_change(struct nftables *t, const struct plan_element *from, size_t from_count,
		    const struct plan_element *to, size_t to_count, bool *changed, struct err *e);

// Which endpoint each client of a Service with session affinity has: key client . address . protocol . port, data the
// endpoint. The kernel adds to them and drops them when their time is over.
int nftables_read_affinities(struct nftables *t, struct arena *a, struct plan_element **list, size_t *count,
			     struct err *e);
int nftables_drop_affinities(struct nftables *t, const struct plan_element *const *list, size_t count, struct err *e);

#endif
