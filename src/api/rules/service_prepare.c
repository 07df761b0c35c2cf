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

static bool uses_node_port(const struct json *spec, const struct json *number)
{
	json_each(port, field(spec, "ports"))
		if (same(field(port, "nodePort"), number))
			return true;
	return false;
}

// Ports of the same name keep their node ports.
static void carry_node_ports(struct api_context *c, struct json *spec, const struct json *old)
{
	json_each(port, json_get(spec, STR("ports"))) {
		if (field(port, "nodePort"))
			continue;
		json_each(before, field(old, "ports")) {
			const struct json *number = field(before, "nodePort");
			if (number && str_eq(text_of(before, "name"), text_of(port, "name")) &&
			    !uses_node_port(spec, number)) {
				json_put(port, "nodePort", json_clone(c->arena, number));
				break;
			}
		}
	}
}

static bool same_node_ports(const struct json *spec, const struct json *old)
{
	json_each(port, field(spec, "ports"))
		if (field(port, "nodePort") && !uses_node_port(old, field(port, "nodePort")))
			return false;
	return true;
}

static void carry_allocated(struct api_context *c, struct json *spec, const struct json *old)
{
	if (needs_cluster_ip(old) && needs_cluster_ip(spec)) {
		carry(c->arena, spec, old, "clusterIP");
		if (str_eq(text_of(spec, "clusterIP"), text_of(old, "clusterIP")))
			carry(c->arena, spec, old, "clusterIPs");
		carry(c->arena, spec, old, "ipFamilies");
		carry(c->arena, spec, old, "ipFamilyPolicy");
	}
	if (needs_node_ports(old) && needs_node_ports(spec))
		carry_node_ports(c, spec, old);
	if (needs_health_port(old) && needs_health_port(spec))
		carry(c->arena, spec, old, "healthCheckNodePort");
}

static void drop_useless(struct json *spec, const struct json *old)
{
	if (needs_cluster_ip(old) && !needs_cluster_ip(spec)) {
		drop_if_same(spec, old, "clusterIP");
		drop_if_same(spec, old, "clusterIPs");
		drop_if_same(spec, old, "ipFamilies");
		drop_if_same(spec, old, "ipFamilyPolicy");
	}
	if (needs_node_ports(old) && !needs_node_ports(spec) && same_node_ports(spec, old))
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

void service_prepare_create(struct api_context *c, struct json *service)
{
	settle_cluster_ips(c, json_need_object(c->arena, service, "spec"), NULL);
}

void service_prepare_update(struct api_context *c, struct json *service, const struct json *old_service)
{
	struct json *spec = json_need_object(c->arena, service, "spec");
	const struct json *old = field(old_service, "spec");
	settle_cluster_ips(c, spec, old);
	carry_allocated(c, spec, old);
	drop_useless(spec, old);
}
