// SPDX-License-Identifier: Apache-2.0
#include "base/buf.h"

#include <stdio.h>

void buf_init(struct buf *b)
{
	*b = (struct buf){0};
}

void buf_finish(struct buf *b)
{
	free(b->p);
	*b = (struct buf){0};
}

void buf_clear(struct buf *b)
{
	b->n = 0;
}

void buf_reserve(struct buf *b, size_t more)
{
	if (b->room - b->n >= more)
		return;
	MUST(more < SIZE_MAX / 4 && b->n < SIZE_MAX / 4);
	size_t room = b->room ? b->room * 2 : 128;
	while (room - b->n < more)
		room *= 2;
	b->p = mem_realloc(b->p, room);
	b->room = room;
}

void buf_add(struct buf *b, struct str s)
{
	if (s.n == 0)
		return;
	buf_reserve(b, s.n);
	memcpy(b->p + b->n, s.p, s.n);
	b->n += s.n;
}

void buf_add_c(struct buf *b, const char *c_string)
{
	buf_add(b, str_of(c_string));
}

void buf_add_byte(struct buf *b, char c)
{
	buf_reserve(b, 1);
	b->p[b->n++] = c;
}

void buf_add_u64(struct buf *b, uint64_t value)
{
	char digits[20];
	size_t n = 0;
	do
		digits[sizeof digits - ++n] = (char)('0' + value % 10);
	while (value /= 10);
	buf_add(b, (struct str){digits + sizeof digits - n, n});
}

void buf_add_i64(struct buf *b, int64_t value)
{
	if (value < 0)
		buf_add_byte(b, '-');
	buf_add_u64(b, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

void buf_vfmt(struct buf *b, const char *format, va_list args)
{
	va_list again;
	va_copy(again, args);
	int n = vsnprintf(NULL, 0, format, args);
	MUST(n >= 0);
	buf_reserve(b, (size_t)n + 1);
	vsnprintf(b->p + b->n, (size_t)n + 1, format, again);
	va_end(again);
	b->n += (size_t)n;
}

void buf_fmt(struct buf *b, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	buf_vfmt(b, format, args);
	va_end(args);
}

void buf_drop(struct buf *b, size_t n)
{
	MUST(n <= b->n);
	b->n -= n;
	if (b->n && n)
		memmove(b->p, b->p + n, b->n);
}
