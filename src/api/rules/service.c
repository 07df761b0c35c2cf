// SPDX-License-Identifier: Apache-2.0
// Service.
#include "api/rules/service.h"

#define SPEC AT(NULL, "spec")

static bool is_headless(const struct json *spec)
{
	return str_is(json_str(spec, "clusterIPs.0"), "None");
}

// Ports

static void check_target_port(struct check *c, const struct path *p, const struct json *target)
{
	if (target && target->type == JSON_STRING)
		check_format(c, p, target->text, format_port_name);
	else
		check_port(c, p, target);
}

// What the ports before have taken.
struct taken {
	struct seen names, numbers, node_ports;
};

static void taken_finish(struct taken *t)
{
	seen_finish(&t->names);
	seen_finish(&t->numbers);
	seen_finish(&t->node_ports);
}

static struct str with_protocol(struct check *c, const struct json *port, const char *name)
{
	return arena_fmt(c->arena, "%.*s %lld", STR_FMT(text_of(port, "protocol")), (long long)json_i64(port, name, 0));
}

static void check_port_clashes(struct check *c, const struct path *p, const struct json *port, struct taken *taken)
{
	struct str name = text_of(port, "name");
	if (name.n && seen_add(&taken->names, name))
		fail_duplicate(c, AT(p, "name"), field(port, "name"));
	if (seen_add(&taken->numbers, with_protocol(c, port, "port")))
		fail_duplicate(c, p, field(port, "port"));
	if (field(port, "nodePort") && seen_add(&taken->node_ports, with_protocol(c, port, "nodePort")))
		fail_duplicate(c, AT(p, "nodePort"), field(port, "nodePort"));
}

static void check_ports(struct check *c, const struct json *spec)
{
	const struct json *ports = field(spec, "ports");
	struct taken taken __attribute__((cleanup(taken_finish)));
	seen_init(&taken.names);
	seen_init(&taken.numbers);
	seen_init(&taken.node_ports);
	if (!count_of(ports) && !is_headless(spec) && !type_is(spec, "ExternalName"))
		fail_required(c, AT(SPEC, "ports"), "only headless and ExternalName Services have no ports");
	size_t i = 0;
	json_each(port, ports) {
		const struct path *p = AT_INDEX(AT(SPEC, "ports"), i++);
		check_named_port(c, p, port, ports->count > 1);
		check_target_port(c, AT(p, "targetPort"), field(port, "targetPort"));
		check_port_clashes(c, p, port, &taken);
		if (type_is(spec, "ClusterIP") && field(port, "nodePort"))
			fail_forbidden(c, AT(p, "nodePort"), "may not be used when `type` is 'ClusterIP'");
		if (type_is(spec, "LoadBalancer") && json_i64(port, "port", 0) == 10250)
			fail_invalid(c, p, field(port, "port"),
				     "port 10250 is the node agent's and may not be exposed");
	}
}

// Addresses

static void check_families(struct check *c, const struct json *spec)
{
	const struct json *families = field(spec, "ipFamilies"), *policy = field(spec, "ipFamilyPolicy");
	struct seen known CLEAN_SEEN;
	seen_init(&known);
	size_t i = 0;
	json_each(family, families) {
		const struct path *p = AT_INDEX(AT(SPEC, "ipFamilies"), i++);
		ONE_OF(c, p, family, "IPv4", "IPv6");
		if (seen_add(&known, family->text))
			fail_duplicate(c, p, family);
	}
	if (policy)
		ONE_OF(c, AT(SPEC, "ipFamilyPolicy"), policy, "PreferDualStack", "RequireDualStack", "SingleStack");
}

// Addresses of one Service are of different families, and of those that it names.
static void check_ip_families(struct check *c, const struct path *p, const struct json *ips,
			      const struct json *families)
{
	size_t i = 0, before = c->failures, count[2] = {0};
	const struct json *family = json_first(families);
	unsigned char bytes[16];
	json_each(ip, ips)
		count[format_ip_bytes(ip->text, bytes) == 16]++;
	if (ips && ips->count > 1 && (!count[0] || !count[1]))
		fail_invalid(c, p, ips, "at most one address for each of IPv4 and IPv6");
	if (c->failures != before)
		return;
	json_each(ip, ips) {
		bool v6 = format_ip_bytes(ip->text, bytes) == 16;
		if (family && str_is(family->text, v6 ? "IPv4" : "IPv6"))
			fail_invalid(c, AT_INDEX(p, i), ip, "must be of the family that `ipFamilies[%zu]` names", i);
		family = family ? family->next : NULL;
		i++;
	}
}

static void check_ip_forms(struct check *c, const struct path *p, const struct json *ips)
{
	size_t i = 0;
	json_each(ip, ips) {
		if (!str_is(ip->text, "None") || i > 0)
			check_format(c, AT_INDEX(p, i), ip->text, format_ip);
		else if (ips->count > 1)
			fail_invalid(c, p, ips, "'None' must be the only value");
		i++;
	}
}

static void check_cluster_ips(struct check *c, const struct json *spec)
{
	const struct path *p = AT(SPEC, "clusterIPs");
	const struct json *ips = field(spec, "clusterIPs");
	size_t before = c->failures;
	struct str ip = text_of(spec, "clusterIP");
	if (!str_eq(json_str(ips, "0"), ip) || (!ip.n && count_of(ips)))
		fail_invalid(c, p, ips, "the first value must be that of `clusterIP`");
	check_families(c, spec);
	size_t good = c->failures;
	check_ip_forms(c, p, ips);
	bool formed = c->failures == good;
	if (count_of(ips) > 2)
		fail_invalid(c, p, ips, "at most 2 values");
	if (formed && !is_headless(spec))
		check_ip_families(c, p, ips, before == c->failures ? field(spec, "ipFamilies") : NULL);
	if (c->failures == before)
		service_check_families(c, spec);
}

static void check_public_ip(struct check *c, const struct path *p, struct str ip)
{
	size_t before = c->failures;
	check_format(c, p, ip, format_ip);
	if (c->failures == before)
		check_not_special_ip(c, p, ip);
}

static void check_external_name(struct check *c, const struct json *spec)
{
	static const char *const without[] = {"clusterIPs", "ipFamilies", "ipFamilyPolicy"};
	for (size_t i = 0; i < ARRAY_LEN(without); i++)
		if (is_set(spec, without[i]))
			fail_forbidden(c, AT_STR(SPEC, str_of(without[i])), "may not be set for ExternalName Services");
	if (text_of(spec, "externalName").n)
		check_format(c, AT(SPEC, "externalName"), text_of(spec, "externalName"), format_domain_name);
	else
		fail_required(c, AT(SPEC, "externalName"), "an ExternalName Service names a domain");
}

// Policies

static void check_session_affinity(struct check *c, const struct json *spec)
{
	const struct path *p = AT(SPEC, "sessionAffinityConfig");
	const struct json *config = field(spec, "sessionAffinityConfig"), *client = field(config, "clientIP");
	const struct json *timeout = field(client, "timeoutSeconds");
	if (!ONE_OF(c, AT(SPEC, "sessionAffinity"), field(spec, "sessionAffinity"), "ClientIP", "None"))
		return;
	if (str_is(text_of(spec, "sessionAffinity"), "None")) {
		if (config)
			fail_forbidden(c, p, "must not be set when the session affinity is None");
	} else if (!config) {
		fail_required(c, p, "the session affinity is ClientIP");
	} else if (!client) {
		fail_required(c, AT(p, "clientIP"), "the session affinity is ClientIP");
	} else if (!timeout) {
		fail_required(c, AT(AT(p, "clientIP"), "timeoutSeconds"), "the session affinity is ClientIP");
	} else if (timeout->integer <= 0 || timeout->integer > 86400) {
		fail_invalid(c, AT(AT(p, "clientIP"), "timeoutSeconds"), timeout,
			     "must be greater than 0 and at most 86400");
	}
}

static void check_traffic(struct check *c, const struct json *spec)
{
	const struct json *external = field(spec, "externalTrafficPolicy"),
			  *internal = field(spec, "internalTrafficPolicy");
	const struct json *health = field(spec, "healthCheckNodePort"),
			  *distribution = field(spec, "trafficDistribution");
	if (is_external(spec))
		ONE_OF(c, AT(SPEC, "externalTrafficPolicy"), external, "Cluster", "Local");
	else if (external)
		fail_invalid(c, AT(SPEC, "externalTrafficPolicy"), external,
			     "only for Services that are reached from outside");
	if (health && needs_health_port(spec))
		check_port(c, AT(SPEC, "healthCheckNodePort"), health);
	else if (health)
		fail_invalid(c, AT(SPEC, "healthCheckNodePort"), health,
			     "only when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'");
	if (internal)
		ONE_OF(c, AT(SPEC, "internalTrafficPolicy"), internal, "Cluster", "Local");
	if (distribution)
		ONE_OF(c, AT(SPEC, "trafficDistribution"), distribution, "PreferClose", "PreferSameZone",
		       "PreferSameNode");
}

static const char only_balancer[] = "only when `type` is 'LoadBalancer'";

static void check_balancer_class(struct check *c, const struct json *spec, const struct json *old)
{
	const struct path *p = AT(SPEC, "loadBalancerClass");
	const struct json *class = field(spec, "loadBalancerClass");
	bool balancer = type_is(spec, "LoadBalancer");
	if (balancer && old && type_is(old, "LoadBalancer") && !same_field(spec, old, "loadBalancerClass"))
		fail_invalid(c, p, class, "may not change once it is set");
	if (class && balancer)
		check_format(c, p, class->text, format_qualified_name);
	else if (class)
		fail_forbidden(c, p, only_balancer);
}

static void check_load_balancer(struct check *c, const struct json *spec)
{
	bool balancer = type_is(spec, "LoadBalancer");
	// The path is written with a capital letter, as it always was.
	const struct path *ranges = AT(SPEC, "LoadBalancerSourceRanges");
	if (is_set(spec, "loadBalancerSourceRanges") && !balancer)
		fail_forbidden(c, ranges, only_balancer);
	size_t i = 0;
	json_each(range, field(spec, "loadBalancerSourceRanges"))
		check_format(c, AT_INDEX(ranges, i++), str_trim(range->text), format_cidr);
	if (field(spec, "allocateLoadBalancerNodePorts") && !balancer)
		fail_forbidden(c, AT(SPEC, "allocateLoadBalancerNodePorts"), only_balancer);
	if (is_headless(spec) && IS_ONE_OF(text_of(spec, "type"), "LoadBalancer", "NodePort"))
		fail_invalid(c, AT_INDEX(AT(SPEC, "clusterIPs"), 0), json_at(spec, "clusterIPs.0"),
			     "may not be 'None' for %.*s Services", STR_FMT(text_of(spec, "type")));
}

void rules_service_create(struct check *c)
{
	const struct json *spec = field(c->object, "spec");
	size_t before = c->failures;
	if (type_is(spec, "ExternalName")) {
		check_external_name(c, spec);
	} else {
		check_cluster_ips(c, spec);
		if (c->failures != before) // addresses are settled before anything else is looked at
			return;
	}
	check_ports(c, spec);
	check_labels(c, AT(SPEC, "selector"), field(spec, "selector"));
	check_session_affinity(c, spec);
	size_t i = 0;
	json_each(ip, field(spec, "externalIPs"))
		check_public_ip(c, AT_INDEX(AT(SPEC, "externalIPs"), i++), ip->text);
	ONE_OF(c, AT(SPEC, "type"), field(spec, "type"), "ClusterIP", "ExternalName", "LoadBalancer", "NodePort");
	check_load_balancer(c, spec);
	check_balancer_class(c, spec, NULL);
	check_traffic(c, spec);
}

void rules_service_update(struct check *c)
{
	const struct json *now = field(c->object, "spec"), *old = field(c->old, "spec");
	const struct json *ip = json_at(now, "clusterIPs.0"), *old_ip = json_at(old, "clusterIPs.0");
	size_t before = c->failures;
	rules_service_create(c);
	if (needs_cluster_ip(now) && needs_cluster_ip(old) && old_ip && c->failures == before && !same(ip, old_ip))
		fail_invalid(c, AT_INDEX(AT(SPEC, "clusterIPs"), 0), ip, "may not change once it is set");
	if (needs_health_port(now) && needs_health_port(old) && !same_field(now, old, "healthCheckNodePort"))
		fail_forbidden(c, AT(SPEC, "healthCheckNodePort"), "may not change once it is set");
	check_balancer_class(c, now, old); // told twice
}

static void check_ingress(struct check *c, const struct path *p, const struct json *ingress)
{
	struct str ip = text_of(ingress, "ip"), host = text_of(ingress, "hostname");
	const struct json *mode = field(ingress, "ipMode");
	if (ip.n)
		check_format(c, AT(p, "ip"), ip, format_ip);
	if (mode && !ip.n)
		fail_forbidden(c, AT(p, "ipMode"), "only together with `ip`");
	else if (mode)
		ONE_OF(c, AT(p, "ipMode"), mode, "Proxy", "VIP");
	else if (ip.n)
		fail_required(c, AT(p, "ipMode"), "says how `ip` is reached");
	if (host.n)
		check_format(c, AT(p, "hostname"), host, format_dns_subdomain);
	if (host.n && format_good(format_ip, host))
		fail_text(c, AT(p, "hostname"), host, "must be a name, not an address");
}

void rules_service_status(struct check *c)
{
	const struct path *p = AT(AT(AT(NULL, "status"), "loadBalancer"), "ingress");
	const struct json *list = json_at(c->object, "status.loadBalancer.ingress");
	if (count_of(list) && !type_is(field(c->object, "spec"), "LoadBalancer")) {
		fail_forbidden(c, p, only_balancer);
		return;
	}
	size_t i = 0;
	json_each(ingress, list)
		check_ingress(c, AT_INDEX(p, i++), ingress);
}
