// SPDX-License-Identifier: Apache-2.0
#include "api/defaults/defaults.h"
#include "api/members.h"
#include "api/together.h"

static void put_absent(struct arena *a, struct json *object, const char *key, struct json *value)
{
	if (!json_get(object, str_of(key)))
		json_put(object, key, value);
}

// Both names of the account say the same; the new one wins.
static void mirror_account(struct arena *a, struct json *spec)
{
	struct str name = json_str(spec, "serviceAccountName"), old = json_str(spec, "serviceAccount");
	if (name.n)
		json_put_str(a, spec, "serviceAccount", name);
	else if (old.n)
		json_put_str(a, spec, "serviceAccountName", old);
}

void api_defaults_pod_spec(struct arena *a, struct json *spec)
{
	mirror_account(a, spec);
}

// Signals of one's own are switched off; a lifecycle that says nothing else goes with them.
static void drop_stop_signal(struct json *container)
{
	struct json *lifecycle = json_get(container, STR("lifecycle"));
	if (!json_get(lifecycle, STR("stopSignal")))
		return;
	json_remove(lifecycle, STR("stopSignal"));
	if (lifecycle->count == 0)
		json_unlink(container, lifecycle);
}

void api_defaults_container(struct arena *a, struct json *container)
{
	drop_stop_signal(container);
	api_defaults_pull_policy(a, container, "imagePullPolicy", json_str(container, "image"));
}

void api_defaults_volume(struct arena *a, struct json *volume)
{
	struct json *image = json_get(volume, STR("image"));
	if (volume->count == (json_get(volume, STR("name")) != NULL))
		json_put(volume, "emptyDir", json_object(a));
	if (image && image->type == JSON_OBJECT && json_str(image, "reference").n)
		api_defaults_pull_policy(a, image, "pullPolicy", json_str(image, "reference"));
}

// What is limited but not requested is requested up to the limit.
static void request_limits(struct arena *a, struct json *resources)
{
	const struct json *limits = json_get(resources, STR("limits"));
	if (!limits || limits->count == 0)
		return;
	struct members requests CLEAN_MEMBERS;
	members_init(&requests, json_need_object(a, resources, "requests"));
	json_each(limit, limits)
		if (!members_get(&requests, limit->key))
			members_set(&requests, limit->key, json_clone(a, limit));
}

// A container on the host's network takes the host's port.
static void expose_on_host(struct arena *a, struct json *container)
{
	json_each(port, json_get(container, STR("ports"))) {
		struct json *number = json_get(port, STR("containerPort"));
		if (number && number->type == JSON_INT)
			put_absent(a, port, "hostPort", json_int(a, number->integer));
	}
}

// Pod-level resources

static bool is_huge_pages(struct str resource)
{
	return str_starts(resource, STR("hugepages-"));
}

// Where the pod has some amounts of its own, it is limited to the huge pages that its containers are.
static void default_huge_pages(struct arena *a, struct json *spec, struct json *whole)
{
	const struct json *requests = json_get(whole, STR("requests")), *given = json_get(whole, STR("limits"));
	struct together all CLEAN_TOGETHER;
	if (!json_first(requests) && !json_first(given))
		spec = NULL;
	together_init(&all, a, spec, "limits");
	map_each(entry, &all.most) {
		const struct quantity *most = entry->value;
		if (!is_huge_pages(entry->key) || json_get(requests, entry->key))
			continue;
		struct json *limits = json_need_object(a, whole, "limits");
		if (!json_get(limits, entry->key))
			json_set(limits, entry->key, json_string(a, quantity_text(a, *most)));
	}
}

// Where the pod has limits of its own: it requests what its containers do, and up to the limit what none of them does.
static void default_pod_requests(struct arena *a, struct json *spec, struct json *whole)
{
	static const char *const shared[] = {"cpu", "memory"};
	const struct json *limits = json_get(whole, STR("limits"));
	struct members requests CLEAN_MEMBERS;
	struct together all CLEAN_TOGETHER;
	bool known = json_get(whole, STR("requests")) != NULL;
	together_init(&all, a, spec, "requests");
	members_init(&requests, json_need_object(a, whole, "requests"));
	for (size_t i = 0; i < ARRAY_LEN(shared); i++) {
		const struct quantity *most = together_of(&all, str_of(shared[i]));
		if (most && !members_get(&requests, str_of(shared[i])))
			members_set(&requests, str_of(shared[i]), json_string(a, quantity_text(a, *most)));
	}
	json_each(limit, limits)
		if ((is_huge_pages(limit->key) || str_is(limit->key, "cpu") || str_is(limit->key, "memory")) &&
		    !members_get(&requests, limit->key))
			members_set(&requests, limit->key, json_clone(a, limit));
	if (!known && requests.object->count == 0)
		json_remove(whole, STR("requests"));
}

static void default_pod_resources(struct arena *a, struct json *spec)
{
	struct json *whole = json_get(spec, STR("resources"));
	if (!whole)
		return;
	default_huge_pages(a, spec, whole);
	if (json_first(json_get(whole, STR("limits"))))
		default_pod_requests(a, spec, whole);
}

void api_defaults_pod(struct arena *a, struct json *pod)
{
	static const char *const lists[] = {"containers", "initContainers"};
	struct json *spec = json_get(pod, STR("spec"));
	bool host = json_is_true(spec, "hostNetwork");
	put_absent(a, spec, "enableServiceLinks", json_bool(a, true));
	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		json_each(container, json_get(spec, str_of(lists[i]))) {
			request_limits(a, json_need_object(a, container, "resources"));
			if (host)
				expose_on_host(a, container);
		}
	default_pod_resources(a, spec);
	if (json_i64(spec, "terminationGracePeriodSeconds", 0) < 0) // once meant "at once"; now as little as there is
		json_put_int(a, spec, "terminationGracePeriodSeconds", 1);
}

// The older field tells the first of the list; where both are given and differ, the older one wins.
static void mirror_first(struct arena *a, struct json *object, const char *one, const char *all, const char *member)
{
	struct str single = json_str(object, one);
	struct json *list = json_get(object, str_of(all)), *first = json_first(list);
	const struct json *known_at = member ? json_get(first, str_of(member)) : first;
	struct str known = known_at && known_at->type == JSON_STRING ? known_at->text : STR_NONE;
	if (single.n == 0 && known.n) {
		json_put_str(a, object, one, known);
	} else if (single.n && !str_eq(single, known)) {
		struct json *value = json_string(a, single);
		if (member) {
			struct json *holder = json_object(a);
			json_put(holder, member, value);
			value = holder;
		}
		json_push(json_put(object, all, json_array(a)), value);
	}
}

void api_defaults_pod_status(struct arena *a, struct json *status)
{
	mirror_first(a, status, "podIP", "podIPs", "ip");
}

void api_defaults_node_spec(struct arena *a, struct json *spec)
{
	mirror_first(a, spec, "podCIDR", "podCIDRs", NULL);
}
