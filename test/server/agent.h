// SPDX-License-Identifier: Apache-2.0
// An imitated agent of a node, to which the server passes calls on.
#ifndef TEST_SERVER_AGENT_H
#define TEST_SERVER_AGENT_H

#include "site.h"
#include "wire/server.h"

struct agent {
	struct http_server *server;
	struct duplex *stream; // what was upgraded; repeats what it hears
	char target[256];
	char protocols[256]; // of a WebSocket that were offered
	bool certified;	     // the caller showed the server's certificate
	bool upgrade;	     // and asked for one
	struct http_exchange *log; // that is followed: begun, to be written on
	bool cancelled;		   // it was
};

// On 127.0.0.1:10250, as the node n1.
void agent_init(struct agent *a, struct site *s);
// The node, and on it the pod "p" in "default".
void agent_make_pod(struct site *s, struct http_client *client, const char *node);

#endif
