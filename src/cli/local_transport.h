// SPDX-License-Identifier: Apache-2.0
// client.h's transport to a server in this very process: what controllers and the scheduler of `onggi server` use.
// Lines of a watch are the server's own blobs, shared with every other watcher.
#ifndef CLI_LOCAL_TRANSPORT_H
#define CLI_LOCAL_TRANSPORT_H

#include "client/client.h"
#include "server/local.h"

// Asks as `user` (copied). client_destroy it before the server goes.
struct transport *local_transport_create(struct server *s, struct loop *l, const struct user *user);

#endif
