// SPDX-License-Identifier: Apache-2.0
// Ends a call with an answer. After any of these the call must not be touched.
#ifndef SERVER_RESPOND_H
#define SERVER_RESPOND_H

#include "server/call.h"
#include "server/status.h"

void respond_json(struct call *c, int code, const struct json *body);
void respond_blob(struct call *c, int code, struct blob *json); // takes over the reference; application/json
void respond_buf(struct call *c, int code, const struct buf *json);
void respond_text(struct call *c, int code, const char *content_type, struct str body);
void respond_created(struct call *c); // 201 with a Status: what was made has no form of its own to show
// A Status; `d` may be NULL. Also sets Retry-After and, for 401, WWW-Authenticate. Clears e.
void respond_error(struct call *c, struct err *e, const struct status_details *d);
// The error of an object of the call's resource: details name the Kind where the object is invalid, else the plural.
void respond_failure(struct call *c, struct err *e, struct str name);
void respond_moved(struct call *c, struct str location); // 301, and nothing more
void respond_not_found_path(struct call *c); // plain "404 page not found"
void respond_no_resource(struct call *c);    // Status 404 with empty details
void respond_method_not_allowed(struct call *c);

// For streamed answers: the headers of every answer, then begin. End by respond_stream_end.
void respond_stream_begin(struct call *c, int code, const char *content_type);
void respond_stream_end(struct call *c);
void respond_stream_abort(struct call *c);

#endif
