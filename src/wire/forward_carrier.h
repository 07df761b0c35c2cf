// SPDX-License-Identifier: Apache-2.0
// What forward.c asks of the two ways to carry forwarded ports; for forward*.c only.
#ifndef WIRE_FORWARD_CARRIER_H
#define WIRE_FORWARD_CARRIER_H

#include "wire/remote.h"

struct forward_ops {
	struct duplex *(*open)(struct forward_connection *);
	void (*refuse)(struct forward_connection *, struct str message);
	void (*destroy)(struct forward *);
};

struct forward {
	const struct forward_ops *ops;
	const struct forward_events *events;
	void *arg;
};

struct forward_connection {
	struct forward *forward;
	uint16_t port;
};

struct forward_way {
	// Whether the exchange asks for it.
	bool (*is_asked)(const struct http_exchange *x);
	// Answers with 101 and begins, its events never told from inside; or NULL, and answered otherwise.
	struct forward *(*accept)(struct http_exchange *x, const struct forward_events *ev, void *arg);
};

extern const struct forward_way forward_by_spdy, forward_by_websocket;

#endif
