// SPDX-License-Identifier: Apache-2.0
// A place on the network for each pod of this node: a network namespace whose eth0 has an address of the node's range
// and goes through one bridge.
//
// A pod's address is a /32 and all that it sends goes to the gateway (the bridge's own address), also to its
// neighbours: so every packet passes the node's routing, and answers from a Service's endpoint find their way back
// through the translation, whether or not the kernel filters bridged frames. Its packets are as large as those of the
// link that leads out of this machine.
//
// What is attached stands on disk as a file DIR/<address>@<uid>, onto which the namespace is mounted: a restarted
// agent finds everything there, and after a reboot (the files are there, the mounts are not) sweeps it away.
#ifndef NETWORK_PLACES_H
#define NETWORK_PLACES_H

#include "base/arena.h"
#include "base/err.h"

struct places_config {
	const char *dir;    // made where absent
	const char *bridge; // name of the link, at most 15 bytes
	const char *range;  // "10.244.0.0/24": its first address is the gateway; at most 65,533 pods
	const char *services; // "10.96.0.0/16": cluster addresses, given a route so that they are reached (and refused)
			      // on nodes without a default route too
};

struct places;

int places_create(const struct places_config *config, struct places **out, struct err *e);
void places_destroy(struct places *p);  // leaves all links as they are
// The gateway of a range of pods: its first address.
int places_gateway_of(const char *range, char *out, size_t size, struct err *e);
// Whether the machine still passes packets on, as it does since places_create; if not, it does again.
bool places_routed(const struct places *p);
struct str places_gateway(const struct places *p); // "10.244.0.1"

// See node/pod_network.h, whose table these fill. From any thread.
int places_attach(struct places *p, struct arena *a, struct str uid, struct str *ns_path, struct str *ip,
		  struct err *e);
int places_detach(struct places *p, struct str uid, struct err *e);
int places_list(struct places *p, struct arena *a, struct str **uids, size_t *count, struct err *e);

// Removes every place, and the bridge.
int places_remove_all(const struct places_config *config, struct err *e);

#endif
