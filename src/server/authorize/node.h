// SPDX-License-Identifier: Apache-2.0
// What the agent of a node may do, whoever gets hold of its certificate: user system:node:NAME of group system:nodes.
// It sees the pods that are bound to its node and only those secrets, configmaps and accounts that they name; it writes
// its own Node, its Lease, and the status of these pods.
#ifndef SERVER_AUTHORIZE_NODE_H
#define SERVER_AUTHORIZE_NODE_H

#include "server/authorize/authorize.h"

// Whether the user is a node's agent, and which node's.
bool node_of_user(const struct user *u, struct str *node);
bool node_may(struct server *s, const struct access *a, struct str node);

// node_pods.c
// Whether a pod that is bound to the node names the object that access asks for.
bool node_pods_need(struct server *s, struct str node, const struct access *a);
// Bound to the node; or not there, so that its agent is told so instead of being refused.
bool node_pod_is_own(struct server *s, struct str node, struct str namespace, struct str name);

#endif
