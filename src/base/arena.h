// SPDX-License-Identifier: Apache-2.0
// Memory for one request, reconcile or scheduling pass: taken piece by piece, given back all at once.
// Not thread-safe. Everything that outlives the arena is copied out (see blob.h).
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stdarg.h>

#include "base/mem.h"
#include "base/str.h"

struct arena_chunk;

struct arena {
	struct arena_chunk *chunks; // newest first
	char *at, *end;		    // free room of the newest
	size_t taken;		    // bytes held from the heap
};

void arena_init(struct arena *a);
void arena_finish(struct arena *a); // frees all; `a` may be used again after arena_init
void arena_reset(struct arena *a);  // forgets all, keeps one chunk for the next use

// Zeroed and aligned for any type.
void *arena_alloc(struct arena *a, size_t size) __attribute__((returns_nonnull));
#define ARENA_NEW(a, type) ((type *)arena_alloc((a), sizeof(type)))
#define ARENA_ARRAY(a, type, count) ((type *)arena_alloc((a), sizeof(type) * (count)))

struct str arena_str(struct arena *a, struct str s); // a copy; also NUL-terminated
char *arena_c(struct arena *a, struct str s);	     // the same as a C string
// As sprintf; the result is NUL-terminated too (its n leaves the NUL out).
struct str arena_fmt(struct arena *a, const char *format, ...) __attribute__((format(printf, 2, 3)));
struct str arena_vfmt(struct arena *a, const char *format, va_list args) __attribute__((format(printf, 2, 0)));

// `struct arena a CLEAN_ARENA; arena_init(&a);`
#define CLEAN_ARENA __attribute__((cleanup(arena_finish)))

#endif
