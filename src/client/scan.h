// SPDX-License-Identifier: Apache-2.0
// Looks into JSON text without building a tree: enough to find an object's metadata in a list or a watch line, at the
// cost of one pass. For text of a server, which has made it itself; anything else reads as absent, never out of bounds.
#ifndef CLIENT_SCAN_H
#define CLIENT_SCAN_H

#include "base/str.h"

// The members of an object, in order: `rest` starts as the object's whole text. Keys come without quotes and undecoded,
// values as their raw text. False at the end.
bool scan_member(struct str *rest, struct str *key, struct str *value);
// The elements of an array, likewise.
bool scan_element(struct str *rest, struct str *value);

struct str scan_get(struct str object, const char *key);     // raw text of a member, or STR_NONE
struct str scan_get_str(struct str object, const char *key); // a string without escapes, or STR_NONE

#endif
