// SPDX-License-Identifier: Apache-2.0
// The reading half of a duplex that is not a stream: hands bytes to whoever listens, and holds them while
// nobody does. A member of the duplex; its owner bounds what is put in by pausing its source.
#ifndef WIRE_INBOX_H
#define WIRE_INBOX_H

#include "base/buf.h"
#include "wire/duplex.h"

struct inbox {
	struct loop *loop;
	void (*destroy)(struct inbox *i); // frees the owner: it was closed and no callback is under way
	void (*emptied)(struct inbox *i); // what was held has been told; or NULL
	const struct duplex_events *events;
	void *arg;
	struct buf held;
	bool paused;
	bool ended, ended_told; // the peer's direction
	struct err fault;	// broke, until told
	struct task task;
	bool posted;
	unsigned busy; // callbacks under way, the posted task
	bool closed;
};

void inbox_init(struct inbox *i, struct loop *l, void (*destroy)(struct inbox *i));
// Tells at once or holds; `last`: the peer's direction ends with them.
void inbox_put(struct inbox *i, struct str bytes, bool last);
void inbox_break(struct inbox *i, const struct err *e); // told even while paused; what is held is lost
void inbox_drained(struct inbox *i);

// The duplex's calls.
void inbox_start(struct inbox *i, const struct duplex_events *events, void *arg);
void inbox_read(struct inbox *i, bool on);
void inbox_unread(struct inbox *i, struct str bytes);
void inbox_close(struct inbox *i); // destroy follows, now or when the callbacks are done

#endif
