// SPDX-License-Identifier: Apache-2.0
// A growing run of bytes on the heap, written at the end and read from the front.
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdarg.h>

#include "base/mem.h"
#include "base/str.h"

struct buf {
	char *p;
	size_t n;    // bytes in use
	size_t room; // bytes allocated
};

void buf_init(struct buf *b);
void buf_finish(struct buf *b);
void buf_clear(struct buf *b); // empties, keeps the memory

void buf_reserve(struct buf *b, size_t more); // room for `more` bytes at p + n
void buf_add(struct buf *b, struct str s);
void buf_add_c(struct buf *b, const char *c_string);
void buf_add_byte(struct buf *b, char c);
void buf_add_u64(struct buf *b, uint64_t value); // decimal
void buf_add_i64(struct buf *b, int64_t value);
void buf_fmt(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buf_vfmt(struct buf *b, const char *format, va_list args) __attribute__((format(printf, 2, 0)));

void buf_drop(struct buf *b, size_t n); // takes n bytes off the front

static inline struct str buf_str(const struct buf *b) // valid until the next write
{
	return (struct str){b->p, b->n};
}

// Adds a literal without strlen.
#define BUF_LIT(b, literal) buf_add((b), STR(literal))
// `struct buf b CLEAN_BUF; buf_init(&b);`
#define CLEAN_BUF __attribute__((cleanup(buf_finish)))

#endif
