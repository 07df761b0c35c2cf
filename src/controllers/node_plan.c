// SPDX-License-Identifier: Apache-2.0
#include "controllers/node_plan.h"

#include "base/times.h"
#include "controllers/conditions.h"

#define NOT_READY "node.kubernetes.io/not-ready"
#define UNREACHABLE "node.kubernetes.io/unreachable"
#define UNSCHEDULABLE "node.kubernetes.io/unschedulable"

static const struct {
	const char *condition, *status, *taint;
} condition_taints[] = {
	{"Ready", "False", NOT_READY},
	{"Ready", "Unknown", UNREACHABLE},
	{"MemoryPressure", "True", "node.kubernetes.io/memory-pressure"},
	{"DiskPressure", "True", "node.kubernetes.io/disk-pressure"},
	{"PIDPressure", "True", "node.kubernetes.io/pid-pressure"},
	{"NetworkUnavailable", "True", "node.kubernetes.io/network-unavailable"},
};

// ---- taints

static bool is_ours(const struct json *taint)
{
	struct str key = json_str(taint, "key");
	if (json_str_is(taint, "effect", "NoExecute"))
		return str_is(key, NOT_READY) || str_is(key, UNREACHABLE);
	if (!json_str_is(taint, "effect", "NoSchedule"))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(condition_taints); i++) {
		if (str_is(key, condition_taints[i].taint))
			return true;
	}
	return str_is(key, UNSCHEDULABLE);
}

static const struct json *find(const struct json *taints, const char *key, const char *effect)
{
	json_each(taint, taints) {
		if (json_str_is(taint, "key", key) && json_str_is(taint, "effect", effect))
			return taint;
	}
	return NULL;
}

static void add(struct arena *a, struct json *wanted, const struct json *known, const char *key, const char *effect,
		int64_t now_ns)
{
	const struct json *same = find(known, key, effect);
	if (same) {
		json_push(wanted, json_clone(a, same));
		return;
	}
	struct json *taint = json_push(wanted, json_object(a));
	json_put_str(a, taint, "key", str_of(key));
	json_put_str(a, taint, "effect", str_of(effect));
	json_put_str(a, taint, "timeAdded", time_format(a, now_ns));
}

static struct json *wanted_taints(struct arena *a, const struct node_view *v, const struct json *conditions)
{
	const struct json *known = json_at(v->node, "spec.taints");
	struct json *wanted = json_array(a);
	json_each(taint, known) {
		if (!is_ours(taint))
			json_push(wanted, json_clone(a, taint));
	}
	for (size_t i = 0; i < ARRAY_LEN(condition_taints); i++) {
		if (!condition_is(conditions, condition_taints[i].condition, condition_taints[i].status))
			continue;
		add(a, wanted, known, condition_taints[i].taint, "NoSchedule", v->now_ns);
		if (strcmp(condition_taints[i].condition, "Ready") == 0 && !v->none_ready)
			add(a, wanted, known, condition_taints[i].taint, "NoExecute", v->now_ns);
	}
	if (!condition_find(conditions, "Ready")) // has not spoken yet
		add(a, wanted, known, NOT_READY, "NoSchedule", v->now_ns);
	if (json_is_true(v->node, "spec.unschedulable"))
		add(a, wanted, known, UNSCHEDULABLE, "NoSchedule", v->now_ns);
	return wanted;
}

static bool same_taints(const struct json *x, const struct json *y)
{
	if ((x ? x->count : 0) != (y ? y->count : 0))
		return false;
	json_each(taint, x) {
		bool found = false;
		json_each(other, y)
			found |= json_equal(taint, other);
		if (!found)
			return false;
	}
	return true;
}

// ---- conditions

static struct json *silent_conditions(struct arena *a, const struct node_view *v, bool *changed)
{
	static const char *const types[] = {"Ready", "MemoryPressure", "DiskPressure", "PIDPressure"};
	const struct json *known = json_at(v->node, "status.conditions");
	struct json *conditions = known ? json_clone(a, known) : json_array(a);
	*changed = false;
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		struct json *before = condition_find(conditions, types[i]);
		if (before && json_str_is(before, "status", "Unknown"))
			continue;
		struct str heartbeat =
			before ? json_str(before, "lastHeartbeatTime") : json_str(v->node, "metadata.creationTimestamp");
		struct condition c = {types[i], "Unknown", before ? "NodeStatusUnknown" : "NodeStatusNeverUpdated",
				      before ? STR("Kubelet stopped posting node status.")
					     : STR("Kubelet never posted node status."),
				      false};
		condition_set(a, conditions, &c, v->now_ns);
		if (!str_empty(heartbeat))
			json_put_str(a, condition_find(conditions, types[i]), "lastHeartbeatTime", heartbeat);
		*changed = true;
	}
	return conditions;
}

// ---- the plan

void node_plan(struct arena *a, const struct node_view *v, struct node_plan *plan)
{
	*plan = (struct node_plan){0};
	const struct json *conditions = json_at(v->node, "status.conditions");
	if (v->silent) {
		bool changed;
		struct json *unknown = silent_conditions(a, v, &changed);
		plan->lost = !condition_is(conditions, "Ready", "Unknown");
		conditions = unknown;
		plan->conditions = changed ? unknown : NULL;
	}
	plan->ready = condition_is(conditions, "Ready", "True");
	struct json *taints = wanted_taints(a, v, conditions);
	if (!same_taints(taints, json_at(v->node, "spec.taints")))
		plan->taints = taints;
}

// ---- eviction

static bool tolerates(const struct json *toleration, const struct json *taint)
{
	struct str effect = json_str(toleration, "effect"), key = json_str(toleration, "key");
	if (!str_empty(effect) && !str_is(effect, "NoExecute"))
		return false;
	if (!str_empty(key) && !str_eq(key, json_str(taint, "key")))
		return false;
	return json_str_is(toleration, "operator", "Exists") ||
	       (!str_empty(key) && str_eq(json_str(toleration, "value"), json_str(taint, "value")));
}

// The time that the first toleration that fits grants: -1 for ever, or the number of seconds; false: none fits.
static bool tolerated_seconds(const struct json *tolerations, const struct json *taint, int64_t *seconds)
{
	json_each(toleration, tolerations) {
		if (!tolerates(toleration, taint))
			continue;
		int64_t granted = json_i64(toleration, "tolerationSeconds", -1);
		bool for_ever = !json_get(toleration, STR("tolerationSeconds"));
		*seconds = for_ever ? -1 : granted > 0 ? granted : 0;
		return true;
	}
	return false;
}

int64_t node_pod_stay(const struct json *taints, const struct json *tolerations)
{
	int64_t least = -1, seconds;
	json_each(taint, taints) {
		if (!json_str_is(taint, "effect", "NoExecute"))
			continue;
		if (!tolerated_seconds(tolerations, taint, &seconds))
			return 0;
		if (seconds >= 0 && (least < 0 || seconds < least))
			least = seconds;
	}
	return least < 0 ? -1 : least * TIME_S;
}
