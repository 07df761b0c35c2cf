// SPDX-License-Identifier: Apache-2.0
// A node's network in one piece: pods' places (places.h), Services in the kernel (services.h), names (dns/).
#ifndef NETWORK_NETWORK_H
#define NETWORK_NETWORK_H

#include "client/client.h"
#include "network/places.h"

struct network_config {
	const char *node;	 // this node's name
	const char *dir;	 // where pods' namespaces are held
	const char *bridge;	 // "onggi0"
	const char *table;	 // nftables: "onggi"
	const char *pod_range;	 // "10.244.0.0/24"
	const char *service_range; // "10.96.0.0/16"
	const char *zone;	 // "cluster.local"
};

struct network;

// Links, addresses and packet rules are there when it returns; Services and names follow as the API tells them.
int network_create(struct loop *l, struct transport *t, const struct network_config *config, struct network **out,
		   struct err *e);
void network_destroy(struct network *n); // leaves the kernel as it is: pods go on
struct places *network_places(struct network *n);
// See node/pod_network.h, whose table these fill.
void network_expose(struct network *n, struct str uid, struct str ip, const struct json *pod);
void network_conceal(struct network *n, struct str uid);
struct str network_dns_address(const struct network *n); // what pods' resolv.conf names

// Takes everything away that network_create and places_attach made.
int network_remove(const struct network_config *config, struct err *e);

#endif
