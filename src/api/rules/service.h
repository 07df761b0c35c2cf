// SPDX-License-Identifier: Apache-2.0
// What the type and the policies of a Service's spec call for, and its families of addresses.
#ifndef API_RULES_SERVICE_H
#define API_RULES_SERVICE_H

#include "api/rules/rules.h"

static inline bool type_is(const struct json *spec, const char *type)
{
	return str_is(text_of(spec, "type"), type);
}

static inline bool needs_cluster_ip(const struct json *spec)
{
	return IS_ONE_OF(text_of(spec, "type"), "ClusterIP", "NodePort", "LoadBalancer");
}

static inline bool needs_node_ports(const struct json *spec)
{
	const struct json *allocate = field(spec, "allocateLoadBalancerNodePorts");
	return type_is(spec, "NodePort") || (type_is(spec, "LoadBalancer") && !(allocate && !allocate->boolean));
}

static inline bool needs_health_port(const struct json *spec)
{
	return type_is(spec, "LoadBalancer") && str_is(text_of(spec, "externalTrafficPolicy"), "Local");
}

static inline bool is_external(const struct json *spec)
{
	return IS_ONE_OF(text_of(spec, "type"), "NodePort", "LoadBalancer") ||
	       (type_is(spec, "ClusterIP") && is_set(spec, "externalIPs"));
}

// service_families.c: ipFamilyPolicy and ipFamilies. `old` is NULL for a new Service. What is wrong with them is told
// only of addresses that are good for themselves.
void service_settle_families(struct api_context *c, struct json *spec, const struct json *old);
void service_check_families(struct check *c, const struct json *spec);

#endif
