// SPDX-License-Identifier: Apache-2.0
// Pods: on create the whole spec is checked; an update may change little of it.
#include "api/rules/pod.h"

#define SPEC AT(NULL, "spec")
#define STATUS AT(NULL, "status")

static void check_pod(struct check *c)
{
	check_pod_annotations(c);
	check_pod_spec(c, SPEC, field(c->object, "spec"), true, json_str(c->object, "metadata.name"));
}

void rules_pod_create(struct check *c)
{
	const struct json *spec = field(c->object, "spec");
	check_pod(c);
	if (is_set(spec, "ephemeralContainers"))
		fail_forbidden(c, AT(SPEC, "ephemeralContainers"), "can't be set when the pod is created");
	if (is_set(spec, "schedulingGates") && text_of(spec, "nodeName").n)
		fail_forbidden(c, AT(SPEC, "nodeName"), "can't be set while there are scheduling gates");
	check_profile_annotations(c);
}

// Updates of the main resource

// False when the lists differ in length: nothing more is said then.
static bool check_same_containers(struct check *c, const struct path *p, const struct json *now, const struct json *old)
{
	if (count_of(now) != count_of(old)) {
		fail_forbidden(c, p, "an update can't add or remove containers");
		return false;
	}
	size_t i = 0;
	json_each(container, now) {
		if (!str_trim(text_of(container, "image")).n)
			fail_required(c, AT(AT_INDEX(p, i), "image"), "a container is made from an image");
		i++;
	}
	return true;
}

// False when the value ends what can be said of the update.
static bool check_deadline(struct check *c, const struct json *now, const struct json *old)
{
	const struct path *p = AT(SPEC, "activeDeadlineSeconds");
	if (!now && old)
		fail_invalid(c, p, now, "can't be removed once it is set");
	if (!now)
		return true;
	if (now->integer < 0 || now->integer > INT32_MAX) {
		fail_invalid(c, p, now, "must be between 0 and %d, inclusive", INT32_MAX);
		return false;
	}
	if (old && old->integer < now->integer) {
		fail_invalid(c, p, now, "must not be greater than before");
		return false;
	}
	return true;
}

// All of a toleration but its seconds.
static struct str toleration_key(struct check *c, const struct json *t)
{
	return arena_fmt(c->arena, "%.*s|%.*s|%.*s|%.*s", STR_FMT(text_of(t, "key")), STR_FMT(text_of(t, "operator")),
			 STR_FMT(text_of(t, "value")), STR_FMT(text_of(t, "effect")));
}

static void check_added_tolerations(struct check *c, const struct json *now, const struct json *old)
{
	const struct path *p = AT(SPEC, "tolerations");
	struct seen kept CLEAN_SEEN;
	seen_init(&kept);
	json_each(toleration, now)
		seen_add(&kept, toleration_key(c, toleration));
	json_each(toleration, old)
		if (!seen_has(&kept, toleration_key(c, toleration))) {
			fail_forbidden(c, p, "of a toleration only tolerationSeconds can be changed");
			return;
		}
	check_tolerations(c, p, now);
}

static void check_removed_gates(struct check *c, const struct json *now, const struct json *old)
{
	struct seen known CLEAN_SEEN;
	seen_init(&known);
	seen_add_all(&known, old, "name");
	size_t i = 0;
	json_each(gate, now) {
		if (!seen_has(&known, text_of(gate, "name")))
			fail_forbidden(c, AT(AT_INDEX(AT(SPEC, "schedulingGates"), i), "name"),
				       "gates can only be removed, \"%.*s\" is new", STR_FMT(text_of(gate, "name")));
		i++;
	}
}

static void restore(struct check *c, struct json *spec, const struct json *old, const char *name)
{
	const struct json *value = field(old, name);
	if (value)
		json_put(spec, name, json_clone(c->arena, value));
	else
		json_remove(spec, str_of(name));
}

static void restore_images(struct check *c, struct json *now, const struct json *old)
{
	const struct json *before = json_first(old);
	json_each(container, now) {
		restore(c, container, before, "image");
		before = before->next;
	}
}

// A gated pod may still be steered: more node labels can be asked for, none taken back.
static void allow_steering(struct check *c, struct json *spec, const struct json *old)
{
	const struct json *now = field(spec, "nodeSelector"), *before = field(old, "nodeSelector");
	if (!same(now, before)) {
		struct index labels CLEAN_INDEX;
		index_init(&labels, now, NULL);
		json_each(label, before)
			if (!same(index_get(&labels, label->key), label)) {
				fail_invalid(c, AT(SPEC, "nodeSelector"), now,
					     "labels can only be added while the pod is gated");
				break;
			}
		restore(c, spec, old, "nodeSelector");
	}
	if (!json_at(old, "affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution") &&
	    same(json_at(spec, "affinity.podAffinity"), json_at(old, "affinity.podAffinity")) &&
	    same(json_at(spec, "affinity.podAntiAffinity"), json_at(old, "affinity.podAntiAffinity")))
		restore(c, spec, old, "affinity");
}

// Everything else stays as it was.
static void check_rest(struct check *c, const struct json *now, const struct json *old)
{
	static const char *const free_fields[] = {"activeDeadlineSeconds", "schedulingGates", "tolerations"};
	struct json *spec = json_clone(c->arena, now);
	restore_images(c, json_get(spec, STR("containers")), field(old, "containers"));
	restore_images(c, json_get(spec, STR("initContainers")), field(old, "initContainers"));
	for (size_t i = 0; i < ARRAY_LEN(free_fields); i++)
		restore(c, spec, old, free_fields[i]);
	if (json_i64(old, "terminationGracePeriodSeconds", 0) < 0 &&
	    json_i64(spec, "terminationGracePeriodSeconds", 0) == 1)
		restore(c, spec, old, "terminationGracePeriodSeconds");
	if (is_set(old, "schedulingGates"))
		allow_steering(c, spec, old);
	if (!same(spec, old))
		fail_forbidden(
			c, SPEC,
			"of a pod's spec only containers[*].image, initContainers[*].image, activeDeadlineSeconds, "
			"terminationGracePeriodSeconds (to 1, from a negative value) and tolerations (by "
			"additions) can be changed");
}

static void check_main_update(struct check *c)
{
	const struct json *now = field(c->object, "spec"), *old = field(c->old, "spec");
	if (!check_same_containers(c, AT(SPEC, "containers"), field(now, "containers"), field(old, "containers")) ||
	    !check_same_containers(c, AT(SPEC, "initContainers"), field(now, "initContainers"),
				   field(old, "initContainers")) ||
	    !check_deadline(c, field(now, "activeDeadlineSeconds"), field(old, "activeDeadlineSeconds")))
		return;
	check_added_tolerations(c, field(now, "tolerations"), field(old, "tolerations"));
	check_removed_gates(c, field(now, "schedulingGates"), field(old, "schedulingGates"));
	check_rest(c, now, old);
}

// Subresources

static void check_debug_update(struct check *c)
{
	const struct path *p = AT(SPEC, "ephemeralContainers");
	struct index now CLEAN_INDEX;
	index_init(&now, json_at(c->object, "spec.ephemeralContainers"), "name");
	json_each(before, json_at(c->old, "spec.ephemeralContainers")) {
		struct str name = text_of(before, "name");
		const struct json *after = index_get(&now, name);
		if (!after)
			fail_forbidden(c, p, "the ephemeral container \"%.*s\" can't be removed", STR_FMT(name));
		else if (!same(after, before))
			fail_forbidden(c, p, "the ephemeral container \"%.*s\" can't be changed", STR_FMT(name));
	}
}

static void check_kept_amounts(struct check *c, const struct path *p, const struct json *now, const struct json *old)
{
	json_each(amount, old)
		if (IS_ONE_OF(amount->key, "cpu", "memory") && !json_get(now, amount->key))
			fail_forbidden(c, p, "%.*s can't be removed by a resize", STR_FMT(amount->key));
}

static void check_resize_list(struct check *c, const char *list)
{
	const struct json *before = json_first(field(field(c->old, "spec"), list));
	size_t i = 0;
	json_each(container, field(field(c->object, "spec"), list)) {
		const struct path *p = AT(AT_INDEX(AT_STR(SPEC, str_of(list)), i++), "resources");
		const struct json *now = field(container, "resources"), *old = field(before, "resources");
		check_kept_amounts(c, AT(p, "limits"), field(now, "limits"), field(old, "limits"));
		check_kept_amounts(c, AT(p, "requests"), field(now, "requests"), field(old, "requests"));
		before = before ? before->next : NULL;
	}
}

static void check_resize(struct check *c)
{
	struct str now = pod_qos_class(field(c->object, "spec")), old = pod_qos_class(field(c->old, "spec"));
	if (!str_eq(now, old))
		fail_text(c, AT(NULL, "metadata"), now, "a resize can't change the quality of service, which is %.*s",
			  STR_FMT(old));
	check_resize_list(c, "containers");
	check_resize_list(c, "initContainers");
}

void rules_pod_update(struct check *c)
{
	check_pod(c);
	if (str_is(c->context->subresource, "ephemeralcontainers"))
		check_debug_update(c);
	else if (str_is(c->context->subresource, "resize"))
		check_resize(c);
	else
		check_main_update(c);
}

// Status

static void check_ips(struct check *c, const char *list)
{
	const struct path *p = AT_STR(STATUS, str_of(list));
	const struct json *ips = field(field(c->object, "status"), list);
	size_t i = 0, before = c->failures, count[2] = {0};
	json_each(ip, ips) {
		unsigned char bytes[16];
		check_format(c, AT_INDEX(p, i++), text_of(ip, "ip"), format_ip);
		count[format_ip_bytes(text_of(ip, "ip"), bytes) == 16]++;
	}
	if (c->failures == before && (count[0] > 1 || count[1] > 1))
		fail_invalid(c, p, ips, "at most one address for each of IPv4 and IPv6");
}

// What has ended and is not to be started again stays ended.
static void check_ended(struct check *c, const char *list)
{
	struct str policy = json_str(c->old, "spec.restartPolicy");
	size_t i = 0;
	if (str_is(policy, "Always"))
		return;
	struct index before CLEAN_INDEX;
	index_init(&before, field(field(c->old, "status"), list), "name");
	json_each(status, field(field(c->object, "status"), list)) {
		const struct json *ended = json_at(index_get(&before, text_of(status, "name")), "state.terminated");
		bool stays = ended && (str_is(policy, "Never") || json_i64(ended, "exitCode", 0) == 0);
		if (stays && !json_at(status, "state.terminated"))
			fail_forbidden(c, AT(AT_INDEX(AT_STR(STATUS, str_of(list)), i), "state"),
				       "the container has ended for good");
		i++;
	}
}

void rules_pod_status(struct check *c)
{
	struct str nominated = json_str(c->object, "status.nominatedNodeName");
	if (nominated.n)
		check_format(c, AT(STATUS, "nominatedNodeName"), nominated, format_dns_subdomain);
	size_t i = 0;
	json_each(condition, json_at(c->object, "status.conditions")) {
		struct str type = text_of(condition, "type");
		if (str_find(type, '/') >= 0)
			check_format(c, AT(AT_INDEX(AT(STATUS, "conditions"), i), "type"), type, format_qualified_name);
		i++;
	}
	check_ips(c, "podIPs");
	check_ips(c, "hostIPs");
	check_ended(c, "containerStatuses");
}
