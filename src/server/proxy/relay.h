// SPDX-License-Identifier: Apache-2.0
// Passes a call on to an HTTP client and its answer back: head, body with back-pressure, upgrades.
#ifndef SERVER_RELAY_H
#define SERVER_RELAY_H

#include "server/call.h"

struct http_client;
struct link_view;

// Sends method, headers (those that are the peer's business) and body of the call. Ends the call. With a view, which
// must live as long as the call, the links of the answer are moved (links.h).
void relay_call(struct call *c, struct http_client *to, struct str target, const struct link_view *view);

#endif
