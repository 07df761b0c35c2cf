// SPDX-License-Identifier: Apache-2.0
// Node.
#include "api/quantity.h"
#include "api/rules/rules.h"

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

// One is any; of two, one is of IPv4 and one of IPv6.
static void check_pod_cidrs(struct check *c, const struct path *p, const struct json *cidrs)
{
	size_t i = 0, before = c->failures, v4 = 0, v6 = 0;
	json_each(cidr, cidrs) {
		unsigned char bytes[16];
		int bits;
		size_t n = format_cidr_bytes(cidr->text, bytes, &bits);
		check_format(c, AT_INDEX(p, i++), cidr->text, format_cidr);
		v4 += n == 4;
		v6 += n == 16;
	}
	if (i < 2)
		return;
	if (c->failures != before)
		fail_internal(c, p, "their families can't be told");
	if (c->failures != before || i > 2 || !v4 || !v6)
		fail_invalid(c, p, cidrs, "at most one for each of IPv4 and IPv6");
}

// What is counted in whole numbers: the objects of the API and what vendors make.
static bool is_counted(struct str name)
{
	if (str_find(name, '/') < 0)
		return IS_ONE_OF(name, "pods", "resourcequotas", "services", "replicationcontrollers", "secrets",
				 "configmaps", "persistentvolumeclaims", "services.nodeports",
				 "services.loadbalancers");
	return !str_contains(name, STR("kubernetes.io/")) && !str_starts(name, STR("requests."));
}

static void check_amount(struct check *c, const struct path *p, const struct json *amount)
{
	struct quantity q;
	if (quantity_of(amount, &q))
		return;
	if (q.nano < 0)
		fail_invalid(c, p, amount, "must not be less than 0");
	if (is_counted(amount->key) && q.nano % 1000000000 != 0)
		fail_invalid(c, p, amount, "must be a whole number");
}

// status.capacity and status.allocatable.
static void check_amounts(struct check *c, const char *name)
{
	const struct path *p = AT_STR(AT(NULL, "status"), str_of(name));
	json_each(amount, field(field(c->object, "status"), name))
		check_amount(c, AT_STR(p, amount->key), amount);
}

// "GuestMemory/V2": words in UpperCamelCase.
static bool is_feature_name(struct str name)
{
	struct str word;
	for (bool more = true; more;) {
		more = str_cut(name, '/', &word, &name);
		if (word.n == 0 || word.p[0] < 'A' || word.p[0] > 'Z')
			return false;
		for (size_t i = 0; i < word.n; i++) {
			char ch = word.p[i];
			if (!(ch >= 'A' && ch <= 'Z') && !(ch >= 'a' && ch <= 'z') && !(ch >= '0' && ch <= '9'))
				return false;
		}
	}
	return true;
}

static void check_features(struct check *c)
{
	const struct path *p = AT(AT(NULL, "status"), "declaredFeatures");
	size_t i = 0;
	json_each(feature, json_at(c->object, "status.declaredFeatures")) {
		if (!is_feature_name(feature->text))
			fail_invalid(c, AT_INDEX(p, i), feature, "a feature's name is words in UpperCamelCase, joined by '/'");
		i++;
		int order = feature->next ? str_cmp(feature->text, feature->next->text) : -1;
		if (order == 0)
			fail_duplicate(c, AT_INDEX(p, i), feature->next);
		else if (order > 0)
			fail_invalid(c, AT_INDEX(p, i), feature->next, "the list must be sorted");
	}
}

static void check_node(struct check *c)
{
	const struct path *spec = AT(NULL, "spec");
	// The taints are reported where they stood in the first versions of the API.
	check_taints(c, AT(AT(NULL, "metadata"), "taints"), json_at(c->object, "spec.taints"));
	check_pod_cidrs(c, AT(spec, "podCIDRs"), json_at(c->object, "spec.podCIDRs"));
	check_amounts(c, "capacity");
	check_amounts(c, "allocatable");
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
	check_features(c);
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

// Each one that differs is told; lists of different lengths once.
static void check_cidrs_stay(struct check *c, const struct path *p, const struct json *now, const struct json *old)
{
	static const char why[] = "the pod CIDR of a node can be set once, not changed";
	if (count_of(old) && count_of(now) != count_of(old)) {
		fail_forbidden(c, p, why);
		return;
	}
	const struct json *before = json_first(old);
	for (const struct json *cidr = json_first(now); before; before = before->next, cidr = cidr->next)
		if (!str_eq(cidr->text, before->text))
			fail_forbidden(c, p, why);
}

// What a write of the status may break, and what it may not change.
void rules_node_status(struct check *c)
{
	const struct path *spec = AT(NULL, "spec");
	const struct json *now = field(c->object, "spec"), *old = field(c->old, "spec");
	check_amounts(c, "capacity");
	check_amounts(c, "allocatable");
	check_addresses(c);
	check_cidrs_stay(c, AT(spec, "podCIDRs"), field(now, "podCIDRs"), field(old, "podCIDRs"));
	if (text_of(old, "providerID").n && !same_field(now, old, "providerID"))
		fail_forbidden(c, AT(spec, "providerID"), "the provider's id of a node can be set once, not changed");
	check_taints(c, AT(AT(NULL, "metadata"), "taints"), field(now, "taints"));
	check_features(c);
	if (!same_field(now, old, "externalID"))
		fail_forbidden(c, AT(spec, "externalID"), "can't be changed");
}

// Kubernetes tells some of it twice.
void rules_node_update(struct check *c)
{
	check_node(c);
	rules_node_status(c);
}
