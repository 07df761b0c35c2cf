// SPDX-License-Identifier: Apache-2.0
#include "controllers/deployment_model.h"

#include "api/quantity.h"
#include "base/times.h"

int64_t rollout_annotation(const struct json *object, const char *name, bool *found)
{
	const struct json *value = json_get(json_at(object, "metadata.annotations"), str_of(name));
	int64_t number = 0;
	*found = value && value->type == JSON_STRING && str_to_i64(value->text, &number) == 0;
	return number;
}

static void read_set(struct set *s, const struct json *object, bool has_pods)
{
	bool found;
	*s = (struct set){
		.object = object,
		.name = json_str(object, "metadata.name"),
		.replicas = json_i64(object, "spec.replicas", 1),
		.has = json_i64(object, "status.replicas", 0),
		.ready = json_i64(object, "status.readyReplicas", 0),
		.available = json_i64(object, "status.availableReplicas", 0),
		.terminating = json_i64(object, "status.terminatingReplicas", 0),
		.has_pods = has_pods,
		.revision = rollout_annotation(object, DEPLOYMENT_REVISION, &found),
	};
	time_parse(json_str(object, "metadata.creationTimestamp"), &s->created_ns);
}

static int compare_sets(const void *left, const void *right)
{
	const struct set *x = left, *y = right;
	if (x->created_ns != y->created_ns)
		return x->created_ns < y->created_ns ? -1 : 1;
	return str_cmp(x->name, y->name);
}

// Resolves maxSurge and maxUnavailable; both zero would stop every rollout, so then one pod may be missing.
static void read_strategy(struct rollout *r)
{
	const struct json *strategy = json_at(r->object, "spec.strategy");
	r->recreate = json_str_is(strategy, "type", "Recreate");
	if (r->recreate)
		return;
	const struct json *surge = json_at(strategy, "rollingUpdate.maxSurge");
	const struct json *unavailable = json_at(strategy, "rollingUpdate.maxUnavailable");
	int_or_percent(surge, r->replicas, true, &r->surge);
	int_or_percent(unavailable, r->replicas, false, &r->unavailable);
	if (r->surge == 0 && r->unavailable == 0)
		r->unavailable = 1;
	if (r->unavailable > r->replicas)
		r->unavailable = r->replicas;
}

void rollout_read(struct rollout *r, struct arena *a, const struct deployment_view *v, struct deployment_plan *plan)
{
	const struct json *spec = json_at(v->deployment, "spec"), *known = json_at(v->deployment, "status.conditions");
	*r = (struct rollout){
		.a = a,
		.view = v,
		.plan = plan,
		.object = v->deployment,
		.annotations = json_at(v->deployment, "metadata.annotations"),
		.template = json_at(spec, "template"),
		.name = json_str(v->deployment, "metadata.name"),
		.replicas = json_i64(spec, "replicas", 1),
		.min_ready_s = json_i64(spec, "minReadySeconds", 0),
		.deadline_s = json_i64(spec, "progressDeadlineSeconds", -1),
		.paused = json_is_true(spec, "paused"),
		.conditions = known ? json_clone(a, known) : json_array(a),
		.collisions = json_i64(v->deployment, "status.collisionCount", 0),
	};
	if (r->deadline_s == INT32_MAX)
		r->deadline_s = -1;
	read_strategy(r);
	r->sets = ARENA_ARRAY(a, struct set, v->replicaset_count + 1);
	r->set_count = v->replicaset_count;
	for (size_t i = 0; i < r->set_count; i++)
		read_set(&r->sets[i], v->replicasets[i], v->has_pods[i]);
	qsort(r->sets, r->set_count, sizeof *r->sets, compare_sets);
	each_set(s, r) {
		if (!r->current && revision_same_template(a, r->template, json_at(s->object, "spec.template")))
			r->current = s;
	}
}

int64_t rollout_planned(const struct rollout *r)
{
	int64_t sum = 0;
	each_set(s, r)
		sum += s->replicas;
	return sum;
}

bool set_has_obeyed(const struct set *s)
{
	return json_i64(s->object, "metadata.generation", 0) <= json_i64(s->object, "status.observedGeneration", 0);
}

int64_t rollout_room(const struct rollout *r)
{
	int64_t room = r->replicas + r->surge;
	each_set(s, r) {
		if (s != r->current && !set_has_obeyed(s))
			return 0;
		room -= s->has > s->replicas ? s->has : s->replicas;
	}
	return room;
}

int64_t rollout_available(const struct rollout *r)
{
	int64_t sum = 0;
	each_set(s, r)
		sum += s->available;
	return sum;
}
