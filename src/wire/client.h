// SPDX-License-Identifier: Apache-2.0
// HTTP/1.1 calls to one destination over kept connections, plain or with TLS. Everything on one loop, by
// callbacks which never come from inside the call that asked for them.
#ifndef WIRE_CLIENT_H
#define WIRE_CLIENT_H

#include "sys/sys.h"
#include "wire/duplex.h"
#include "wire/http.h"
#include "wire/tls.h"

struct http_client_config {
	struct loop *loop;
	const char *address;	  // "127.0.0.1:6443", as net_connect takes it
	const char *server_name;  // Host header, SNI and the name or IP address that the certificate must have
	struct tls_context *tls;  // NULL: plain; a reference is kept
	// 0: 64; calls beyond it wait (at most 10,000, then they fail). A streamed answer counts while it lasts, an
	// upgraded connection does not.
	unsigned connections_max;
	int64_t connect_timeout_ns; // 0: 10 s, with the TLS handshake
	int64_t idle_timeout_ns;    // 0: 90 s until a kept connection is closed
};

struct http_client *http_client_create(const struct http_client_config *c);
void http_client_destroy(struct http_client *c); // open calls end with an error, at once
void http_client_set_tls(struct http_client *c, struct tls_context *tls); // for connections from now on
bool http_client_idle(const struct http_client *c); // no call is under way

struct http_call;

struct http_call_request {
	const char *method;
	struct str target; // "/path?query"
	struct http_headers headers;
	struct str body; // copied; Content-Length is added where n > 0 or the method is POST, PUT or PATCH
	int64_t head_timeout_ns; // until the response's head; 0: 60 s, negative: none
	int64_t read_timeout_ns; // between pieces of the body; 0: none
	bool fresh_connection;	 // not a kept one
};

struct http_call_events {
	// The final response's head; borrowed. Optional.
	void (*on_head)(void *arg, const struct http_head *head);
	// Borrowed. Optional (NULL: thrown away).
	void (*on_body)(void *arg, struct str piece);
	// Exactly once, last; not after http_call_cancel or on_upgrade. e NULL: the response is whole
	// (whatever its code).
	void (*on_end)(void *arg, const struct err *e);
	// 101: the connection is the caller's. NULL: a 101 is an error.
	void (*on_upgrade)(void *arg, const struct http_head *head, struct duplex *d);
};

// A request that failed on a kept connection before the first byte of an answer is sent once more on a fresh
// one when its method is idempotent (GET, HEAD, PUT, DELETE, OPTIONS).
struct http_call *http_call_start(struct http_client *c, const struct http_call_request *r,
				  const struct http_call_events *ev, void *arg);
void http_call_read(struct http_call *c, bool on); // back-pressure on the response's body
void http_call_cancel(struct http_call *c);	   // no callback after this; NULL is fine

// The whole response at once.
struct http_response {
	const struct http_head *head; // NULL when no answer came
	struct str body;	      // borrowed
	const struct err *e;	      // NULL: an answer came, whatever its code
};
typedef void http_response_done(void *arg, const struct http_response *r);
struct http_call *http_fetch(struct http_client *c, const struct http_call_request *r, size_t body_max,
			     http_response_done *done, void *arg);

#endif
