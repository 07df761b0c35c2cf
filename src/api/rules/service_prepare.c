// SPDX-License-Identifier: Apache-2.0
// What becomes of a Service's spec before it is checked: values that were allocated are carried over to an update that
// leaves them out, and fields that the new type has no use for are dropped, unless the update itself changes them.
#include "api/rules/service.h"

static void carry(struct arena *a, struct json *spec, const struct json *old, const char *name)
{
	const struct json *value = field(old, name);
	if (value && !is_set(spec, name))
		json_put(spec, name, json_clone(a, value));
}

static void drop_if_same(struct json *spec, const struct json *old, const char *name)
{
	if (field(spec, name) && same_field(spec, old, name))
		json_remove(spec, str_of(name));
}

static void set_cluster_ips(struct api_context *c, struct json *spec)
{
	json_push(json_put(spec, "clusterIPs", json_array(c->arena)),
		  json_string(c->arena, text_of(spec, "clusterIP")));
}

// clusterIP is the first of clusterIPs: where only one of them was written, it decides.
static void settle_cluster_ips(struct api_context *c, struct json *spec, const struct json *old)
{
	struct str ip = text_of(spec, "clusterIP");
	bool list_given = is_set(spec, "clusterIPs") && !(old && same_field(spec, old, "clusterIPs"));
	if (list_given || str_eq(ip, text_of(old, "clusterIP")))
		return;
	if (ip.n)
		set_cluster_ips(c, spec);
	else
		json_remove(spec, STR("clusterIPs"));
}

static struct str port_text(struct api_context *c, const struct json *port)
{
	return arena_fmt(c->arena, "%lld", (long long)json_i64(port, "nodePort", 0));
}

static void node_ports_of(struct api_context *c, struct seen *ports, const struct json *spec)
{
	json_each(port, field(spec, "ports"))
		if (field(port, "nodePort"))
			seen_add(ports, port_text(c, port));
}

// Ports of the same name keep their node ports.
static void carry_node_ports(struct api_context *c, struct json *spec, const struct json *old)
{
	struct seen used CLEAN_SEEN;
	struct index before CLEAN_INDEX;
	seen_init(&used);
	node_ports_of(c, &used, spec);
	index_init(&before, field(old, "ports"), "name");
	json_each(port, json_get(spec, STR("ports"))) {
		const struct json *kept = field(port, "nodePort") ? NULL : index_get(&before, text_of(port, "name"));
		if (field(kept, "nodePort") && !seen_add(&used, port_text(c, kept)))
			json_put(port, "nodePort", json_clone(c->arena, field(kept, "nodePort")));
	}
}

static bool same_node_ports(struct api_context *c, const struct json *spec, const struct json *old)
{
	struct seen before CLEAN_SEEN;
	seen_init(&before);
	node_ports_of(c, &before, old);
	json_each(port, field(spec, "ports"))
		if (field(port, "nodePort") && !seen_has(&before, port_text(c, port)))
			return false;
	return true;
}

static void carry_allocated(struct api_context *c, struct json *spec, const struct json *old)
{
	if (needs_cluster_ip(old) && needs_cluster_ip(spec)) {
		carry(c->arena, spec, old, "clusterIP");
		if (str_eq(text_of(spec, "clusterIP"), text_of(old, "clusterIP")))
			carry(c->arena, spec, old, "clusterIPs");
	}
	if (needs_node_ports(old) && needs_node_ports(spec))
		carry_node_ports(c, spec, old);
	if (needs_health_port(old) && needs_health_port(spec))
		carry(c->arena, spec, old, "healthCheckNodePort");
}

static void drop_useless(struct api_context *c, struct json *spec, const struct json *old)
{
	if (needs_cluster_ip(old) && !needs_cluster_ip(spec)) {
		drop_if_same(spec, old, "clusterIP");
		drop_if_same(spec, old, "clusterIPs");
		drop_if_same(spec, old, "ipFamilies");
		drop_if_same(spec, old, "ipFamilyPolicy");
	}
	if (needs_node_ports(old) && !needs_node_ports(spec) && same_node_ports(c, spec, old))
		json_each(port, json_get(spec, STR("ports")))
			json_remove(port, STR("nodePort"));
	if (needs_health_port(old) && !needs_health_port(spec))
		drop_if_same(spec, old, "healthCheckNodePort");
	if (type_is(old, "LoadBalancer") && !type_is(spec, "LoadBalancer")) {
		drop_if_same(spec, old, "allocateLoadBalancerNodePorts");
		drop_if_same(spec, old, "loadBalancerClass");
	}
	if (is_external(old) && !is_external(spec))
		drop_if_same(spec, old, "externalTrafficPolicy");
	if (needs_cluster_ip(old) && type_is(spec, "ExternalName"))
		drop_if_same(spec, old, "internalTrafficPolicy");
	if (str_is(text_of(old, "sessionAffinity"), "ClientIP") &&
	    !str_is(text_of(spec, "sessionAffinity"), "ClientIP"))
		drop_if_same(spec, old, "sessionAffinityConfig");
}

void rules_service_prepare_create(struct api_context *c, struct json *service)
{
	struct json *spec = json_need_object(c->arena, service, "spec");
	settle_cluster_ips(c, spec, NULL);
	service_settle_families(c, spec, NULL);
}

void rules_service_prepare_update(struct api_context *c, struct json *service, const struct json *old_service)
{
	struct json *spec = json_need_object(c->arena, service, "spec");
	const struct json *old = field(old_service, "spec");
	settle_cluster_ips(c, spec, old);
	carry_allocated(c, spec, old);
	service_settle_families(c, spec, old);
	drop_useless(c, spec, old);
}
