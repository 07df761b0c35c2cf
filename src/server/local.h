// SPDX-License-Identifier: Apache-2.0
// Requests from inside the process: the same way as those over HTTPS, without bytes on a wire and without proof of
// identity. Callbacks come on the worker's loop, never from inside the call that asked for them.
#ifndef SERVER_LOCAL_H
#define SERVER_LOCAL_H

#include "server/user.h"
#include "sys/sys.h"

struct server;
struct local_call;
struct local_calls;
struct worker;

// One for each loop that asks; belongs to the server, which frees it. From any thread that owns the loop.
struct worker *local_worker(struct server *s, struct loop *l);

struct local_request {		 // everything is copied
	struct str method;	 // "GET"
	struct str target;	 // "/api/v1/pods?limit=500"
	struct str content_type; // of the body; empty: application/json
	struct str accept;	 // empty: application/json
	struct str body;
	const struct user *user;
};

struct local_events {
	void (*on_head)(void *arg, int code); // optional
	// A piece of the answer; of a watch exactly one event's line, ending in '\n'. To keep it: blob_ref.
	void (*on_piece)(void *arg, struct blob *piece);
	// Once, last; not after local_cancel. `whole` false: the answer was cut short.
	void (*on_end)(void *arg, bool whole);
};

struct local_call *local_start(struct worker *w, const struct local_request *r, const struct local_events *ev,
			       void *arg);
void local_cancel(struct local_call *l); // no callback after this; NULL is fine

// The open calls of a worker; for worker.c.
struct local_calls *local_calls_create(void);
void local_calls_destroy(struct local_calls *c);
void local_calls_cancel(struct local_calls *c); // ends them all: on_end(whole false)

#endif
