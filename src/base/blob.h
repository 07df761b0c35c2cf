// SPDX-License-Identifier: Apache-2.0
// Immutable bytes shared by reference count, across threads. Objects at rest, encoded events and bodies are blobs.
// Whoever makes one fills it before the first share; after that nobody writes it.
#ifndef BASE_BLOB_H
#define BASE_BLOB_H

#include <stdatomic.h>

#include "base/str.h"

struct blob {
	atomic_uint refs;
	uint32_t n; // bytes; at most 4 GiB - 1
	char p[];
};

struct blob *blob_create(struct str bytes); // a copy, with one reference
struct blob *blob_create_raw(size_t n);	    // n bytes for the caller to fill before sharing
struct blob *blob_ref(struct blob *b);	    // returns b; NULL stays NULL
void blob_unref(struct blob *b);	    // NULL is fine; the last one frees

static inline struct str blob_str(const struct blob *b)
{
	return b ? (struct str){b->p, b->n} : STR_NONE;
}

#endif
