// SPDX-License-Identifier: Apache-2.0
// A Service's cluster IP and node ports. Each is a key of its own (alloc/ip/10.96.1.2, alloc/port/30080) that is made
// and dropped in the transaction of its Service, so that two Services never hold the same one. Addresses that the
// client did not name are chosen at random; where such a choice loses a race it is made again.
#include "server/admission/admission.h"
#include "server/state.h"

enum { TRIES = 64 };

struct allocation {
	struct admission *a;
	struct arena *arena;
	struct server *server;
	struct json *spec;
	struct str owner; // "namespace/name"
};

// ---- keys

static struct str ip_key(struct arena *a, struct str ip)
{
	return arena_fmt(a, "alloc/ip/%.*s", STR_FMT(ip));
}

static struct str port_key(struct arena *a, int64_t port)
{
	return arena_fmt(a, "alloc/port/%lld", (long long)port);
}

static bool is_taken(struct allocation *w, struct str key)
{
	struct store_item item;
	for (size_t i = 0; i < w->a->ops->count; i++)
		if (w->a->ops->list[i].action == STORE_PUT && str_eq(w->a->ops->list[i].key, key))
			return true;
	return store_get(w->a->snapshot, key, &item);
}

static bool parse_ipv4(struct str text, uint32_t *out)
{
	uint32_t value = 0;
	struct str part;
	int parts = 0;
	while (str_next(&text, '.', &part)) {
		uint64_t n;
		if (++parts > 4 || part.n == 0 || part.n > 3 || str_to_u64(part, &n) < 0 || n > 255)
			return false;
		value = value << 8 | (uint32_t)n;
	}
	*out = value;
	return parts == 4;
}

static struct str format_ipv4(struct arena *a, uint32_t ip)
{
	return arena_fmt(a, "%u.%u.%u.%u", ip >> 24, ip >> 16 & 255, ip >> 8 & 255, ip & 255);
}

// ---- what a Service needs

static bool is_type(const struct json *spec, const char *type)
{
	return json_str_is(spec, "type", type);
}

static bool wants_ip(const struct json *spec)
{
	return !is_type(spec, "ExternalName");
}

static bool may_have_node_ports(const struct json *spec)
{
	return is_type(spec, "NodePort") || is_type(spec, "LoadBalancer");
}

// Ports that it does not name are chosen for it.
static bool wants_node_ports(const struct json *spec)
{
	struct json *said = json_get(spec, STR("allocateLoadBalancerNodePorts"));
	return may_have_node_ports(spec) &&
	       (is_type(spec, "NodePort") || !said || said->type != JSON_BOOL || said->boolean);
}

static bool wants_health_port(const struct json *spec)
{
	return is_type(spec, "LoadBalancer") && json_str_is(spec, "externalTrafficPolicy", "Local");
}

static bool is_own_ip(const struct json *old_spec, struct str ip)
{
	return str_eq(json_str(old_spec, "clusterIP"), ip);
}

static bool has_port(const struct json *spec, int64_t node_port)
{
	json_each(p, json_get(spec, STR("ports")))
		if (json_i64(p, "nodePort", 0) == node_port)
			return true;
	return false;
}

static bool is_own_port(const struct json *old_spec, int64_t port)
{
	return has_port(old_spec, port) || json_i64(old_spec, "healthCheckNodePort", 0) == port;
}

// ---- the cluster IP

static int refuse_ip(struct str ip, const char *why, struct err *e)
{
	err_cause(e, STR("spec.clusterIPs"), "FieldValueInvalid",
		  "Invalid value: [\"%.*s\"]: failed to allocate IP: %s", STR_FMT(ip), why);
	return -1;
}

static int choose_ip(struct allocation *w, struct str *out, struct err *e)
{
	const struct address_range *range = &w->server->services;
	uint32_t size = ~range->mask;
	for (int i = 0; i < TRIES; i++) {
		uint32_t host = 1 + (uint32_t)loop_random_below(w->a->call->loop, size - 1);
		*out = format_ipv4(w->arena, range->base + host);
		if (!is_taken(w, ip_key(w->arena, *out))) {
			w->a->ops->chosen_by_us = true;
			return 0;
		}
	}
	return refuse_ip(STR(""), "the range is full", e);
}

static int check_ip(struct allocation *w, struct str ip, struct err *e)
{
	const struct address_range *range = &w->server->services;
	uint32_t value;
	if (!parse_ipv4(ip, &value))
		return 0; // no address of ours: validation says what is wrong with it
	if ((value & range->mask) != range->base || value == range->base || value == (range->base | ~range->mask))
		return refuse_ip(ip, "the provided IP is not in the range of service addresses", e);
	if (is_taken(w, ip_key(w->arena, ip)))
		return refuse_ip(ip, "provided IP is already allocated", e);
	return 0;
}

static void set_ip(struct allocation *w, struct str ip)
{
	json_put_str(w->arena, w->spec, "clusterIP", ip);
	struct json *list = json_put(w->spec, "clusterIPs", json_array(w->arena));
	json_push(list, json_string(w->arena, ip));
}

// clusterIP decides; a list that says otherwise is left for validation to refuse.
static int allocate_ip(struct allocation *w, const struct json *old_spec, struct err *e)
{
	struct str ip = json_str(w->spec, "clusterIP");
	bool listed = json_first(json_get(w->spec, STR("clusterIPs"))) != NULL;
	uint32_t value;
	if (str_is(ip, "None") || (str_empty(ip) && listed) || (!str_empty(ip) && is_own_ip(old_spec, ip)))
		return 0;
	if (str_empty(ip)) {
		if (choose_ip(w, &ip, e) < 0)
			return -1;
		set_ip(w, ip);
	} else if (check_ip(w, ip, e) < 0) {
		return -1;
	}
	if (!parse_ipv4(ip, &value))
		return 0;
	return op_list_add(w->a->ops, STORE_PUT, ip_key(w->arena, ip), STORE_ABSENT, w->owner, e);
}

// ---- node ports

static void refuse_port(struct str field, int64_t port, const char *why, struct err *e)
{
	err_cause(e, field, "FieldValueInvalid", "Invalid value: %lld: %s", (long long)port, why);
}

static int choose_port(struct allocation *w, int64_t *out, struct err *e)
{
	int first = w->server->node_port_first, count = w->server->node_port_last - first + 1;
	for (int i = 0; i < TRIES; i++) {
		*out = first + (int64_t)loop_random_below(w->a->call->loop, (uint64_t)count);
		if (!is_taken(w, port_key(w->arena, *out))) {
			w->a->ops->chosen_by_us = true;
			return 0;
		}
	}
	return err_set(e, ERR_INTERNAL, "no node port is free");
}

// One port for the Service: a given one is checked, a missing one chosen. Ports that its own entries share are fine.
static int allocate_port(struct allocation *w, struct json *holder, const char *key, struct str field,
			 const struct json *old_spec, struct err *e)
{
	int64_t port = json_i64(holder, key, 0);
	if (port && is_own_port(old_spec, port))
		return 0;
	if (port && (port < w->server->node_port_first || port > w->server->node_port_last)) {
		refuse_port(field, port, "provided port is not in the valid range of node ports", e);
		return -1;
	}
	struct store_item item;
	if (port && store_get(w->a->snapshot, port_key(w->arena, port), &item)) {
		refuse_port(field, port, "provided port is already allocated", e);
		return -1;
	}
	if (port && is_taken(w, port_key(w->arena, port))) // by another port of this Service
		return 0;
	if (!port && choose_port(w, &port, e) < 0)
		return -1;
	json_put_int(w->arena, holder, key, port);
	return op_list_add(w->a->ops, STORE_PUT, port_key(w->arena, port), STORE_ABSENT, w->owner, e);
}

// The same port number for TCP and UDP gets the same node port.
static bool share_port(struct allocation *w, struct json *port)
{
	json_each(other, json_get(w->spec, STR("ports"))) {
		if (other == port)
			return false;
		if (json_i64(other, "port", 0) == json_i64(port, "port", 0) && json_i64(other, "nodePort", 0)) {
			json_put_int(w->arena, port, "nodePort", json_i64(other, "nodePort", 0));
			return true;
		}
	}
	return false;
}

// Entries of a new Service that name one node port are of one port, for several protocols.
static bool clashes(const struct allocation *w, const struct json *port)
{
	json_each(other, json_get(w->spec, STR("ports"))) {
		if (other == port)
			return false;
		if (json_i64(other, "nodePort", 0) == json_i64(port, "nodePort", 0) &&
		    json_i64(other, "port", 0) != json_i64(port, "port", 0))
			return true;
	}
	return false;
}

static int allocate_ports(struct allocation *w, const struct json *old_spec, struct err *e)
{
	int i = 0;
	json_each(port, json_get(w->spec, STR("ports"))) {
		struct str field = arena_fmt(w->arena, "spec.ports[%d].nodePort", i++);
		bool named = json_i64(port, "nodePort", 0) != 0;
		if (port->type != JSON_OBJECT || (!named && (!wants_node_ports(w->spec) || share_port(w, port))))
			continue;
		if (named && !old_spec && clashes(w, port)) {
			refuse_port(field, json_i64(port, "nodePort", 0), "the Service names it for another port", e);
			return -1;
		}
		if (allocate_port(w, port, "nodePort", field, old_spec, e) < 0)
			return -1;
	}
	return 0;
}

// Ports keep their node ports by name, whatever else changes of them.
static void carry_node_ports(struct allocation *w, const struct json *old_spec)
{
	json_each(port, json_get(w->spec, STR("ports")))
		json_each(before, json_get(old_spec, STR("ports"))) {
			int64_t kept = json_i64(before, "nodePort", 0);
			if (kept && !json_i64(port, "nodePort", 0) && !has_port(w->spec, kept) &&
			    str_eq(json_str(port, "name"), json_str(before, "name")))
				json_put_int(w->arena, port, "nodePort", kept);
		}
}

static void carry_ip(struct allocation *w, const struct json *old_spec)
{
	struct str ip = json_str(old_spec, "clusterIP");
	if (json_first(json_get(w->spec, STR("clusterIPs"))))
		json_put_str(w->arena, w->spec, "clusterIP", ip);
	else
		set_ip(w, ip);
}

// An update that leaves out what was allocated keeps it, as long as the Service is still of a kind that has it.
static void carry_over(struct allocation *w, const struct json *old_spec)
{
	if (wants_ip(w->spec) && wants_ip(old_spec) && str_empty(json_str(w->spec, "clusterIP")) &&
	    !str_empty(json_str(old_spec, "clusterIP")))
		carry_ip(w, old_spec);
	if (wants_node_ports(w->spec) && wants_node_ports(old_spec))
		carry_node_ports(w, old_spec);
	if (wants_health_port(w->spec) && !json_i64(w->spec, "healthCheckNodePort", 0) && wants_health_port(old_spec))
		json_put_int(w->arena, w->spec, "healthCheckNodePort", json_i64(old_spec, "healthCheckNodePort", 0));
}

// ---- letting go

static bool still_has_port(const struct json *spec, int64_t port)
{
	return spec && is_own_port(spec, port);
}

static int release_port(struct arena *a, const struct json *spec, int64_t port, struct op_list *ops, struct err *e)
{
	if (!port || still_has_port(spec, port))
		return 0;
	struct str key = port_key(a, port);
	for (size_t i = 0; i < ops->count; i++)
		if (str_eq(ops->list[i].key, key))
			return 0;
	return op_list_add(ops, STORE_DELETE, key, STORE_ANY, STR_NONE, e);
}

// Drops what `old_spec` holds and `spec` (NULL: nothing) no longer does.
static int release(struct arena *a, const struct json *old_spec, const struct json *spec, struct op_list *ops,
		   struct err *e)
{
	struct str ip = json_str(old_spec, "clusterIP");
	uint32_t value;
	if (parse_ipv4(ip, &value) && !str_eq(json_str(spec, "clusterIP"), ip) &&
	    op_list_add(ops, STORE_DELETE, ip_key(a, ip), STORE_ANY, STR_NONE, e) < 0)
		return -1;
	json_each(p, json_get(old_spec, STR("ports")))
		if (release_port(a, spec, json_i64(p, "nodePort", 0), ops, e) < 0)
			return -1;
	return release_port(a, spec, json_i64(old_spec, "healthCheckNodePort", 0), ops, e);
}

int service_addresses_release(const struct json *service, const struct json *now, struct arena *a, struct op_list *ops,
			      struct err *e)
{
	return release(a, json_at(service, "spec"), json_at(now, "spec"), ops, e);
}

// ---- the plugin

static bool is_known_type(const struct json *spec)
{
	return is_type(spec, "ClusterIP") || is_type(spec, "NodePort") || is_type(spec, "LoadBalancer") ||
	       is_type(spec, "ExternalName");
}

int admit_service_addresses(struct admission *a, struct err *e)
{
	struct json *spec = json_at(a->object, "spec");
	if (!str_is(a->resource->plural, "services") || !str_empty(a->subresource) ||
	    a->operation == OPERATION_DELETE || !spec || spec->type != JSON_OBJECT || !is_known_type(spec))
		return 0;
	struct arena *arena = a->call->arena;
	struct allocation w = {.a = a, .arena = arena, .server = a->call->server, .spec = spec};
	w.owner = arena_fmt(arena, "%.*s/%.*s", STR_FMT(a->namespace), STR_FMT(json_str(a->object, "metadata.name")));
	const struct json *old_spec = json_at(a->old, "spec");
	if (old_spec)
		carry_over(&w, old_spec);
	if (wants_ip(spec) && allocate_ip(&w, old_spec, e) < 0)
		return -1;
	if (may_have_node_ports(spec) && allocate_ports(&w, old_spec, e) < 0)
		return -1;
	if (wants_health_port(spec) &&
	    allocate_port(&w, spec, "healthCheckNodePort", STR("spec.healthCheckNodePort"), old_spec, e) < 0)
		return -1;
	return 0;
}
