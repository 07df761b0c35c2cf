// SPDX-License-Identifier: Apache-2.0
// What looks at a write between decoding and validation: may fill in fields, refuse, or add keys that must change in
// the same transaction. Each plugin is a file of its own; admission.c runs them in order.
#ifndef SERVER_ADMISSION_H
#define SERVER_ADMISSION_H

#include "server/call.h"

enum operation { OPERATION_CREATE, OPERATION_UPDATE, OPERATION_DELETE };

struct admission {
	struct call *call;
	enum operation operation;
	const struct api_resource *resource;
	struct str namespace, name, subresource;
	struct json *object;	// create, update: may be changed
	const struct json *old; // update, delete
	struct store_snapshot *snapshot;
	struct op_list *ops; // more keys of the transaction
	bool internal;	     // written by the server itself: only what fills in fields runs
};

// Keys that change together with the object.
struct op_list {
	struct store_op list[STORE_OPS_MAX - 1];
	size_t count;
	bool chosen_by_us; // a clash is not the client's fault: choose again
};
int op_list_add(struct op_list *l, enum store_action action, struct str key, int64_t expect, struct str value,
		struct err *e);

typedef int admission_plugin(struct admission *a, struct err *e);

// Details of a refusal name the object's resource (respond_failure).
int admission_run(struct admission *a, struct err *e);

admission_plugin admit_namespace_lifecycle; // in a namespace that exists and does not end
admission_plugin admit_service_account;	    // a pod's ServiceAccount and its token volume
admission_plugin admit_default_tolerations; // a pod stays 300 s on a node that is not ready or unreachable
admission_plugin admit_priority;	    // a pod's priority from its class
admission_plugin admit_pod_resize;	    // not beyond what its node has
admission_plugin admit_service_addresses;   // a Service's cluster IP and node ports
admission_plugin admit_runtime_class;	    // a pod's RuntimeClass exists
admission_plugin admit_secret_pair;	    // warns of a certificate without its key
admission_plugin admit_node_taints;	    // a new node is not ready
admission_plugin admit_node_own;	    // a node's agent makes only its own Node and Lease

// Drops the keys of what a Service held and, as it is `now` (prepared; NULL: gone), no longer does.
int service_addresses_release(const struct json *service, const struct json *now, struct arena *a, struct op_list *ops,
			      struct err *e);

#endif
