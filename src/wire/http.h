// SPDX-License-Identifier: Apache-2.0
// HTTP/1.1 messages (RFC 9112), strictly: what two readers could understand differently is refused. The
// reader does no I/O: bytes in, events out. Used by the server (server.h) and the client (client.h).
//
// Refused with 400: bare CR or LF inside the head, NUL and other controls, obsolete line folding, space
// before the colon, both Content-Length and Transfer-Encoding, Content-Length twice or not plain digits, any
// transfer coding but one final `chunked`, bad chunk sizes and extensions with controls, no or several Host
// in an HTTP/1.1 request. 431: head too large or too many headers. 413: body too large. 414: target too long.
// 505: not HTTP/1.0 or 1.1.
#ifndef WIRE_HTTP_H
#define WIRE_HTTP_H

#include "base/arena.h"
#include "base/buf.h"

struct http_header {
	struct str name, value; // value without blanks around it
};

struct http_headers {
	const struct http_header *list;
	size_t count;
};

// The value of the first header of this name (any case), or STR_NONE.
struct str http_header(struct http_headers h, const char *name);
bool http_header_has(struct http_headers h, const char *name);
// Whether a comma-separated header (all of that name) has this token, any case: Connection: keep-alive,
// Upgrade.
bool http_header_lists(struct http_headers h, const char *name, const char *token);
// Whether Accept-Encoding takes gzip (q=0 refuses).
bool http_accepts_gzip(struct http_headers h);
// "OK" for 200; "" for what has no name.
const char *http_reason(int code);

enum {
	HTTP_HEAD_MAX = 64 * 1024, // bytes of start line and headers; client-go sends tokens of several KB
	HTTP_TARGET_MAX = 16 * 1024,
	HTTP_HEADERS_MAX = 100,
	HTTP_CHUNK_LINE_MAX = 256,
	HTTP_TRAILER_MAX = 4096,
};

enum http_body { HTTP_BODY_NONE, HTTP_BODY_LENGTH, HTTP_BODY_CHUNKED, HTTP_BODY_UNTIL_CLOSE };

struct http_head {
	struct str method, target; // of a request
	int code;		   // of a response
	struct str reason;
	int minor; // HTTP/1.minor
	struct http_headers headers;
	enum http_body body;
	uint64_t length;   // of HTTP_BODY_LENGTH
	bool keep_alive;   // what version and Connection header say
	bool upgrade;	   // Connection lists upgrade and there is an Upgrade header
	bool expects_continue;
};

enum http_event {
	HTTP_MORE, // the input is used up
	HTTP_HEAD, // reader.head is there (its strings live in the arena given)
	HTTP_DATA, // reader.piece: body bytes, inside the input
	HTTP_DONE, // the message has ended; the next call begins another
	HTTP_BAD,  // reader.error_code and reader.error_text; nothing more can be read
};

struct http_reader {
	bool responses;	  // reads responses, not requests
	bool head_answer; // set before each response: it answers HEAD and has no body
	struct http_head head;
	struct str piece;
	int error_code;
	const char *error_text;
	// private
	int state;
	struct buf partial; // of a head or line that has not ended
	uint64_t left;	    // of the body or chunk
	size_t trailer;	    // bytes of trailers seen
};

void http_reader_init(struct http_reader *r, bool responses);
void http_reader_finish(struct http_reader *r);
// Takes bytes off *input and says what they were. Call until HTTP_MORE, HTTP_BAD, or the caller has had
// enough. After the HTTP_HEAD of an upgrade (101, or a request that is answered by one) the rest of *input
// belongs to the new protocol.
enum http_event http_reader_next(struct http_reader *r, struct arena *a, struct str *input);
// The peer closed: HTTP_DONE ends a body that lasts until close; HTTP_MORE: between messages; HTTP_BAD: cut
// off.
enum http_event http_reader_close(struct http_reader *r);

// Percent-encoded query text: the value of the first `name`, decoded into the arena; false when absent. A
// name without '=' has the value "".
bool http_query(struct arena *a, struct str query, const char *name, struct str *value);

// How much of a link names its host: "https://host:port", "//host"; 0: none of it, it is a path.
size_t http_origin_length(struct str link);

// Writing. Values with CR, LF or NUL are a bug of the caller: they are written with '_' instead.
void http_write_request(struct buf *out, const char *method, struct str target, struct http_headers headers);
void http_write_status(struct buf *out, int code);	 // "HTTP/1.1 200 OK\r\n"
void http_write_header(struct buf *out, struct str name, struct str value);
void http_write_chunk_head(struct buf *out, size_t n); // "1f\r\n"; the chunk is closed by "\r\n"

#endif
