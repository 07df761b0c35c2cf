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

#endif
