// SPDX-License-Identifier: Apache-2.0
// The transport of client.h over HTTP or HTTPS: requests share kept connections, each watch has its own while
// it lasts.
#ifndef CLIENT_HTTPS_H
#define CLIENT_HTTPS_H

#include "client/client.h"

struct https_config {
	const char *server;	 // "https://127.0.0.1:6443"; http:// is for tests
	const char *server_name; // whom the certificate must name; NULL: the host of `server`
	struct str authorities;	 // PEM: who signs the server's certificate
	struct str certificate;	 // PEM of ours, with its key; or empty
	struct str key;
	struct str token;	  // bearer; or empty
	bool insecure;		  // takes any server
	const char *user_agent;	  // NULL: "onggi"
	unsigned connections_max; // 0: 256, watches among them
};

// Nothing of the configuration is kept by reference. Connects on demand. NULL and e when the texts are no good.
struct transport *transport_https_create(struct loop *l, const struct https_config *c, struct err *e);
// Connections from now on use another certificate, key and authorities; what is under way goes on.
int transport_https_renew(struct transport *t, const struct https_config *c, struct err *e);

#endif
