// SPDX-License-Identifier: Apache-2.0
// What SPDY/3.1 says its header compression begins with: the names and values that are frequent in headers.
#ifndef WIRE_SPDY_DICTIONARY_H
#define WIRE_SPDY_DICTIONARY_H

enum { SPDY_DICTIONARY_SIZE = 1423 };
extern const unsigned char spdy_dictionary[SPDY_DICTIONARY_SIZE + 1]; // and a NUL that is not part of it

#endif
