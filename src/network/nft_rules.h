// SPDX-License-Identifier: Apache-2.0
// The rules of the packet tables. They are the same whatever Services there are, so they are loaded by the nft program:
// at the start, and when a Service first has more endpoints than any before it. What changes all the time are the
// elements of the sets (nftables.h).
#ifndef NETWORK_NFT_RULES_H
#define NETWORK_NFT_RULES_H

#include "network/nftables.h"

enum { NFT_RULES_CHAINS = 16 }; // nft_rules_load makes chains for 1 to this many endpoints

// Makes the table, its sets and its chains, or brings those of an earlier agent up to date: what stands in sets stays.
// Only a table of another make is replaced whole.
int nft_rules_load(const struct nftables_config *c, struct err *e);
// Chains for `first` to `last` endpoints.
int nft_rules_add_chains(const char *table, unsigned first, unsigned last, struct err *e);
int nft_rules_remove(const char *table, struct err *e); // the table and all that is in it; absent: fine

#endif
