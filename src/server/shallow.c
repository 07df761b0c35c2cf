// SPDX-License-Identifier: Apache-2.0
#include "server/shallow.h"

static size_t string_end(struct str s, size_t at) // at: the opening quote; returns what follows the closing one
{
	for (at++; at < s.n && s.p[at] != '"'; at++)
		if (s.p[at] == '\\')
			at++;
	return at + 1;
}

static size_t value_end(struct str s, size_t at)
{
	int depth = 0;
	while (at < s.n) {
		char ch = s.p[at];
		if (ch == '"') {
			at = string_end(s, at);
			if (depth == 0)
				return at;
			continue;
		}
		if (ch == '{' || ch == '[')
			depth++;
		else if ((ch == '}' || ch == ']') && depth == 0)
			return at;
		else if ((ch == '}' || ch == ']') && --depth == 0)
			return at + 1;
		else if (ch == ',' && depth == 0)
			return at;
		at++;
	}
	return s.n;
}

bool shallow_get(struct str s, const char *key, struct str *value)
{
	size_t n = strlen(key), at = 1;
	while (at < s.n && s.p[at] == '"') {
		size_t end = string_end(s, at);
		if (end >= s.n)
			break;
		struct str name = str_sub(s, at + 1, end - at - 2);
		size_t stop = value_end(s, end + 1);
		if (name.n == n && memcmp(name.p, key, n) == 0) {
			*value = str_sub(s, end + 1, stop - end - 1);
			return true;
		}
		at = stop + 1;
	}
	return false;
}

struct str shallow_revision(struct str object)
{
	struct str metadata, revision;
	if (!shallow_get(object, "metadata", &metadata) || !shallow_get(metadata, "resourceVersion", &revision) ||
	    revision.n < 2)
		return STR_NONE;
	return str_sub(revision, 1, revision.n - 2);
}

static size_t skip_member(struct str s, size_t at, struct str key)
{
	if (at + key.n + 1 >= s.n || s.p[at] != '"' || memcmp(s.p + at + 1, key.p, key.n) != 0 ||
	    s.p[at + 1 + key.n] != '"')
		return at;
	at = value_end(s, at + key.n + 3);
	return at < s.n && s.p[at] == ',' ? at + 1 : at;
}

size_t shallow_after_kind(struct str object)
{
	size_t at = skip_member(object, 1, STR("apiVersion"));
	return skip_member(object, skip_member(object, at, STR("kind")), STR("apiVersion"));
}
