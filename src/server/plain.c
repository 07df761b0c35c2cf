// SPDX-License-Identifier: Apache-2.0
#include "server/plain.h"

#include "server/respond.h"
#include "server/state.h"

static const struct {
	const char *path;
	bool below; // also what is below it
	bool is_public;
	void (*handle)(struct call *c);
} paths[] = {
	{"/livez", true, true, health_path},
	{"/readyz", true, true, health_path},
	{"/healthz", true, true, health_path},
	{"/version", true, true, version_path},
	{"/metrics", false, false, metrics_path},
	{"/api", true, false, documents_path},
	{"/apis", true, false, documents_path},
	{"/openapi", true, false, documents_path},
	{"/.well-known/openid-configuration", false, false, issuer_path},
	{"/openid/v1/jwks", false, false, issuer_path},
};

static int find(struct str path)
{
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		struct str p = str_of(paths[i].path);
		if (str_eq(path, p) || (paths[i].below && str_starts(path, p) && path.p[p.n] == '/'))
			return (int)i;
	}
	return -1;
}

bool plain_path_is_public(struct str path)
{
	int i = find(path);
	return i >= 0 && paths[i].is_public;
}

void plain_path(struct call *c)
{
	int i = find(c->path);
	if (i < 0)
		respond_not_found_path(c);
	else if (!str_is(c->method, "GET") && !str_is(c->method, "HEAD"))
		respond_method_not_allowed(c);
	else
		paths[i].handle(c);
}

static struct json *version_json(struct call *c)
{
	struct arena *a = c->arena;
	struct json *v = json_object(a);
	json_put_str(a, v, "major", STR("1"));
	json_put_str(a, v, "minor", STR("36"));
	json_put_str(a, v, "gitVersion", str_of(c->server->version));
	json_put_str(a, v, "gitCommit", STR(""));
	json_put_str(a, v, "gitTreeState", STR("clean"));
	json_put_str(a, v, "buildDate", STR("1970-01-01T00:00:00Z"));
	json_put_str(a, v, "goVersion", STR("none"));
	json_put_str(a, v, "compiler", STR(__VERSION__));
	json_put_str(a, v, "platform", str_of(c->server->platform));
	return v;
}

void version_path(struct call *c)
{
	respond_json(c, 200, version_json(c));
}
