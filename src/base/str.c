// SPDX-License-Identifier: Apache-2.0
#include "base/str.h"

#include <strings.h>

int str_cmp(struct str a, struct str b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int c = n ? memcmp(a.p, b.p, n) : 0;
	if (c != 0)
		return c;
	return a.n < b.n ? -1 : a.n > b.n;
}

bool str_eq_nocase(struct str a, struct str b)
{
	return a.n == b.n && (a.n == 0 || strncasecmp(a.p, b.p, a.n) == 0);
}

bool str_starts(struct str s, struct str prefix)
{
	return s.n >= prefix.n && str_eq(str_sub(s, 0, prefix.n), prefix);
}

bool str_ends(struct str s, struct str suffix)
{
	return s.n >= suffix.n && str_eq(str_from(s, s.n - suffix.n), suffix);
}

ptrdiff_t str_find(struct str s, char c)
{
	const char *at = s.n ? memchr(s.p, c, s.n) : NULL;
	return at ? at - s.p : -1;
}

ptrdiff_t str_find_last(struct str s, char c)
{
	for (size_t i = s.n; i > 0; i--)
		if (s.p[i - 1] == c)
			return (ptrdiff_t)i - 1;
	return -1;
}

bool str_contains(struct str s, struct str part)
{
	return part.n == 0 || (s.n && memmem(s.p, s.n, part.p, part.n) != NULL);
}

bool str_cut(struct str s, char c, struct str *head, struct str *tail)
{
	ptrdiff_t at = str_find(s, c);
	if (at < 0) {
		*head = s;
		*tail = STR_NONE;
		return false;
	}
	*tail = str_from(s, (size_t)at + 1);
	*head = str_sub(s, 0, (size_t)at);
	return true;
}

bool str_next(struct str *rest, char c, struct str *piece)
{
	if (rest->p == NULL)
		return false;
	if (!str_cut(*rest, c, piece, rest))
		*rest = STR_NONE;
	else if (rest->n == 0)
		rest->p = piece->p + piece->n; // "a," still owes an empty last piece
	return true;
}

struct str str_trim(struct str s)
{
	while (s.n && strchr(" \t\r\n", s.p[0]) && s.p[0])
		s = str_from(s, 1);
	while (s.n && strchr(" \t\r\n", s.p[s.n - 1]) && s.p[s.n - 1])
		s.n--;
	return s;
}

int str_to_u64(struct str s, uint64_t *out)
{
	uint64_t value = 0;
	if (s.n == 0)
		return -1;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return -1;
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(s.p[i] - '0'), &value))
			return -1;
	}
	*out = value;
	return 0;
}

int str_to_i64(struct str s, int64_t *out)
{
	bool negative = s.n && s.p[0] == '-';
	uint64_t magnitude;
	if (str_to_u64(negative ? str_from(s, 1) : s, &magnitude) < 0)
		return -1;
	if (magnitude > (uint64_t)INT64_MAX + negative)
		return -1;
	*out = negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
	return 0;
}

bool str_to_c(struct str s, char *out, size_t size)
{
	size_t n = s.n < size ? s.n : size - 1;
	if (n)
		memcpy(out, s.p, n);
	out[n] = '\0';
	return n == s.n;
}

size_t str_utf8_len(struct str s)
{
	const unsigned char *u = (const unsigned char *)s.p;
	if (s.n == 0)
		return 0;
	if (u[0] < 0x80)
		return 1;
	size_t len = 0;
	if (u[0] >= 0xc2 && u[0] <= 0xdf)
		len = 2;
	else if ((u[0] & 0xf0) == 0xe0)
		len = 3;
	else if (u[0] >= 0xf0 && u[0] <= 0xf4)
		len = 4;
	if (len == 0 || s.n < len)
		return 0;
	for (size_t i = 1; i < len; i++)
		if ((u[i] & 0xc0) != 0x80)
			return 0;
	bool overlong = (u[0] == 0xe0 && u[1] < 0xa0) || (u[0] == 0xf0 && u[1] < 0x90);
	bool surrogate = u[0] == 0xed && u[1] >= 0xa0;
	bool too_high = u[0] == 0xf4 && u[1] >= 0x90;
	return overlong || surrogate || too_high ? 0 : len;
}

bool str_utf8_valid(struct str s)
{
	for (size_t len; s.n; s = str_from(s, len))
		if ((len = str_utf8_len(s)) == 0)
			return false;
	return true;
}

// FNV-1a, folded once more so that the low bits are good for tables.
uint64_t str_hash(struct str s)
{
	uint64_t h = 0xcbf29ce484222325u;
	for (size_t i = 0; i < s.n; i++)
		h = (h ^ (unsigned char)s.p[i]) * 0x100000001b3u;
	return h ^ (h >> 32);
}
