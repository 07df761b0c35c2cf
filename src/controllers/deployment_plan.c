// SPDX-License-Identifier: Apache-2.0
#include "controllers/deployment_plan.h"

#include "controllers/deployment_model.h"

static int64_t least(int64_t x, int64_t y)
{
	return x < y ? x : y;
}

// ---- scaling by the user

// The size that the active ReplicaSets were made for is not the one wanted now.
static bool was_scaled(const struct rollout *r)
{
	each_set(s, r) {
		bool found;
		int64_t desired = rollout_annotation(s->object, DEPLOYMENT_DESIRED, &found);
		if (s->replicas > 0 && found && desired != r->replicas)
			return true;
	}
	return false;
}

// The only active one, or where none is the one to become it; NULL where several are.
static struct set *only_active(struct rollout *r)
{
	struct set *active = NULL, *newest = NULL;
	size_t count = 0;
	each_set(s, r) {
		newest = s;
		if (s->replicas > 0) {
			active = s;
			count++;
		}
	}
	return count > 1 ? NULL : count == 1 ? active : r->current ? r->current : newest;
}

static bool is_saturated(const struct rollout *r)
{
	bool found;
	return r->current && r->current->replicas == r->replicas && r->current->available == r->replicas &&
	       rollout_annotation(r->current->object, DEPLOYMENT_DESIRED, &found) == r->replicas && found;
}

// How much a set of the old total changes by, were it to keep its share of the new one.
static int64_t fair_share(const struct rollout *r, const struct set *s)
{
	if (r->replicas == 0)
		return -s->replicas;
	bool found;
	int64_t before = rollout_annotation(s->object, DEPLOYMENT_MAX, &found);
	if (!found || before == 0)
		before = json_i64(r->object, "status.replicas", 0);
	if (before == 0)
		return 0;
	int64_t total = r->replicas + r->surge;
	return (2 * s->replicas * total + before) / (2 * before) - s->replicas; // rounded half up
}

// Larger first; of equal ones the newer first where pods are added, the older where they are taken.
static void sort_by_size(struct set **sets, size_t n, bool newer_first)
{
	for (size_t i = 1; i < n; i++) {
		struct set *s = sets[i];
		size_t at = i;
		// The sets come oldest first, so a stable insertion needs to look at ties only for newer_first.
		for (; at > 0 &&
		       (sets[at - 1]->replicas < s->replicas || (newer_first && sets[at - 1]->replicas == s->replicas));
		     at--)
			sets[at] = sets[at - 1];
		sets[at] = s;
	}
}

static int64_t total_allowed(const struct rollout *r)
{
	return r->replicas > 0 ? r->replicas + r->surge : 0;
}

static void scale_in_proportion(struct rollout *r)
{
	struct set **active = ARENA_ARRAY(r->a, struct set *, r->set_count);
	size_t n = 0;
	each_set(s, r) {
		if (s->replicas > 0)
			active[n++] = s;
	}
	int64_t to_add = total_allowed(r) - rollout_planned(r), added = 0;
	sort_by_size(active, n, to_add > 0);
	int64_t *sizes = ARENA_ARRAY(r->a, int64_t, n);
	for (size_t i = 0; i < n; i++) {
		int64_t share = to_add != 0 ? fair_share(r, active[i]) : 0, rest = to_add - added;
		share = to_add > 0 ? least(share, rest) : share > rest ? share : rest;
		sizes[i] = active[i]->replicas + share;
		added += share;
	}
	if (n > 0 && sizes[0] + to_add - added >= 0)
		sizes[0] += to_add - added; // what rounding left over
	else if (n > 0)
		sizes[0] = 0;
	for (size_t i = 0; i < n; i++)
		revision_resize(r, active[i], sizes[i]);
}

// Some ReplicaSet may have more pods than it is to have.
static bool is_shedding(const struct rollout *r)
{
	each_set(s, r) {
		if (s->has > s->replicas || !set_has_obeyed(s))
			return true;
	}
	return false;
}

static void scale(struct rollout *r)
{
	struct set *only = only_active(r);
	int64_t growth = only ? r->replicas - only->replicas : total_allowed(r) - rollout_planned(r);
	if (growth > 0 && is_shedding(r))
		return; // their statuses ask for this step again
	if (only) {
		revision_resize(r, only, r->replicas);
		return;
	}
	if (is_saturated(r)) {
		each_old_set(s, r) {
			if (s->replicas > 0)
				revision_resize(r, s, 0);
		}
		return;
	}
	if (!r->recreate)
		scale_in_proportion(r);
}

// ---- RollingUpdate

static bool grow_current(struct rollout *r)
{
	struct set *s = r->current;
	int64_t room = rollout_room(r);
	int64_t size = s->replicas;
	if (size > r->replicas)
		size = r->replicas;
	else if (room > 0)
		size += least(room, r->replicas - size);
	if (size == s->replicas)
		return false;
	revision_resize(r, s, size);
	return true;
}

// Pods that are not available anyway.
static int64_t shrink_unhealthy(struct rollout *r, int64_t most)
{
	int64_t done = 0;
	each_old_set(s, r) {
		int64_t sick = s->replicas - s->available;
		if (s->replicas == 0 || sick <= 0 || done >= most)
			continue;
		int64_t count = least(sick, most - done);
		revision_resize(r, s, s->replicas - count);
		done += count;
	}
	return done;
}

static int64_t shrink_healthy(struct rollout *r)
{
	int64_t spare = r->unavailable - r->replicas, done = 0;
	each_set(s, r) // those already told to go are not counted, even if their ReplicaSet still does
		spare += least(s->available, s->replicas);
	each_old_set(s, r) {
		if (s->replicas == 0 || done >= spare)
			continue;
		int64_t count = least(s->replicas, spare - done);
		revision_resize(r, s, s->replicas - count);
		done += count;
	}
	return done;
}

static bool shrink_old(struct rollout *r)
{
	int64_t must_stay = r->replicas - r->unavailable;
	int64_t current_missing = r->current->replicas - r->current->available;
	int64_t most = rollout_planned(r) - must_stay - current_missing;
	if (rollout_planned(r) == r->current->replicas || most <= 0)
		return false;
	int64_t unhealthy = shrink_unhealthy(r, most);
	return unhealthy + shrink_healthy(r) > 0;
}

// ---- Recreate

static bool stop_old(struct rollout *r)
{
	bool stopped = false;
	each_old_set(s, r) {
		if (s->replicas > 0) {
			revision_resize(r, s, 0);
			stopped = true;
		}
	}
	return stopped;
}

static bool old_pods_left(const struct rollout *r)
{
	each_old_set(s, r) {
		if (s->has > 0 || s->has_pods)
			return true;
	}
	return false;
}

// ---- history

static bool is_idle(const struct set *s)
{
	return s->has == 0 && s->replicas == 0 && !json_at(s->object, "metadata.deletionTimestamp") && set_has_obeyed(s);
}

static int compare_revision(const void *left, const void *right)
{
	const struct set *x = *(struct set *const *)left, *y = *(struct set *const *)right;
	if (x->revision != y->revision)
		return x->revision < y->revision ? -1 : 1;
	return str_cmp(x->name, y->name);
}

static void clean_history(struct rollout *r)
{
	int64_t limit = json_i64(r->object, "spec.revisionHistoryLimit", INT32_MAX);
	struct set **old = ARENA_ARRAY(r->a, struct set *, r->set_count + 1);
	size_t n = 0;
	each_old_set(s, r) {
		if (!json_at(s->object, "metadata.deletionTimestamp"))
			old[n++] = s;
	}
	if (limit == INT32_MAX || (int64_t)n <= limit)
		return;
	qsort(old, n, sizeof *old, compare_revision);
	r->plan->delete = ARENA_ARRAY(r->a, const struct json *, n);
	for (size_t i = 0; i < n - (size_t)limit; i++) {
		if (is_idle(old[i]))
			r->plan->delete[r->plan->delete_count++] = old[i]->object;
	}
}

// ---- the step

static void roll(struct rollout *r)
{
	if (!r->current) {
		revision_create(r);
		return;
	}
	revision_sync(r);
	if (grow_current(r) || shrink_old(r))
		return;
	if (status_is_complete(r, json_at(r->object, "status")))
		clean_history(r);
}

static void recreate(struct rollout *r)
{
	if (r->current)
		revision_sync(r);
	if (stop_old(r) || old_pods_left(r))
		return;
	if (!r->current) {
		revision_create(r);
		return;
	}
	if (r->current->replicas != r->replicas)
		revision_resize(r, r->current, r->replicas);
	else if (status_is_complete(r, json_at(r->object, "status")))
		clean_history(r);
}

// Makes patches of what was decided about each set.
static void collect_changes(struct rollout *r)
{
	struct deployment_plan *plan = r->plan;
	plan->changes = ARENA_ARRAY(r->a, struct deployment_change, r->set_count + 1);
	each_set(s, r) {
		int64_t from = json_i64(s->object, "spec.replicas", 1);
		if (from == s->replicas && !s->annotations && !s->min_ready_differs)
			continue;
		struct json *patch = json_object(r->a), *metadata = json_need_object(r->a, patch, "metadata");
		json_put_str(r->a, metadata, "resourceVersion", json_str(s->object, "metadata.resourceVersion"));
		if (s->annotations)
			json_put(metadata, "annotations", s->annotations);
		if (from != s->replicas)
			json_put_int(r->a, json_need_object(r->a, patch, "spec"), "replicas", s->replicas);
		if (s->min_ready_differs)
			json_put_int(r->a, json_need_object(r->a, patch, "spec"), "minReadySeconds", r->min_ready_s);
		plan->changes[plan->change_count++] = (struct deployment_change){s->object, patch, from, s->replicas};
	}
}

static bool selects_everything(const struct json *deployment)
{
	const struct json *selector = json_at(deployment, "spec.selector");
	return !json_first(json_get(selector, STR("matchLabels"))) &&
	       !json_first(json_get(selector, STR("matchExpressions")));
}

void deployment_plan(struct arena *a, const struct deployment_view *v, struct deployment_plan *plan)
{
	struct rollout r;
	*plan = (struct deployment_plan){0};
	rollout_read(&r, a, v, plan);
	if (selects_everything(v->deployment)) {
		plan->selects_everything = true;
		return;
	}
	if (json_at(v->deployment, "metadata.deletionTimestamp")) {
		status_plan(&r, PROGRESS_KEEP);
		return;
	}
	status_note_pause(&r);
	if (r.paused || was_scaled(&r)) {
		if (r.current)
			revision_sync(&r);
		scale(&r);
		if (r.paused)
			clean_history(&r);
		status_plan(&r, PROGRESS_KEEP);
	} else {
		if (r.recreate)
			recreate(&r);
		else
			roll(&r);
		status_plan(&r, PROGRESS_CHECK);
	}
	collect_changes(&r);
}
