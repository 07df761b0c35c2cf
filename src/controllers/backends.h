// SPDX-License-Identifier: Apache-2.0
// The pods behind a Service, as its endpoints see them. Pure.
#ifndef CONTROLLERS_BACKENDS_H
#define CONTROLLERS_BACKENDS_H

#include "controllers/pod_cache.h"

struct backend {
	const struct pod *pod;
	struct str ip;
	struct json *ports; // [{name, port, protocol, appProtocol}] as this pod serves them; never NULL, may be empty
	bool ready, serving, terminating; // as EndpointSlice's conditions
	bool named;			  // the pod's hostname is a name below the Service's
};

struct backends {
	struct backend *p; // by address
	size_t n;
};

// Of the pods (all those that the selector fits), those with an address of the family ("IPv4" or "IPv6") that have not
// ended. A port whose name the pod does not know is left out for that pod.
struct backends backends_of(struct arena *a, const struct json *service, struct pod_list pods, struct str family);

// Pods of one list of ports.
struct backend_group {
	struct json *ports;
	struct backends members;
};
// Returns how many groups, in the order of their ports' text.
size_t backends_group(struct arena *a, struct backends all, struct backend_group **out);

#endif
