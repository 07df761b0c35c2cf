// SPDX-License-Identifier: Apache-2.0
#include "server/route.h"

#include "base/encode.h"

enum { PARTS_MAX = 10 };

struct path {
	struct str parts[PARTS_MAX]; // decoded
	size_t count;
	struct str rest; // what did not fit or follows, encoded, with its leading '/'
};

static bool may_be_part(struct str s)
{
	if (str_is(s, ".") || str_is(s, ".."))
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] == '/' || (unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
			return false;
	return true;
}

// The last part so far is the subresource of a core resource: /api/v1/nodes/N/proxy,
// /api/v1/namespaces/NS/pods/N/proxy.
static bool is_proxy(const struct path *p)
{
	size_t at = p->count > 2 && str_is(p->parts[2], "namespaces") ? 6 : 4;
	return p->count == at + 1 && str_is(p->parts[0], "api") && str_is(p->parts[at], "proxy");
}

// Splits up to the part after a `proxy` subresource; that one's own path stays as it is.
static int split(struct arena *a, struct str text, struct path *p, struct err *e)
{
	while (text.n && text.p[0] == '/')
		text = str_from(text, 1);
	while (text.n && p->count < PARTS_MAX) {
		struct str part, tail;
		bool more = str_cut(text, '/', &part, &tail);
		struct str decoded;
		if (decode_url(a, part, false, &decoded) < 0)
			return err_set(e, ERR_BAD_REQUEST, "the path has a broken escape");
		if (!may_be_part(decoded))
			return err_set(e, ERR_BAD_REQUEST, "the path has a part that cannot be a name");
		p->parts[p->count++] = decoded;
		text = more ? tail : STR_NONE;
		if (is_proxy(p)) {
			p->rest = more ? (struct str){tail.p - 1, tail.n + 1} : STR_NONE;
			return 0;
		}
	}
	p->rest = text;
	return 0;
}

static struct str lower(struct arena *a, struct str s)
{
	char *out = arena_c(a, s);
	for (size_t i = 0; i < s.n; i++)
		if (out[i] >= 'A' && out[i] <= 'Z')
			out[i] += 'a' - 'A';
	return (struct str){out, s.n};
}

static struct str verb_of(const struct route *r, struct str method)
{
	bool named = !str_empty(r->name);
	if (str_is(method, "POST"))
		return STR("create");
	if (str_is(method, "PUT"))
		return STR("update");
	if (str_is(method, "PATCH"))
		return STR("patch");
	if (str_is(method, "DELETE"))
		return named ? STR("delete") : STR("deletecollection");
	if (!str_is(method, "GET") && !str_is(method, "HEAD"))
		return STR("");
	if (r->watch)
		return STR("watch");
	return named ? STR("get") : STR("list");
}

// parts[at...] after the version.
static void resource_parts(const struct path *p, size_t at, struct route *r)
{
	if (at < p->count && str_is(p->parts[at], "watch")) {
		r->watch = true;
		at++;
	}
	if (at < p->count && str_is(p->parts[at], "namespaces") && at + 2 < p->count &&
	    !str_is(p->parts[at + 2], "status") && !str_is(p->parts[at + 2], "finalize")) {
		r->namespace = p->parts[at + 1];
		at += 2;
	}
	if (at < p->count)
		r->plural = p->parts[at++];
	if (at < p->count)
		r->name = p->parts[at++];
	if (at < p->count)
		r->subresource = p->parts[at++];
	if (at < p->count) // deeper than any resource
		r->subresource = STR("?");
	if (str_is(r->plural, "namespaces") && str_empty(r->namespace))
		r->namespace = r->name;
}

int route_parse(struct arena *a, struct str method, struct str path, const struct query *q, struct route *out,
		struct err *e)
{
	*out = (struct route){0};
	struct path p = {0};
	if (split(a, path, &p, e) < 0)
		return -1;
	out->rest = p.rest;
	size_t at = 0;
	if (p.count >= 3 && str_is(p.parts[0], "api")) {
		out->version = p.parts[1];
		at = 2;
	} else if (p.count >= 4 && str_is(p.parts[0], "apis")) {
		out->group = p.parts[1];
		out->version = p.parts[2];
		at = 3;
	} else {
		out->verb = lower(a, method);
		return 0;
	}
	out->is_resource = true;
	resource_parts(&p, at, out);
	// A field selector by name makes a list of one; for the rights it is still a list.
	if (str_empty(out->subresource) && str_is(method, "GET") && query_is_true(q, "watch"))
		out->watch = true;
	out->verb = verb_of(out, method);
	out->resource = api_resource_find(out->group, out->version, out->plural);
	if (out->resource && !str_empty(out->subresource))
		out->sub = api_subresource_find(out->resource, out->subresource);
	return 0;
}
