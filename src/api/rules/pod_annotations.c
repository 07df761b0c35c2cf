// SPDX-License-Identifier: Apache-2.0
// Annotations that mean something to pods: who made a pod without the API, what it costs to delete it, and profiles in
// the form they had before there were fields for them.
#include "api/rules/warn.h"

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
static bool was_no_cost(const struct json *old)
{
	const struct json *before = json_get(annotations_of(old), STR(DELETION_COST));
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

void check_pod_annotations(struct check *c, const struct path *p, const struct json *pod, const struct json *old)
{
	struct seen names CLEAN_SEEN;
	seen_init(&names);
	each_container(c, NULL, field(pod, "spec"), note_name, &names);
	json_each(annotation, annotations_of(pod)) {
		struct str key = annotation->key;
		if (str_is(key, MIRROR) && !json_str(pod, "spec.nodeName").n)
			fail_invalid(c, AT_KEY(p, key), annotation, "such a pod is on a node");
		else if (str_is(key, DELETION_COST) && !is_cost(annotation->text) && !was_no_cost(old))
			fail_invalid(c, AT_KEY(p, key), annotation, "must be a whole number of 32 bits");
		else if (str_is(key, SECCOMP_POD) || str_starts(key, STR(SECCOMP_CONTAINER)))
			check_seccomp(c, AT_STR(p, key), annotation->text);
		else if (str_starts(key, STR(APP_ARMOR)))
			check_app_armor(c, AT_KEY(p, key), annotation, &names);
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

static const struct json *annotation_for(struct arena *a, const struct json *pod, const char *prefix,
					 const struct json *container)
{
	struct str key = arena_fmt(a, "%s%.*s", prefix, STR_FMT(text_of(container, "name")));
	return json_get(annotations_of(pod), key);
}

static void check_container_profiles(struct check *c, const struct path *p, const struct json *container, void *arg)
{
	const struct json *pod = arg;
	const struct path *at = AT(p, "securityContext");
	const struct json *seccomp = json_at(container, "securityContext.seccompProfile");
	const struct json *armor = json_at(container, "securityContext.appArmorProfile");
	const struct json *old_seccomp = annotation_for(c->arena, pod, SECCOMP_CONTAINER, container);
	const struct json *old_armor = annotation_for(c->arena, pod, APP_ARMOR, container);
	if (!armor)
		armor = json_at(pod, "spec.securityContext.appArmorProfile");
	if (seccomp && old_seccomp)
		check_same_profile(c, AT(at, "seccompProfile"), seccomp, old_seccomp->text, true);
	if (armor && old_armor && !str_is(json_str(pod, "spec.os.name"), "windows"))
		check_same_profile(c, AT(at, "appArmorProfile"), armor, old_armor->text, false);
}

void check_profile_annotations(struct check *c, const struct path *p, const struct json *pod)
{
	const struct path *spec = AT(p, "spec");
	const struct json *profile = json_at(pod, "spec.securityContext.seccompProfile");
	const struct json *annotation = json_get(annotations_of(pod), STR(SECCOMP_POD));
	if (profile && annotation)
		check_same_profile(c, AT(AT(spec, "securityContext"), "seccompProfile"), profile, annotation->text, true);
	each_container(c, spec, field(pod, "spec"), check_container_profiles, (void *)(uintptr_t)pod);
}

// Annotations instead of fields

static const char armor_outdated[] = "deprecated; use the field \"appArmorProfile\"";

// What an AppArmor annotation says, as the field has it; NULL where it says nothing good.
static struct json *armor_of(struct arena *a, struct str annotation)
{
	struct json *profile = json_object(a);
	if (str_is(annotation, "unconfined")) {
		json_put_str(a, profile, "type", STR("Unconfined"));
	} else if (str_is(annotation, "runtime/default")) {
		json_put_str(a, profile, "type", STR("RuntimeDefault"));
	} else if (str_starts(annotation, STR("localhost/"))) {
		struct str file = str_from(annotation, sizeof "localhost/" - 1);
		json_put_str(a, profile, "type", STR("Localhost"));
		json_put_str(a, profile, "localhostProfile", file);
		return file.n && str_eq(file, str_trim(file)) ? profile : NULL;
	} else {
		return NULL;
	}
	return profile;
}

static void take_armor(struct api_context *c, const struct json *pod, struct json *container)
{
	const struct json *annotation = annotation_for(c->arena, pod, APP_ARMOR, container);
	if (!annotation || json_at(container, "securityContext.appArmorProfile"))
		return;
	struct json *profile = armor_of(c->arena, annotation->text);
	if (profile && same(profile, json_at(pod, "spec.securityContext.appArmorProfile")))
		return;
	if (profile)
		json_put(json_need_object(c->arena, container, "securityContext"), "appArmorProfile", profile);
	api_warn(c->arena, c->warnings,
		 arena_fmt(c->arena, "metadata.annotations[%.*s]: %s", STR_FMT(annotation->key), armor_outdated));
}

void pod_take_armor(struct api_context *c, struct json *pod)
{
	static const char *const lists[] = {"initContainers", "containers"};
	if (str_is(json_str(pod, "spec.os.name"), "windows"))
		return;
	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		json_each(container, json_get(json_get(pod, STR("spec")), str_of(lists[i])))
			take_armor(c, pod, container);
}

static void warn_seccomp(struct check *c, const struct path *p, const struct json *annotation, const struct json *field)
{
	if (annotation && !field)
		warn(c, AT_KEY(p, annotation->key), "does nothing; use the field \"seccompProfile\"");
}

void warn_profile_annotations(struct check *c, const struct path *p, const struct json *pod)
{
	static const char *const lists[] = {"initContainers", "containers", "ephemeralContainers"};
	const struct path *at = AT(AT(p, "metadata"), "annotations");
	const struct json *context = json_at(pod, "spec.securityContext"), *whole = field(context, "appArmorProfile");
	if (!annotations_of(pod))
		return;
	warn_seccomp(c, at, json_get(annotations_of(pod), STR(SECCOMP_POD)), field(context, "seccompProfile"));
	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		json_each(container, field(field(pod, "spec"), lists[i])) {
			const struct json *own = field(container, "securityContext");
			const struct json *armor = annotation_for(c->arena, pod, APP_ARMOR, container);
			warn_seccomp(c, at, annotation_for(c->arena, pod, SECCOMP_CONTAINER, container),
				     field(own, "seccompProfile"));
			bool is_template = p != NULL; // a pod has taken its annotations into the fields
			if (is_template && armor && !field(own, "appArmorProfile") &&
			    (!whole || !same(whole, armor_of(c->arena, armor->text))))
				warn(c, AT_KEY(at, armor->key), "%s", armor_outdated);
		}
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
