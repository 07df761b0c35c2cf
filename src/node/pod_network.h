// SPDX-License-Identifier: Apache-2.0
// What a node asks of the network: a place for each pod. The node room knows only this table; `main` fills it with the
// network room's implementation, and tests with their own.
#ifndef NODE_POD_NETWORK_H
#define NODE_POD_NETWORK_H

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"

struct pod_network {
	const struct pod_network_ops *ops;
};

struct pod_network_ops {
	// Makes a network namespace named by the pod's uid, with loopback up, an address and a default route, and holds it
	// at a path that crun can join (a bind mount of its nsfs file). Runs on a pool thread and may block for some
	// milliseconds. Again for the same uid: returns what is there (so that a restarted agent finds its pods' addresses).
	int (*attach)(struct pod_network *n, struct arena *a, struct str uid, struct str *ns_path, struct str *ip, struct err *e);
	// Gives the address back and drops the namespace. Idempotent. On a pool thread.
	int (*detach)(struct pod_network *n, struct str uid, struct err *e);
	// The host's ports that the pod's containers claim (hostPort) lead to `ip` from now on; `pod` is the v1 Pod. On the
	// agent's loop.
	void (*expose)(struct pod_network *n, struct str uid, struct str ip, const struct json *pod);
	// No longer: before detach. Fine where nothing was exposed. On the agent's loop.
	void (*conceal)(struct pod_network *n, struct str uid);
	// The uids that hold a place now, so that the node can drop those of pods that are gone.
	int (*list)(struct pod_network *n, struct arena *a, struct str **uids, size_t *count, struct err *e);
};

#endif
