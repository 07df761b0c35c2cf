// SPDX-License-Identifier: Apache-2.0
// Requests and limits.
#include "api/quantity.h"
#include "api/rules/pod.h"

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

static void check_resource_name(struct check *c, const struct path *p, struct str name)
{
	check_format(c, p, name, format_qualified_name);
	if (str_find(name, '/') < 0) {
		if (!is_standard(name))
			fail_text(c, p, name, "must be a standard resource or have a domain before its name");
		if (!is_huge_pages(name) && !IS_ONE_OF(name, "cpu", "memory", "ephemeral-storage"))
			fail_text(c, p, name, "must be a resource that containers use");
	} else if (!is_native(name) && str_starts(name, STR("requests."))) {
		fail_text(c, p, name, "a vendor's resource may not begin with 'requests.'");
	}
}

static void check_amount(struct check *c, const struct path *p, const struct json *amount)
{
	struct quantity q;
	if (quantity_of(amount, &q))
		return;
	if (q.nano < 0)
		fail_invalid(c, p, amount, "must not be less than 0");
	if (!is_native(amount->key) && q.nano % 1000000000 != 0)
		fail_invalid(c, p, amount, "must be a whole number");
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

void check_container_resources(struct check *c, const struct path *p, const struct json *resources)
{
	const struct json *limits = field(resources, "limits"), *requests = field(resources, "requests");
	struct index limit_of CLEAN_INDEX;
	index_init(&limit_of, limits, NULL);
	bool huge = false, base = false;
	json_each(limit, limits) {
		check_resource_name(c, AT_KEY(AT(p, "limits"), limit->key), limit->key);
		check_amount(c, AT_KEY(AT(p, "limits"), limit->key), limit);
		huge = huge || is_huge_pages(limit->key);
		base = base || IS_ONE_OF(limit->key, "cpu", "memory");
	}
	json_each(request, requests) {
		check_resource_name(c, AT_KEY(AT(p, "requests"), request->key), request->key);
		check_amount(c, AT_KEY(AT(p, "requests"), request->key), request);
		check_against_limit(c, p, request, &limit_of);
		huge = huge || is_huge_pages(request->key);
		base = base || IS_ONE_OF(request->key, "cpu", "memory");
	}
	if (huge && !base)
		fail_forbidden(c, p, "huge pages need cpu or memory beside them");
}

// Resources of the whole pod

// Adds what a container requests to the sums by resource; the amounts live in the arena.
static void add_requests(struct check *c, struct map *sums, const struct json *container)
{
	json_each(request, json_at(container, "resources.requests")) {
		struct quantity q, *sum = map_get(sums, request->key);
		if (!sum)
			map_set(sums, request->key, sum = ARENA_NEW(c->arena, struct quantity));
		if (!quantity_of(request, &q))
			*sum = quantity_add(*sum, q);
	}
}

// What those containers request together that run side by side.
static void sum_requests(struct check *c, struct map *sums, const struct json *spec)
{
	json_each(container, field(spec, "containers"))
		add_requests(c, sums, container);
	json_each(container, field(spec, "initContainers"))
		if (str_is(text_of(container, "restartPolicy"), "Always"))
			add_requests(c, sums, container);
}

static void check_pod_amounts(struct check *c, const struct path *p, const struct json *amounts)
{
	static const char *const supported[] = {"cpu", "hugepages-*", "memory", NULL};
	json_each(amount, amounts) {
		const struct path *at = AT_KEY(p, amount->key);
		if (!is_huge_pages(amount->key) && !IS_ONE_OF(amount->key, "cpu", "memory"))
			fail_unsupported(c, at, json_string(c->arena, amount->key), supported);
		check_amount(c, at, amount);
	}
}

void check_pod_resources(struct check *c, const struct path *p, const struct json *spec)
{
	const struct json *resources = field(spec, "resources");
	const struct json *limits = field(resources, "limits"), *requests = field(resources, "requests");
	check_pod_amounts(c, AT(p, "limits"), limits);
	check_pod_amounts(c, AT(p, "requests"), requests);
	if (!count_of(requests))
		return;
	struct index limit_of CLEAN_INDEX;
	struct map sums CLEAN_MAP;
	index_init(&limit_of, limits, NULL);
	map_init(&sums);
	sum_requests(c, &sums, spec);
	json_each(request, requests) {
		const struct quantity *sum = map_get(&sums, request->key);
		struct quantity q;
		check_against_limit(c, p, request, &limit_of);
		if (sum && !quantity_of(request, &q) && quantity_cmp(*sum, q) > 0)
			fail_invalid(c, AT_KEY(AT(p, "requests"), request->key), request,
				     "must not be less than what the containers request together: %.*s",
				     STR_FMT(quantity_text(c->arena, *sum)));
	}
}
