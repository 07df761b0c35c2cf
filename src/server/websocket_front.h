// SPDX-License-Identifier: Apache-2.0
// Streamed answers as the messages of a WebSocket, each write a message: a front around the one by which the call came,
// so that watches and logs need not know. What is refused before the stream begins is answered over HTTP as ever. The
// subprotocols and how they are chosen are upstream's.
#ifndef SERVER_WEBSOCKET_FRONT_H
#define SERVER_WEBSOCKET_FRONT_H

#include "server/call.h"

struct worker;

enum websocket_messages {
	// One text message an event. At most one subprotocol may be offered; whatever it is, it is the one spoken.
	WEBSOCKET_OF_EVENTS,
	// An empty message first. Binary, of whatever length; text with base64.binary.k8s.io. Else binary.k8s.io or none
	// must be offered.
	WEBSOCKET_OF_BYTES,
};

// Where the call asks for a WebSocket, puts the front around its own and takes the wish out of its headers: what goes on
// is a plain GET. -1: the handshake is no good (ERR_BAD_REQUEST), or names no protocol of ours (ERR_FORBIDDEN).
int websocket_front_put(struct call *c, enum websocket_messages m, struct err *e);

// Cancels the calls of a loop whose answers are under way.
void websocket_fronts_cancel(struct worker *w);

#endif
