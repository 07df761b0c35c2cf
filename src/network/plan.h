// SPDX-License-Identifier: Apache-2.0
// What the kernel's tables should hold for one Service, or for the host's ports that one pod claims: pure. nftables.h
// brings the kernel to it.
//
// A Service's port is one element of the verdict map "services" (or "nodeports"): its address, protocol and port lead
// to the chain that draws one of N numbers, where N is how many endpoints are ready; that number, with the same address,
// protocol and port, is looked up in the map "endpoints", which says where the connection goes. So any change of
// Services or endpoints only changes elements, never rules; chains are the same for all Services with N endpoints.
// A Service with session affinity stands in "sticky" too: the endpoint that a client got is remembered in the kernel for
// so many seconds beyond its last connection (see nft_rules.h).
// Where no endpoint is ready, those that still serve while they end are used (KEP-1669). Where there is none at all, the
// Service is in the set "refused" instead: connections get a reset, not a time-out.
#ifndef NETWORK_PLAN_H
#define NETWORK_PLAN_H

#include "base/json.h"

enum plan_set {
	PLAN_SERVICES,	      // address . protocol . port : verdict
	PLAN_ENDPOINTS,	      // address . protocol . port . number : address . port
	PLAN_NODEPORTS,	      // protocol . port : verdict
	PLAN_NODE_ENDPOINTS,  // protocol . port . number : address . port
	PLAN_REFUSED,	      // address . protocol . port
	PLAN_REFUSED_NODEPORTS, // protocol . port
	PLAN_HAIRPIN,	      // address . address: an endpoint that reaches itself through its Service
	PLAN_REMOTE,	      // address . protocol . port: an endpoint that is not on this node, and would answer past it
	PLAN_STICKY,	      // address . protocol . port : verdict
	PLAN_STICKY_NODEPORTS, // protocol . port : verdict
	PLAN_GUARDED,	      // address . protocol . port of a load balancer that not everybody may call
	PLAN_SOURCES,	      // address . protocol . port . first client to last client (data) that may
	PLAN_SETS
};

enum { PLAN_NUMBERS_MAX = 1024 }; // endpoints of one port beyond this are not used on a node

// Bytes as the kernel wants them: each part padded to four bytes, network byte order (the number in the host's).
struct plan_element {
	uint8_t set;	   // enum plan_set
	uint8_t key_len, data_len; // data_len 0: a verdict, or no data (but the last of PLAN_SOURCES)
	uint32_t verdict; // goto the chain for so many endpoints, or for so many seconds (sticky); 0: not a verdict
	unsigned char key[16], data[8];
};

// Services with the label service.kubernetes.io/service-proxy-name are others' affair, headless ones nobody's.
// Elements in order of set and key, each (set, key) once. `slices` are the EndpointSlices that name the Service (IPv4
// only), `node` tells the local endpoints for externalTrafficPolicy and internalTrafficPolicy Local.
void plan_service(struct arena *a, const struct json *service, const struct json *const *slices, size_t slice_count,
		  struct str node, struct plan_element **elements, size_t *count);
// The host's ports (hostPort) of a pod at address `ip`: like node ports, or with a hostIP like a Service's address, that
// lead to this one endpoint.
void plan_pod(struct arena *a, const struct json *pod, struct str ip, struct plan_element **elements, size_t *count);

int plan_element_cmp(const struct plan_element *x, const struct plan_element *y); // by set and key
bool plan_element_same(const struct plan_element *x, const struct plan_element *y); // data too

#endif
