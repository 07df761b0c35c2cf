// SPDX-License-Identifier: Apache-2.0
#include "api/defaults/defaults.h"

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

// An image by digest, or by a tag other than latest, need not be asked for again.
static bool is_fixed_image(struct str image)
{
	if (str_find(image, '@') >= 0)
		return true;
	struct str last = str_from(image, (size_t)(str_find_last(image, '/') + 1)), name, tag;
	return str_cut(last, ':', &name, &tag) && !str_is(tag, "latest");
}

static void default_pull_policy(struct arena *a, struct json *object, const char *policy, struct str image)
{
	put_absent(a, object, policy, json_string(a, is_fixed_image(image) ? STR("IfNotPresent") : STR("Always")));
}

void api_defaults_container(struct arena *a, struct json *container)
{
	default_pull_policy(a, container, "imagePullPolicy", json_str(container, "image"));
}

void api_defaults_volume(struct arena *a, struct json *volume)
{
	struct json *image = json_get(volume, STR("image"));
	if (volume->count == (json_get(volume, STR("name")) != NULL))
		json_put(volume, "emptyDir", json_object(a));
	if (image && image->type == JSON_OBJECT && json_str(image, "reference").n)
		default_pull_policy(a, image, "pullPolicy", json_str(image, "reference"));
}

// What is limited but not requested is requested up to the limit.
static void request_limits(struct arena *a, struct json *resources)
{
	const struct json *limits = json_get(resources, STR("limits"));
	if (!limits || limits->count == 0)
		return;
	struct json *requests = json_need_object(a, resources, "requests");
	json_each(limit, limits)
		if (!json_get(requests, limit->key))
			json_set(requests, limit->key, json_clone(a, limit));
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
}
