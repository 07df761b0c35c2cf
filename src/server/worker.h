// SPDX-License-Identifier: Apache-2.0
// What the calls of one loop share: counters, the cache of encoded events, connections to nodes. One for each I/O loop
// and one for each local user.
#ifndef SERVER_WORKER_H
#define SERVER_WORKER_H

#include <sys/queue.h>

#include "server/call.h"
#include "server/state.h"

struct worker {
	struct server *server;
	struct loop *loop;
	struct metrics *metrics;
	struct event_cache *events;
	struct token_cache *tokens;
	struct node_clients *nodes;
	unsigned reads, writes, watches; // in flight
	struct local_calls *locals;	 // requests from inside the process that are open
	LIST_HEAD(, websocket_front) sockets; // answers under way over WebSockets
	struct worker *next;		 // of server->workers

	// of its end
	bool stopping; // no call is taken up any more
	struct task task;
	void (*stopped)(void *arg);
	void *stopped_arg;
};

struct worker *worker_create(struct server *s, struct loop *l);
// Cancels local calls, waits until no call is under way; stopped() comes on the core loop. From the core loop.
void worker_stop(struct worker *w, void (*stopped)(void *arg), void *arg);
// Frees what the loop's calls used (none is left); the counters stay for the metrics until worker_free.
void worker_retire(struct worker *w);
void worker_free(struct worker *w);

// Takes up a call that its front has filled in; answers 429 when too many are under way.
void worker_call_begins(struct call *c);
void worker_call_ends(struct call *c); // before it is answered; respond.c does it
// A call that goes on as a watch: counts as one from now on. -1 when there are too many (429).
int worker_call_watches(struct call *c, struct err *e);

#endif
