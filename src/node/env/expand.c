// SPDX-License-Identifier: Apache-2.0
#include "node/env/expand.h"

#include "base/buf.h"

// What follows a '$' at the start of `rest`: writes it and gives how many bytes of `rest` it took.
static size_t expand_one(struct buf *out, struct str rest, expand_lookup *lookup, void *arg)
{
	if (rest.n && rest.p[0] == '$') {
		buf_add_byte(out, '$');
		return 1;
	}
	ptrdiff_t close = rest.n && rest.p[0] == '(' ? str_find(rest, ')') : -1;
	if (close < 0) {
		buf_add_byte(out, '$');
		return 0;
	}
	struct str value;
	if (lookup(arg, str_sub(rest, 1, (size_t)close - 1), &value)) {
		buf_add(out, value);
	} else {
		buf_add_byte(out, '$');
		buf_add(out, str_sub(rest, 0, (size_t)close + 1));
	}
	return (size_t)close + 1;
}

struct str expand(struct arena *a, struct str text, expand_lookup *lookup, void *arg)
{
	if (str_find(text, '$') < 0)
		return text;
	struct buf out CLEAN_BUF;
	buf_init(&out);
	for (size_t i = 0; i < text.n;) {
		if (text.p[i++] != '$')
			buf_add_byte(&out, text.p[i - 1]);
		else
			i += expand_one(&out, str_from(text, i), lookup, arg);
	}
	return arena_str(a, buf_str(&out));
}
