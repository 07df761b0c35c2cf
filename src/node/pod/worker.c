// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>

#include "node/pod/worker_parts.h"

enum { HOOK_REST_S = 3 }; // a hook that failed will most likely fail again

static const char deadline_text[] = "Pod was active on the node longer than the specified deadline";

int64_t worker_now(const struct pod_worker *w)
{
	return loop_wall(w->host->loop);
}

const struct pod_spec *worker_spec(const struct pod_worker *w)
{
	return w->spec;
}
const struct pod_state *worker_state(const struct pod_worker *w)
{
	return w->state;
}
struct str worker_net_ns(const struct pod_worker *w)
{
	return str_of(w->net_ns);
}
const struct json *worker_status(const struct pod_worker *w)
{
	return w->report.status;
}

struct node_amounts worker_uses(const struct pod_worker *w)
{
	const struct pod_state *st = w->state;
	// One that is gone from the API may still be ending here, but the scheduler has given its room away.
	bool none = st->settled || st->deleted || st->rejected[0] || pod_has_finished(w->spec, st);
	return none ? (struct node_amounts){0} : w->requests;
}

struct downward_context worker_downward(const struct pod_worker *w)
{
	const struct pod_host *h = w->host;
	return (struct downward_context){
		.pod = w->spec,
		.ip = str_of(w->state->ip),
		.host_ip = h->host_ip,
		.node_name = h->node_name,
		.node_cpu_milli = h->allocatable.cpu_milli,
		.node_memory = h->allocatable.memory,
		.node_storage = h->allocatable.storage,
	};
}

// ---- what the pod refers to

static void want_object(void *arg, bool secret, struct str name)
{
	struct pod_worker *w = arg;
	objects_want(w->host->objects, w->spec->namespace, secret, name);
}

static void drop_object(void *arg, bool secret, struct str name)
{
	struct pod_worker *w = arg;
	objects_drop(w->host->objects, w->spec->namespace, secret, name);
}

static void want_token(void *arg, const struct volume_token *t)
{
	struct pod_worker *w = arg;
	tokens_want(w->host->tokens, w->spec, t);
}

static void want_all(struct pod_worker *w)
{
	if (w->wants)
		return;
	w->wants = true;
	volumes_each_object(w->spec, want_object, w);
	volumes_each_token(w->spec, want_token, w);
}

static void drop_all(struct pod_worker *w)
{
	if (!w->wants)
		return;
	w->wants = false;
	volumes_each_object(w->spec, drop_object, w);
	tokens_drop(w->host->tokens, w->spec->uid);
}

// ---- the life of a worker's own memory

static void grow(struct pod_worker *w)
{
	pod_state_grow(w->state, w->spec);
	if (w->spec->container_count <= w->container_room)
		return;
	w->containers = mem_realloc(w->containers, w->spec->container_count * sizeof *w->containers);
	for (size_t i = w->container_room; i < w->spec->container_count; i++) {
		w->containers[i] = (struct container_work){.slot = MEM_NEW(struct probe_slot)};
		*w->containers[i].slot = (struct probe_slot){w, i};
	}
	w->container_room = w->spec->container_count;
}

static void run_step(struct task *t);

static void on_wake(struct timer *t)
{
	worker_step_soon(CONTAINER_OF(t, struct pod_worker, wake));
}

static struct pod_worker *create(struct pod_host *h, struct pod_spec *spec)
{
	struct pod_worker *w = MEM_NEW(struct pod_worker);
	w->host = h;
	w->spec = spec;
	w->state = pod_state_create(spec);
	w->wake.fire = on_wake;
	w->step.run = run_step;
	grow(w);
	report_init(w);
	return w;
}

struct pod_worker *pod_worker_create(struct pod_host *h, struct pod_spec *spec)
{
	struct pod_worker *w = create(h, spec);
	resize_recall(w);
	int64_t started;
	if (time_parse(json_str(spec->object, "status.startTime"), &started))
		started = loop_wall(h->loop) / TIME_S * TIME_S; // as it is shown
	w->state->started = started;
	worker_step_soon(w);
	return w;
}

struct pod_worker *pod_worker_create_ended(struct pod_host *h, struct pod_spec *spec)
{
	struct pod_worker *w = create(h, spec);
	w->state->was_ready = true; // whoever told of its end may not have come to clean up
	w->state->settled = !spec->deleted;
	if (time_parse(json_str(spec->object, "status.startTime"), &w->state->started))
		w->state->started = 0;
	for (size_t i = 0; i < spec->container_count; i++)
		adopt_recall(w, i);
	if (spec->deleted)
		worker_step_soon(w);
	return w;
}

static void free_now(struct pod_worker *w)
{
	report_finish(w);
	for (size_t i = 0; i < w->container_room; i++)
		free(w->containers[i].slot);
	free(w->containers);
	free(w->net_ns);
	pod_state_destroy(w->state);
	pod_spec_unref(w->spec);
	free(w);
}

void worker_enter(struct pod_worker *w)
{
	w->busy++;
	host_enter(w->host);
}

bool worker_leave(struct pod_worker *w)
{
	struct pod_host *h = w->host;
	bool lives = !w->destroyed;
	w->busy--;
	if (!lives && !w->busy)
		free_now(w);
	host_leave(h);
	return lives;
}

void worker_destroy(struct pod_worker *w)
{
	if (!w)
		return;
	w->destroyed = true;
	timer_stop(&w->wake);
	timer_stop(&w->report.timer);
	for (size_t i = 0; i < w->container_room; i++) {
		start_abandon(w, i);
		stop_finish(w, i);
		tend_end(w, i);
	}
	prepare_abandon(w);
	drop_all(w);
	if (!w->busy)
		free_now(w);
}

// ---- status

void worker_report(struct pod_worker *w)
{
	if (w->adopting || w->state->deleted)
		return;
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	const struct json *before = w->report.status ? w->report.status : json_get(w->spec->object, STR("status"));
	struct status_context x = {.arena = &a, .now = worker_now(w), .host_ip = w->host->host_ip, .previous = before};
	report_push(w, pod_status(&x, w->spec, w->state));
}

static bool any_alive(const struct pod_state *st)
{
	for (size_t i = 0; i < st->count; i++) {
		if (container_is_alive(&st->containers[i]))
			return true;
	}
	return false;
}

// The containers of the pod have ended, but not yet all that they shared: only the end is worth telling.
static bool is_between(const struct pod_worker *w)
{
	const struct pod_state *st = w->state;
	bool stands = st->sandbox != SANDBOX_GONE && (st->sandbox != SANDBOX_NONE || st->was_ready);
	return !w->spec->deleted && (pod_has_finished(w->spec, st) || st->deadline_exceeded) && !any_alive(st) &&
	       stands;
}

// ---- steps

static void rest(struct pod_worker *w, size_t i)
{
	w->state->containers[i].backing_off = true;
	tell(w, (int)i, EVENTS_WARNING, "BackOff", "Back-off restarting failed container %.*s in pod %.*s_%.*s(%.*s)",
	     STR_FMT(w->spec->containers[i].name), STR_FMT(w->spec->name), STR_FMT(w->spec->namespace),
	     STR_FMT(w->spec->uid));
}

static void start(struct pod_worker *w, size_t i)
{
	struct container_state *c = &w->state->containers[i];
	if (c->stage == STAGE_EXITED && !c->restart_at_exit)
		pod_backoff_next(&c->backoff, c->run.finished, worker_now(w));
	start_begin(w, i);
}

static void stop(struct pod_worker *w, const struct plan_action *how)
{
	struct container_state *c = &w->state->containers[how->container];
	// The next life begins at its end, so its rest is reckoned now; a resize or another image is no failure.
	if (how->restart && how->cause != STOP_RESIZE && how->cause != STOP_IMAGE && c->last.finished)
		pod_backoff_next(&c->backoff, c->last.finished, worker_now(w));
	stop_begin(w, how);
}

static void expire(struct pod_worker *w)
{
	w->state->deadline_exceeded = true;
	free(w->state->message);
	w->state->message = mem_strdup(deadline_text);
	tell(w, -1, EVENTS_NORMAL, "DeadlineExceeded", "%s", deadline_text);
	worker_step_soon(w);
}

static void begin_anew(struct pod_worker *w)
{
	static const char reason[] = "RestartingAllContainers";
	for (size_t i = 0; i < w->spec->init_count + w->spec->main_count; i++) {
		struct container_state *c = &w->state->containers[i];
		if (c->stage != STAGE_EXITED)
			continue;
		if (!container_restarts_all(&w->spec->containers[i], c->run.exit_code)) { // only who began it rests for it
			snprintf(c->run.reason, sizeof(c->run.reason), "%s", reason);
			c->backoff = (struct pod_backoff){0};
		}
		c->past = true;
		container_wait(c, reason, "all containers of the pod begin anew");
	}
	worker_step_soon(w);
}

static void settle(struct pod_worker *w)
{
	w->state->settled = true;
	drop_all(w);
	worker_report(w);
	report_settle(w);
}

static void apply(struct pod_worker *w, const struct plan_action *action)
{
	switch (action->kind) {
	case PLAN_PREPARE:
		want_all(w);
		prepare_begin(w);
		break;
	case PLAN_START:
		start(w, action->container);
		break;
	case PLAN_STOP:
		stop(w, action);
		break;
	case PLAN_REST:
		rest(w, action->container);
		break;
	case PLAN_EXPIRE:
		expire(w);
		break;
	case PLAN_KEEP:
		resize_keep(w);
		break;
	case PLAN_RESIZE:
		resize_give(w);
		break;
	case PLAN_ANEW:
		begin_anew(w);
		break;
	case PLAN_TEARDOWN:
		prepare_teardown(w);
		break;
	case PLAN_SETTLE:
		settle(w);
		break;
	}
}

// The pod is gone from the API and from the node.
static void leave_when_idle(struct pod_worker *w)
{
	bool gone = w->state->sandbox == SANDBOX_GONE || (w->state->sandbox == SANDBOX_NONE && !w->state->was_ready);
	if (!w->state->deleted || !w->state->settled || !gone || w->idle_told)
		return;
	w->idle_told = true;
	w->host->disk.ops->remove_logs(&w->host->disk, w->spec->uid, STR_NONE, -1);
	w->host->on_idle(w->host->arg, w);
}

static void run_step(struct task *t)
{
	struct pod_worker *w = CONTAINER_OF(t, struct pod_worker, step);
	w->step_posted = false;
	if (!worker_leave(w))
		return;
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct pod_plan plan;
	bool ending = pod_is_stopping(w->spec, w->state) || pod_has_finished(w->spec, w->state);
	if (w->adopting && ending)
		w->adopting = false;
	if (ending)
		start_cancel_queued(w);
	if (w->resuming && w->state->sandbox == SANDBOX_READY && !ending)
		adopt_resume(w);
	resize_settle(w);
	if (!is_between(w))
		worker_report(w);
	pod_plan(&a, w->spec, w->state, worker_now(w), &plan);
	for (size_t i = 0; i < plan.count; i++)
		apply(w, &plan.actions[i]);
	timer_stop(&w->wake);
	if (plan.wake)
		timer_start(w->host->loop, &w->wake, plan.wake - worker_now(w));
	leave_when_idle(w);
}

void worker_step_soon(struct pod_worker *w)
{
	if (w->step_posted || w->destroyed)
		return;
	w->step_posted = true;
	worker_enter(w);
	loop_post(w->host->loop, &w->step);
}

// ---- news

void worker_reject(struct pod_worker *w, const char *reason, struct str message)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	snprintf(w->state->rejected, sizeof(w->state->rejected), "%s", reason);
	free(w->state->message);
	w->state->message = mem_strdup(arena_fmt(&a, "Pod was rejected: %.*s", STR_FMT(message)).p);
	tell(w, -1, EVENTS_WARNING, reason, "%.*s", STR_FMT(message));
	worker_step_soon(w);
}

// With another image a container need not rest for what it did with the one before.
static void forget_rests(struct pod_worker *w, const struct pod_spec *fresh)
{
	for (size_t i = 0; i < w->spec->container_count; i++) {
		struct container_state *c = &w->state->containers[i];
		if (fresh->containers[i].image_key == w->spec->containers[i].image_key)
			continue;
		c->backoff = c->image_backoff = (struct pod_backoff){0};
		c->retry_at = 0;
	}
}

void worker_update(struct pod_worker *w, struct pod_spec *spec)
{
	bool was_deleted = w->spec->deleted;
	resize_carry(w, spec);
	forget_rests(w, spec);
	if (w->wants) { // in this order, so that what stays wanted is not fetched anew
		struct pod_spec *old = w->spec;
		w->spec = spec;
		volumes_each_object(w->spec, want_object, w);
		volumes_each_token(w->spec, want_token, w);
		w->spec = old;
		volumes_each_object(w->spec, drop_object, w);
	}
	bool changed =
		!json_equal(json_at(w->spec->object, "metadata.labels"), json_at(spec->object, "metadata.labels")) ||
		!json_equal(json_at(w->spec->object, "metadata.annotations"),
			    json_at(spec->object, "metadata.annotations"));
	pod_spec_unref(w->spec);
	w->spec = spec;
	grow(w);
	if (spec->deleted && !was_deleted) {
		w->state->settled = false; // there is one more thing to do: delete the object
		prepare_objects_changed(w);
	} else if (changed) {
		prepare_refresh(w); // they may stand in files
	}
	worker_step_soon(w);
}

void worker_removed(struct pod_worker *w)
{
	w->state->deleted = true;
	w->state->settled = false; // whatever was told of its end, something of it may be left here
	timer_stop(&w->report.timer);
	drop_all(w);
	prepare_objects_changed(w);
	worker_step_soon(w);
}

void worker_inputs_changed(struct pod_worker *w)
{
	prepare_objects_changed(w);
	prepare_refresh(w);
	for (size_t i = 0; i < w->spec->container_count; i++) {
		struct container_state *c = &w->state->containers[i];
		if (!c->waiting_reason[0] || !strcmp(c->waiting_reason, "CreateContainerConfigError"))
			c->retry_at = 0;
	}
	worker_step_soon(w);
}

struct search {
	bool secret, found;
	struct str name;
};

static void compare_object(void *arg, bool secret, struct str name)
{
	struct search *s = arg;
	s->found |= secret == s->secret && str_eq(name, s->name);
}

void worker_object_changed(struct pod_worker *w, bool secret, struct str name)
{
	struct search s = {secret, false, name};
	if (w->wants)
		volumes_each_object(w->spec, compare_object, &s);
	if (s.found)
		worker_inputs_changed(w);
}

static bool waits_for_image(const struct container_state *c)
{
	return !strcmp(c->waiting_reason, "ErrImageNeverPull") || !strcmp(c->waiting_reason, "ErrImagePull") ||
	       !strcmp(c->waiting_reason, "ImagePullBackOff");
}

bool worker_waits_for_image(const struct pod_worker *w)
{
	for (size_t i = 0; i < w->spec->container_count; i++) {
		if (waits_for_image(&w->state->containers[i]) && !w->state->settled)
			return true;
	}
	return false;
}

void worker_retry_images(struct pod_worker *w)
{
	for (size_t i = 0; i < w->spec->container_count; i++) {
		struct container_state *c = &w->state->containers[i];
		if (!waits_for_image(c) || c->stage == STAGE_STARTING || !image_is_here(w, i))
			continue;
		c->retry_at = 0;
		worker_step_soon(w);
	}
}

// ---- ends

void worker_read_end(struct pod_worker *w, size_t i, int attempt, const struct runtime_state *rs,
		     struct container_run *out)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct pod_disk *disk = &w->host->disk;
	struct str name = w->spec->containers[i].name;
	const struct json *json = w->spec->containers[i].json;
	str_to_c(rs->id, out->id, sizeof(out->id));
	out->attempt = attempt;
	out->started = rs->started;
	out->finished = rs->finished ? rs->finished : worker_now(w);
	out->exit_code = rs->exit_code;
	out->signal = rs->signal;
	const char *reason = rs->oom_killed  ? "OOMKilled"
			     : rs->lost	     ? "ContainerStatusUnknown"
			     : rs->exit_code ? "Error"
					     : "Completed";
	snprintf(out->reason, sizeof(out->reason), "%s", reason);
	struct str words = disk->ops->last_words(disk, &a, w->spec->uid, name, attempt, false);
	if (!words.n && rs->exit_code && json_str_is(json, "terminationMessagePolicy", "FallbackToLogsOnError"))
		words = disk->ops->last_words(disk, &a, w->spec->uid, name, attempt, true);
	out->message = words.n ? mem_strdup(arena_c(&a, words)) : NULL;
}

void worker_ended(struct pod_worker *w, size_t i, struct container_run *end)
{
	struct container_state *c = &w->state->containers[i];
	bool hook_failed = c->failed == STOP_HOOK;
	char *image_id = c->run.image_id;
	c->run.image_id = NULL;
	container_run_move(&c->run, end);
	c->run.image_id = image_id;
	tend_end(w, i);
	stop_finish(w, i);
	if (pod_is_stopping(w->spec, w->state))
		c->restart_at_exit = false;
	c->stage = STAGE_EXITED;
	c->hooking = false;
	if (!c->restart_at_exit)
		c->started = c->ready = false;
	c->failed = STOP_NONE;
	c->backing_off = false;
	c->retry_at = 0;
	if (hook_failed) {
		container_wait(c, "PostStartHookError", "the postStart hook failed");
		c->retry_at = worker_now(w) + HOOK_REST_S * TIME_S;
	}
	worker_step_soon(w);
}

void worker_exit(struct pod_worker *w, const struct runtime_state *rs)
{
	int i = pod_spec_find(w->spec, rs->name);
	if (i < 0 || start_exited(w, (size_t)i, rs))
		return;
	struct container_state *c = &w->state->containers[i];
	if (!str_is(rs->id, c->run.id) || !container_is_alive(c))
		return; // of a life that is no longer shown, or told already
	struct container_run end = {0};
	worker_read_end(w, (size_t)i, c->run.attempt, rs, &end);
	worker_ended(w, (size_t)i, &end);
}
