// SPDX-License-Identifier: Apache-2.0
// What every cluster has: the namespaces default, kube-system, kube-public and kube-node-lease, and the Service
// default/kubernetes with the server's address behind it. Made through the API itself; what is there stays. The server does
// it when it starts and every ten seconds.
#ifndef SERVER_BOOTSTRAP_H
#define SERVER_BOOTSTRAP_H

#include "server/local.h"

// done once, on the worker's loop; e NULL: all is there. address "HOST:PORT" where the server is reached; empty:
// nothing listens, and the Service has nothing behind it.
void bootstrap(struct worker *w, struct str address, void (*done)(void *arg, const struct err *e), void *arg);

#endif
