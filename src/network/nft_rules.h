// SPDX-License-Identifier: Apache-2.0
// The rules of the packet tables. They are the same whatever Services there are, so they are loaded by the nft program,
// at the start. What changes all the time are the elements of the sets (nftables.h).
//
// Affinity: once a connection to a Service of the set "sticky" has its endpoint, the map "affinity" gets (client, address,
// protocol, port : endpoint) for the Service's time, and from then on that map is looked at first.
#ifndef NETWORK_NFT_RULES_H
#define NETWORK_NFT_RULES_H

#include "network/nftables.h"

// Makes the table, its sets and its chains (but those of chains.h), or brings those of an earlier agent up to date: what stands in sets stays.
// Only a table of another make is replaced whole.
int nft_rules_load(const struct nftables_config *c, struct err *e);
// The chain that remembers for so many seconds which endpoint a client has got.
int nft_rules_add_sticky_chain(const char *table, uint32_t seconds, struct err *e);
int nft_run(struct str script, struct err *e); // `nft -f -` over the script
int nft_rules_remove(const char *table, struct err *e); // the table and all that is in it; absent: fine

#endif
