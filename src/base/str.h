// SPDX-License-Identifier: Apache-2.0
// Strings as a pointer and a length, passed by value; never NUL-terminated unless a function says so.
// A `struct str` owns nothing: its maker says how long the bytes live (usually an arena or a blob).
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
	const char *p;
	size_t n;
};

// A literal as a str: STR("pods").
#define STR(literal) ((struct str){("" literal), sizeof(literal) - 1})
// As STR, where C wants a constant expression (tables).
#define STR_INIT(literal) {("" literal), sizeof(literal) - 1}
// For printf: ("%.*s", STR_FMT(s)).
#define STR_FMT(s) (int)(s).n, (s).p
#define STR_NONE ((struct str){NULL, 0})

static inline struct str str_of(const char *c_string)
{
	return (struct str){c_string, c_string ? strlen(c_string) : 0};
}

static inline bool str_eq(struct str a, struct str b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline bool str_is(struct str a, const char *c_string)
{
	return str_eq(a, str_of(c_string));
}

static inline bool str_empty(struct str s)
{
	return s.n == 0;
}

// The part from `from` (at most s.n) with at most `n` bytes.
static inline struct str str_sub(struct str s, size_t from, size_t n)
{
	if (from > s.n)
		from = s.n;
	if (n > s.n - from)
		n = s.n - from;
	return (struct str){s.p ? s.p + from : NULL, n};
}

static inline struct str str_from(struct str s, size_t from)
{
	return str_sub(s, from, SIZE_MAX);
}

// Byte order; a prefix sorts first. <0, 0, >0 as memcmp.
int str_cmp(struct str a, struct str b);
bool str_eq_nocase(struct str a, struct str b); // ASCII only
bool str_starts(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);

// Index of the first `c`, or -1.
ptrdiff_t str_find(struct str s, char c);
ptrdiff_t str_find_last(struct str s, char c);
bool str_contains(struct str s, struct str part);

// Cuts at the first `c`: head gets what stands before, tail what stands after.
// Without `c`: head = s, tail empty, returns false.
bool str_cut(struct str s, char c, struct str *head, struct str *tail);
// Takes the next piece up to `c` off the front of *rest; false when nothing is left.
// "a,,b" gives "a", "", "b".
bool str_next(struct str *rest, char c, struct str *piece);
struct str str_trim(struct str s); // spaces and tabs, CR, LF on both ends

// Decimal, whole string, no spaces; 0 or -1 (out untouched) on overflow or other bytes.
int str_to_i64(struct str s, int64_t *out);
int str_to_u64(struct str s, uint64_t *out);

// Copies with a closing NUL into out (truncating); returns whether all fitted.
bool str_to_c(struct str s, char *out, size_t size);

// Length in bytes of the well-formed UTF-8 sequence at s.p, or 0 where there is none.
size_t str_utf8_len(struct str s);
bool str_utf8_valid(struct str s);

uint64_t str_hash(struct str s);

#endif
