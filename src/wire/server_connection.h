// SPDX-License-Identifier: Apache-2.0
// One connection of a server, whichever protocol it speaks; for server.c, http1.c and http2.c.
#ifndef WIRE_SERVER_CONNECTION_H
#define WIRE_SERVER_CONNECTION_H

#include <sys/queue.h>

#include "wire/exchange.h"

struct server_connection;

// What a protocol does for its connection.
struct protocol {
	void (*on_timeout)(struct server_connection *c);
	void (*drain)(struct server_connection *c); // no new requests
	// Ends everything: exchanges hear on_cancel. server_connection_close follows.
	void (*destroy)(struct server_connection *c);
};

struct server_connection {
	struct http_server *server;
	struct duplex *duplex;
	const struct protocol *protocol; // NULL during the TLS handshake
	void *state;			 // the protocol's
	LIST_ENTRY(server_connection) all;
	char remote[64];
	bool secure;
	const struct tls_peer *peer;
	uint64_t written; // bytes handed to the duplex
	uint64_t seen_sent; // of them in the kernel when the timer last looked
	struct timer timer;
	int64_t timer_ns;    // when it fires
	int64_t deadline_ns; // 0: none
};

LIST_HEAD(server_connections, server_connection);

struct http_server {
	struct http_server_config config; // without zeros
	struct server_connections connections;
	size_t connection_count;
	struct listener *listeners[8];
	size_t listener_count;
	bool draining;
	struct blob *line_end; // "\r\n", shared
	int64_t date_second;
	char date[32]; // of that second, as in a Date header
};

void http1_start(struct server_connection *c);
void http2_start(struct server_connection *c);

// Calls on_timeout when nothing has put it off by then. 0 puts it off for good.
void server_connection_expect(struct server_connection *c, int64_t within_ns);
// Sees to it that a peer that takes nothing of what is pending is noticed.
void server_connection_watch_write(struct server_connection *c);
// For on_timeout: 1: pending bytes are moving (the timer goes on); 0: nothing is pending; -1: the peer is
// stuck.
int server_connection_progress(struct server_connection *c);
void server_connection_write(struct server_connection *c, struct blob *b);
// Frees; `keep_duplex`: it has been handed over.
void server_connection_close(struct server_connection *c, bool keep_duplex);
struct str http_server_date(struct http_server *s);

#endif
