// SPDX-License-Identifier: Apache-2.0
// Requests and limits.
#include "api/quantity.h"
#include "api/rules/pod.h"
#include "api/together.h"

static bool is_huge_pages(struct str name)
{
	return str_starts(name, STR("hugepages-"));
}

// Of Kubernetes itself, not of a vendor.
static bool is_native(struct str name)
{
	return str_find(name, '/') < 0 || str_contains(name, STR("kubernetes.io/"));
}

static bool is_standard(struct str name)
{
	return is_huge_pages(name) ||
	       IS_ONE_OF(name, "cpu", "memory", "ephemeral-storage", "requests.cpu", "requests.memory",
			 "requests.ephemeral-storage", "limits.cpu", "limits.memory", "limits.ephemeral-storage",
			 "pods", "resourcequotas", "services", "replicationcontrollers", "secrets", "configmaps",
			 "persistentvolumeclaims", "storage", "requests.storage", "services.nodeports",
			 "services.loadbalancers");
}

// A vendor's: its quota is named after it, so that must be a good name too.
static bool is_extended(struct check *c, struct str name)
{
	return !is_native(name) && !str_starts(name, STR("requests.")) &&
	       format_good(format_qualified_name, arena_fmt(c->arena, "requests.%.*s", STR_FMT(name)));
}

// False when the form of the name is wrong.
static bool check_resource_name(struct check *c, const struct path *p, struct str name)
{
	size_t before = c->failures;
	check_format(c, p, name, format_qualified_name);
	if (c->failures == before && str_find(name, '/') < 0 && !is_standard(name))
		fail_text(c, p, name, "must be a standard resource or have a domain before its name");
	return c->failures == before;
}

static void check_container_resource_name(struct check *c, const struct path *p, struct str name)
{
	check_resource_name(c, p, name);
	if (str_find(name, '/') < 0) {
		if (!is_huge_pages(name) && !IS_ONE_OF(name, "cpu", "memory", "ephemeral-storage"))
			fail_text(c, p, name, "must be a resource that containers use");
	} else if (!is_native(name) && !is_extended(c, name)) {
		fail_text(c, p, name, "the name of a vendor's resource is no longer than the name of its quota may be");
	}
}

static void check_pod_resource_name(struct check *c, const struct path *p, struct str name)
{
	static const char *const supported[] = {"cpu", "hugepages-*", "memory", NULL};
	if (check_resource_name(c, p, name) && !is_huge_pages(name) && !IS_ONE_OF(name, "cpu", "memory"))
		fail_unsupported(c, p, json_string(c->arena, name), supported);
}

typedef void name_check(struct check *c, const struct path *p, struct str name);

// The size of a page follows the prefix: "hugepages-2Mi".
static bool is_whole_pages(struct str name, struct quantity amount)
{
	struct quantity page;
	return quantity_parse(str_from(name, sizeof "hugepages-" - 1), &page) == 0 && page.nano > 0 &&
	       amount.nano % page.nano == 0;
}

static void check_amount(struct check *c, const struct path *p, const struct json *amount)
{
	struct quantity q;
	if (quantity_of(amount, &q))
		return;
	if (q.nano < 0)
		fail_invalid(c, p, amount, "must not be less than 0");
	if (is_extended(c, amount->key) && q.nano % 1000000000 != 0)
		fail_invalid(c, p, amount, "must be a whole number");
	if (is_huge_pages(amount->key) && !is_whole_pages(amount->key, q))
		fail_invalid(c, p, amount, "must be a number of whole pages");
}

static void check_against_limit(struct check *c, const struct path *p, const struct json *request,
				const struct index *limits)
{
	const struct json *limit = index_get(limits, request->key);
	bool shared = is_native(request->key) && !is_huge_pages(request->key); // may be promised more than once
	struct quantity want, most;
	if (!limit) {
		if (!shared)
			fail_required(c, AT(p, "limits"), "a limit must be set for %.*s", STR_FMT(request->key));
		return;
	}
	if (quantity_of(request, &want) || quantity_of(limit, &most))
		return;
	int order = quantity_cmp(want, most);
	if (order != 0 && !shared)
		fail_invalid(c, AT(p, "requests"), request, "must be equal to the %.*s limit of %.*s",
			     STR_FMT(request->key), STR_FMT(quantity_text(c->arena, most)));
	else if (order > 0)
		fail_invalid(c, AT(p, "requests"), request, "must not be greater than the %.*s limit of %.*s",
			     STR_FMT(request->key), STR_FMT(quantity_text(c->arena, most)));
}

static void check_amounts(struct check *c, const struct path *p, const struct json *amounts, name_check *check_name)
{
	json_each(amount, amounts) {
		check_name(c, AT_KEY(p, amount->key), amount->key);
		check_amount(c, AT_KEY(p, amount->key), amount);
	}
}

static bool has_some(const struct json *amounts, bool (*which)(struct str name))
{
	json_each(amount, amounts)
		if (which(amount->key))
			return true;
	return false;
}

static bool is_basic(struct str name)
{
	return IS_ONE_OF(name, "cpu", "memory");
}

static void check_resources(struct check *c, const struct path *p, const struct json *resources,
			    name_check *check_name, const struct pod_scope *pod)
{
	const struct json *limits = field(resources, "limits"), *requests = field(resources, "requests");
	struct index limit_of CLEAN_INDEX;
	index_init(&limit_of, limits, NULL);
	check_amounts(c, AT(p, "limits"), limits, check_name);
	check_amounts(c, AT(p, "requests"), requests, check_name);
	json_each(request, requests)
		check_against_limit(c, p, request, &limit_of);
	if ((has_some(limits, is_huge_pages) || has_some(requests, is_huge_pages)) && !has_some(limits, is_basic) &&
	    !has_some(requests, is_basic))
		fail_forbidden(c, p, "huge pages need cpu or memory beside them");
	check_used_claims(c, AT(p, "claims"), field(resources, "claims"), pod);
}

void check_container_resources(struct check *c, const struct path *p, const struct json *resources,
			       const struct pod_scope *pod)
{
	check_resources(c, p, resources, check_container_resource_name, pod);
}

void check_overhead(struct check *c, const struct path *p, const struct json *overhead)
{
	check_amounts(c, AT(p, "limits"), overhead, check_container_resource_name);
	if (has_some(overhead, is_huge_pages) && !has_some(overhead, is_basic))
		fail_forbidden(c, p, "huge pages need cpu or memory beside them");
}

// Resources of the whole pod

// What is set for the pod is enough for its containers.
static void check_enough(struct check *c, const struct path *p, const struct json *spec, const char *part,
			 bool (*which)(struct str name))
{
	const struct json *amounts = field(field(spec, "resources"), part);
	struct together all CLEAN_TOGETHER;
	together_init(&all, c->arena, count_of(amounts) ? spec : NULL, part);
	json_each(amount, amounts) {
		const struct quantity *most = together_of(&all, amount->key);
		struct quantity q;
		if (which(amount->key) && most && !quantity_of(amount, &q) && quantity_cmp(*most, q) > 0)
			fail_invalid(c, AT_KEY(AT_STR(p, str_of(part)), amount->key), amount,
				     "must not be less than what the containers have together: %.*s",
				     STR_FMT(quantity_text(c->arena, *most)));
	}
}

static void check_single_limits(struct check *c, const struct path *p, const struct json *spec)
{
	struct index limits CLEAN_INDEX;
	index_init(&limits, json_at(spec, "resources.limits"), NULL);
	size_t i = 0;
	json_each(container, field(spec, "containers")) {
		const struct path *at = AT_INDEX(AT(p, "containers"), i++);
		json_each(limit, json_at(container, "resources.limits")) {
			const struct json *whole = index_get(&limits, limit->key);
			struct quantity one, most;
			if (whole && !quantity_of(limit, &one) && !quantity_of(whole, &most) &&
			    quantity_cmp(one, most) > 0)
				fail_invalid(c, AT(AT_KEY(at, limit->key), "limits"), limit,
					     "must not be greater than the limit of the pod");
		}
	}
}

static bool is_any(struct str name)
{
	return true;
}

void check_pod_resources(struct check *c, const struct path *p, const struct pod_scope *pod)
{
	const struct json *resources = field(pod->spec, "resources");
	if (!resources)
		return;
	if (str_is(json_str(pod->spec, "os.name"), "windows")) {
		fail_forbidden(c, p, "not for pods of windows");
		return;
	}
	if (field(resources, "claims"))
		fail_forbidden(c, AT(p, "claims"), "containers have claims, not the pod");
	check_resources(c, p, resources, check_pod_resource_name, pod);
	check_enough(c, p, pod->spec, "requests", is_any);
	check_enough(c, p, pod->spec, "limits", is_huge_pages);
	check_single_limits(c, p, pod->spec);
}
