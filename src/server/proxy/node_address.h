// SPDX-License-Identifier: Apache-2.0
// Where the agent of a node listens, from the node's object.
#ifndef SERVER_NODE_ADDRESS_H
#define SERVER_NODE_ADDRESS_H

#include "server/call.h"

struct node_address {
	struct str host, port; // in the call's arena
};

// InternalIP and kubeletEndpoint port. ERR_NOT_FOUND, ERR_UNAVAILABLE where the node does not say.
int node_address_find(struct call *c, struct store_snapshot *s, struct str node, struct node_address *out,
		      struct err *e);

#endif
