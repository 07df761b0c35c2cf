// SPDX-License-Identifier: Apache-2.0
// Plain HTTP through the server: nodes/NAME/proxy/..., pods/[http:]NAME[:PORT]/proxy/...,
// services/[http:]NAME[:PORT]/proxy/.... What follows `proxy` and the query go on as they are.
#include "server/proxy/node_address.h"
#include "server/proxy/node_clients.h"
#include "server/proxy/proxy.h"
#include "server/proxy/relay.h"
#include "server/respond.h"
#include "server/verbs/verbs.h"
#include "server/worker.h"

static struct str rest_of(struct call *c)
{
	struct str path, query, rest = str_empty(c->route.rest) ? STR("/") : c->route.rest;
	if (!str_cut(c->target, '?', &path, &query))
		return rest;
	return arena_fmt(c->arena, "%.*s?%.*s", STR_FMT(rest), STR_FMT(query));
}

static void pass_on(struct call *c, struct str host, struct str port, struct str node)
{
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct http_client *client = node_client(c->worker->nodes, host, port, node, &e);
	if (client)
		relay_call(c, client, rest_of(c));
	else
		respond_error(c, &e, NULL);
}

void proxy_node(struct call *c)
{
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct node_address address;
	struct store_snapshot *s = store_snapshot(c->server->store);
	int ok = node_address_find(c, s, c->route.name, &address, &e);
	store_snapshot_release(s);
	if (ok < 0)
		respond_failure(c, &e, c->route.name);
	else
		pass_on(c, address.host, address.port, c->route.name);
}

// ---- pods and services

struct aim {
	struct str scheme, name, port; // of the path: [scheme:]name[:port]
};

static int parse_aim(struct str text, struct aim *out, struct err *e)
{
	struct str first, rest, second, third;
	*out = (struct aim){.scheme = STR("http")};
	if (!str_cut(text, ':', &first, &rest)) {
		out->name = first;
		return 0;
	}
	if (str_cut(rest, ':', &second, &third)) {
		*out = (struct aim){first, second, third};
		if (str_empty(first))
			out->scheme = STR("http");
	} else {
		out->name = first;
		out->port = second;
	}
	if (!str_is(out->scheme, "http"))
		return err_set(e, ERR_BAD_REQUEST, "only http can be proxied to pods and services, not %.*s",
			       STR_FMT(out->scheme));
	return 0;
}

static int find_pod(struct call *c, struct store_snapshot *s, const struct aim *aim, struct str *host, struct str *port,
		    struct err *e)
{
	struct store_item item;
	if (!store_get(s, object_key(c->arena, c->route.resource, c->route.namespace, aim->name), &item))
		return status_not_found(e, c->route.resource, aim->name);
	struct json *pod = object_parse(c->arena, item.value);
	int64_t declared = json_i64(pod, "spec.containers.0.ports.0.containerPort", 80);
	*host = arena_str(c->arena, json_str(pod, "status.podIP"));
	*port = str_empty(aim->port) ? arena_fmt(c->arena, "%lld", (long long)declared) : aim->port;
	json_each(container, json_at(pod, "spec.containers"))
		json_each(p, json_get(container, STR("ports")))
			if (str_eq(json_str(p, "name"), aim->port))
				*port = arena_fmt(c->arena, "%lld", (long long)json_i64(p, "containerPort", 0));
	if (str_empty(*host))
		return err_set(e, ERR_BAD_REQUEST, "address not allowed: the pod has none");
	return 0;
}

struct search {
	struct call *call;
	struct str service, port; // the port's name in the slices
	struct str host, number;
	size_t seen;
};

static bool look_at_slice(void *arg, const struct store_item *item)
{
	struct search *s = arg;
	struct json *slice = object_parse(s->call->arena, item->value);
	struct json *label = json_get(json_at(slice, "metadata.labels"), STR("kubernetes.io/service-name"));
	if (!label || !str_eq(label->text, s->service))
		return true;
	int64_t number = 0;
	json_each(p, json_get(slice, STR("ports")))
		if (str_eq(json_str(p, "name"), s->port))
			number = json_i64(p, "port", 0);
	json_each(endpoint, json_get(slice, STR("endpoints"))) {
		struct json *ready = json_at(endpoint, "conditions.ready");
		if (!number || (ready && !ready->boolean))
			continue;
		s->seen++;
		if (loop_random_below(s->call->loop, s->seen) != 0) // each is as likely as the others
			continue;
		s->host = arena_str(s->call->arena, json_str(endpoint, "addresses.0"));
		s->number = arena_fmt(s->call->arena, "%lld", (long long)number);
	}
	return true;
}

static int find_service(struct call *c, struct store_snapshot *s, const struct aim *aim, struct str *host,
			struct str *port, struct err *e)
{
	struct store_item item;
	if (!store_get(s, object_key(c->arena, c->route.resource, c->route.namespace, aim->name), &item))
		return status_not_found(e, c->route.resource, aim->name);
	struct json *service = object_parse(c->arena, item.value), *ports = json_at(service, "spec.ports"),
		    *chosen = NULL;
	json_each(p, ports) {
		struct str number = arena_fmt(c->arena, "%lld", (long long)json_i64(p, "port", 0));
		if (!chosen &&
		    (str_empty(aim->port) || str_eq(aim->port, json_str(p, "name")) || str_eq(aim->port, number)))
			chosen = p;
	}
	const struct api_resource *slices = api_resource_find(STR("discovery.k8s.io"), STR("v1"),
							      STR("endpointslices"));
	struct search search = {.call = c, .service = aim->name, .port = json_str(chosen, "name")};
	if (chosen && slices)
		store_scan(s, collection_prefix(c->arena, slices, c->route.namespace), STR_NONE, look_at_slice,
			   &search);
	if (str_empty(search.host))
		return err_set(e, ERR_UNAVAILABLE, "no endpoints available for service \"%.*s\"", STR_FMT(aim->name));
	*host = search.host;
	*port = search.number;
	return 0;
}

static void proxy_to(struct call *c, int (*find)(struct call *, struct store_snapshot *, const struct aim *,
						 struct str *, struct str *, struct err *))
{
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct str host, port;
	struct aim aim;
	struct store_snapshot *s = store_snapshot(c->server->store);
	int ok = parse_aim(c->route.name, &aim, &e);
	if (ok == 0)
		ok = find(c, s, &aim, &host, &port, &e);
	store_snapshot_release(s);
	if (ok < 0)
		respond_failure(c, &e, c->route.name);
	else
		pass_on(c, host, port, STR(""));
}

void proxy_pod(struct call *c)
{
	proxy_to(c, find_pod);
}

void proxy_service(struct call *c)
{
	proxy_to(c, find_service);
}
