// SPDX-License-Identifier: Apache-2.0
// Pods: on create the whole spec is checked; an update may change little of it.
#include "api/rules/pod.h"

#define SPEC AT(NULL, "spec")

void check_pod(struct check *c)
{
	check_pod_annotations(c, AT(AT(NULL, "metadata"), "annotations"), c->object, c->old);
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
	check_profile_annotations(c, NULL, c->object);
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
		struct str image = text_of(container, "image");
		if (!image.n)
			fail_required(c, AT(AT_INDEX(p, i), "image"), "a container is made from an image");
		else if (str_trim(image).n != image.n)
			fail_text(c, AT(AT_INDEX(p, i), "image"), image, "must not begin or end with a space");
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

// A gated pod may still be steered: more of its node can be asked for, nothing taken back.

static void check_more_labels(struct check *c, const struct json *now, const struct json *old)
{
	struct index labels CLEAN_INDEX;
	index_init(&labels, now, NULL);
	json_each(label, old)
		if (!same(index_get(&labels, label->key), label)) {
			fail_invalid(c, AT(SPEC, "nodeSelector"), now, "labels can only be added while the pod is gated");
			return;
		}
}

static bool begins_with(const struct json *now, const struct json *old)
{
	const struct json *here = json_first(now);
	json_each(one, old) {
		if (!here || !same(here, one))
			return false;
		here = here->next;
	}
	return true;
}

static bool asks_more(const struct json *now, const struct json *old)
{
	static const char *const parts[] = {"matchExpressions", "matchFields"};
	bool was_empty = !is_set(old, parts[0]) && !is_set(old, parts[1]);
	if (was_empty && (is_set(now, parts[0]) || is_set(now, parts[1]))) // an empty term matches nothing
		return false;
	return begins_with(field(now, parts[0]), field(old, parts[0])) &&
	       begins_with(field(now, parts[1]), field(old, parts[1]));
}

static void check_more_of_node(struct check *c, const struct json *now, const struct json *old)
{
	static const char must[] = "requiredDuringSchedulingIgnoredDuringExecution";
	const struct path *p = AT(AT_STR(AT(AT(SPEC, "affinity"), "nodeAffinity"), str_of(must)), "nodeSelectorTerms");
	const struct json *terms = field(field(now, must), "nodeSelectorTerms");
	const struct json *before = json_first(field(field(old, must), "nodeSelectorTerms"));
	size_t i = 0;
	if (!before)
		return;
	if (count_of(terms) != count_of(field(field(old, must), "nodeSelectorTerms"))) {
		fail_invalid(c, p, terms, "terms can't be added or removed");
		return;
	}
	json_each(term, terms) {
		if (!asks_more(term, before))
			fail_invalid(c, AT_INDEX(p, i), term, "can only be added to");
		before = before->next;
		i++;
	}
}

static void allow_steering(struct check *c, struct json *spec, const struct json *old)
{
	struct json *affinity = json_get(spec, STR("affinity"));
	const struct json *before = field(old, "affinity");
	check_more_labels(c, field(spec, "nodeSelector"), field(old, "nodeSelector"));
	restore(c, spec, old, "nodeSelector");
	if (same_field(affinity, before, "nodeAffinity"))
		return;
	check_more_of_node(c, field(affinity, "nodeAffinity"), field(before, "nodeAffinity"));
	if (!affinity)
		affinity = json_need_object(c->arena, spec, "affinity");
	restore(c, affinity, before, "nodeAffinity");
	if (!before && affinity->count == 0)
		json_remove(spec, STR("affinity"));
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
	check_metadata(c, AT(NULL, "metadata"), field(c->object, "metadata"), true, format_dns_subdomain);
	check_finalizer_domains(c);
	check_pod(c);
	check_pod_annotations(c, AT(AT(NULL, "metadata"), "annotations"), c->object, c->old); // once more: told twice
	check_kept_annotations(c);
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
	if (json_get(json_at(c->old, "metadata.annotations"), STR("kubernetes.io/config.mirror"))) {
		fail_forbidden(c, NULL, "a pod that its node made has no ephemeral containers");
		return;
	}
	check_pod(c);
	check_pod_annotations(c, AT(AT(NULL, "metadata"), "annotations"), c->object, c->old); // once more: told twice
	check_kept_annotations(c);
	json_each(before, json_at(c->old, "spec.ephemeralContainers")) {
		struct str name = text_of(before, "name");
		const struct json *after = index_get(&now, name);
		if (!after)
			fail_forbidden(c, p, "the ephemeral container \"%.*s\" can't be removed", STR_FMT(name));
		else if (!same(after, before))
			fail_forbidden(c, p, "the ephemeral container \"%.*s\" can't be changed", STR_FMT(name));
	}
}

void rules_pod_update(struct check *c)
{
	if (str_is(c->context->subresource, "ephemeralcontainers"))
		check_debug_update(c);
	else if (str_is(c->context->subresource, "resize"))
		check_resize(c);
	else
		check_main_update(c);
}
