// SPDX-License-Identifier: Apache-2.0
#include "server/pretty.h"

static void line(struct buf *out, int depth)
{
	buf_add_byte(out, '\n');
	for (int i = 0; i < depth; i++)
		BUF_LIT(out, "  ");
}

static size_t string_end(struct str s, size_t at)
{
	for (at++; at < s.n && s.p[at] != '"'; at++)
		if (s.p[at] == '\\')
			at++;
	return at < s.n ? at + 1 : s.n;
}

void pretty_json(struct buf *out, struct str s)
{
	int depth = 0;
	for (size_t i = 0; i < s.n; i++) {
		char ch = s.p[i];
		if (ch == '"') {
			size_t end = string_end(s, i);
			buf_add(out, str_sub(s, i, end - i));
			i = end - 1;
		} else if (ch == '{' || ch == '[') {
			buf_add_byte(out, ch);
			if (i + 1 < s.n && (s.p[i + 1] == '}' || s.p[i + 1] == ']'))
				buf_add_byte(out, s.p[++i]);
			else
				line(out, ++depth);
		} else if (ch == '}' || ch == ']') {
			line(out, --depth);
			buf_add_byte(out, ch);
		} else if (ch == ',') {
			buf_add_byte(out, ch);
			line(out, depth);
		} else if (ch == ':') {
			BUF_LIT(out, ": ");
		} else if (ch != '\n') {
			buf_add_byte(out, ch);
		}
	}
	buf_add_byte(out, '\n');
}
