// SPDX-License-Identifier: Apache-2.0
// When an image is pulled, from its name: [domain[:port]/]path[:tag][@algorithm:hex]. What cannot be read as a name
// counts as one that stays the same, as Kubernetes has it.
#include "api/defaults/defaults.h"

enum { NAME_MAX = 255, TAG_MAX = 128, DIGEST_HEX_MIN = 32 };

static bool is_lower_or_digit(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_letter_or_digit(char c)
{
	return is_lower_or_digit(c) || (c >= 'A' && c <= 'Z');
}

static bool all(struct str s, const char *allowed)
{
	for (size_t i = 0; i < s.n; i++)
		if (!s.p[i] || !strchr(allowed, s.p[i]))
			return false;
	return s.n > 0;
}

// Runs of lower case letters and digits, parted by one '.', one or two '_', or any number of '-'.
static bool is_component(struct str s)
{
	size_t i = 0;
	if (s.n == 0 || !is_lower_or_digit(s.p[s.n - 1]))
		return false;
	while (i < s.n) {
		if (!is_lower_or_digit(s.p[i]))
			return false;
		while (i < s.n && is_lower_or_digit(s.p[i]))
			i++;
		size_t from = i;
		while (i < s.n && strchr("._-", s.p[i]) && s.p[i] && s.p[i] == s.p[from])
			i++;
		if (i < s.n && ((s.p[from] == '.' && i - from > 1) || (s.p[from] == '_' && i - from > 2)))
			return false;
	}
	return true;
}

static bool is_domain(struct str s)
{
	struct str host, port, label;
	if (str_cut(s, ':', &host, &port) && !all(port, "0123456789"))
		return false;
	while (str_next(&host, '.', &label)) {
		if (label.n == 0 || !is_letter_or_digit(label.p[0]) || !is_letter_or_digit(label.p[label.n - 1]))
			return false;
		for (size_t i = 0; i < label.n; i++)
			if (!is_letter_or_digit(label.p[i]) && label.p[i] != '-')
				return false;
	}
	return true;
}

// The first part is a domain when it looks like one; short names belong to the usual registry, in "library".
static bool is_name(struct str name)
{
	struct str first, rest, component;
	bool slash = str_cut(name, '/', &first, &rest), hex = name.n == 64 && all(name, "0123456789abcdef");
	bool has_domain =
		slash && (str_find(first, '.') >= 0 || str_find(first, ':') >= 0 || str_is(first, "localhost"));
	size_t implied = has_domain ? 0 : slash ? sizeof "docker.io" : sizeof "docker.io/library";
	if (hex || name.n == 0 || name.n + implied > NAME_MAX || name.p[name.n - 1] == '/')
		return false;
	if (has_domain && !is_domain(first))
		return false;
	rest = has_domain ? rest : name;
	while (str_next(&rest, '/', &component))
		if (!is_component(component))
			return false;
	return true;
}

static bool is_tag(struct str tag)
{
	for (size_t i = 0; i < tag.n; i++)
		if (!is_letter_or_digit(tag.p[i]) && tag.p[i] != '_' &&
		    (i == 0 || (tag.p[i] != '.' && tag.p[i] != '-')))
			return false;
	return tag.n > 0 && tag.n <= TAG_MAX;
}

static bool is_digest(struct str digest)
{
	struct str algorithm, hex;
	return str_cut(digest, ':', &algorithm, &hex) && algorithm.n && is_letter_or_digit(algorithm.p[0]) &&
	       hex.n >= DIGEST_HEX_MIN && all(hex, "0123456789abcdefABCDEF");
}

// Whether the name means the newest image: the tag is latest, or there is neither tag nor digest.
static bool is_latest(struct str image)
{
	struct str name, digest, tag = STR_NONE;
	bool has_digest = str_cut(image, '@', &name, &digest);
	ptrdiff_t colon = str_find_last(name, ':'), slash = str_find_last(name, '/');
	bool has_tag = colon > slash;
	if (has_tag) {
		tag = str_from(name, (size_t)colon + 1);
		name = str_sub(name, 0, (size_t)colon);
	}
	if (!is_name(name) || (has_tag && !is_tag(tag)) || (has_digest && !is_digest(digest)))
		return false;
	return has_tag ? str_is(tag, "latest") : !has_digest;
}

void api_defaults_pull_policy(struct arena *a, struct json *object, const char *key, struct str image)
{
	if (!json_get(object, str_of(key)))
		json_put_str(a, object, key, is_latest(image) ? STR("Always") : STR("IfNotPresent"));
}
