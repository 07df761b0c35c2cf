// SPDX-License-Identifier: Apache-2.0
// The start line and headers of one message, for the reader only (see http.h).
#ifndef WIRE_HTTP_HEAD_H
#define WIRE_HTTP_HEAD_H

#include "wire/http.h"

struct http_fault {
	int code;
	const char *text;
};

// Parses a head which ends with its empty line and lives as long as the arena. 0, or -1 with the fault.
int http_head_parse(struct arena *a, struct str text, bool response, struct http_head *out, struct http_fault *fault);
// Whether the line is a well-formed header field; name and value are its parts.
bool http_head_field(struct str line, struct http_header *out);

#endif
