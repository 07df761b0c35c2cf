// SPDX-License-Identifier: Apache-2.0
// A server with pages for tests, and a client, on one real loop.
#ifndef TEST_WIRE_WEB_H
#define TEST_WIRE_WEB_H

#include "sys/real.h"
#include "unit.h"
#include "wire/client.h"
#include "wire/server.h"

struct world {
	struct loop *loop;
	struct http_server *server;
	struct http_client *client;
	struct tls_context *server_tls, *client_tls;
	char address[64];
	struct timer limit;

	// what the handler saw and keeps
	struct http_exchange *held;
	struct duplex *upgraded;
	struct buf pieces;
	unsigned requests, cancels, drains;
	size_t to_stream; // bytes that /stream still owes
	struct http_exchange *late[200]; // answered when `later` fires
	size_t late_count;
	bool stop_at_late; // stops the loop when /later is asked for
	struct timer later;

	// what the client saw
	unsigned ends;
	int code;
	struct buf body;
	struct err error;
	char encoding[16];
	struct duplex *client_upgraded;
	bool both_ended;
};

enum { WEB_PIECE = 50000, WEB_STREAMED = 20 * 1000 * 1000, WEB_LIST_COUNT = 10000, WEB_BODY_MAX = 1000000 };

// Pages: /echo /who /list[?gzip] /later /never /stream /nothing /cut /upgrade /pieces /enough /early.
void world_init(struct world *w, bool tls);
void world_finish(struct world *w);
// Runs the loop until the answer is in code, body, encoding and error.
void world_fetch(struct world *w, const char *method, const char *target, struct str body);
http_response_done world_on_response; // what world_fetch uses

#endif
