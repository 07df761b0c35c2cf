// SPDX-License-Identifier: Apache-2.0
// One request under way, from its arrival to its answer, and how it is answered. A `struct call` lives in the arena of
// its request, on one loop; handlers receive it and end it exactly once by one of the respond_ functions (respond.h) or
// by respond_stream_end or _abort. Where it came from (HTTPS or from inside the process) is behind `struct front`.
#ifndef SERVER_CALL_H
#define SERVER_CALL_H

#include "api/schema.h"
#include "base/times.h"
#include "server/negotiate.h"
#include "server/query.h"
#include "server/route.h"
#include "server/state.h"
#include "server/user.h"
#include "store/store.h"
#include "wire/duplex.h"
#include "wire/http.h"
#include "wire/tls.h"

struct call;
struct worker;

struct front_reply {
	int code;
	const char *content_type;
	struct http_headers headers;
	bool gzip;
};

// How a reply travels. `reply`, `end` and `abort` end the call: its memory may be gone after.
struct front {
	// The whole reply; takes over the references in body.
	void (*reply)(struct call *c, const struct front_reply *r, struct blob *const *body, size_t count);
	// A reply of unknown length: begin, write..., end. `write` takes over the reference. Over a WebSocket each write is
	// a message (websocket_front.h): a watch writes one whole event at a time.
	void (*begin)(struct call *c, const struct front_reply *r);
	void (*write)(struct call *c, struct blob *b);
	size_t (*pending)(struct call *c); // bytes that the peer has not taken
	void (*end)(struct call *c);
	void (*abort)(struct call *c); // cut short, so that the peer can tell
	// 101 and the raw connection; the call carries nothing any more and is ended by `abort`. NULL where that cannot be:
	// nothing was answered.
	struct duplex *(*upgrade)(struct call *c, struct http_headers headers);
};

struct call {
	const struct front *front;
	struct worker *worker;
	struct server *server;
	struct loop *loop;
	struct arena *arena;

	// as it came
	struct str method;
	struct str target; // path?query, encoded
	struct str path;   // encoded
	struct http_headers headers;
	struct str body;
	const struct tls_peer *peer; // the client's certificate, or NULL
	const struct user *vouched;  // in process: who asks; NULL: the request itself must prove it
	struct str remote;
	int64_t started_ns;

	// found out on the way (dispatch.c)
	struct query query;
	struct route route;
	struct user user;
	struct json *warnings; // array of strings for Warning headers
	int code;	       // of the answer, for the metrics

	// of an answer that is streamed; set by the handler before front->begin. After on_cancel the handler still
	// owes an end.
	void (*on_drain)(struct call *c);
	void (*on_cancel)(struct call *c);
	void *state; // the handler's
	bool cancelled;
	bool counted;	  // among the worker's calls in flight
	bool is_watch;	  // counted as a watch
	struct wanted_shape wanted; // in which the client wants objects
};

struct str call_header(const struct call *c, const char *name); // STR_NONE when absent

#endif
