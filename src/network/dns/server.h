// SPDX-License-Identifier: Apache-2.0
// The DNS server of a node: UDP and TCP on one address. Names of the cluster come from the zone, all others are passed
// on, or come from what was passed on a moment ago; an ExternalName is followed to its addresses. Zone transfers are
// refused. Bounded: 64 TCP connections at a time, 16 of one source, each closed after ten idle seconds.
#ifndef NETWORK_DNS_SERVER_H
#define NETWORK_DNS_SERVER_H

#include "network/dns/forward.h"
#include "network/dns/zone.h"

struct dns_server;

// address: "10.244.0.1"; port 53 but in tests. zone and forward must outlive it.
int dns_server_create(struct loop *l, const char *address, int port, struct dns_zone *zone, struct dns_forward *forward,
		      struct dns_server **out, struct err *e);
void dns_server_destroy(struct dns_server *s);
void dns_server_forget(struct dns_server *s); // what was passed on: others are asked from now on

#endif
