// SPDX-License-Identifier: Apache-2.0
// The names of Services and pods, as the Kubernetes DNS specification 1.1.0 has them, answered from the caches:
//   SERVICE.NAMESPACE.svc.ZONE                 A of the cluster address; of a headless one A of each ready endpoint, with
//                                              another one first each time;
//                                              CNAME where it is an ExternalName
//   _PORT._PROTOCOL.SERVICE.NAMESPACE.svc.ZONE SRV
//   HOST.SERVICE.NAMESPACE.svc.ZONE            A of one endpoint of a headless Service (its hostname, or 10-1-2-3)
//   10-1-2-3.NAMESPACE.pod.ZONE                A
//   dns-version.ZONE                           TXT
//   4.3.2.1.in-addr.arpa                       PTR of cluster addresses and of endpoints of headless Services
#ifndef NETWORK_DNS_ZONE_H
#define NETWORK_DNS_ZONE_H

#include "client/informer.h"
#include "network/dns/message.h"

struct dns_zone;

// name: "cluster.local". The caches must outlive it.
struct dns_zone *dns_zone_create(const char *name, struct informer *service_cache, struct informer *slice_cache);
void dns_zone_destroy(struct dns_zone *z);

// Whether the name is the zone's affair; then *out holds the answer, in the arena.
bool dns_zone_answer(struct dns_zone *z, struct arena *a, const struct dns_query *q, struct dns_answer *out);

#endif
