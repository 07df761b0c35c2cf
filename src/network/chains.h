// SPDX-License-Identifier: Apache-2.0
// The chains that choose an endpoint (plan.h): "n<N>" draws one of N numbers and looks up, with the address, protocol and
// port that the client called, in the map "endpoints" where the connection goes; "pn<N>" the same for node ports. Their
// rules are made of the kernel's own expressions: the nft program of Debian 12 can write, but not read again, a map with
// a drawn number in its key, and so would not load a rule beside it a second time.
#ifndef NETWORK_CHAINS_H
#define NETWORK_CHAINS_H

#include "network/netfilter.h"

// Makes, or makes anew, those for `first` to `last` endpoints.
void chains_put(struct netfilter_batch *b, const char *table, unsigned first, unsigned last);

#endif
