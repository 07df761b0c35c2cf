// SPDX-License-Identifier: Apache-2.0
#ifndef WIRE_SPDY_DICTIONARY_H
#define WIRE_SPDY_DICTIONARY_H

enum { SPDY_DICTIONARY_SIZE = 1423 };
extern const unsigned char spdy_dictionary[SPDY_DICTIONARY_SIZE + 1]; // and a NUL that is not part of it

#endif
