// SPDX-License-Identifier: Apache-2.0
// What a Deployment's status says: counts, and whether the rollout is available, moving, done, or stuck.
#include "controllers/deployment_model.h"

#include "base/times.h"

static void set_condition(struct rollout *r, const char *type, const char *status, const char *reason,
			  struct str message)
{
	struct condition c = {type, status, reason, message, true};
	condition_set(r->a, r->conditions, &c, r->view->now_ns);
}

void status_note_progress(struct rollout *r, const char *reason, const char *status, struct str message)
{
	set_condition(r, "Progressing", status, reason, message);
}

void status_note_pause(struct rollout *r)
{
	const struct json *progressing = condition_find(r->conditions, "Progressing");
	if (r->deadline_s < 0 || json_str_is(progressing, "reason", "ProgressDeadlineExceeded"))
		return;
	bool noted = json_str_is(progressing, "reason", "DeploymentPaused");
	if (r->paused && !noted)
		status_note_progress(r, "DeploymentPaused", "Unknown", STR("Deployment is paused"));
	else if (!r->paused && noted)
		status_note_progress(r, "DeploymentResumed", "Unknown", STR("Deployment is resumed"));
}

// ---- counts

static struct json *counts(struct rollout *r)
{
	struct json *status = json_object(r->a);
	int64_t has = 0, ready = 0, terminating = 0, available = rollout_available(r);
	each_set(s, r) {
		has += s->has;
		ready += s->ready;
		terminating += s->terminating;
	}
	int64_t missing = rollout_planned(r) - available;
	json_put_int(r->a, status, "observedGeneration", json_i64(r->object, "metadata.generation", 0));
	json_put_int(r->a, status, "replicas", has);
	json_put_int(r->a, status, "updatedReplicas", r->current ? r->current->has : 0);
	json_put_int(r->a, status, "readyReplicas", ready);
	json_put_int(r->a, status, "availableReplicas", available);
	json_put_int(r->a, status, "unavailableReplicas", missing > 0 ? missing : 0);
	json_put_int(r->a, status, "terminatingReplicas", terminating);
	if (r->collisions > 0 || r->collided)
		json_put_int(r->a, status, "collisionCount", r->collisions + r->collided);
	return status;
}

static void note_availability(struct rollout *r)
{
	if (rollout_available(r) >= r->replicas - r->unavailable)
		set_condition(r, "Available", "True", "MinimumReplicasAvailable",
			      STR("Deployment has minimum availability."));
	else
		set_condition(r, "Available", "False", "MinimumReplicasUnavailable",
			      STR("Deployment does not have minimum availability."));
}

// ---- progress

bool status_is_complete(const struct rollout *r, const struct json *status)
{
	return json_i64(status, "updatedReplicas", 0) == r->replicas &&
	       json_i64(status, "replicas", 0) == r->replicas &&
	       json_i64(status, "availableReplicas", 0) == r->replicas &&
	       json_i64(status, "observedGeneration", 0) >= json_i64(r->object, "metadata.generation", 0);
}

static bool has_progressed(const struct json *before, const struct json *now)
{
	int64_t old_before = json_i64(before, "replicas", 0) - json_i64(before, "updatedReplicas", 0);
	int64_t old_now = json_i64(now, "replicas", 0) - json_i64(now, "updatedReplicas", 0);
	return json_i64(now, "updatedReplicas", 0) > json_i64(before, "updatedReplicas", 0) || old_now < old_before ||
	       json_i64(now, "readyReplicas", 0) > json_i64(before, "readyReplicas", 0) ||
	       json_i64(now, "availableReplicas", 0) > json_i64(before, "availableReplicas", 0);
}

// Time left until the deadline; negative: it has passed.
static int64_t time_left(const struct rollout *r, const struct json *progressing)
{
	int64_t since_ns = r->view->now_ns;
	time_parse(json_str(progressing, "lastUpdateTime"), &since_ns);
	return since_ns + r->deadline_s * TIME_S - r->view->now_ns;
}

static struct str progress_message(struct rollout *r, const char *what)
{
	if (r->current)
		return arena_fmt(r->a, "ReplicaSet \"%.*s\" %s", STR_FMT(r->current->name), what);
	return arena_fmt(r->a, "Deployment \"%.*s\" %s", STR_FMT(r->name), what);
}

static void judge_progress(struct rollout *r, const struct json *status)
{
	const struct json *progressing = condition_find(r->conditions, "Progressing");
	bool was_done = json_str_is(progressing, "reason", "NewReplicaSetAvailable");
	if (was_done && json_i64(status, "replicas", 0) == json_i64(status, "updatedReplicas", 0))
		return;
	if (status_is_complete(r, status)) {
		status_note_progress(r, "NewReplicaSetAvailable", "True",
				     progress_message(r, "has successfully progressed."));
	} else if (has_progressed(json_at(r->object, "status"), status)) {
		struct str since =
			json_str_is(progressing, "status", "True") ? json_str(progressing, "lastTransitionTime") : STR_NONE;
		condition_remove(r->conditions, "Progressing"); // so that lastUpdateTime moves
		status_note_progress(r, "ReplicaSetUpdated", "True", progress_message(r, "is progressing."));
		if (!str_empty(since))
			json_put_str(r->a, condition_find(r->conditions, "Progressing"), "lastTransitionTime", since);
	} else if (progressing && !was_done &&
		   (json_str_is(progressing, "reason", "ProgressDeadlineExceeded") || time_left(r, progressing) < 0)) {
		status_note_progress(r, "ProgressDeadlineExceeded", "False",
				     progress_message(r, "has timed out progressing."));
	}
}

// A ReplicaSet that cannot make its pods: the current one's trouble first.
static void note_failure(struct rollout *r)
{
	const struct json *failure =
		r->current ? condition_find(json_at(r->current->object, "status.conditions"), "ReplicaFailure") : NULL;
	each_set(s, r) {
		if (!failure)
			failure = condition_find(json_at(s->object, "status.conditions"), "ReplicaFailure");
	}
	if (!failure) {
		condition_remove(r->conditions, "ReplicaFailure");
		return;
	}
	set_condition(r, "ReplicaFailure", "True", arena_c(r->a, json_str(failure, "reason")),
		      json_str(failure, "message"));
}

static int64_t until_deadline(struct rollout *r, const struct json *status)
{
	const struct json *progressing = condition_find(r->conditions, "Progressing");
	if (r->deadline_s < 0 || !progressing || status_is_complete(r, status) ||
	    json_str_is(progressing, "reason", "ProgressDeadlineExceeded") ||
	    json_str_is(progressing, "reason", "NewReplicaSetAvailable")) // done: what fails later is no rollout
		return 0;
	int64_t left = time_left(r, progressing);
	return left < 0 ? TIME_S : left + TIME_S;
}

// ---- all of it

static bool status_differs(const struct json *status, const struct json *known)
{
	json_each(value, status) {
		const struct json *have = json_get(known, value->key);
		bool empty =
			value->type == JSON_INT && value->integer == 0 && !str_is(value->key, "terminatingReplicas");
		if (have ? !json_equal(have, value) : !empty)
			return true;
	}
	return false;
}

void status_plan(struct rollout *r, enum progress progress)
{
	struct json *status = counts(r);
	note_availability(r);
	if (progress == PROGRESS_CHECK) {
		if (r->deadline_s >= 0)
			judge_progress(r, status);
		else
			condition_remove(r->conditions, "Progressing");
		note_failure(r);
		r->plan->again_ns = until_deadline(r, status);
	}
	json_put(status, "conditions", r->conditions);
	if (status_differs(status, json_at(r->object, "status")))
		r->plan->status = status;
}

struct json *deployment_create_failed(struct arena *a, const struct json *deployment, struct str name, const char *why,
				      int64_t now_ns)
{
	struct json *status = json_object(a);
	const struct json *known = json_at(deployment, "status.conditions");
	struct json *conditions = known ? json_clone(a, known) : json_array(a);
	struct condition c = {"Progressing", "False", "ReplicaSetCreateError",
			      arena_fmt(a, "Failed to create new replica set \"%.*s\": %s", STR_FMT(name), why), true};
	condition_set(a, conditions, &c, now_ns);
	json_put(status, "conditions", conditions);
	return status;
}
