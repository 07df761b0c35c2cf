// SPDX-License-Identifier: Apache-2.0
#include "server/authorize/authorize.h"

#include "api/selector.h"
#include "server/authorize/node.h"
#include "server/plain.h"
#include "server/state.h"

// Whoever may see one object may list and watch it alone. A selector that is broken is refused later.
static void narrow_by_fields(struct call *c, struct access *a)
{
	struct err ignored CLEAN_ERR = ERR_EMPTY;
	struct api_field_selector *fields;
	struct str text = query_get(&c->query, "fieldSelector");
	if (str_empty(text) || !c->route.resource || !(str_is(a->verb, "list") || str_is(a->verb, "watch")) ||
	    api_field_selector_parse(c->arena, c->route.resource, text, &fields, &ignored) < 0)
		return;
	if (str_empty(a->name))
		a->name = api_field_selector_value(fields, "metadata.name");
	a->on_node = api_field_selector_value(fields, "spec.nodeName");
}

struct access access_of_call(struct call *c)
{
	const struct route *r = &c->route;
	struct access a = {.user = &c->user,
			   .is_resource = r->is_resource,
			   .verb = r->verb,
			   .path = c->path,
			   .namespace = r->namespace,
			   .group = r->group,
			   .version = r->version,
			   .resource = r->plural,
			   .subresource = r->subresource,
			   .name = r->name};
	narrow_by_fields(c, &a);
	return a;
}

static bool is_all_powerful(const struct user *u)
{
	return user_in_group(u, "system:masters") || str_is(u->name, "system:kube-controller-manager") ||
	       str_is(u->name, "system:kube-scheduler");
}

static bool is_self_review(const struct access *a)
{
	if (!str_is(a->verb, "create"))
		return false;
	if (str_is(a->group, "authorization.k8s.io"))
		return str_is(a->resource, "selfsubjectaccessreviews") ||
		       str_is(a->resource, "selfsubjectrulesreviews");
	return str_is(a->group, "authentication.k8s.io") && str_is(a->resource, "selfsubjectreviews");
}

static bool is_discovery(struct str path)
{
	static const char *const trees[] = {"/api", "/apis", "/openapi", "/openid", "/.well-known"};
	for (size_t i = 0; i < ARRAY_LEN(trees); i++) {
		struct str tree = str_of(trees[i]);
		if (str_starts(path, tree) && (path.n == tree.n || path.p[tree.n] == '/'))
			return true;
	}
	return false;
}

static bool is_read(struct str verb)
{
	return str_is(verb, "get") || str_is(verb, "head");
}

bool access_allowed(struct server *s, const struct access *a)
{
	if (is_all_powerful(a->user))
		return true;
	bool known = user_in_group(a->user, "system:authenticated");
	if (!a->is_resource)
		return is_read(a->verb) && (plain_path_is_public(a->path) || (known && is_discovery(a->path)));
	if (!known)
		return false;
	struct str node;
	return is_self_review(a) || (node_of_user(a->user, &node) && node_may(s, a, node));
}

int access_check(struct call *c, const struct access *a, struct err *e)
{
	if (access_allowed(c->server, a))
		return 0;
	struct str who = a->user->name;
	if (!a->is_resource)
		return err_set(e, ERR_FORBIDDEN, "forbidden: User \"%.*s\" cannot %.*s path \"%.*s\"", STR_FMT(who),
			       STR_FMT(a->verb), STR_FMT(a->path));
	struct str resource = a->resource, where = STR(" at the cluster scope"), name = STR_NONE;
	if (!str_empty(a->subresource))
		resource = arena_fmt(c->arena, "%.*s/%.*s", STR_FMT(resource), STR_FMT(a->subresource));
	if (!str_empty(a->namespace) && !str_is(a->resource, "namespaces"))
		where = arena_fmt(c->arena, " in the namespace \"%.*s\"", STR_FMT(a->namespace));
	if (!str_empty(a->name))
		name = arena_fmt(c->arena, " \"%.*s\"", STR_FMT(a->name));
	return err_set(
		e, ERR_FORBIDDEN,
		"%.*s%s%.*s%.*s is forbidden: User \"%.*s\" cannot %.*s resource \"%.*s\" in API group \"%.*s\"%.*s",
		STR_FMT(a->resource), str_empty(a->group) ? "" : ".", STR_FMT(a->group), STR_FMT(name), STR_FMT(who),
		STR_FMT(a->verb), STR_FMT(resource), STR_FMT(a->group), STR_FMT(where));
}

// ---- rules, told

static struct json *strings(struct arena *a, const char *const *list)
{
	struct json *array = json_array(a);
	for (; *list; list++)
		json_push(array, json_string(a, str_of(*list)));
	return array;
}

static void add_rule(struct arena *a, struct json *rules, const char *verb, const char *group,
		     const char *const *resources)
{
	struct json *rule = json_push(rules, json_object(a));
	json_put(rule, "verbs", strings(a, (const char *const[]){verb, NULL}));
	json_put(rule, "apiGroups", strings(a, (const char *const[]){group, NULL}));
	json_put(rule, "resources", strings(a, resources));
}

static void add_paths(struct arena *a, struct json *rules, const char *verb, const char *const *paths)
{
	struct json *rule = json_push(rules, json_object(a));
	json_put(rule, "verbs", strings(a, (const char *const[]){verb, NULL}));
	json_put(rule, "nonResourceURLs", strings(a, paths));
}

void access_rules(struct arena *a, const struct user *u, struct json *resource_rules, struct json *path_rules)
{
	if (is_all_powerful(u)) {
		add_rule(a, resource_rules, "*", "*", (const char *const[]){"*", NULL});
		add_paths(a, path_rules, "*", (const char *const[]){"*", NULL});
	}
	if (user_in_group(u, "system:authenticated")) {
		add_rule(a, resource_rules, "create", "authorization.k8s.io",
			 (const char *const[]){"selfsubjectaccessreviews", "selfsubjectrulesreviews", NULL});
		add_rule(a, resource_rules, "create", "authentication.k8s.io",
			 (const char *const[]){"selfsubjectreviews", NULL});
		add_paths(a, path_rules, "get",
			  (const char *const[]){"/api", "/api/*", "/apis", "/apis/*", "/openapi", "/openapi/*", NULL});
	}
	add_paths(a, path_rules, "get",
		  (const char *const[]){"/healthz", "/livez", "/readyz", "/version", "/version/", NULL});
}
