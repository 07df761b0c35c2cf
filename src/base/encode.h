// SPDX-License-Identifier: Apache-2.0
// Bytes as text: base64 (RFC 4648), hexadecimal, and percent-encoding of URLs (RFC 3986). And protobuf's numbers.
#ifndef BASE_ENCODE_H
#define BASE_ENCODE_H

#include "base/arena.h"
#include "base/buf.h"

void encode_base64(struct buf *out, struct str bytes);	   // with padding
void encode_base64_url(struct buf *out, struct str bytes); // '-' and '_', without padding
// Accepts the standard alphabet with padding; line breaks are skipped, as Go's decoder does. 0 or -1.
int decode_base64(struct arena *a, struct str text, struct str *bytes);
int decode_base64_url(struct arena *a, struct str text, struct str *bytes); // without padding
void encode_hex(struct buf *out, struct str bytes);			    // lower case
int decode_hex_digit(char c);					    // of either case; -1: it is none
void encode_url(struct buf *out, struct str s); // everything but unreserved characters
// %XX, and '+' as a space where `form`; -1 on a broken escape.
int decode_url(struct arena *a, struct str text, bool form, struct str *out);

void encode_varint(struct buf *out, uint64_t value); // seven bits a byte, the lowest first

#endif
