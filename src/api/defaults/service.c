// SPDX-License-Identifier: Apache-2.0
#include "api/defaults/defaults.h"

enum { AFFINITY_SECONDS = 10800 };

static void put_absent(struct json *object, const char *key, struct json *value)
{
	if (!json_get(object, str_of(key)))
		json_put(object, key, value);
}

static void default_affinity(struct arena *a, struct json *spec)
{
	if (json_str_is(spec, "sessionAffinity", "None"))
		json_remove(spec, STR("sessionAffinityConfig"));
	if (!json_str_is(spec, "sessionAffinity", "ClientIP"))
		return;
	struct json *client = json_need_object(a, spec, "sessionAffinityConfig.clientIP");
	put_absent(client, "timeoutSeconds", json_int(a, AFFINITY_SECONDS));
}

static void default_target_ports(struct arena *a, struct json *spec)
{
	json_each(port, json_get(spec, STR("ports"))) {
		const struct json *target = json_get(port, STR("targetPort"));
		bool unset = !target || (target->type == JSON_INT && target->integer == 0) ||
			     (target->type == JSON_STRING && target->text.n == 0);
		if (unset)
			json_put_int(a, port, "targetPort", json_i64(port, "port", 0));
	}
}

// Balancers that give an address rather than a name are reached at that address.
static void default_ingress(struct arena *a, struct json *service)
{
	json_each(ingress, json_at(service, "status.loadBalancer.ingress"))
		if (json_str(ingress, "ip").n)
			put_absent(ingress, "ipMode", json_string(a, STR("VIP")));
}

void api_defaults_service(struct arena *a, struct json *service)
{
	struct json *spec = json_get(service, STR("spec"));
	struct str type = json_str(spec, "type");
	bool balancer = str_is(type, "LoadBalancer"), node_port = balancer || str_is(type, "NodePort");
	bool cluster = node_port || str_is(type, "ClusterIP");
	const struct json *external = json_get(spec, STR("externalIPs"));
	default_affinity(a, spec);
	default_target_ports(a, spec);
	if (node_port || (cluster && external && external->count))
		put_absent(spec, "externalTrafficPolicy", json_string(a, STR("Cluster")));
	if (cluster)
		put_absent(spec, "internalTrafficPolicy", json_string(a, STR("Cluster")));
	if (balancer) {
		put_absent(spec, "allocateLoadBalancerNodePorts", json_bool(a, true));
		default_ingress(a, service);
	}
}
