// SPDX-License-Identifier: Apache-2.0
// Connections of one loop to the agents of nodes, and to pods, kept open between calls.
#ifndef SERVER_NODE_CLIENTS_H
#define SERVER_NODE_CLIENTS_H

#include "base/err.h"

struct node_clients;
struct http_client;
struct worker;

// Where a call goes on to. Strings are borrowed.
struct destination {
	struct str host, port;
	struct str node; // not empty: its agent, over HTTPS with certificates on both sides; the agent's must name the node
	bool https;	 // where it is none: over HTTPS, whoever answers. Pods' certificates are nobody's we know
};

struct node_clients *node_clients_create(struct worker *w);
void node_clients_destroy(struct node_clients *n);
// NULL for an address that must not be reached from here. Places that no call is under way to may be forgotten for
// others.
struct http_client *node_client(struct node_clients *n, const struct destination *to, struct err *e);
size_t node_clients_count(const struct node_clients *n); // places in mind

#endif
