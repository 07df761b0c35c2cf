// SPDX-License-Identifier: Apache-2.0
// Text to tree: one pass, recursion bounded by depth_max.
#include "base/json.h"

#include "base/encode.h"

struct frame { // the way down to the value being parsed, for the paths of duplicates
	const struct frame *up;
	struct str key;
	size_t index;
};

struct parser {
	struct arena *arena;
	const char *start, *at, *end;
	int depth_max;
	struct json *duplicates;
	struct err *e;
};

enum { DUPLICATES_MAX = 100 }; // told of one text; the rest is dropped silently

static int fail(struct parser *p, const char *what)
{
	return err_set(p->e, ERR_BAD_REQUEST, "invalid JSON at byte %zu: %s", (size_t)(p->at - p->start), what);
}

static void skip_space(struct parser *p)
{
	while (p->at < p->end && (*p->at == ' ' || *p->at == '\n' || *p->at == '\t' || *p->at == '\r'))
		p->at++;
}

static int hex4(struct parser *p, unsigned *out)
{
	unsigned value = 0;
	if (p->end - p->at < 4)
		return fail(p, "\\u needs four hexadecimal digits");
	for (int i = 0; i < 4; i++, p->at++) {
		int digit = decode_hex_digit(*p->at);
		if (digit < 0)
			return fail(p, "\\u needs four hexadecimal digits");
		value = value * 16 + (unsigned)digit;
	}
	*out = value;
	return 0;
}

static char *put_utf8(char *out, unsigned c)
{
	if (c < 0x80) {
		*out++ = (char)c;
	} else if (c < 0x800) {
		*out++ = (char)(0xc0 | c >> 6);
		*out++ = (char)(0x80 | (c & 0x3f));
	} else if (c < 0x10000) {
		*out++ = (char)(0xe0 | c >> 12);
		*out++ = (char)(0x80 | (c >> 6 & 0x3f));
		*out++ = (char)(0x80 | (c & 0x3f));
	} else {
		*out++ = (char)(0xf0 | c >> 18);
		*out++ = (char)(0x80 | (c >> 12 & 0x3f));
		*out++ = (char)(0x80 | (c >> 6 & 0x3f));
		*out++ = (char)(0x80 | (c & 0x3f));
	}
	return out;
}

// After "\u": one code point, from a surrogate pair where there is one.
static int unicode_escape(struct parser *p, char **out)
{
	unsigned c, low;
	if (hex4(p, &c) < 0)
		return -1;
	if (c >= 0xd800 && c < 0xdc00 && p->end - p->at >= 6 && p->at[0] == '\\' && p->at[1] == 'u') {
		const char *before = p->at;
		p->at += 2;
		if (hex4(p, &low) < 0)
			return -1;
		if (low >= 0xdc00 && low < 0xe000)
			c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
		else
			p->at = before;
	}
	if (c >= 0xd800 && c < 0xe000)
		c = 0xfffd;
	*out = put_utf8(*out, c);
	return 0;
}

static int escape(struct parser *p, char **out)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	if (p->at == p->end)
		return fail(p, "string without an end");
	char c = *p->at++;
	if (c == 'u')
		return unicode_escape(p, out);
	const char *found = c ? strchr(from, c) : NULL;
	if (!found) {
		p->at--;
		return fail(p, "unknown escape in a string");
	}
	*(*out)++ = to[found - from];
	return 0;
}

// The slow way: with escapes or ill-formed UTF-8. `from` is the first byte after the quote.
static int string_decoded(struct parser *p, const char *from, struct str *out)
{
	const char *close = from;
	while (close < p->end && *close != '"')
		close += *close == '\\' ? 2 : 1;
	if (close >= p->end)
		return fail(p, "string without an end");
	char *text = arena_alloc(p->arena, 3 * (size_t)(close - from) + 4), *w = text; // U+FFFD triples a byte
	p->at = from;
	while (*p->at != '"') {
		unsigned char c = (unsigned char)*p->at;
		if (c < 0x20)
			return fail(p, "control character in a string");
		if (c == '\\') {
			p->at++;
			if (escape(p, &w) < 0)
				return -1;
			continue;
		}
		size_t len = str_utf8_len((struct str){p->at, (size_t)(p->end - p->at)});
		if (len == 0) {
			w = put_utf8(w, 0xfffd);
			p->at++;
			continue;
		}
		memcpy(w, p->at, len);
		w += len;
		p->at += len;
	}
	p->at++;
	*out = (struct str){text, (size_t)(w - text)};
	return 0;
}

static int string(struct parser *p, struct str *out)
{
	const char *from = ++p->at;
	for (; p->at < p->end; p->at++) {
		unsigned char c = (unsigned char)*p->at;
		if (c == '"') {
			*out = (struct str){from, (size_t)(p->at++ - from)};
			return 0;
		}
		if (c == '\\')
			return string_decoded(p, from, out);
		if (c < 0x20)
			return fail(p, "control character in a string");
		if (c >= 0x80) {
			size_t len = str_utf8_len((struct str){p->at, (size_t)(p->end - p->at)});
			if (len == 0)
				return string_decoded(p, from, out);
			p->at += len - 1;
		}
	}
	return fail(p, "string without an end");
}

static bool digits(struct parser *p)
{
	const char *from = p->at;
	while (p->at < p->end && *p->at >= '0' && *p->at <= '9')
		p->at++;
	return p->at > from;
}

static int number(struct parser *p, struct json *out)
{
	const char *from = p->at;
	bool whole = true;
	if (*p->at == '-')
		p->at++;
	if (p->at < p->end && *p->at == '0')
		p->at++;
	else if (!digits(p))
		return fail(p, "a number needs digits");
	if (p->at < p->end && *p->at == '.') {
		p->at++;
		whole = false;
		if (!digits(p))
			return fail(p, "a number needs digits after the point");
	}
	if (p->at < p->end && (*p->at == 'e' || *p->at == 'E')) {
		p->at++;
		whole = false;
		if (p->at < p->end && (*p->at == '+' || *p->at == '-'))
			p->at++;
		if (!digits(p))
			return fail(p, "a number needs digits in its exponent");
	}
	struct str text = {from, (size_t)(p->at - from)};
	int64_t integer;
	if (whole && str_to_i64(text, &integer) == 0) {
		out->type = JSON_INT;
		out->integer = integer;
	} else {
		out->type = JSON_REAL;
		out->text = text;
	}
	return 0;
}

static int literal(struct parser *p, struct str word)
{
	if (!str_starts((struct str){p->at, (size_t)(p->end - p->at)}, word))
		return fail(p, "unexpected character");
	p->at += word.n;
	return 0;
}

static struct str path_of(struct arena *a, const struct frame *f, struct str last)
{
	if (!f)
		return last;
	struct str up = path_of(a, f->up, f->key);
	if (f->key.n == 0)
		up = arena_fmt(a, "%.*s[%zu]", STR_FMT(up), f->index);
	if (last.n == 0)
		return up;
	return up.n ? arena_fmt(a, "%.*s.%.*s", STR_FMT(up), STR_FMT(last)) : last;
}

static int by_key_then_place(const void *a, const void *b)
{
	const struct json *x = *(struct json *const *)a, *y = *(struct json *const *)b;
	int c = str_cmp(x->key, y->key);
	return c ? c : (x->count > y->count) - (x->count < y->count);
}

static void drop_duplicate(struct parser *p, const struct frame *f, struct json *object, struct json *earlier,
			   const struct json *later)
{
	if (p->duplicates && p->duplicates->count < DUPLICATES_MAX) {
		struct json *path = json_string(p->arena, path_of(p->arena, f, later->key));
		path->key = later->key;
		json_push(p->duplicates, path);
	}
	json_unlink(object, earlier);
}

// Of keys that stand twice the last stays. Few keys are compared pairwise, many sorted first.
static void drop_duplicates(struct parser *p, const struct frame *f, struct json *object)
{
	if (object->count <= 16) {
		for (struct json *x = object->first, *next; x; x = next) {
			next = x->next;
			for (struct json *y = x->next; y; y = y->next)
				if (str_eq(x->key, y->key)) {
					drop_duplicate(p, f, object, x, y);
					break;
				}
		}
		return;
	}
	size_t n = object->count, i = 0;
	struct json **sorted = mem_alloc(n * sizeof *sorted), **place = mem_alloc(n * sizeof *place);
	uint32_t *counts = mem_alloc(n * sizeof *counts);
	json_each(child, object) {
		counts[i] = child->count;
		place[i] = child;
		child->count = (uint32_t)i; // lent as the place while sorting
		sorted[i++] = child;
	}
	qsort(sorted, n, sizeof *sorted, by_key_then_place);
	for (i = 0; i < n; i++)
		place[i]->count = counts[i];
	for (i = 0; i + 1 < n; i++)
		if (str_eq(sorted[i]->key, sorted[i + 1]->key))
			drop_duplicate(p, f, object, sorted[i], sorted[i + 1]);
	free(counts);
	free(place);
	free(sorted);
}

static int value(struct parser *p, const struct frame *up, int depth, struct json *out);

static int object(struct parser *p, const struct frame *up, int depth, struct json *out)
{
	out->type = JSON_OBJECT;
	p->at++;
	skip_space(p);
	if (p->at < p->end && *p->at == '}') {
		p->at++;
		return 0;
	}
	for (;;) {
		struct json *child = json_null(p->arena);
		if (p->at == p->end || *p->at != '"')
			return fail(p, "expected a key in quotes");
		if (string(p, &child->key) < 0)
			return -1;
		skip_space(p);
		if (p->at == p->end || *p->at != ':')
			return fail(p, "expected ':' after a key");
		p->at++;
		struct frame f = {up, child->key, 0};
		if (value(p, &f, depth, child) < 0)
			return -1;
		json_push(out, child);
		skip_space(p);
		char c = p->at < p->end ? *p->at : '\0';
		if (c != ',' && c != '}')
			return fail(p, "expected ',' or '}' in an object");
		p->at++;
		if (c == '}')
			break;
		skip_space(p);
	}
	drop_duplicates(p, up, out);
	return 0;
}

static int array(struct parser *p, const struct frame *up, int depth, struct json *out)
{
	out->type = JSON_ARRAY;
	p->at++;
	skip_space(p);
	if (p->at < p->end && *p->at == ']') {
		p->at++;
		return 0;
	}
	for (size_t i = 0;; i++) {
		struct json *child = json_null(p->arena);
		struct frame f = {up, STR_NONE, i};
		if (value(p, &f, depth, child) < 0)
			return -1;
		json_push(out, child);
		skip_space(p);
		char c = p->at < p->end ? *p->at : '\0';
		if (c != ',' && c != ']')
			return fail(p, "expected ',' or ']' in an array");
		p->at++;
		if (c == ']')
			return 0;
	}
}

static int value(struct parser *p, const struct frame *up, int depth, struct json *out)
{
	skip_space(p);
	if (p->at == p->end)
		return fail(p, "unexpected end");
	if (depth >= p->depth_max)
		return fail(p, "nested too deeply");
	switch (*p->at) {
	case '{':
		return object(p, up, depth + 1, out);
	case '[':
		return array(p, up, depth + 1, out);
	case '"':
		out->type = JSON_STRING;
		return string(p, &out->text);
	case 't':
	case 'f':
		out->type = JSON_BOOL;
		out->boolean = *p->at == 't';
		return literal(p, out->boolean ? STR("true") : STR("false"));
	case 'n':
		return literal(p, STR("null"));
	case '-':
	case '0' ... '9':
		return number(p, out);
	default:
		return fail(p, "unexpected character");
	}
}

int json_parse(struct arena *a, struct str text, const struct json_options *options, struct json **out, struct err *e)
{
	if (!text.p)
		text = STR("");
	struct parser p = {
		.arena = a,
		.start = text.p,
		.at = text.p,
		.end = text.p + text.n,
		.depth_max = options && options->depth_max ? options->depth_max : JSON_DEPTH_MAX,
		.duplicates = options ? options->duplicates : NULL,
		.e = e,
	};
	struct json *root = json_null(a);
	if (value(&p, NULL, 0, root) < 0)
		return -1;
	skip_space(&p);
	if (p.at != p.end)
		return fail(&p, "something follows the value");
	*out = root;
	return 0;
}
