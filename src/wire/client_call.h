// SPDX-License-Identifier: Apache-2.0
// Calls and connections as client.c and client_connection.c share them.
#ifndef WIRE_CLIENT_CALL_H
#define WIRE_CLIENT_CALL_H

#include <sys/queue.h>

#include "wire/client.h"

struct client_connection;

struct http_call {
	struct http_client *client;
	struct client_connection *connection; // NULL while waiting
	TAILQ_ENTRY(http_call) waiting;
	const struct http_call_events *events;
	void *arg;
	struct arena arena;   // of the response's head
	struct blob *request; // head and body as sent
	int64_t read_timeout_ns;
	struct timer timer;
	bool is_head;	  // the method
	bool idempotent;
	bool fresh;	  // wants a connection that was not used before
	bool head_came;
	unsigned interim; // answers with 1xx
	bool paused;
	struct fetch *fetch; // of http_fetch
};

struct client_connection {
	struct http_client *client;
	LIST_ENTRY(client_connection) all;
	struct stream *connecting;
	struct duplex *duplex; // NULL until connected
	struct http_reader reader;
	struct http_call *call; // NULL: connecting or idle
	struct timer timer;	// connecting or idle
	bool ready;
	bool used;	// has carried a call before this one
	bool answering; // bytes came since the call was sent
	unsigned busy;	// callbacks under way: memory stays
	bool gone;
};

TAILQ_HEAD(call_queue, http_call);
LIST_HEAD(client_connections, client_connection);

struct http_client {
	struct loop *loop;
	char *address, *server_name, *host;
	struct tls_context *tls;
	unsigned connections_max;
	int64_t connect_timeout_ns, idle_timeout_ns;
	struct call_queue waiting;
	size_t waiting_count;
	struct client_connections connections;
	unsigned connection_count, connecting_count;
	struct task dispatch;
	bool dispatching; // posted
	bool destroyed;	  // while that is under way
};

// ---- client.c
void client_dispatch_soon(struct http_client *c);
// Gives the connection, which is ready and idle, to the first call that may have it.
void client_offer(struct http_client *c, struct client_connection *k);
// A connection could not be made: so ends the call that waits longest.
void client_connect_failed(struct http_client *c, const struct err *e);
// Ends a call and frees it.
void call_end(struct http_call *call, const struct err *e);
void call_free(struct http_call *call);
void call_retry(struct http_call *call);    // on a fresh connection
void call_progress(struct http_call *call); // a piece of the body came

// ---- client_connection.c
void client_connection_open(struct http_client *c);
void client_connection_send(struct client_connection *k, struct http_call *call);
void client_connection_close(struct client_connection *k); // its call, if any, is the caller's to end

#endif
