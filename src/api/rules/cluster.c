// SPDX-License-Identifier: Apache-2.0
// Namespace, Node, Lease.
#include "api/rules/rules.h"

// Namespaces carry their name as a label, so that selectors can name them.
static void label_with_name(struct api_context *c, struct json *namespace)
{
	struct json *labels = json_need_object(c->arena, namespace, "metadata.labels");
	json_put_str(c->arena, labels, "kubernetes.io/metadata.name", json_str(namespace, "metadata.name"));
}

void rules_namespace_prepare_create(struct api_context *c, struct json *namespace)
{
	struct json *finalizers = json_need_array(c->arena, json_need_object(c->arena, namespace, "spec"),
						  "finalizers");
	bool has = false;
	json_each(finalizer, finalizers)
		has = has || str_is(finalizer->text, "kubernetes");
	if (!has)
		json_push(finalizers, json_string(c->arena, STR("kubernetes")));
	json_put_str(c->arena, json_need_object(c->arena, namespace, "status"), "phase", STR("Active"));
	label_with_name(c, namespace);
}

// Only the finalize subresource changes spec.finalizers.
void rules_namespace_prepare_update(struct api_context *c, struct json *namespace, const struct json *old)
{
	const struct json *spec = json_get(old, STR("spec"));
	if (str_is(c->subresource, "finalize")) {
		json_set(namespace, STR("metadata"), json_clone(c->arena, json_get(old, STR("metadata"))));
	} else if (spec) {
		json_set(namespace, STR("spec"), json_clone(c->arena, spec));
	} else {
		json_remove(namespace, STR("spec"));
	}
	label_with_name(c, namespace);
}

void rules_namespace_create(struct check *c)
{
	const struct path *p = AT(AT(NULL, "spec"), "finalizers");
	json_each(finalizer, json_at(c->object, "spec.finalizers")) {
		check_format(c, p, finalizer->text, format_qualified_name);
		check_finalizer_domain(c, p, finalizer->text);
	}
}

static void check_taints(struct check *c, const struct path *p, const struct json *taints)
{
	struct seen known CLEAN_SEEN;
	seen_init(&known);
	size_t i = 0;
	json_each(taint, taints) {
		const struct path *at = AT_INDEX(p, i++);
		struct str effect = text_of(taint, "effect");
		check_format(c, AT(at, "key"), text_of(taint, "key"), format_qualified_name);
		check_format(c, AT(at, "value"), text_of(taint, "value"), format_label_value);
		if (!effect.n)
			fail_required(c, AT(at, "effect"), "use NoSchedule, PreferNoSchedule or NoExecute");
		else
			ONE_OF(c, AT(at, "effect"), field(taint, "effect"), "NoSchedule", "PreferNoSchedule",
			       "NoExecute");
		if (seen_add(&known, arena_fmt(c->arena, "%.*s %.*s", STR_FMT(effect), STR_FMT(text_of(taint, "key")))))
			fail_duplicate(c, at, taint);
	}
}

static void check_pod_cidrs(struct check *c, const struct path *p, const struct json *cidrs)
{
	size_t i = 0, v4 = 0, v6 = 0;
	json_each(cidr, cidrs) {
		unsigned char bytes[16];
		int bits;
		size_t n = format_cidr_bytes(cidr->text, bytes, &bits);
		check_format(c, AT_INDEX(p, i++), cidr->text, format_cidr);
		v4 += n == 4;
		v6 += n == 16;
	}
	if (v4 > 1 || v6 > 1)
		fail_invalid(c, p, cidrs, "at most one for each of IPv4 and IPv6");
}

static void check_node(struct check *c)
{
	const struct path *spec = AT(NULL, "spec");
	// The taints are reported where they stood in the first versions of the API.
	check_taints(c, AT(AT(NULL, "metadata"), "taints"), json_at(c->object, "spec.taints"));
	check_pod_cidrs(c, AT(spec, "podCIDRs"), json_at(c->object, "spec.podCIDRs"));
}

// A node comes with its status, and afterwards only the status subresource writes it.
void rules_node_prepare_update(struct api_context *c, struct json *node, const struct json *old)
{
	const struct json *status = field(old, "status");
	if (status)
		json_put(node, "status", json_clone(c->arena, status));
	else
		json_remove(node, STR("status"));
}

void rules_node_create(struct check *c)
{
	check_node(c);
}

static void check_addresses(struct check *c)
{
	struct seen known CLEAN_SEEN;
	seen_init(&known);
	size_t i = 0;
	json_each(address, json_at(c->object, "status.addresses")) {
		struct str type = text_of(address, "type"), text = text_of(address, "address");
		if (seen_add(&known, arena_fmt(c->arena, "%.*s %.*s", STR_FMT(type), STR_FMT(text))))
			fail_duplicate(c, AT_INDEX(AT(AT(NULL, "status"), "addresses"), i), address);
		i++;
	}
}

void rules_node_update(struct check *c)
{
	const struct path *spec = AT(NULL, "spec");
	const struct json *now = field(c->object, "spec"), *old = field(c->old, "spec");
	check_node(c);
	check_addresses(c);
	if (count_of(field(old, "podCIDRs")) && !same_field(now, old, "podCIDRs"))
		fail_forbidden(c, AT(spec, "podCIDRs"), "the pod CIDR of a node can be set once, not changed");
	if (text_of(old, "providerID").n && !same_field(now, old, "providerID"))
		fail_forbidden(c, AT(spec, "providerID"), "the provider's id of a node can be set once, not changed");
	check_taints(c, AT(AT(NULL, "metadata"), "taints"), field(now, "taints"));
}

void rules_lease_create(struct check *c)
{
	const struct path *p = AT(NULL, "spec");
	const struct json *spec = field(c->object, "spec");
	const struct json *duration = field(spec, "leaseDurationSeconds"), *strategy = field(spec, "strategy");
	if (duration && duration->integer <= 0)
		fail_invalid(c, AT(p, "leaseDurationSeconds"), duration, "must be greater than 0");
	check_not_negative(c, AT(p, "leaseTransitions"), field(spec, "leaseTransitions"));
	if (strategy)
		ONE_OF(c, AT(p, "strategy"), strategy, "OldestEmulationVersion");
	if (text_of(spec, "preferredHolder").n && !text_of(spec, "strategy").n)
		fail_forbidden(c, AT(p, "preferredHolder"), "may only be given with `strategy`");
}
