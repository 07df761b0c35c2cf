// SPDX-License-Identifier: Apache-2.0
// Warnings of each kind. Those of pods are in pod_warnings.c.
#include "api/rules/service.h"
#include "api/rules/warn.h"

#define SPEC AT(NULL, "spec")

// Pods and what makes them

void rules_pod_warn(struct check *c)
{
	if (c->old) // people make pods; it is programs that change them, and often
		return;
	warn_host_name(c, "the pod's host name");
	warn_pod(c, NULL, c->object);
}

void rules_pod_status_warn(struct check *c)
{
	static const char *const lists[] = {"podIPs", "hostIPs"};
	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		size_t j = 0;
		json_each(ip, field(field(c->object, "status"), lists[i]))
			warn_ip(c, AT(AT_INDEX(AT_STR(AT(NULL, "status"), str_of(lists[i])), j++), "ip"),
				text_of(ip, "ip"));
	}
}

// An update that changes nothing of the spec has nothing new to be warned of.
static bool is_news(const struct check *c)
{
	return !c->old || json_i64(c->object, "metadata.generation", 0) != json_i64(c->old, "metadata.generation", 0);
}

void rules_workload_warn(struct check *c)
{
	if (!c->old)
		warn_host_name(c, "names of pods and hosts");
	if (is_news(c))
		warn_pod(c, AT(SPEC, "template"), json_at(c->object, "spec.template"));
}

void rules_pod_template_warn(struct check *c)
{
	if (is_news(c))
		warn_pod(c, AT(NULL, "template"), field(c->object, "template"));
}

// Service

static void warn_ips(struct check *c, const struct json *spec, const char *name)
{
	size_t i = 0;
	json_each(ip, field(spec, name))
		warn_ip(c, AT_INDEX(AT_STR(SPEC, str_of(name)), i++), ip->text);
}

static void warn_headless(struct check *c, const struct json *spec)
{
	static const char ignored[] = "a headless Service makes nothing of it";
	if (text_of(spec, "loadBalancerIP").n)
		warn(c, AT(SPEC, "loadBalancerIP"), ignored);
	if (is_set(spec, "externalIPs"))
		warn(c, AT(SPEC, "externalIPs"), ignored);
	if (!str_is(text_of(spec, "sessionAffinity"), "None"))
		warn(c, AT(SPEC, "sessionAffinity"), ignored);
}

void rules_service_warn(struct check *c)
{
	const struct json *spec = field(c->object, "spec");
	bool is_name = type_is(spec, "ExternalName");
	bool headless = type_is(spec, "ClusterIP") && str_is(text_of(spec, "clusterIP"), "None");
	size_t i = 0;
	if (field(json_at(c->object, "metadata.annotations"), "service.kubernetes.io/topology-aware-hints"))
		warn(c, NULL, "the annotation service.kubernetes.io/topology-aware-hints is deprecated; use "
			      "service.kubernetes.io/topology-mode");
	warn_ips(c, spec, "clusterIPs");
	if (headless)
		warn_headless(c, spec);
	warn_ips(c, spec, "externalIPs");
	if (is_set(spec, "externalIPs") && !headless)
		warn(c, AT(SPEC, "externalIPs"),
		     is_name ? "an ExternalName Service makes nothing of it" : "deprecated; not all clusters have it");
	warn_ip(c, AT(SPEC, "loadBalancerIP"), text_of(spec, "loadBalancerIP"));
	json_each(range, field(spec, "loadBalancerSourceRanges"))
		warn_cidr(c, AT_INDEX(AT(SPEC, "loadBalancerSourceRanges"), i++), range->text);
	if (!is_name && text_of(spec, "externalName").n)
		warn(c, AT(SPEC, "externalName"), "only an ExternalName Service makes something of it");
	if (str_is(text_of(spec, "trafficDistribution"), "PreferClose"))
		warn(c, AT(SPEC, "trafficDistribution"), "\"PreferClose\" is deprecated; use \"PreferSameZone\"");
}

void rules_service_status_warn(struct check *c)
{
	const struct path *p = AT(AT(AT(NULL, "status"), "loadBalancer"), "ingress");
	size_t i = 0;
	json_each(ingress, json_at(c->object, "status.loadBalancer.ingress"))
		warn_ip(c, AT_INDEX(p, i++), text_of(ingress, "ip"));
}

// Endpoints. What our controllers write they write well.

static bool is_managed_by(const struct json *object, const char *label, const char *controller)
{
	return str_is(text_of(json_at(object, "metadata.labels"), label), controller);
}

static void warn_addresses(struct check *c, const struct path *subset, const struct json *addresses)
{
	size_t i = 0;
	json_each(address, addresses)
		warn_ip(c, AT(AT_INDEX(AT_STR(subset, addresses->key), i++), "ip"), text_of(address, "ip"));
}

void rules_endpoints_warn(struct check *c)
{
	size_t i = 0;
	if (is_managed_by(c->object, "endpoints.kubernetes.io/managed-by", "endpoint-controller"))
		return;
	json_each(subset, field(c->object, "subsets")) {
		const struct path *p = AT_INDEX(AT(NULL, "subsets"), i++);
		warn_addresses(c, p, field(subset, "addresses"));
		warn_addresses(c, p, field(subset, "notReadyAddresses"));
	}
}

void rules_endpoint_slice_warn(struct check *c)
{
	static const char label[] = "endpointslice.kubernetes.io/managed-by";
	size_t i = 0;
	if (!c->old && str_is(text_of(c->object, "addressType"), "FQDN"))
		warn(c, AT(NULL, "addressType"), "endpoints by name are deprecated");
	if (is_managed_by(c->object, label, "endpointslice-controller.k8s.io") ||
	    is_managed_by(c->object, label, "endpointslicemirroring-controller.k8s.io"))
		return;
	json_each(endpoint, field(c->object, "endpoints")) {
		const struct path *p = AT(AT_INDEX(AT(NULL, "endpoints"), i++), "addresses");
		size_t j = 0;
		json_each(address, field(endpoint, "addresses"))
			warn_ip(c, AT_INDEX(p, j++), address->text);
	}
}

// Others

void rules_node_warn(struct check *c)
{
	const struct json *spec = field(c->object, "spec");
	size_t i = 0;
	if (text_of(spec, "externalID").n)
		warn(c, AT(SPEC, "externalID"), "deprecated, nothing reads it");
	json_each(cidr, field(spec, "podCIDRs"))
		warn_cidr(c, AT_INDEX(AT(SPEC, "podCIDRs"), i++), cidr->text);
}

void rules_service_account_warn(struct check *c)
{
	static const char key[] = "kubernetes.io/enforce-mountable-secrets";
	if (field(json_at(c->object, "metadata.annotations"), key) &&
	    !field(json_at(c->old, "metadata.annotations"), key))
		warn(c, AT_KEY(AT(AT(NULL, "metadata"), "annotations"), str_of(key)),
		     "deprecated; keep Secrets apart by namespaces of their own");
}
