// SPDX-License-Identifier: Apache-2.0
// A bearer token among the subprotocols of a WebSocket, for browsers, which can set no headers there:
// base64url.bearer.authorization.k8s.io.TOKEN, TOKEN in base64url without padding. As upstream's.
#ifndef SERVER_AUTHENTICATE_WEBSOCKET_TOKEN_H
#define SERVER_AUTHENTICATE_WEBSOCKET_TOKEN_H

#include "server/call.h"

// Takes it out of the call's headers: it is neither answered nor passed on. STR_NONE: there is none. An empty one, which
// is nobody's: there are several, or it is no base64url or no UTF-8, or no other subprotocol is offered beside it.
struct str websocket_token_take(struct call *c);

#endif
