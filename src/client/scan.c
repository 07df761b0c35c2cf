// SPDX-License-Identifier: Apache-2.0
#include "client/scan.h"

static struct str skip_space(struct str s)
{
	size_t i = 0;
	while (i < s.n && (s.p[i] == ' ' || s.p[i] == '\n' || s.p[i] == '\t' || s.p[i] == '\r'))
		i++;
	return str_from(s, i);
}

// Length of the string at the front with its quotes, or 0.
static size_t string_length(struct str s)
{
	size_t at = 1;
	while (at < s.n) {
		const char *quote = memchr(s.p + at, '"', s.n - at);
		if (!quote)
			return 0;
		size_t end = (size_t)(quote - s.p), slashes = 0;
		while (s.p[end - 1 - slashes] == '\\')
			slashes++; // the opening quote stops it
		if (slashes % 2 == 0)
			return end + 1;
		at = end + 1;
	}
	return 0;
}

// Length of the array or object at the front, or 0.
static size_t nested_length(struct str s)
{
	size_t depth = 0;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		if (c == '"') {
			size_t n = string_length(str_from(s, i));
			if (n == 0)
				return 0;
			i += n - 1;
		} else if (c == '{' || c == '[') {
			depth++;
		} else if ((c == '}' || c == ']') && --depth == 0) {
			return i + 1;
		}
	}
	return 0;
}

static size_t value_length(struct str s)
{
	if (s.n == 0)
		return 0;
	if (s.p[0] == '"')
		return string_length(s);
	if (s.p[0] == '{' || s.p[0] == '[')
		return nested_length(s);
	size_t n = 0;
	while (n < s.n && s.p[n] != ',' && s.p[n] != '}' && s.p[n] != ']' && s.p[n] > ' ')
		n++;
	return n;
}

static bool take_value(struct str *rest, struct str *value)
{
	*rest = skip_space(*rest);
	size_t n = value_length(*rest);
	*value = str_sub(*rest, 0, n);
	*rest = skip_space(str_from(*rest, n));
	return n > 0;
}

// Steps over what stands before the next item: the opening bracket or a comma.
static bool take_separator(struct str *rest, char open)
{
	*rest = skip_space(*rest);
	if (rest->n == 0 || (rest->p[0] != open && rest->p[0] != ','))
		return false;
	*rest = skip_space(str_from(*rest, 1));
	return rest->n > 0 && rest->p[0] != '}' && rest->p[0] != ']';
}

bool scan_member(struct str *rest, struct str *key, struct str *value)
{
	struct str quoted;
	if (!take_separator(rest, '{') || rest->p[0] != '"' || !take_value(rest, &quoted))
		return false;
	*key = str_sub(quoted, 1, quoted.n - 2);
	if (rest->n == 0 || rest->p[0] != ':')
		return false;
	*rest = str_from(*rest, 1);
	return take_value(rest, value);
}

bool scan_element(struct str *rest, struct str *value)
{
	return take_separator(rest, '[') && take_value(rest, value);
}

struct str scan_get(struct str object, const char *key)
{
	struct str wanted = str_of(key), name, value;
	while (scan_member(&object, &name, &value)) {
		if (str_eq(name, wanted))
			return value;
	}
	return STR_NONE;
}

struct str scan_get_str(struct str object, const char *key)
{
	struct str raw = scan_get(object, key);
	return raw.n >= 2 && raw.p[0] == '"' ? str_sub(raw, 1, raw.n - 2) : STR_NONE;
}
