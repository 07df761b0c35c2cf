// SPDX-License-Identifier: Apache-2.0
// Keeps the kernel's packet tables as the cluster's Services and EndpointSlices say: plans each Service that changed
// (plan.h) and changes the sets in place (nftables.h). Changes that come together go out together.
// The host's ports that pods of this node claim stand in the same sets.
// Until both caches are complete nothing is changed, so that a restart does not cut connections. What somebody else did
// to the tables (a firewall that flushed them all) is found within five seconds, undone and told; what to single elements,
// within a minute.
#ifndef NETWORK_SERVICES_H
#define NETWORK_SERVICES_H

#include "client/informer.h"
#include "network/nftables.h"

struct services;

// The caches are shared with others (DNS); they and the tables must outlive it. `node`: this node's name.
int services_create(struct loop *loop, struct informer *service_cache, struct informer *slice_cache,
		    struct nftables *tables, const char *node, struct services **out, struct err *e);
// See node/pod_network.h.
void services_expose(struct services *s, struct str uid, struct str ip, const struct json *pod);
void services_conceal(struct services *s, struct str uid);
void services_destroy(struct services *s);

#endif
