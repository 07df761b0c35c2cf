// SPDX-License-Identifier: Apache-2.0
// Resizing pods: of containers that are there, and of the pod as a whole, the amounts of cpu and memory may change, and
// none may go. Some texts are those by which v1.36's own tests know the refusals.
#include "api/rules/pod.h"

#define SPEC AT(NULL, "spec")

static bool check_resizable(struct check *c)
{
	if (json_get(json_at(c->old, "metadata.annotations"), STR("kubernetes.io/config.mirror"))) {
		fail_forbidden(c, NULL, "a pod that its node made can't be resized");
		return false;
	}
	if (str_is(json_str(c->old, "spec.os.name"), "windows")) {
		fail_forbidden(c, NULL, "a pod of windows can't be resized");
		return false;
	}
	return true;
}

// A node that can resize tells what its containers have.
static bool node_resizes(const struct json *pod)
{
	json_each(status, json_at(pod, "status.containerStatuses"))
		if (json_at(status, "state.running"))
			return field(status, "resources") != NULL;
	return true;
}

static void check_kept_amounts(struct check *c, const struct path *p, const struct json *now, const struct json *old)
{
	static const char *const parts[] = {"requests", "limits"};
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		struct index amounts CLEAN_INDEX;
		index_init(&amounts, field(now, parts[i]), NULL);
		json_each(amount, field(old, parts[i]))
			if (!index_get(&amounts, amount->key)) {
				fail_forbidden(c, AT_STR(p, str_of(parts[i])), "resource %s cannot be removed", parts[i]);
				break;
			}
	}
}

static bool same_but_sizes(const struct json *now, const struct json *old)
{
	static const char *const parts[] = {"requests", "limits"};
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		const struct json *a = field(now, parts[i]), *b = field(old, parts[i]);
		struct index was CLEAN_INDEX;
		size_t others = 0;
		index_init(&was, b, NULL);
		json_each(amount, b)
			others += !IS_ONE_OF(amount->key, "cpu", "memory");
		json_each(amount, a) {
			if (IS_ONE_OF(amount->key, "cpu", "memory"))
				continue;
			if (!same(amount, index_get(&was, amount->key)))
				return false;
			others--;
		}
		if (others)
			return false;
	}
	return true;
}

static bool has_amounts(const struct json *resources)
{
	return is_set(resources, "requests") || is_set(resources, "limits");
}

static void check_whole(struct check *c, const struct json *now, const struct json *old)
{
	const struct path *p = AT(SPEC, "resources");
	if (!has_amounts(now) && !has_amounts(old))
		return;
	if (old && !now) {
		fail_forbidden(c, p, "can't be removed by a resize");
		return;
	}
	check_kept_amounts(c, p, now, old);
	if (!same_but_sizes(now, old) || !same_field(now, old, "claims"))
		fail_forbidden(c, SPEC, "of the pod's resources only cpu and memory can be resized");
}

// False where the containers are not the same ones in the same order: nothing more is said then.
static bool check_order(struct check *c, const char *list)
{
	const struct path *p = AT_STR(SPEC, str_of(list));
	const struct json *now = field(field(c->object, "spec"), list), *old = field(field(c->old, "spec"), list);
	const struct json *before = json_first(old);
	size_t i = 0, failures = c->failures;
	if (count_of(now) != count_of(old)) {
		fail_forbidden(c, p, "a resize can't add or remove containers");
		return false;
	}
	json_each(container, now) {
		if (!same_field(container, before, "name"))
			fail_forbidden(c, AT(AT_INDEX(p, i), "name"), "containers may not be renamed or reordered on resize");
		before = before->next;
		i++;
	}
	return c->failures == failures;
}

// A container that only prepares can't be asked to restart for its new size.
static void check_restarts(struct check *c, const struct path *p, const struct json *now, const struct json *old)
{
	if (str_is(text_of(now, "restartPolicy"), "Always") || same(now, old))
		return;
	json_each(policy, field(now, "resizePolicy"))
		if (str_is(text_of(policy, "restartPolicy"), "RestartContainer"))
			fail_forbidden(c, p, "a container that only prepares is not restarted for a resize");
}

static void check_sizes(struct check *c, const char *list, bool is_init)
{
	const struct path *p = AT_STR(SPEC, str_of(list));
	const struct json *before = json_first(field(field(c->old, "spec"), list));
	size_t i = 0;
	json_each(container, field(field(c->object, "spec"), list)) {
		const struct path *at = AT_INDEX(p, i++);
		const struct json *now = field(container, "resources"), *old = field(before, "resources");
		check_kept_amounts(c, AT(at, "resources"), now, old);
		if (!same_but_sizes(now, old) || is_set(old, "claims") ||
		    !same_field(container, before, "resizePolicy"))
			fail_forbidden(c, is_init ? at : SPEC, "only cpu and memory resources are mutable");
		if (is_init)
			check_restarts(c, at, container, before);
		before = before->next;
	}
}

void check_resize(struct check *c)
{
	const struct json *now = json_at(c->object, "spec.resources"), *old = json_at(c->old, "spec.resources");
	struct str was = json_str(c->old, "status.qosClass"), will = pod_qos_class(field(c->object, "spec"));
	size_t before = c->failures;
	if (!check_resizable(c))
		return;
	check_pod(c);
	if (!str_eq(will, was.n ? was : pod_qos_class(field(c->old, "spec"))))
		fail_text(c, SPEC, will, "Pod QOS Class may not change as a result of resizing");
	if (!node_resizes(c->old))
		fail_forbidden(c, SPEC, "the node of the pod can't resize it");
	check_whole(c, now, old);
	bool same = check_order(c, "containers");
	same = check_order(c, "initContainers") && same;
	if (!same)
		return;
	check_sizes(c, "initContainers", true);
	check_sizes(c, "containers", false);
	if (c->failures == before && !has_amounts(now) && !has_amounts(old) && !now != !old)
		fail_forbidden(c, SPEC, "only cpu and memory resources are mutable");
}
