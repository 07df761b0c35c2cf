// SPDX-License-Identifier: Apache-2.0
#include "scheduler/resized.h"

#include "api/quantity.h"

static const struct json *requests_of(const struct json *holder)
{
	return json_at(holder, "resources.requests");
}

static bool says_more(const struct json *requests, const struct json *status)
{
	const struct json *has = requests_of(status), *allocated = json_get(status, STR("allocatedResources"));
	return (has && !json_equal(has, requests)) || (allocated && !json_equal(allocated, requests));
}

static const struct json *status_of(const struct json *statuses, struct str name)
{
	json_each(status, statuses)
		if (str_eq(json_str(status, "name"), name))
			return json_get(status, STR("resources")) ? status : NULL;
	return NULL;
}

// Each amount of the list becomes that of `other` where it is more; those it has not come in (of `known` ones, if given).
static void raise(struct arena *a, struct json *list, const struct json *other, const struct json *known)
{
	json_each(amount, other) {
		struct quantity one, now;
		const struct json *before = json_get(list, amount->key);
		bool is_less = quantity_of(amount, &one) || (!quantity_of(before, &now) && quantity_cmp(one, now) <= 0);
		if (!is_less && (!known || json_get(known, amount->key)))
			json_set(list, arena_str(a, amount->key), json_clone(a, amount));
	}
}

// spec and status of a container, or of the whole pod, which counts only what it says itself.
static void count(struct arena *a, struct json *spec, const struct json *status, bool infeasible, bool whole)
{
	const struct json *asked = requests_of(spec);
	if (!status || !says_more(asked, status))
		return;
	struct json *list = asked && !infeasible ? json_clone(a, asked) : json_object(a);
	raise(a, list, requests_of(status), whole ? asked : NULL);
	raise(a, list, json_get(status, STR("allocatedResources")), whole ? asked : NULL);
	json_put(json_need_object(a, spec, "resources"), "requests", list);
}

static bool is_infeasible(const struct json *pod)
{
	json_each(c, json_at(pod, "status.conditions"))
		if (json_str_is(c, "type", "PodResizePending"))
			return json_str_is(c, "reason", "Infeasible");
	return false;
}

static bool counts_by_status(const struct json *container, bool init)
{
	return !init || json_str_is(container, "restartPolicy", "Always");
}

static const struct {
	const char *spec, *status;
	bool init;
} lists[] = {
	{"spec.containers", "status.containerStatuses", false},
	{"spec.initContainers", "status.initContainerStatuses", true},
};

static bool is_resized(const struct json *pod)
{
	const struct json *whole = requests_of(json_get(pod, STR("spec"))), *status = json_get(pod, STR("status"));
	if (whole && json_get(status, STR("resources")) && says_more(whole, status))
		return true;
	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		json_each(c, json_at(pod, lists[i].spec)) {
			const struct json *of = status_of(json_at(pod, lists[i].status), json_str(c, "name"));
			if (of && counts_by_status(c, lists[i].init) && says_more(requests_of(c), of))
				return true;
		}
	return false;
}

const struct json *pod_as_counted(struct arena *a, const struct json *pod)
{
	if (!is_resized(pod))
		return pod;
	struct json *counted = json_clone(a, pod), *spec = json_get(counted, STR("spec"));
	const struct json *status = json_get(pod, STR("status"));
	bool infeasible = is_infeasible(pod);
	if (requests_of(spec))
		count(a, spec, json_get(status, STR("resources")) ? status : NULL, infeasible, true);
	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		json_each(c, json_at(counted, lists[i].spec)) {
			const struct json *of = status_of(json_at(pod, lists[i].status), json_str(c, "name"));
			if (counts_by_status(c, lists[i].init))
				count(a, c, of, infeasible, false);
		}
	return counted;
}
