// SPDX-License-Identifier: Apache-2.0
// What the options of `onggi node` come to, for the agent and for `onggi node clean`.
#ifndef CLI_NODE_H
#define CLI_NODE_H

#include "network/network.h"
#include "node/runtime/runtime.h"

struct node_setup {
	char name[254];	      // of the node
	char run_dir[64];     // what lives until reboot; short, because socket paths lie in it
	char net_dir[4096];   // where pods' network namespaces are held
	char kubeconfig[4096];
	const char *cgroup_parent;
};

struct node_flags { // the options as they were given, or their defaults
	const char *kubeconfig, *name, *address, *listen, *pod_range, *bridge, *table, *cgroup_parent, *cluster_domain,
		*unsafe_sysctls;
	int64_t max_pods, pod_max_pids;
};
extern struct node_flags node_flags;

// Fills in what was left to defaults: the host's name, directories. ERR_BAD_REQUEST names the option that is wrong.
int node_setup_read(struct node_setup *s, struct err *e);
// One agent a data dir: holds DATA/node.lock until the process ends; waits so long for one that is ending.
int node_claim(int patience_ms, struct err *e);
struct network_config node_setup_network(const struct node_setup *s);
struct runtime_options node_setup_runtime(const struct node_setup *s, struct images *images);

#endif
