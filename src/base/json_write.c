// SPDX-License-Identifier: Apache-2.0
// Tree to text.
#include "base/json.h"

void json_write_string(struct buf *out, struct str s)
{
	static const char hex[] = "0123456789abcdef";
	buf_reserve(out, s.n + 2);
	buf_add_byte(out, '"');
	size_t from = 0;
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if (c >= 0x20 && c != '"' && c != '\\')
			continue;
		buf_add(out, str_sub(s, from, i - from));
		from = i + 1;
		if (c == '"' || c == '\\') {
			char pair[2] = {'\\', (char)c};
			buf_add(out, (struct str){pair, 2});
		} else if (c == '\n') {
			BUF_LIT(out, "\\n");
		} else if (c == '\t') {
			BUF_LIT(out, "\\t");
		} else if (c == '\r') {
			BUF_LIT(out, "\\r");
		} else {
			char code[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
			buf_add(out, (struct str){code, 6});
		}
	}
	buf_add(out, str_from(s, from));
	buf_add_byte(out, '"');
}

static void children(struct buf *out, const struct json *parent)
{
	bool object = parent->type == JSON_OBJECT;
	buf_add_byte(out, object ? '{' : '[');
	json_each(child, parent) {
		if (child != parent->first)
			buf_add_byte(out, ',');
		if (object) {
			json_write_string(out, child->key);
			buf_add_byte(out, ':');
		}
		json_write(out, child);
	}
	buf_add_byte(out, object ? '}' : ']');
}

void json_write(struct buf *out, const struct json *v)
{
	switch (v ? v->type : JSON_NULL) {
	case JSON_NULL:
		BUF_LIT(out, "null");
		break;
	case JSON_BOOL:
		buf_add_c(out, v->boolean ? "true" : "false");
		break;
	case JSON_INT:
		buf_add_i64(out, v->integer);
		break;
	case JSON_REAL:
		buf_add(out, v->text);
		break;
	case JSON_STRING:
		json_write_string(out, v->text);
		break;
	case JSON_ARRAY:
	case JSON_OBJECT:
		children(out, v);
		break;
	}
}

struct str json_text(struct arena *a, const struct json *value)
{
	struct buf b CLEAN_BUF;
	buf_init(&b);
	json_write(&b, value);
	return arena_str(a, buf_str(&b));
}
