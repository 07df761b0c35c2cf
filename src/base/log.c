// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include <stdio.h>
#include <unistd.h>

#include "base/buf.h"

static const char *program = "onggi";

void log_set_name(const char *name)
{
	program = name;
}

static void add_escaped(struct buf *b, struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if (c < 0x20 || c == 0x7f)
			buf_fmt(b, "\\x%02x", c);
		else
			buf_add_byte(b, (char)c);
	}
}

void log_write(enum log_level level, const char *format, ...)
{
	static const char *const names[] = {"info", "warn", "error"};
	struct buf text CLEAN_BUF, line CLEAN_BUF;
	buf_init(&text);
	buf_init(&line);
	va_list args;
	va_start(args, format);
	buf_vfmt(&text, format, args);
	va_end(args);
	buf_fmt(&line, "onggi %s: %s: ", program, names[level]);
	add_escaped(&line, buf_str(&text));
	buf_add_byte(&line, '\n');
	if (write(STDERR_FILENO, line.p, line.n) < 0)
		return; // nobody listens
}
