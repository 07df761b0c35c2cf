// SPDX-License-Identifier: Apache-2.0
// Channels within one WebSocket, as Kubernetes numbers them: the first byte of a message is its channel. In the base64
// forms messages are text: the channel as a character ('0' for 0), then base64. Whether a message that comes is called
// text or binary says nothing: clients send either. For remote_websocket.c and forward_websocket.c.
#ifndef WIRE_WEBSOCKET_CHANNELS_H
#define WIRE_WEBSOCKET_CHANNELS_H

#include "wire/websocket.h"

struct channels_events {
	// A piece of a message, valid during the call; `last` of it. The channels may be gone after it.
	void (*on_data)(void *arg, unsigned char channel, struct str piece, bool last);
	void (*on_drain)(void *arg);
	void (*on_end)(void *arg, const struct err *e); // as of a websocket
};

struct channels {
	struct websocket *socket;
	bool base64;
	const struct channels_events *events;
	void *arg;
	// private
	bool begun;	       // the channel of the message under way is known
	unsigned char channel;
	bool ended;	       // its base64 has, by padding or a fault: nothing may follow
	char group[4];	       // of base64, that has not come whole
	size_t group_n;
};

// Owns the duplex. Nothing is read before channels_read.
void channels_init(struct channels *c, struct duplex *d, bool base64, const struct channels_events *ev, void *arg);
void channels_send(struct channels *c, unsigned char channel, struct str data);
size_t channels_pending(const struct channels *c);
void channels_read(struct channels *c, bool on);
// In order: a close frame follows what was sent. Nothing is told any more.
void channels_finish(struct channels *c);
void channels_cut(struct channels *c);

#endif
