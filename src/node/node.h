// SPDX-License-Identifier: Apache-2.0
// The node agent: registers this machine as a Node, renews its Lease, and runs the pods that are bound to it.
// Everything happens on one loop; what blocks goes to its pool.
#ifndef NODE_NODE_H
#define NODE_NODE_H

#include "client/client.h"
#include "node/machine.h"
#include "node/pod_network.h"
#include "node/runtime/runtime.h"
#include "node/stream/stream_server.h"

struct node;

struct node_config { // strings are copied; the rest must outlive the node
	struct loop *loop;
	struct transport *transport; // with the rights of system:node:NAME
	struct runtime *runtime;
	struct pod_network *network;
	const char *name;     // of the Node
	const char *address;  // of the machine, as others reach it
	const char *data_dir; // NULL: an imitated node, which writes nothing to disk and reads nothing of the machine
	const char *run_dir;  // for what lives until reboot, in memory: "/run/onggi"; NULL: data_dir
	const char *cluster_domain;    // NULL: "cluster.local"
	const char *nameserver;	       // for pods; NULL: the host's
	const char *labels;	       // "key=value,key=value", on top of the usual ones; NULL: none
	int pods_max;		       // 0: 110
	int64_t pod_processes_max;     // of one pod; 0: any number
	const char *unsafe_sysctls;    // which pods may set besides the safe ones: "net.core.*,kernel.msgmax"; may be NULL
	int port;		       // of the HTTPS endpoint
	unsigned parallel_starts;      // containers being created at a time; 0: 6
	const struct machine *machine; // of an imitated node; NULL: this machine
	void (*on_ready)(void *arg);   // the Node stands in the API as Ready; may be NULL
	void *arg;
};

// Begins at once. ERR_INTERNAL: the machine cannot be read.
int node_create(const struct node_config *c, struct node **out, struct err *e);
// Lets go: containers live on, and the next agent takes them over. Before the runtime and the transport go.
void node_destroy(struct node *n); // NULL is fine

// The machine has another address from now on: the Node says so at once, its pods as they next report.
void node_move(struct node *n, const char *address);

size_t node_pod_count(const struct node *n);
// For stream_server_options: what pods there are. The pointers live as long as the node.
const struct stream_pods *node_stream_pods(const struct node *n);
void *node_stream_arg(struct node *n);

#endif
