// SPDX-License-Identifier: Apache-2.0
#include "node/pod/plan.h"

#include "node/pod/resize_plan.h"

struct planner {
	struct arena *arena;
	const struct pod_spec *spec;
	const struct pod_state *state;
	int64_t now;
	struct pod_plan *out;
};

static struct plan_action *add(struct planner *p, enum plan_kind kind, size_t container)
{
	struct plan_action *action = &p->out->actions[p->out->count++];
	*action = (struct plan_action){.kind = kind, .container = container};
	return action;
}

static void wake_at(struct planner *p, int64_t when)
{
	if (when > p->now && (!p->out->wake || when < p->out->wake))
		p->out->wake = when;
}

bool pod_is_stopping(const struct pod_spec *s, const struct pod_state *st)
{
	return s->deleted || st->deleted || st->deadline_exceeded || st->rejected[0];
}

static bool ended_for_good(const struct pod_spec *s, const struct container_spec *c, const struct container_state *st)
{
	return st->stage == STAGE_EXITED && !st->restart_at_exit && !st->past &&
	       !container_should_restart(s, c, st->run.exit_code);
}

bool pod_has_finished(const struct pod_spec *s, const struct pod_state *st)
{
	size_t ended = 0;
	for (size_t i = 0; i < s->container_count; i++) {
		const struct container_spec *c = &s->containers[i];
		if (c->kind == CONTAINER_INIT && st->containers[i].stage == STAGE_EXITED &&
		    st->containers[i].run.exit_code && ended_for_good(s, c, &st->containers[i]))
			return true;
		if (c->kind == CONTAINER_MAIN)
			ended += ended_for_good(s, c, &st->containers[i]);
	}
	return s->main_count && ended == s->main_count;
}

static bool main_was_begun(const struct pod_spec *s, const struct pod_state *st)
{
	for (size_t i = 0; i < s->container_count; i++) {
		const struct container_state *c = &st->containers[i];
		if (s->containers[i].kind == CONTAINER_MAIN && c->attempts && !c->past &&
		    !ended_for_good(s, &s->containers[i], c))
			return true;
	}
	return false;
}

bool pod_begins_anew(const struct pod_spec *s, const struct pod_state *st)
{
	for (size_t i = 0; i < s->init_count + s->main_count; i++) {
		const struct container_state *c = &st->containers[i];
		if (c->stage == STAGE_EXITED && !c->past && container_restarts_all(&s->containers[i], c->run.exit_code))
			return true;
	}
	return false;
}

bool pod_is_initialized(const struct pod_spec *s, const struct pod_state *st)
{
	if (main_was_begun(s, st))
		return true;
	for (size_t i = 0; i < s->init_count; i++) {
		const struct container_state *c = &st->containers[i];
		if (s->containers[i].kind == CONTAINER_SIDECAR ? !(c->stage == STAGE_RUNNING && c->started)
							       : !(c->stage == STAGE_EXITED && !c->run.exit_code && !c->past))
			return false;
	}
	return true;
}

// The newest end that is known; a container killed for its probe is still running while the next life is decided.
static int64_t newest_end(const struct container_state *c)
{
	return c->stage == STAGE_EXITED ? c->run.finished : c->last.finished;
}

static bool is_resting(const struct container_state *c, int64_t now)
{
	int64_t ended = newest_end(c);
	return ended && pod_backoff_is_resting(&c->backoff, ended, now);
}

// The next life of a container that has none now: at once, or when it has rested.
static void start_or_rest(struct planner *p, size_t i)
{
	const struct container_state *c = &p->state->containers[i];
	if (c->retry_at > p->now) {
		wake_at(p, c->retry_at);
		return;
	}
	if (c->stage == STAGE_EXITED && !c->restart_at_exit && is_resting(c, p->now)) {
		if (!c->backing_off)
			add(p, PLAN_REST, i);
		wake_at(p, c->run.finished + PLAN_CRASH_SHOWN_AFTER_S * TIME_S);
		wake_at(p, pod_backoff_end(&c->backoff, c->run.finished));
		return;
	}
	add(p, PLAN_START, i);
}

static int64_t probe_grace(const struct pod_spec *s, const struct container_spec *c, enum stop_cause cause)
{
	int64_t own = -1;
	if (cause == STOP_LIVENESS)
		own = c->probes[PROBE_LIVENESS].grace_ns;
	else if (cause == STOP_STARTUP)
		own = c->probes[PROBE_STARTUP].grace_ns;
	return own >= 0 ? own : s->grace_ns;
}

// A running container: nothing to do, unless a probe or hook has condemned it.
static void stop_if_failed(struct planner *p, size_t i)
{
	const struct container_state *c = &p->state->containers[i];
	if (c->stage != STAGE_RUNNING || c->failed == STOP_NONE)
		return;
	struct plan_action *stop = add(p, PLAN_STOP, i);
	stop->cause = c->failed;
	stop->grace_ns = probe_grace(p->spec, &p->spec->containers[i], c->failed);
	// A hook's failure is told before the next life begins, a probe's is not.
	stop->restart = c->failed != STOP_HOOK && container_should_restart(p->spec, &p->spec->containers[i], 137) &&
			!is_resting(c, p->now);
}

// What is allocated to the pod is written down before it is given to what runs.
static void resize(struct planner *p)
{
	const struct pod_resize *r = &p->state->resize;
	struct resize_plan plan = {0};
	if (r->kept)
		resize_plan(p->arena, p->spec, p->state, &plan);
	if (r->busy || (r->kept && !plan.count))
		return;
	if (r->retry_at > p->now)
		wake_at(p, r->retry_at);
	else
		add(p, r->kept ? PLAN_RESIZE : PLAN_KEEP, 0);
}

static void stop_for_size(struct planner *p, size_t i)
{
	const struct container_state *c = &p->state->containers[i];
	if (!p->state->resize.kept || c->failed != STOP_NONE || c->hooking ||
	    !resize_needs_restart(p->spec, p->state, i))
		return;
	struct plan_action *stop = add(p, PLAN_STOP, i);
	stop->cause = STOP_RESIZE;
	stop->grace_ns = p->spec->grace_ns;
	stop->restart = true;
}

// Of what runs nothing may change but its image, and that it cannot have while it runs.
static bool stop_for_image(struct planner *p, size_t i)
{
	const struct container_spec *spec = &p->spec->containers[i];
	const struct container_state *c = &p->state->containers[i];
	if (!c->image || c->image == spec->image_key || spec->kind == CONTAINER_INIT || c->failed != STOP_NONE ||
	    c->hooking)
		return false;
	struct plan_action *stop = add(p, PLAN_STOP, i);
	stop->cause = STOP_IMAGE;
	stop->grace_ns = p->spec->grace_ns;
	stop->restart = true;
	return true;
}

// One container that should be there. Whether the ones after it may start.
static bool run_container(struct planner *p, size_t i)
{
	const struct container_spec *spec = &p->spec->containers[i];
	const struct container_state *c = &p->state->containers[i];
	switch (c->stage) {
	case STAGE_NONE:
		start_or_rest(p, i);
		return false;
	case STAGE_EXITED:
		if (c->restart_at_exit || c->past || container_should_restart(p->spec, spec, c->run.exit_code))
			start_or_rest(p, i);
		else
			return c->run.exit_code == 0;
		return false;
	case STAGE_RUNNING:
		stop_if_failed(p, i);
		if (!stop_for_image(p, i))
			stop_for_size(p, i);
		return spec->kind == CONTAINER_SIDECAR && c->started;
	case STAGE_STARTING:
	case STAGE_STOPPING:
		break;
	}
	return false;
}

static void run_all(struct planner *p)
{
	const struct pod_spec *s = p->spec;
	bool initialized = main_was_begun(s, p->state), may_start = true;
	for (size_t i = 0; i < s->init_count && may_start; i++) {
		if (s->containers[i].kind == CONTAINER_INIT && initialized)
			continue;
		bool done = run_container(p, i);
		may_start = done || initialized;
	}
	// Ephemeral ones are for looking at what does not come up.
	for (size_t i = s->init_count; i < s->container_count; i++)
		if (may_start || s->containers[i].kind == CONTAINER_EPHEMERAL)
			run_container(p, i);
}

// The others have no grace beyond the usual least time.
static void begin_anew(struct planner *p)
{
	bool alive = false;
	for (size_t i = 0; i < p->spec->init_count + p->spec->main_count; i++) {
		const struct container_state *c = &p->state->containers[i];
		alive |= container_is_alive(c);
		if (container_is_alive(c) && c->stage != STAGE_STARTING)
			add(p, PLAN_STOP, i)->cause = STOP_ANEW;
	}
	if (!alive)
		add(p, PLAN_ANEW, 0);
}

// ---- the end

static int64_t grace_of_pod(const struct planner *p)
{
	return p->spec->deleted ? p->spec->deletion_grace_ns : p->spec->grace_ns;
}

static void stop_one(struct planner *p, size_t i, bool waits)
{
	const struct container_state *c = &p->state->containers[i];
	bool forced = p->state->deleted || (p->spec->deleted && !p->spec->deletion_grace_ns);
	if (c->stage == STAGE_STARTING)
		return; // can be stopped in a moment
	struct plan_action *stop = add(p, PLAN_STOP, i);
	stop->cause = STOP_POD;
	stop->grace_ns = forced ? 0 : grace_of_pod(p);
	stop->forced = forced;
	stop->waits = waits;
}

// Main containers are told first, all at once; then sidecars, the last first. Their hooks run at once, and the grace is one
// for all. Whether anything still lives.
static bool stop_all(struct planner *p)
{
	const struct pod_spec *s = p->spec;
	bool alive = false;
	for (size_t i = 0; i < s->container_count; i++) {
		if (s->containers[i].kind == CONTAINER_SIDECAR || !container_is_alive(&p->state->containers[i]))
			continue;
		stop_one(p, i, false);
		alive = true;
	}
	for (size_t i = s->init_count; i-- > 0;) {
		if (s->containers[i].kind != CONTAINER_SIDECAR || !container_is_alive(&p->state->containers[i]))
			continue;
		stop_one(p, i, alive);
		alive = true;
	}
	return alive;
}

static void end_pod(struct planner *p)
{
	if (stop_all(p))
		return;
	enum sandbox_stage sandbox = p->state->sandbox;
	if (sandbox == SANDBOX_STARTING || p->state->resize.busy) // its end brings us back here
		return;
	bool gone = sandbox == SANDBOX_GONE || (sandbox == SANDBOX_NONE && !p->state->was_ready);
	if (!gone && sandbox != SANDBOX_STOPPING)
		add(p, PLAN_TEARDOWN, 0);
	// Whoever waits for a deletion need not wait for the cleaning up.
	if (gone || p->spec->deleted)
		add(p, PLAN_SETTLE, 0);
}

void pod_plan(struct arena *a, const struct pod_spec *s, const struct pod_state *st, int64_t now, struct pod_plan *out)
{
	*out = (struct pod_plan){.actions = ARENA_ARRAY(a, struct plan_action, s->container_count + 3)};
	struct planner p = {a, s, st, now, out};
	if (st->settled)
		return;
	bool over = pod_is_stopping(s, st) || pod_has_finished(s, st);
	if (!over && s->deadline_ns >= 0 && st->started) {
		if (now >= st->started + s->deadline_ns) {
			add(&p, PLAN_EXPIRE, 0); // and ask again
			return;
		}
		wake_at(&p, st->started + s->deadline_ns);
	}
	if (over) {
		end_pod(&p);
		return;
	}
	if (st->sandbox == SANDBOX_NONE) {
		if (st->sandbox_retry_at > now)
			wake_at(&p, st->sandbox_retry_at);
		else
			add(&p, PLAN_PREPARE, 0);
	} else if (st->sandbox == SANDBOX_READY && pod_begins_anew(s, st)) {
		begin_anew(&p);
	} else if (st->sandbox == SANDBOX_READY) {
		resize(&p); // first: what starts anew may need the pod's group to be greater
		run_all(&p);
	}
}
