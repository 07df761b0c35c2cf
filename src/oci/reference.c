// SPDX-License-Identifier: Apache-2.0
#include "oci/reference.h"

#include "oci/digest.h"

enum { NAME_MAX_BYTES = 255, TAG_MAX_BYTES = 128 };

static bool is_lower(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
static bool is_alnum(char c) { return is_lower(c) || (c >= 'A' && c <= 'Z'); }

// [a-z0-9]+ joined by ".", "_", "__" or any number of "-".
static bool component_ok(struct str s)
{
	if (s.n == 0 || !is_lower(s.p[0]) || !is_lower(s.p[s.n - 1]))
		return false;
	for (size_t i = 0; i < s.n;) {
		if (is_lower(s.p[i])) {
			i++;
			continue;
		}
		char joint = s.p[i];
		size_t run = 0;
		while (i < s.n && s.p[i] == joint) {
			i++;
			run++;
		}
		bool ok = joint == '-' || (joint == '.' && run == 1) || (joint == '_' && run <= 2);
		if (!ok || !is_lower(s.p[i]))
			return false;
	}
	return true;
}

static bool path_ok(struct str path)
{
	struct str rest = path, part;
	if (str_empty(path) || path.p[path.n - 1] == '/')
		return false;
	while (str_next(&rest, '/', &part))
		if (!component_ok(part))
			return false;
	return true;
}

static bool tag_ok(struct str tag)
{
	if (tag.n == 0 || tag.n > TAG_MAX_BYTES || tag.p[0] == '.' || tag.p[0] == '-')
		return false;
	for (size_t i = 0; i < tag.n; i++)
		if (!is_alnum(tag.p[i]) && tag.p[i] != '_' && tag.p[i] != '.' && tag.p[i] != '-')
			return false;
	return true;
}

static bool port_ok(struct str port)
{
	uint64_t n;
	return str_to_u64(port, &n) == 0 && n <= 65535;
}

static bool domain_ok(struct str domain)
{
	struct str host = domain, port = STR_NONE;
	if (domain.n && domain.p[0] == '[') { // an IPv6 address
		ptrdiff_t end = str_find(domain, ']');
		if (end < 3)
			return false;
		host = str_sub(domain, 1, (size_t)end - 1);
		port = str_from(domain, (size_t)end + 1);
		for (size_t i = 0; i < host.n; i++)
			if (!strchr("0123456789abcdefABCDEF:.", host.p[i]))
				return false;
		return str_empty(port) || (port.p[0] == ':' && port_ok(str_from(port, 1)));
	}
	if (str_cut(domain, ':', &host, &port) && !port_ok(port))
		return false;
	struct str rest = host, label;
	if (str_empty(host) || host.p[host.n - 1] == '.')
		return false;
	while (str_next(&rest, '.', &label)) {
		if (label.n == 0 || !is_alnum(label.p[0]) || !is_alnum(label.p[label.n - 1]))
			return false;
		for (size_t i = 0; i < label.n; i++)
			if (!is_alnum(label.p[i]) && label.p[i] != '-')
				return false;
	}
	return true;
}

// The first component names a registry when it could not be a user of the default one.
static bool looks_like_domain(struct str first)
{
	if (str_is(first, "localhost") || str_find(first, '.') >= 0 || str_find(first, ':') >= 0)
		return true;
	for (size_t i = 0; i < first.n; i++)
		if (first.p[i] >= 'A' && first.p[i] <= 'Z')
			return true;
	return false;
}

static int bad(struct str text, const char *why, struct err *e)
{
	return err_set(e, ERR_BAD_REQUEST, "couldn't parse image name \"%.*s\": invalid reference format: %s",
		       STR_FMT(str_sub(text, 0, NAME_MAX_BYTES)), why);
}

int oci_reference_parse(struct arena *a, struct str text, struct oci_reference *out, struct err *e)
{
	struct str name = text, digest = STR_NONE, tag = STR_NONE;
	if (str_cut(text, '@', &name, &digest) && !oci_digest_parse(digest, NULL, NULL))
		return bad(text, "the digest is not sha256: and 64 hex digits", e);
	ptrdiff_t colon = str_find_last(name, ':');
	if (colon >= 0 && str_find(str_from(name, (size_t)colon), '/') < 0) {
		tag = str_from(name, (size_t)colon + 1);
		name = str_sub(name, 0, (size_t)colon);
		if (!tag_ok(tag))
			return bad(text, "the tag has characters that are not allowed", e);
	}
	struct str first, rest, domain = STR("docker.io"), path = name;
	if (str_cut(name, '/', &first, &rest) && looks_like_domain(first)) {
		domain = str_is(first, "index.docker.io") ? STR("docker.io") : first;
		path = rest;
	}
	if (!domain_ok(domain))
		return bad(text, "the registry is not a host name", e);
	if (!path_ok(path))
		return bad(text, "the repository must be lower-case words joined by '/', '.', '_' or '-'", e);
	if (str_is(domain, "docker.io") && str_find(path, '/') < 0)
		path = arena_fmt(a, "library/%.*s", STR_FMT(path));
	if (domain.n + 1 + path.n > NAME_MAX_BYTES)
		return bad(text, "it is longer than 255 characters", e);
	if (str_empty(tag) && str_empty(digest))
		tag = STR("latest");
	*out = (struct oci_reference){domain, path, tag, digest};
	return 0;
}

struct str oci_reference_tagged(struct arena *a, const struct oci_reference *r)
{
	return arena_fmt(a, "%.*s/%.*s:%.*s", STR_FMT(r->domain), STR_FMT(r->path), STR_FMT(r->tag));
}

struct str oci_reference_pinned(struct arena *a, const struct oci_reference *r)
{
	return arena_fmt(a, "%.*s/%.*s@%.*s", STR_FMT(r->domain), STR_FMT(r->path), STR_FMT(r->digest));
}
