// SPDX-License-Identifier: Apache-2.0
// What all calls share: fixed when the server starts, so that any loop may read it without a lock. For this room only.
#ifndef SERVER_STATE_H
#define SERVER_STATE_H

#include <stdatomic.h>

#include "server/server.h"
#include "store/store.h"

struct tls_context;

struct address_range { // IPv4, host byte order
	uint32_t base, mask;
};

struct server {
	struct loop *core;
	struct store *store;
	const char *version;  // "v1.36.0+onggi.0.1.0"
	const char *platform; // "linux/amd64"
	struct pki *pki;
	struct authenticator *authenticator;
	struct documents *documents;
	struct address_range services;
	int node_port_first, node_port_last;
	bool loopback_nodes;			     // nodes may be reached at 127.0.0.1
	unsigned reads_max, writes_max, watches_max; // of each worker
	struct str advertise;			     // "127.0.0.1:6443": where clients reach us; set once listening
	_Atomic(struct worker *) workers;	     // all that were ever made; for the metrics
	atomic_bool ready;			     // bootstrapped and listening
	int64_t started_ns, started_wall_ns;
	struct arena arena; // of what lives as long as the server
	struct listening *listening;
	_Atomic(struct tls_context *)
		node_tls; // with which agents are called; replaced when the certificate is renewed
};

#endif
