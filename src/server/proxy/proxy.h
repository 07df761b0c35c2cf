// SPDX-License-Identifier: Apache-2.0
// Calls that go on to a node's agent: logs, exec, attach, port forwarding, and plain HTTP to nodes, pods, services.
// The agent is reached over HTTPS at the node's InternalIP and its kubeletEndpoint port, with the server's client
// certificate; after an upgrade the bytes pass through untouched.
#ifndef SERVER_PROXY_H
#define SERVER_PROXY_H

#include "server/call.h"

void proxy_pod_log(struct call *c);
void proxy_pod_exec(struct call *c);
void proxy_pod_attach(struct call *c);
void proxy_pod_port_forward(struct call *c);
void proxy_pod(struct call *c);
void proxy_service(struct call *c);
void proxy_node(struct call *c);

#endif
