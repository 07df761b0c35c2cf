// SPDX-License-Identifier: Apache-2.0
// The Node object and its Lease: what the rest of the cluster knows of this node, and that it still is. The status is
// written when it changes and every five minutes, the Lease every ten seconds.
#ifndef NODE_REGISTRATION_H
#define NODE_REGISTRATION_H

#include "client/client.h"
#include "node/machine.h"
#include "node/pod/resources.h"

struct registration;

struct registration_config { // strings and the machine outlive the registration
	struct transport *transport;
	const struct machine *machine;
	struct str name, address, labels;
	const char *data_dir; // whose file system's pressure counts; NULL: none does
	int pods_max, port;
	void (*on_ready)(void *arg);
	void *arg;
};

struct registration *registration_create(const struct registration_config *c);
void registration_destroy(struct registration *r);
void registration_move(struct registration *r, struct str address); // the address outlives it

// Capacity less what the system itself needs: what pods may use.
struct node_amounts registration_allocatable(const struct machine *m, int pods_max);

// The Node object (without status) and the status: pure. conditions' transitions are taken from `previous` (may be
// NULL).
struct json *registration_node(struct arena *a, const struct registration_config *c);
struct json *registration_status(struct arena *a, const struct registration_config *c, const struct machine_pressure *p,
				 int64_t now, const struct json *previous);

#endif
