// SPDX-License-Identifier: Apache-2.0
// Which place a path like services/[SCHEME:]NAME[:PORT]/proxy means.
#ifndef SERVER_PROXY_AIM_H
#define SERVER_PROXY_AIM_H

#include "server/call.h"
#include "server/proxy/node_clients.h"

// Each finds the place that the call's route names, in the call's arena. ERR_BAD_REQUEST for a name that can't be
// read, ERR_NOT_FOUND, ERR_UNAVAILABLE where nothing is there that answers.
typedef int aim_find(struct call *c, struct store_snapshot *s, struct destination *out, struct err *e);
aim_find aim_at_node;	 // without a port, and with the agent's own: the agent
aim_find aim_at_pod;	 // a port's number or name; without one the first that the containers declare, else the scheme's
aim_find aim_at_service; // a port's number or name; without one its first. One of the ready endpoints

#endif
