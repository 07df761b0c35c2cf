// SPDX-License-Identifier: Apache-2.0
// A server over HTTPS in an imitated network, and clients of it.
#ifndef TEST_SERVER_SITE_H
#define TEST_SERVER_SITE_H

#include "base/json.h"
#include "server/pki.h"
#include "server/server.h"
#include "store/sim.h"
#include "sys/sim.h"
#include "unit.h"
#include "wire/client.h"
#include "wire/websocket.h"

struct site {
	struct sim *sim;
	struct loop *loop;
	struct store_cluster *cluster;
	struct store *store;
	struct server *server;
	struct pki pki; // a second look at the server's files
	struct arena arena;
	bool ready, stopped;
};

// Listens on 127.0.0.1:6443. The token "root" is the admin's, "secret" that of ann, who may nothing.
void site_init(struct site *s, unsigned writes_max);
void site_init_lasting(struct site *s, unsigned writes_max, int64_t certificate_life_ns);
void site_stop(struct site *s); // the server; before its clients are gone
void site_finish(struct site *s);
void site_run_until(struct site *s, const bool *done);

// pair NULL: without certificate.
struct http_client *site_connect(struct site *s, const struct x509_pair *pair);

struct reply {
	int code;
	struct str body;
	struct str location, warning; // its headers
	bool done;
	struct site *site;
};
struct reply site_fetch(struct site *s, struct http_client *client, const char *method, const char *target,
			const struct http_header *headers, size_t count, struct str body);
// As the admin by token; body with ' for ".
struct reply site_ask(struct site *s, struct http_client *client, const char *method, const char *target,
		      const char *body);

// A client's WebSocket.
struct talk {
	int code;	// of the answer
	struct buf refusal; // its body, where it is none
	char protocol[64];
	struct websocket *socket;
	struct buf got; // messages, each with 't' or 'b' before and '|' after it
	size_t messages, bytes;
	bool deaf;  // only counts
	bool ended; // told, or refused
	bool orderly;
	struct site *site;
};
// Asks with these subprotocols (NULL: none) and headers, and waits for the answer. In the caller's memory.
void site_talk(struct site *s, struct http_client *client, const char *target, const char *protocols,
	       const struct http_header *headers, size_t count, struct talk *t);
void site_hear(struct talk *t, size_t messages); // waits until so many have come in all
void talk_finish(struct talk *t); // before the site

#endif
