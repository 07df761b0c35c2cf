// SPDX-License-Identifier: Apache-2.0
// Annotations that mean something to pods: who made a pod without the API, what it costs to delete it, and profiles in
// the form they had before there were fields for them.
#include "api/rules/pod.h"

#define MIRROR "kubernetes.io/config.mirror"
#define DELETION_COST "controller.kubernetes.io/pod-deletion-cost"
#define SECCOMP_POD "seccomp.security.alpha.kubernetes.io/pod"
#define SECCOMP_CONTAINER "container.seccomp.security.alpha.kubernetes.io/"
#define APP_ARMOR "container.apparmor.security.beta.kubernetes.io/"
#define ANNOTATIONS AT(AT(NULL, "metadata"), "annotations")

static const struct json *annotations_of(const struct json *pod)
{
	return json_at(pod, "metadata.annotations");
}

// As numbers are written: no sign but a minus, no leading zeros.
static bool is_cost(struct str text)
{
	int64_t n;
	struct str digits = str_starts(text, STR("-")) ? str_from(text, 1) : text;
	bool plain = digits.n == 1 || (digits.n > 1 && digits.p[0] != '0');
	return plain && digits.p[0] != '-' && digits.p[0] != '+' && str_to_i64(text, &n) == 0 && n >= INT32_MIN &&
	       n <= INT32_MAX;
}

// What is no cost already may be another one.
static bool was_no_cost(struct check *c)
{
	const struct json *before = json_get(annotations_of(c->old), STR(DELETION_COST));
	return before && !is_cost(before->text);
}

static void check_seccomp(struct check *c, const struct path *p, struct str profile)
{
	if (IS_ONE_OF(profile, "runtime/default", "docker/default", "unconfined"))
		return;
	if (str_starts(profile, STR("localhost/")))
		check_descending_path(c, p, str_from(profile, sizeof "localhost/" - 1));
	else
		fail_text(c, p, profile, "must be runtime/default, unconfined or localhost/PATH");
}

static void note_name(struct check *c, const struct path *p, const struct json *container, void *names)
{
	seen_add(names, text_of(container, "name"));
}

static void check_app_armor(struct check *c, const struct path *p, const struct json *annotation,
			    const struct seen *names)
{
	struct str container = str_from(annotation->key, sizeof APP_ARMOR - 1), profile = annotation->text;
	if (!seen_has(names, container))
		fail_text(c, p, container, "the pod has no such container");
	if (!IS_ONE_OF(profile, "", "runtime/default", "unconfined") && !str_starts(profile, STR("localhost/")))
		fail_text(c, p, profile, "must be runtime/default, unconfined or localhost/NAME");
}

void check_pod_annotations(struct check *c)
{
	struct seen names CLEAN_SEEN;
	seen_init(&names);
	each_container(c, NULL, field(c->object, "spec"), note_name, &names);
	json_each(annotation, annotations_of(c->object)) {
		struct str key = annotation->key;
		if (str_is(key, MIRROR) && !json_str(c->object, "spec.nodeName").n)
			fail_invalid(c, AT_KEY(ANNOTATIONS, key), annotation, "such a pod is on a node");
		else if (str_is(key, DELETION_COST) && !is_cost(annotation->text) && !was_no_cost(c))
			fail_invalid(c, AT_KEY(ANNOTATIONS, key), annotation, "must be a whole number of 32 bits");
		else if (str_is(key, SECCOMP_POD) || str_starts(key, STR(SECCOMP_CONTAINER)))
			check_seccomp(c, AT_STR(ANNOTATIONS, key), annotation->text);
		else if (str_starts(key, STR(APP_ARMOR)))
			check_app_armor(c, AT_KEY(ANNOTATIONS, key), annotation, &names);
	}
}

// Annotations beside fields

static void check_same_profile(struct check *c, const struct path *p, const struct json *profile, struct str annotation,
			       bool is_seccomp)
{
	struct str type = text_of(profile, "type"), file = annotation;
	bool same = true;
	if (str_is(type, "Unconfined"))
		same = str_is(annotation, "unconfined");
	else if (str_is(type, "RuntimeDefault"))
		same = str_is(annotation, "runtime/default") || (is_seccomp && str_is(annotation, "docker/default"));
	else if (str_is(type, "Localhost"))
		same = str_starts(annotation, STR("localhost/"));
	if (!same) {
		fail_forbidden(c, AT(p, "type"), "the annotation says another type");
		return;
	}
	if (!str_is(type, "Localhost"))
		return;
	file = str_from(annotation, sizeof "localhost/" - 1);
	if (!field(profile, "localhostProfile") || !str_eq(text_of(profile, "localhostProfile"), file))
		fail_forbidden(c, AT(p, "localhostProfile"), "the annotation says another profile");
}

static const struct json *annotation_for(struct check *c, const char *prefix, const struct json *container)
{
	struct str key = arena_fmt(c->arena, "%s%.*s", prefix, STR_FMT(text_of(container, "name")));
	return json_get(annotations_of(c->object), key);
}

static void check_container_profiles(struct check *c, const struct path *p, const struct json *container, void *arg)
{
	const struct path *at = AT(p, "securityContext");
	const struct json *seccomp = json_at(container, "securityContext.seccompProfile");
	const struct json *armor = json_at(container, "securityContext.appArmorProfile");
	const struct json *old_seccomp = annotation_for(c, SECCOMP_CONTAINER, container);
	const struct json *old_armor = annotation_for(c, APP_ARMOR, container);
	if (!armor)
		armor = json_at(c->object, "spec.securityContext.appArmorProfile");
	if (seccomp && old_seccomp)
		check_same_profile(c, AT(at, "seccompProfile"), seccomp, old_seccomp->text, true);
	if (armor && old_armor && !str_is(json_str(c->object, "spec.os.name"), "windows"))
		check_same_profile(c, AT(at, "appArmorProfile"), armor, old_armor->text, false);
}

void check_profile_annotations(struct check *c)
{
	const struct path *spec = AT(NULL, "spec");
	const struct json *profile = json_at(c->object, "spec.securityContext.seccompProfile");
	const struct json *annotation = json_get(annotations_of(c->object), STR(SECCOMP_POD));
	if (profile && annotation)
		check_same_profile(c, AT(AT(spec, "securityContext"), "seccompProfile"), profile, annotation->text, true);
	each_container(c, spec, field(c->object, "spec"), check_container_profiles, NULL);
}

// Updates

static bool stays(struct str key)
{
	return str_is(key, MIRROR) || str_starts(key, STR(APP_ARMOR));
}

void check_kept_annotations(struct check *c)
{
	const struct json *now = annotations_of(c->object), *old = annotations_of(c->old);
	json_each(annotation, old)
		if (stays(annotation->key) && !same(json_get(now, annotation->key), annotation))
			fail_forbidden(c, AT_KEY(ANNOTATIONS, annotation->key), "may not be removed or changed");
	json_each(annotation, now)
		if (stays(annotation->key) && !json_get(old, annotation->key))
			fail_forbidden(c, AT_KEY(ANNOTATIONS, annotation->key), "may not be added");
}
