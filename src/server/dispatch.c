// SPDX-License-Identifier: Apache-2.0
#include "server/dispatch.h"

#include "server/authenticate/authenticate.h"
#include "server/authenticate/impersonate.h"
#include "server/authorize/authorize.h"
#include "server/plain.h"
#include "server/proxy/proxy.h"
#include "server/respond.h"
#include "server/review/review.h"
#include "server/subresource/subresource.h"
#include "server/verbs/verbs.h"
#include "server/websocket_front.h"
#include "server/worker.h"

typedef void handler_fn(struct call *c);

struct str call_header(const struct call *c, const char *name)
{
	return http_header(c->headers, name);
}

// ---- subresources that are more than a part of their object

static const struct {
	const char *resource, *name, *method; // resource NULL: any
	handler_fn *handle;
} subresources[] = {
	{NULL, "scale", "GET", scale_get},
	{NULL, "scale", "PUT", scale_update},
	{NULL, "scale", "PATCH", scale_patch},
	{"pods", "binding", "POST", binding_create},
	{"pods", "eviction", "POST", eviction_create},
	{"serviceaccounts", "token", "POST", token_create},
	{"namespaces", "finalize", "PUT", finalize_update},
	{"pods", "log", "GET", proxy_pod_log},
	{"pods", "exec", "GET", proxy_pod_exec},
	{"pods", "exec", "POST", proxy_pod_exec},
	{"pods", "attach", "GET", proxy_pod_attach},
	{"pods", "attach", "POST", proxy_pod_attach},
	{"pods", "portforward", "GET", proxy_pod_port_forward},
	{"pods", "portforward", "POST", proxy_pod_port_forward},
	{"pods", "proxy", NULL, proxy_pod},
	{"services", "proxy", NULL, proxy_service},
	{"nodes", "proxy", NULL, proxy_node},
};

// Sets *known when the subresource is in the table, whatever the method.
static handler_fn *special_subresource(const struct call *c, bool *known)
{
	for (size_t i = 0; i < ARRAY_LEN(subresources); i++) {
		if (!str_is(c->route.subresource, subresources[i].name) ||
		    (subresources[i].resource && !str_is(c->route.plural, subresources[i].resource)))
			continue;
		*known = true;
		if (!subresources[i].method || str_is(c->method, subresources[i].method))
			return subresources[i].handle;
	}
	return NULL;
}

static handler_fn *subresource_handler(const struct call *c)
{
	bool known = false;
	handler_fn *special = special_subresource(c, &known);
	if (known)
		return special;
	unsigned verbs = c->route.sub->verbs;
	if (str_is(c->method, "GET") && verbs & API_GET)
		return verb_get;
	if (str_is(c->method, "PUT") && verbs & API_UPDATE)
		return verb_update;
	if (str_is(c->method, "PATCH") && verbs & API_PATCH)
		return verb_patch;
	return NULL;
}

static handler_fn *object_handler(const struct call *c)
{
	unsigned verbs = c->route.resource->verbs;
	if (str_is(c->method, "GET") && c->route.watch)
		return verbs & API_WATCH ? verb_watch : NULL;
	if (str_is(c->method, "GET"))
		return verbs & API_GET ? verb_get : NULL;
	if (str_is(c->method, "PUT"))
		return verbs & API_UPDATE ? verb_update : NULL;
	if (str_is(c->method, "PATCH"))
		return verbs & API_PATCH ? verb_patch : NULL;
	if (str_is(c->method, "DELETE"))
		return verbs & API_DELETE ? verb_delete : NULL;
	return NULL;
}

static handler_fn *collection_handler(const struct call *c)
{
	const struct api_resource *r = c->route.resource;
	if (str_is(c->method, "GET") && c->route.watch)
		return r->verbs & API_WATCH ? verb_watch : NULL;
	if (str_is(c->method, "GET"))
		return r->verbs & API_LIST_VERB ? verb_list : NULL;
	if (r->namespaced && str_empty(c->route.namespace))
		return NULL;
	if (str_is(c->method, "POST") && r->verbs & API_CREATE)
		return r->ephemeral ? review_create : verb_create;
	if (str_is(c->method, "DELETE") && r->verbs & API_DELETE_COLLECTION)
		return verb_delete_collection;
	return NULL;
}

// ---- resources

static bool group_exists(struct str group)
{
	for (size_t i = 0; i < api_resource_count; i++)
		if (str_eq(api_resources[i].group, group))
			return true;
	return false;
}

// Whether the path can be one of the resource: namespaced things live in namespaces, others do not.
static bool path_fits(const struct route *r)
{
	bool own = str_is(r->plural, "namespaces") && str_empty(r->group);
	if (!r->resource->namespaced)
		return own || str_empty(r->namespace);
	return !str_empty(r->namespace) || str_empty(r->name);
}

static void warn_deprecated(struct call *c)
{
	const struct api_resource *r = c->route.resource;
	struct str version = api_version_text(c->arena, r);
	if (r->deprecated.n)
		api_warn(c->arena, c->warnings,
			 arena_fmt(c->arena, "%.*s %.*s is deprecated in %.*s", STR_FMT(version), STR_FMT(r->kind),
				   STR_FMT(r->deprecated)));
}

// What streams its answer may do so over a WebSocket; exec and its kin speak it themselves.
static int put_websocket_front(struct call *c, handler_fn *handle, struct err *e)
{
	if (handle == verb_watch)
		return websocket_front_put(c, WEBSOCKET_OF_EVENTS, e);
	if (handle == proxy_pod_log)
		return websocket_front_put(c, WEBSOCKET_OF_BYTES, e);
	return 0;
}

static void dispatch_resource(struct call *c)
{
	struct route *r = &c->route;
	if (!r->resource && !group_exists(r->group)) {
		respond_not_found_path(c);
		return;
	}
	if (!r->resource || !path_fits(r) || (!str_empty(r->subresource) && !r->sub)) {
		respond_no_resource(c);
		return;
	}
	warn_deprecated(c);
	handler_fn *handle;
	if (r->sub)
		handle = subresource_handler(c);
	else
		handle = str_empty(r->name) ? collection_handler(c) : object_handler(c);
	if (!handle) {
		respond_method_not_allowed(c);
		return;
	}
	struct err e CLEAN_ERR = ERR_EMPTY;
	bool raw = r->sub && !r->sub->type; // log, exec, proxy: what they answer is not ours to shape
	bool has_table = !r->resource->ephemeral && !(r->sub && str_is(r->sub->name, "token"));
	if ((!raw && negotiate_shape(call_header(c, "Accept"), has_table, &c->wanted, &e) < 0) ||
	    put_websocket_front(c, handle, &e) < 0) {
		respond_error(c, &e, NULL);
		return;
	}
	handle(c);
}

// ---- all calls

static int identify(struct call *c, struct err *e)
{
	if (authenticate(c, e) < 0)
		return -1;
	return impersonate(c, e);
}

void dispatch(struct call *c)
{
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct str path, query;
	str_cut(c->target, '?', &path, &query);
	c->path = path;
	c->warnings = json_array(c->arena);
	if (query_parse(c->arena, query, &c->query, &e) < 0 ||
	    route_parse(c->arena, c->method, c->path, &c->query, &c->route, &e) < 0 || identify(c, &e) < 0) {
		respond_error(c, &e, NULL);
		return;
	}
	struct access a = access_of_call(c);
	if (access_check(c, &a, &e) < 0) {
		struct status_details d = {
			.present = true, .name = c->route.name, .group = c->route.group, .kind = c->route.plural};
		respond_error(c, &e, &d);
		return;
	}
	if (c->route.is_resource)
		dispatch_resource(c);
	else
		plain_path(c);
}
