// SPDX-License-Identifier: Apache-2.0
// A pod before it is checked: its first status, and which part of it each subresource may write.
#include "api/quantity.h"
#include "api/rules/pod.h"
#include "base/times.h"

// Quality of service

struct amounts { // of cpu and memory; those not asked for are zero
	struct quantity cpu, memory;
};

struct demand {
	struct amounts requests, limits;
	bool all_limited; // each container has limits for both
};

static bool add_amount(const struct json *list, const char *name, struct quantity *sum)
{
	struct quantity q;
	if (quantity_of(field(list, name), &q) || q.nano <= 0)
		return false;
	*sum = quantity_add(*sum, q);
	return true;
}

static void add_resources(struct demand *d, const struct json *resources)
{
	const struct json *requests = field(resources, "requests"), *limits = field(resources, "limits");
	add_amount(requests, "cpu", &d->requests.cpu);
	add_amount(requests, "memory", &d->requests.memory);
	bool cpu = add_amount(limits, "cpu", &d->limits.cpu), memory = add_amount(limits, "memory", &d->limits.memory);
	d->all_limited = d->all_limited && cpu && memory;
}

struct str pod_qos_class(const struct json *spec)
{
	struct demand d = {.all_limited = true};
	const struct json *whole = field(spec, "resources");
	if (whole) {
		add_resources(&d, whole);
	} else {
		json_each(container, field(spec, "initContainers"))
			add_resources(&d, field(container, "resources"));
		json_each(container, field(spec, "containers"))
			add_resources(&d, field(container, "resources"));
	}
	const struct amounts *r = &d.requests, *l = &d.limits;
	if (!r->cpu.nano && !r->memory.nano && !l->cpu.nano && !l->memory.nano)
		return STR("BestEffort");
	if (d.all_limited && !quantity_cmp(r->cpu, l->cpu) && !quantity_cmp(r->memory, l->memory))
		return STR("Guaranteed");
	return STR("Burstable");
}

// A gated pod says from the start that it is not to be scheduled.
static void tell_gated(struct api_context *c, struct json *status)
{
	struct json *condition = json_push(json_need_array(c->arena, status, "conditions"), json_object(c->arena));
	json_put_str(c->arena, condition, "type", STR("PodScheduled"));
	json_put_str(c->arena, condition, "status", STR("False"));
	json_put_str(c->arena, condition, "lastTransitionTime", time_format(c->arena, c->now_ns));
	json_put_str(c->arena, condition, "reason", STR("SchedulingGated"));
	json_put_str(c->arena, condition, "message", STR("Scheduling is blocked due to non-empty scheduling gates"));
}

// Selectors that take values from the pod's own labels

static void add_keys(struct api_context *c, struct json *selector, const struct json *keys, const struct json *labels,
		     const char *operator)
{
	json_each(key, keys) {
		const struct json *label = json_get(labels, key->text);
		if (!label)
			continue;
		struct json *all = json_need_array(c->arena, selector, "matchExpressions");
		struct json *expression = json_push(all, json_object(c->arena));
		json_put_str(c->arena, expression, "key", key->text);
		json_put_str(c->arena, expression, "operator", str_of(operator));
		json_push(json_need_array(c->arena, expression, "values"), json_string(c->arena, label->text));
	}
}

static void add_own_labels(struct api_context *c, struct json *term, const struct json *labels)
{
	struct json *selector = json_get(term, STR("labelSelector"));
	if (!selector)
		return;
	add_keys(c, selector, field(term, "matchLabelKeys"), labels, "In");
	add_keys(c, selector, field(term, "mismatchLabelKeys"), labels, "NotIn");
}

static void settle_selectors(struct api_context *c, struct json *spec, const struct json *labels)
{
	static const char *const sorts[] = {"podAffinity", "podAntiAffinity"};
	for (size_t i = 0; i < ARRAY_LEN(sorts); i++) {
		struct json *affinity = json_get(json_at(spec, "affinity"), str_of(sorts[i]));
		json_each(term, json_get(affinity, STR("requiredDuringSchedulingIgnoredDuringExecution")))
			add_own_labels(c, term, labels);
		json_each(weighted, json_get(affinity, STR("preferredDuringSchedulingIgnoredDuringExecution")))
			add_own_labels(c, json_get(weighted, STR("podAffinityTerm")), labels);
	}
	json_each(constraint, json_get(spec, STR("topologySpreadConstraints")))
		add_own_labels(c, constraint, labels);
}

void rules_pod_prepare_create(struct api_context *c, struct json *pod)
{
	const struct json *spec = field(pod, "spec");
	struct json *status = json_need_object(c->arena, pod, "status");
	json_put_str(c->arena, status, "phase", STR("Pending"));
	json_put_str(c->arena, status, "qosClass", pod_qos_class(spec));
	if (is_set(spec, "schedulingGates"))
		tell_gated(c, status);
	settle_selectors(c, json_get(pod, STR("spec")), json_at(pod, "metadata.labels"));
	pod_take_armor(c, pod);
}

// Updates through subresources

static void take_field(struct api_context *c, struct json *into, const struct json *from, const char *name)
{
	const struct json *value = field(from, name);
	if (value)
		json_put(into, name, json_clone(c->arena, value));
	else
		json_remove(into, str_of(name));
}

static bool same_names(const struct json *a, const struct json *b)
{
	const struct json *other = json_first(b);
	json_each(container, a) {
		if (!other || !same_field(container, other, "name"))
			return false;
		other = other->next;
	}
	return !other;
}

// Of each container what resize may change. Where they are not the same ones, what is wanted stays, to be refused.
static void take_resources(struct api_context *c, struct json *spec, const struct json *wanted, const char *list)
{
	const struct json *other = json_first(field(wanted, list));
	if (!same_names(field(spec, list), field(wanted, list))) {
		take_field(c, spec, wanted, list);
		return;
	}
	json_each(container, json_get(spec, str_of(list))) {
		take_field(c, container, other, "resources");
		take_field(c, container, other, "resizePolicy");
		other = other->next;
	}
}

static bool same_counts(const struct json *a, const struct json *b)
{
	return count_of(field(a, "containers")) == count_of(field(b, "containers")) &&
	       count_of(field(a, "initContainers")) == count_of(field(b, "initContainers"));
}

// Makes the pod what it was, but for the one part of the spec that the subresource is for.
static void narrow(struct api_context *c, struct json *pod, const struct json *old)
{
	struct json *spec = json_clone(c->arena, field(old, "spec"));
	const struct json *wanted = field(pod, "spec");
	if (str_is(c->subresource, "ephemeralcontainers")) {
		take_field(c, spec, wanted, "ephemeralContainers");
	} else if (same_counts(spec, wanted)) {
		take_resources(c, spec, wanted, "containers");
		take_resources(c, spec, wanted, "initContainers");
		take_field(c, spec, wanted, "resources");
	} else {
		return;
	}
	struct json *metadata = json_clone(c->arena, field(old, "metadata"));
	take_field(c, metadata, field(pod, "metadata"), "resourceVersion");
	json_put(pod, "spec", spec);
	json_put(pod, "metadata", metadata);
}

// What a status says of generations stays where it is not said again.
static void keep_generations(struct api_context *c, struct json *status, const struct json *old)
{
	struct index before CLEAN_INDEX;
	index_init(&before, field(old, "conditions"), "type");
	if (!field(status, "observedGeneration"))
		take_field(c, status, old, "observedGeneration");
	json_each(condition, json_get(status, STR("conditions")))
		if (!field(condition, "observedGeneration"))
			take_field(c, condition, index_get(&before, text_of(condition, "type")), "observedGeneration");
}

void rules_pod_prepare_status(struct api_context *c, struct json *pod, const struct json *old)
{
	const struct json *before = field(old, "status"), *old_metadata = field(old, "metadata");
	struct json *status = json_need_object(c->arena, pod, "status"), *metadata = json_get(pod, STR("metadata"));
	take_field(c, metadata, old_metadata, "ownerReferences");
	take_field(c, metadata, old_metadata, "deletionTimestamp");
	if (!text_of(status, "qosClass").n)
		take_field(c, status, before, "qosClass");
	keep_generations(c, status, before);
}

void rules_pod_prepare_update(struct api_context *c, struct json *pod, const struct json *old)
{
	if (IS_ONE_OF(c->subresource, "ephemeralcontainers", "resize"))
		narrow(c, pod, old);
}
