// SPDX-License-Identifier: Apache-2.0
// Connections of one loop to the agents of nodes, kept open between calls.
#ifndef SERVER_NODE_CLIENTS_H
#define SERVER_NODE_CLIENTS_H

#include "base/err.h"

struct node_clients;
struct http_client;
struct worker;

struct node_clients *node_clients_create(struct worker *w);
void node_clients_destroy(struct node_clients *n);
// The client for the agent of a node: over HTTPS, with certificates on both sides; the agent's must name the node. Or,
// with an empty node, plain HTTP to a pod. Places that no call is under way to may be forgotten for others.
struct http_client *node_client(struct node_clients *n, struct str host, struct str port, struct str node,
				struct err *e);
size_t node_clients_count(const struct node_clients *n); // places in mind

#endif
