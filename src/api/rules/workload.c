// SPDX-License-Identifier: Apache-2.0
// Deployment, ReplicaSet, PodTemplate, and the Scale of those that have replicas.
#include "api/quantity.h"
#include "api/rules/rules.h"
#include "api/selector.h"

#define SPEC AT(NULL, "spec")
#define STATUS AT(NULL, "status")

// Whether the labels of the template are what the selector looks for. An empty selector is told of elsewhere.
static bool selects(struct check *c, const struct json *selector, const struct json *labels)
{
	struct err ignored CLEAN_ERR = ERR_EMPTY;
	struct api_selector *s;
	if (api_selector_of(c->arena, selector, &s, &ignored))
		return false;
	return api_selector_everything(s) || api_selector_matches(s, labels);
}

static void check_template(struct check *c, const struct json *spec)
{
	const struct path *p = AT(SPEC, "template");
	const struct json *template = field(spec, "template"), *labels = json_at(template, "metadata.labels");
	const struct json *pod = field(template, "spec");
	if (!selects(c, field(spec, "selector"), labels))
		fail_invalid(c, AT(AT(p, "metadata"), "labels"), labels,
			     "`selector` does not match the template's labels");
	check_pod_template(c, p, template);
	ONE_OF(c, AT(AT(p, "spec"), "restartPolicy"), field(pod, "restartPolicy"), "Always");
	if (field(pod, "activeDeadlineSeconds"))
		fail_forbidden(c, AT(AT(p, "spec"), "activeDeadlineSeconds"),
			       "pods of a ReplicaSet are to run for ever");
}

static void check_selector_and_template(struct check *c, const struct json *spec)
{
	const struct path *p = AT(SPEC, "selector");
	const struct json *selector = field(spec, "selector");
	if (!selector)
		fail_required(c, p, "says which pods belong to the object");
	else if (!is_set(selector, "matchLabels") && !is_set(selector, "matchExpressions"))
		fail_invalid(c, p, selector, "an empty selector would take all pods");
	check_label_selector(c, p, selector);
	if (label_selector_is_good(c, selector))
		check_template(c, spec);
	else
		fail_invalid(c, p, selector, "not a valid label selector");
}

// Deployment

static void check_int_or_percent(struct check *c, const struct path *p, const struct json *value)
{
	if (value && value->type == JSON_STRING)
		check_format(c, p, value->text, format_percent);
	else
		check_not_negative(c, p, value);
}

static bool is_zero(const struct json *value)
{
	int64_t n;
	return int_or_percent(value, 100, true, &n) || n == 0;
}

static void check_rolling_update(struct check *c, const struct path *p, const struct json *update)
{
	const struct json *unavailable = field(update, "maxUnavailable"), *surge = field(update, "maxSurge");
	int64_t share;
	check_int_or_percent(c, AT(p, "maxUnavailable"), unavailable);
	check_int_or_percent(c, AT(p, "maxSurge"), surge);
	if (is_zero(unavailable) && is_zero(surge))
		fail_invalid(c, AT(p, "maxUnavailable"), unavailable, "may not be 0 when `maxSurge` is 0");
	if (unavailable && unavailable->type == JSON_STRING && !int_or_percent(unavailable, 100, true, &share) &&
	    share > 100)
		fail_invalid(c, AT(p, "maxUnavailable"), unavailable, "must not be more than 100%%");
}

static void check_strategy(struct check *c, const struct json *strategy)
{
	static const char *const types[] = {"Recreate", "RollingUpdate", NULL};
	const struct path *p = AT(SPEC, "strategy");
	const struct json *update = field(strategy, "rollingUpdate");
	if (str_is(text_of(strategy, "type"), "Recreate")) {
		if (update)
			fail_forbidden(c, AT(p, "rollingUpdate"), "may not be given when `type` is 'Recreate'");
	} else if (!str_is(text_of(strategy, "type"), "RollingUpdate")) {
		fail_unsupported(c, p, strategy, types);
	} else if (!update) {
		fail_required(c, AT(p, "rollingUpdate"), "says how the update rolls");
	} else {
		check_rolling_update(c, AT(p, "rollingUpdate"), update);
	}
}

void rules_deployment_create(struct check *c)
{
	const struct json *spec = field(c->object, "spec"), *deadline = field(spec, "progressDeadlineSeconds");
	check_not_negative(c, AT(SPEC, "replicas"), field(spec, "replicas"));
	check_selector_and_template(c, spec);
	check_strategy(c, field(spec, "strategy"));
	check_not_negative(c, AT(SPEC, "minReadySeconds"), field(spec, "minReadySeconds"));
	check_not_negative(c, AT(SPEC, "revisionHistoryLimit"), field(spec, "revisionHistoryLimit"));
	check_not_negative(c, AT(SPEC, "progressDeadlineSeconds"), deadline);
	if (deadline && deadline->integer <= json_i64(spec, "minReadySeconds", 0))
		fail_invalid(c, AT(SPEC, "progressDeadlineSeconds"), deadline, "must be greater than minReadySeconds");
}

static void check_fixed_selector(struct check *c)
{
	check_immutable(c, AT(SPEC, "selector"), json_at(c->object, "spec.selector"), json_at(c->old, "spec.selector"));
}

void rules_deployment_update(struct check *c)
{
	rules_deployment_create(c);
	check_fixed_selector(c);
}

// Annotations count too: they travel on to the ReplicaSets.
bool rules_deployment_changed(const struct json *deployment, const struct json *old)
{
	return !same_field(deployment, old, "spec") ||
	       !same(json_at(deployment, "metadata.annotations"), json_at(old, "metadata.annotations"));
}

// Status: counts that are not negative, and parts not greater than the whole.

static void check_counts(struct check *c, const char *const *counts)
{
	const struct json *status = field(c->object, "status");
	for (; *counts; counts++)
		check_not_negative(c, AT_STR(STATUS, str_of(*counts)), field(status, *counts));
}

static void check_part(struct check *c, const char *part, const char *whole)
{
	const struct json *status = field(c->object, "status");
	int64_t n = json_i64(status, part, 0);
	if (n > json_i64(status, whole, 0))
		fail_invalid(c, AT_STR(STATUS, str_of(part)), json_int(c->arena, n),
			     "can't be greater than status.%s", whole);
}

void rules_deployment_status(struct check *c)
{
	static const char *const counts[] = {"observedGeneration", "replicas", "updatedReplicas", "readyReplicas",
					     "availableReplicas", "unavailableReplicas", "terminatingReplicas",
					     "collisionCount", NULL};
	check_counts(c, counts);
	check_part(c, "updatedReplicas", "replicas");
	check_part(c, "readyReplicas", "replicas");
	check_part(c, "availableReplicas", "replicas");
	check_part(c, "availableReplicas", "readyReplicas");
	const struct json *collisions = json_at(c->object, "status.collisionCount");
	const struct json *before = json_at(c->old, "status.collisionCount");
	if (before && json_i64(c->object, "status.collisionCount", 0) < before->integer)
		fail_invalid(c, AT(STATUS, "collisionCount"), collisions, "can't become less");
}

// ReplicaSet

void rules_replica_set_create(struct check *c)
{
	const struct json *spec = field(c->object, "spec");
	check_not_negative(c, AT(SPEC, "replicas"), field(spec, "replicas"));
	check_not_negative(c, AT(SPEC, "minReadySeconds"), field(spec, "minReadySeconds"));
	check_selector_and_template(c, spec);
}

void rules_replica_set_update(struct check *c)
{
	rules_replica_set_create(c);
	check_fixed_selector(c);
}

void rules_replica_set_status(struct check *c)
{
	static const char *const counts[] = {"replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas",
					     "terminatingReplicas", "observedGeneration", NULL};
	check_counts(c, counts);
	check_part(c, "fullyLabeledReplicas", "replicas");
	check_part(c, "readyReplicas", "replicas");
	check_part(c, "availableReplicas", "replicas");
	check_part(c, "availableReplicas", "readyReplicas");
}

bool rules_pod_template_changed(const struct json *template, const struct json *old)
{
	return !same_field(template, old, "template");
}

void rules_pod_template_create(struct check *c)
{
	check_pod_template(c, AT(NULL, "template"), field(c->object, "template"));
}

void rules_scale_create(struct check *c)
{
	check_not_negative(c, AT(SPEC, "replicas"), json_at(c->object, "spec.replicas"));
}
