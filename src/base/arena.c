// SPDX-License-Identifier: Apache-2.0
#include "base/arena.h"

#include <stdalign.h>
#include <stdio.h>

// Under the address sanitizer each piece is a chunk of its own, so that it sees whoever reads past a piece's end.
#ifdef __has_feature
#define PIECE_BY_PIECE __has_feature(address_sanitizer)
#else
#define PIECE_BY_PIECE 0
#endif

enum { CHUNK_SIZE = 8192 };

struct arena_chunk {
	struct arena_chunk *older;
	size_t size; // of data
	alignas(max_align_t) char data[];
};

void arena_init(struct arena *a)
{
	*a = (struct arena){0};
}

void arena_finish(struct arena *a)
{
	for (struct arena_chunk *c = a->chunks, *older; c; c = older) {
		older = c->older;
		free(c);
	}
	*a = (struct arena){0};
}

void arena_reset(struct arena *a)
{
	struct arena_chunk *keep = a->chunks;
	while (keep && (keep->older || keep->size > 16 * CHUNK_SIZE)) {
		struct arena_chunk *older = keep->older;
		free(keep);
		keep = older;
	}
	*a = (struct arena){.chunks = keep};
	if (keep) {
		a->at = keep->data;
		a->end = keep->data + keep->size;
		a->taken = keep->size;
	}
}

// Chunks double up to 1 MiB, so that a large document costs few of them.
static void grow(struct arena *a, size_t size)
{
	size_t want = a->taken < CHUNK_SIZE ? CHUNK_SIZE : a->taken > 1u << 20 ? 1u << 20 : a->taken;
	if (want < size || PIECE_BY_PIECE)
		want = size;
	struct arena_chunk *c = mem_alloc(sizeof *c + want);
	c->older = a->chunks;
	c->size = want;
	a->chunks = c;
	a->at = c->data;
	a->end = c->data + want;
	a->taken += want;
}

static void *take(struct arena *a, size_t size)
{
	size += !size; // nothing, too, has an address
	size_t room = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
	MUST(room >= size);
	if (PIECE_BY_PIECE)
		room = size;
	if (PIECE_BY_PIECE || room > (size_t)(a->end - a->at))
		grow(a, room);
	void *p = a->at;
	a->at += room;
	return p;
}

void *arena_alloc(struct arena *a, size_t size)
{
	return memset(take(a, size), 0, size);
}

char *arena_c(struct arena *a, struct str s)
{
	char *p = take(a, s.n + 1);
	if (s.n)
		memcpy(p, s.p, s.n);
	p[s.n] = '\0';
	return p;
}

struct str arena_str(struct arena *a, struct str s)
{
	return (struct str){arena_c(a, s), s.n};
}

struct str arena_vfmt(struct arena *a, const char *format, va_list args)
{
	va_list again;
	va_copy(again, args);
	int n = vsnprintf(NULL, 0, format, args);
	MUST(n >= 0);
	char *p = take(a, (size_t)n + 1);
	vsnprintf(p, (size_t)n + 1, format, again);
	va_end(again);
	return (struct str){p, (size_t)n};
}

struct str arena_fmt(struct arena *a, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	struct str s = arena_vfmt(a, format, args);
	va_end(args);
	return s;
}
