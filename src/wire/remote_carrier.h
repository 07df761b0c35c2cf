// SPDX-License-Identifier: Apache-2.0
// What remote.c asks of the two ways to carry exec's channels; for remote*.c only.
#ifndef WIRE_REMOTE_CARRIER_H
#define WIRE_REMOTE_CARRIER_H

#include "wire/remote.h"

struct remote_ops {
	void (*send)(struct remote *, enum remote_channel, struct str data);
	size_t (*pending)(const struct remote *);
	void (*read)(struct remote *, bool on);
	void (*finish)(struct remote *, struct str status); // empty: none is sent
	void (*destroy)(struct remote *);
};

struct remote {
	const struct remote_ops *ops;
	struct remote_wanted wanted;
	bool plain_status; // the protocol is older than v4: a failure is told as text, success not at all
	const struct remote_events *events;
	void *arg;
};

bool remote_has(const struct remote *r, enum remote_channel channel);
// A {"Width":80,"Height":24} has come.
void remote_told_size(struct remote *r, struct str json);

// What the exchange's head offers, or NULL.
const char *remote_websocket_choose(struct http_headers h);
const char *remote_spdy_choose(struct http_headers h);
// Answer with 101; NULL when that failed (the exchange has ended either way).
struct remote *remote_websocket_accept(struct http_exchange *x, const char *protocol);
struct remote *remote_spdy_accept(struct http_exchange *x, const char *protocol);
// Begins to tell events; called once, when the fields above are set.
void remote_websocket_start(struct remote *r);
void remote_spdy_start(struct remote *r);

#endif
