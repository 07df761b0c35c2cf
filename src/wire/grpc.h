// SPDX-License-Identifier: Apache-2.0
// One unary gRPC call over an HTTP/2 connection of its own, without TLS ("PROTOCOL-HTTP2" of gRPC, "h2c with prior
// knowledge" of RFC 9113). Enough for asking a server after its health.
#ifndef WIRE_GRPC_H
#define WIRE_GRPC_H

#include "base/err.h"
#include "sys/sys.h"

enum grpc_status { GRPC_OK = 0, GRPC_NOT_FOUND = 5, GRPC_UNIMPLEMENTED = 12 }; // those we tell apart

enum { GRPC_ANSWER_MAX = 64 * 1024 };

struct grpc_request {
	const char *address; // "10.0.0.1:9000", as net_connect takes it; also the authority
	const char *path;    // "/grpc.health.v1.Health/Check"
	const char *user_agent;
	struct str message;  // protobuf
};

struct grpc_answer {
	const struct err *e; // the call did not come to an end; the rest is empty then
	int status;	     // enum grpc_status or another of theirs
	struct str reason;   // grpc-message
	struct str message;  // protobuf; with GRPC_OK
};

struct grpc_call;

// Called once, never from inside grpc_call_start; what it is given is borrowed.
typedef void grpc_done(void *arg, const struct grpc_answer *answer);

// Copies the request. The handle is valid until `done`.
struct grpc_call *grpc_call_start(struct loop *l, const struct grpc_request *r, grpc_done *done, void *arg);
void grpc_call_cancel(struct grpc_call *c); // no `done` after this; NULL is fine

#endif
