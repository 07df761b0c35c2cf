// SPDX-License-Identifier: Apache-2.0
#include "server/proxy/aim.h"

#include "server/proxy/node_address.h"
#include "server/respond.h"
#include "server/verbs/verbs.h"
#include "server/worker.h"

struct aim {
	bool https;
	struct str name, port; // port: a number, a name, or empty
};

static int parse_aim(struct str text, struct aim *out, struct err *e)
{
	struct str part[3], rest = text;
	size_t n = 0;
	while (n < ARRAY_LEN(part) && str_next(&rest, ':', &part[n]))
		n++;
	struct str scheme = n == 3 ? part[0] : STR("");
	*out = (struct aim){str_is(scheme, "https"), n == 3 ? part[1] : part[0], n == 1 ? STR("") : part[n - 1]};
	bool known = str_empty(scheme) || str_is(scheme, "http") || out->https;
	if (n == 0 || rest.p || str_empty(out->name) || !known)
		return err_set(e, ERR_BAD_REQUEST,
			       "\"%.*s\" can't be proxied to: it must be NAME, NAME:PORT or http(s):NAME:PORT",
			       STR_FMT(text));
	return 0;
}

static struct str port_text(struct call *c, int64_t port)
{
	return arena_fmt(c->arena, "%lld", (long long)port);
}

static bool is_port(struct str text)
{
	int64_t number;
	return str_to_i64(text, &number) == 0 && number > 0 && number < 65536;
}

// The pod or service that the route names; NULL and an error where there is none.
static const struct json *find_object(struct call *c, struct store_snapshot *s, struct aim *aim, struct err *e)
{
	struct store_item item;
	if (parse_aim(c->route.name, aim, e) < 0)
		return NULL;
	if (store_get(s, object_key(c->arena, c->route.resource, c->route.namespace, aim->name), &item))
		return object_parse(c->arena, item.value);
	status_not_found(e, c->route.resource, aim->name);
	return NULL;
}

// ---- nodes

int aim_at_node(struct call *c, struct store_snapshot *s, struct destination *out, struct err *e)
{
	struct node_address address;
	struct aim aim;
	if (parse_aim(c->route.name, &aim, e) < 0 || node_address_find(c, s, aim.name, &address, e) < 0)
		return -1;
	if (str_empty(aim.port) || str_eq(aim.port, address.port))
		*out = (struct destination){.host = address.host, .port = address.port, .node = aim.name};
	else if (is_port(aim.port))
		*out = (struct destination){.host = address.host, .port = aim.port, .https = aim.https};
	else
		return err_set(e, ERR_BAD_REQUEST, "\"%.*s\" is no port", STR_FMT(aim.port));
	return 0;
}

// ---- pods

static int64_t declared_port(const struct json *pod, struct str name)
{
	json_each(container, json_at(pod, "spec.containers"))
		json_each(p, json_get(container, STR("ports")))
			if (str_empty(name) || str_eq(json_str(p, "name"), name))
				return json_i64(p, "containerPort", 0);
	return 0;
}

int aim_at_pod(struct call *c, struct store_snapshot *s, struct destination *out, struct err *e)
{
	struct aim aim;
	const struct json *pod = find_object(c, s, &aim, e);
	if (!pod)
		return -1;
	int64_t declared = declared_port(pod, aim.port), by_default = aim.https ? 443 : 80;
	*out = (struct destination){.host = arena_str(c->arena, json_str(pod, "status.podIP")), .https = aim.https};
	if (is_port(aim.port))
		out->port = aim.port;
	else if (declared || str_empty(aim.port))
		out->port = port_text(c, declared ? declared : by_default);
	else
		return err_set(e, ERR_BAD_REQUEST, "the pod has no port \"%.*s\"", STR_FMT(aim.port));
	if (str_empty(out->host))
		return err_set(e, ERR_BAD_REQUEST, "address not allowed: the pod has none");
	return 0;
}

// ---- services

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
		s->number = port_text(s->call, number);
	}
	return true;
}

// The port of the service that is meant: by its number, its name, or the one that has no name.
static const struct json *service_port(struct call *c, const struct json *service, struct str wanted)
{
	json_each(p, json_at(service, "spec.ports"))
		if (str_eq(wanted, json_str(p, "name")) || str_eq(wanted, port_text(c, json_i64(p, "port", 0))))
			return p;
	const struct json *ports = json_at(service, "spec.ports");
	return str_empty(wanted) && ports && ports->count ? ports->first : NULL;
}

int aim_at_service(struct call *c, struct store_snapshot *s, struct destination *out, struct err *e)
{
	struct aim aim;
	const struct json *service = find_object(c, s, &aim, e);
	if (!service)
		return -1;
	const struct json *port = service_port(c, service, aim.port);
	if (!port && !str_empty(aim.port))
		return err_set(e, ERR_UNAVAILABLE, "no service port \"%.*s\" found for service \"%.*s\"",
			       STR_FMT(aim.port), STR_FMT(aim.name));
	const struct api_resource *slices = api_resource_find(STR("discovery.k8s.io"), STR("v1"),
							      STR("endpointslices"));
	struct search search = {.call = c, .service = aim.name, .port = json_str(port, "name")};
	if (port && slices)
		store_scan(s, collection_prefix(c->arena, slices, c->route.namespace), STR_NONE, look_at_slice,
			   &search);
	if (str_empty(search.host))
		return err_set(e, ERR_UNAVAILABLE, "no endpoints available for service \"%.*s\"", STR_FMT(aim.name));
	*out = (struct destination){.host = search.host, .port = search.number, .https = aim.https};
	return 0;
}
