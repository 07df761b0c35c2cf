// SPDX-License-Identifier: Apache-2.0
#include "node/pod/status.h"

#include "node/pod/plan.h"
#include "node/pod/status_resources.h"

// ---- what a container looks like from outside

enum look { LOOK_WAITING, LOOK_RUNNING, LOOK_ENDED };

struct view {
	enum look look;
	const char *reason; // of waiting
	const char *message;
	const struct container_run *run;  // that runs or ended; NULL while waiting
	const struct container_run *last; // the end before; NULL: none
	int restarts;
};

static const struct container_run *if_ended(const struct container_run *r)
{
	return r->finished ? r : NULL;
}

// The last end of a container of which no process is shown.
static const struct container_run *newest_end(const struct container_state *c)
{
	if (c->hooking || !c->run.finished)
		return if_ended(&c->last);
	return &c->run;
}

static bool is_crash_looping(const struct pod_spec *s, const struct pod_state *st, size_t i, int64_t now)
{
	const struct container_state *c = &st->containers[i];
	return c->stage == STAGE_EXITED && !pod_is_stopping(s, st) && !pod_has_finished(s, st) &&
	       container_should_restart(s, &s->containers[i], c->run.exit_code) &&
	       pod_backoff_is_resting(&c->backoff, c->run.finished, now) &&
	       now >= c->run.finished + PLAN_CRASH_SHOWN_AFTER_S * TIME_S;
}

// A life that was ended to begin anew at once stands until the next one does.
static bool is_replaced(const struct container_state *c)
{
	return c->restart_at_exit && c->stage != STAGE_NONE && !c->waiting_reason[0];
}

static struct view view_of(struct arena *a, const struct pod_spec *s, const struct pod_state *st, size_t i, int64_t now)
{
	const struct container_state *c = &st->containers[i];
	bool runs = c->stage == STAGE_RUNNING || c->stage == STAGE_STOPPING;
	const struct container_run *ended = newest_end(c);
	if ((runs && !c->hooking) || (is_replaced(c) && !pod_is_stopping(s, st)))
		return (struct view){LOOK_RUNNING, .run = &c->run, .last = if_ended(&c->last),
				     .restarts = c->run.attempt};
	struct view v = {LOOK_WAITING, .last = ended, .restarts = ended ? ended->attempt : 0};
	if (c->waiting_reason[0] && !pod_is_stopping(s, st)) {
		v.reason = c->waiting_reason;
		v.message = c->waiting_message;
	} else if (is_crash_looping(s, st, i, now)) {
		v.reason = "CrashLoopBackOff";
		v.message = arena_fmt(a, "back-off %llds restarting failed container=%.*s pod=%.*s_%.*s(%.*s)",
				      (long long)(c->backoff.delay / TIME_S), STR_FMT(s->containers[i].name),
				      STR_FMT(s->name), STR_FMT(s->namespace), STR_FMT(s->uid))
				.p;
	} else if (ended) {
		v.look = LOOK_ENDED;
		v.run = ended;
		v.last = ended == &c->run ? if_ended(&c->last) : NULL;
	} else {
		v.reason = s->init_count ? "PodInitializing" : "ContainerCreating";
	}
	return v;
}

bool container_is_ready(const struct container_spec *c, const struct container_state *st)
{
	if (c->kind == CONTAINER_INIT)
		return st->stage == STAGE_EXITED && !st->run.exit_code && !st->past;
	if (c->kind == CONTAINER_EPHEMERAL)
		return false;
	bool runs = st->stage == STAGE_RUNNING || st->stage == STAGE_STOPPING || is_replaced(st);
	return runs && !st->hooking && st->started && st->ready;
}

// ---- phase

struct tally {
	size_t waiting, running, ended, succeeded;
	bool init_pending, init_failed;
};

static struct tally count_containers(struct arena *a, const struct pod_spec *s, const struct pod_state *st)
{
	struct tally t = {0};
	for (size_t i = 0; i < s->init_count + s->main_count; i++) {
		struct view v = view_of(a, s, st, i, 0);
		const struct container_run *ended = v.look == LOOK_ENDED     ? v.run
						    : v.look == LOOK_WAITING ? v.last
									     : NULL;
		if (s->containers[i].kind == CONTAINER_INIT) {
			t.init_failed |= ended && ended->exit_code;
			t.init_pending |= !ended;
		} else if (s->containers[i].kind == CONTAINER_SIDECAR) {
			t.init_pending |= v.look == LOOK_RUNNING ? !st->containers[i].started : !ended;
		} else if (v.look == LOOK_RUNNING) {
			t.running++;
		} else if (ended) {
			t.ended++;
			t.succeeded += ended->exit_code == 0 && v.look == LOOK_ENDED;
		} else {
			t.waiting++;
		}
	}
	return t;
}

static bool any_alive(const struct pod_state *st)
{
	for (size_t i = 0; i < st->count; i++) {
		if (container_is_alive(&st->containers[i]))
			return true;
	}
	return false;
}

// Nothing runs any more and nothing will.
static bool is_over(const struct pod_spec *s, const struct pod_state *st)
{
	if (!pod_is_stopping(s, st) && !pod_has_finished(s, st))
		return false;
	bool gone = st->sandbox == SANDBOX_GONE || (st->sandbox == SANDBOX_NONE && !st->was_ready);
	return !any_alive(st) && (gone || s->deleted);
}

const char *pod_phase(const struct pod_spec *s, const struct pod_state *st)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct tally t = count_containers(&a, s, st);
	if (is_over(s, st)) {
		bool well =
			!st->rejected[0] && !st->deadline_exceeded && !t.waiting && !t.running && t.succeeded == t.ended;
		return well && t.ended ? "Succeeded" : "Failed";
	}
	bool begun = t.running || t.ended;
	if ((t.init_pending || t.init_failed) && !begun)
		return "Pending";
	return t.waiting || !begun ? "Pending" : "Running";
}

// ---- containers' statuses

static void put_time(struct arena *a, struct json *o, const char *key, int64_t when)
{
	json_put_str(a, o, key, time_format(a, when));
}

static struct str container_id(struct arena *a, const struct container_run *r)
{
	return r->id[0] ? arena_fmt(a, "crun://%s", r->id) : STR_NONE;
}

static struct json *terminated(struct arena *a, const struct container_run *r)
{
	struct json *state = json_object(a), *t = json_put(state, "terminated", json_object(a));
	json_put_int(a, t, "exitCode", r->exit_code);
	if (r->reason[0])
		json_put_str(a, t, "reason", str_of(r->reason));
	if (r->message)
		json_put_str(a, t, "message", str_of(r->message));
	put_time(a, t, "startedAt", r->started);
	put_time(a, t, "finishedAt", r->finished);
	if (r->id[0])
		json_put_str(a, t, "containerID", container_id(a, r));
	return state;
}

static struct json *state_of(struct arena *a, const struct view *v)
{
	if (v->look == LOOK_ENDED)
		return terminated(a, v->run);
	struct json *state = json_object(a);
	if (v->look == LOOK_RUNNING) {
		put_time(a, json_put(state, "running", json_object(a)), "startedAt", v->run->started);
		return state;
	}
	struct json *waiting = json_put(state, "waiting", json_object(a));
	json_put_str(a, waiting, "reason", str_of(v->reason));
	if (v->message)
		json_put_str(a, waiting, "message", str_of(v->message));
	return state;
}

static void add_mounts(struct arena *a, struct json *out, const struct json *container)
{
	const struct json *mounts = json_get(container, STR("volumeMounts"));
	if (!mounts || !mounts->count)
		return;
	struct json *list = json_put(out, "volumeMounts", json_array(a));
	json_each(mount, mounts) {
		struct json *m = json_push(list, json_object(a));
		json_put_str(a, m, "name", json_str(mount, "name"));
		json_put_str(a, m, "mountPath", json_str(mount, "mountPath"));
		if (json_is_true(mount, "readOnly")) {
			json_put_bool(a, m, "readOnly", true);
			json_put_str(a, m, "recursiveReadOnly", STR("Disabled"));
		}
	}
}

static struct json *container_status(struct arena *a, const struct pod_spec *s, const struct pod_state *st, size_t i,
				     int64_t now)
{
	const struct container_spec *spec = &s->containers[i];
	const struct container_state *c = &st->containers[i];
	struct view v = view_of(a, s, st, i, now);
	const struct container_run *run = v.run ? v.run : v.last;
	struct json *out = json_object(a);
	json_put_str(a, out, "name", spec->name);
	json_put(out, "state", state_of(a, &v));
	json_put(out, "lastState", v.last ? terminated(a, v.last) : json_object(a));
	json_put_bool(a, out, "ready", container_is_ready(spec, c));
	json_put_int(a, out, "restartCount", v.restarts);
	json_put_str(a, out, "image", spec->image);
	json_put_str(a, out, "imageID", run && run->image_id ? str_of(run->image_id) : STR(""));
	if (run && run->id[0])
		json_put_str(a, out, "containerID", container_id(a, run));
	bool started = v.look == LOOK_RUNNING && c->started && !c->restart_at_exit;
	if (spec->kind != CONTAINER_EPHEMERAL)
		json_put_bool(a, out, "started", started);
	if (run && spec->kind != CONTAINER_EPHEMERAL)
		status_put_container(a, out, s, spec, c);
	add_mounts(a, out, spec->json);
	return out;
}

static void add_containers(const struct status_context *x, const struct pod_spec *s, const struct pod_state *st,
			   struct json *status)
{
	struct json *init = NULL, *ephemeral = NULL, *all = json_put(status, "containerStatuses", json_array(x->arena));
	for (size_t i = 0; i < s->container_count; i++) {
		struct json *one = container_status(x->arena, s, st, i, x->now);
		if (i < s->init_count)
			json_push(init ? init
				       : (init = json_put(status, "initContainerStatuses", json_array(x->arena))),
				  one);
		else if (s->containers[i].kind == CONTAINER_EPHEMERAL)
			json_push(ephemeral ? ephemeral
					    : (ephemeral = json_put(status, "ephemeralContainerStatuses",
								    json_array(x->arena))),
				  one);
		else
			json_push(all, one);
	}
}

// ---- conditions

struct verdict {
	bool good;
	const char *reason, *message;
};

static struct json *find_condition(const struct json *conditions, struct str type)
{
	json_each(c, conditions) {
		if (str_eq(json_str(c, "type"), type))
			return c;
	}
	return NULL;
}

struct condition {
	const char *type;
	bool good;
	const char *reason, *message; // NULL: none
	int64_t generation;	      // 0: none
};

// same: it stands as it did before, so the time since when stays too.
static void put_condition(const struct status_context *x, struct json *conditions, const struct condition *n,
			  const struct json *before, bool same)
{
	struct arena *a = x->arena;
	struct str since = same ? json_str(before, "lastTransitionTime") : STR_NONE;
	struct json *c = json_push(conditions, json_object(a));
	json_put_str(a, c, "type", str_of(n->type));
	if (n->generation)
		json_put_int(a, c, "observedGeneration", n->generation);
	json_put_str(a, c, "status", n->good ? STR("True") : STR("False"));
	json_put(c, "lastProbeTime", json_null(a));
	json_put_str(a, c, "lastTransitionTime", since.n ? arena_str(a, since) : time_format(a, x->now));
	if (n->reason)
		json_put_str(a, c, "reason", str_of(n->reason));
	if (n->message)
		json_put_str(a, c, "message", str_of(n->message));
}

static void add_condition(const struct status_context *x, const struct pod_spec *s, struct json *conditions,
			  const char *type, const struct verdict *v)
{
	const struct json *before = find_condition(json_get(x->previous, STR("conditions")), str_of(type));
	struct condition c = {type, v->good, v->reason, v->message, s->generation};
	put_condition(x, conditions, &c, before, json_str_is(before, "status", v->good ? "True" : "False"));
}

// It is there or not: what changes is the reason.
static void add_resize_condition(const struct status_context *x, struct json *conditions, const struct condition *c)
{
	const struct json *before = find_condition(json_get(x->previous, STR("conditions")), str_of(c->type));
	bool same = before && str_eq(json_str(before, "reason"), str_of(c->reason));
	put_condition(x, conditions, c, before, same);
}

static void add_resize_conditions(const struct status_context *x, const struct pod_resize *r, struct json *conditions)
{
	struct condition pending = {"PodResizePending", true, "Deferred", r->pending_message, r->pending_generation};
	struct condition progress = {"PodResizeInProgress", true, r->error ? "Error" : NULL, r->error, r->generation};
	if (r->pending == RESIZE_INFEASIBLE)
		pending.reason = "Infeasible";
	if (r->pending != RESIZE_NOT_PENDING)
		add_resize_condition(x, conditions, &pending);
	if (r->in_progress)
		add_resize_condition(x, conditions, &progress);
}

// "what: [a b]" of the containers that are not `good`; NULL when all are.
static const char *name_those_not(struct arena *a, const struct pod_spec *s, const struct pod_state *st,
				  const char *what,
				  bool (*good)(const struct container_spec *, const struct container_state *))
{
	struct buf names CLEAN_BUF;
	buf_init(&names);
	for (size_t i = 0; i < s->container_count; i++) {
		if (good(&s->containers[i], &st->containers[i]))
			continue;
		if (names.n)
			buf_add_byte(&names, ' ');
		buf_add(&names, s->containers[i].name);
	}
	return names.n ? arena_fmt(a, "%s: [%.*s]", what, STR_FMT(buf_str(&names))).p : NULL;
}

static bool needs_no_start(const struct container_spec *c, const struct container_state *st)
{
	if (c->kind == CONTAINER_SIDECAR)
		return st->stage == STAGE_RUNNING && st->started;
	return c->kind != CONTAINER_INIT || container_is_ready(c, st);
}

static bool needs_no_readiness(const struct container_spec *c, const struct container_state *st)
{
	return (c->kind != CONTAINER_MAIN && c->kind != CONTAINER_SIDECAR) || container_is_ready(c, st);
}

// A pod that was initialized stays so, also where its init containers run again.
static struct verdict initialized(const struct status_context *x, const struct pod_spec *s, const struct pod_state *st,
				  const char *phase)
{
	const struct json *before = find_condition(json_get(x->previous, STR("conditions")), STR("Initialized"));
	if (!strcmp(phase, "Succeeded"))
		return (struct verdict){true, "PodCompleted", NULL};
	const char *which = pod_is_initialized(s, st) || json_str_is(before, "status", "True")
				? NULL
				: name_those_not(x->arena, s, st, "containers with incomplete status", needs_no_start);
	if (which)
		return (struct verdict){false, "ContainersNotInitialized", which};
	return (struct verdict){.good = true};
}

static struct verdict containers_ready(struct arena *a, const struct pod_spec *s, const struct pod_state *st,
				       const char *phase)
{
	if (!strcmp(phase, "Failed"))
		return (struct verdict){false, "PodFailed", NULL};
	if (!strcmp(phase, "Succeeded"))
		return (struct verdict){false, "PodCompleted", NULL};
	const char *which = name_those_not(a, s, st, "containers with unready status", needs_no_readiness);
	if (which)
		return (struct verdict){false, "ContainersNotReady", which};
	return (struct verdict){.good = true};
}

// Gates are conditions that others set; they stand in the API's own copy of the status.
static struct verdict ready(struct arena *a, const struct pod_spec *s, const struct verdict *containers)
{
	if (!containers->good)
		return *containers;
	const struct json *conditions = json_at(s->object, "status.conditions");
	json_each(gate, json_at(s->object, "spec.readinessGates")) {
		struct str type = json_str(gate, "conditionType");
		const struct json *c = find_condition(conditions, type);
		if (json_str_is(c, "status", "True"))
			continue;
		return (struct verdict){false, "ReadinessGatesNotReady",
					arena_fmt(a, "the condition of readiness gate \"%.*s\" %s", STR_FMT(type),
						  c ? "is not True" : "does not exist")
					    .p};
	}
	return (struct verdict){.good = true};
}

static bool may_begin_anew(const struct pod_spec *s)
{
	for (size_t i = 0; i < s->container_count; i++)
		json_each(rule, s->containers[i].restart_rules)
			if (json_str_is(rule, "action", "RestartAllContainers"))
				return true;
	return false;
}

static struct verdict begins_anew(const struct pod_spec *s, const struct pod_state *st, const char *phase)
{
	if (!strcmp(phase, "Succeeded"))
		return (struct verdict){false, "PodCompleted", NULL};
	if (!strcmp(phase, "Failed"))
		return (struct verdict){false, "PodFailed", NULL};
	if (!pod_begins_anew(s, st) || pod_is_stopping(s, st))
		return (struct verdict){.good = false};
	return (struct verdict){true, "RestartAllContainersStarted", "a container ended as one of its restart rules says"};
}

static void add_conditions(const struct status_context *x, const struct pod_spec *s, const struct pod_state *st,
			   struct json *status, const char *phase)
{
	struct json *list = json_put(status, "conditions", json_array(x->arena));
	struct verdict stands = {.good = st->sandbox == SANDBOX_READY && !is_over(s, st)};
	struct verdict scheduled = {.good = true}, init = initialized(x, s, st, phase);
	struct verdict containers = containers_ready(x->arena, s, st, phase), all = ready(x->arena, s, &containers);
	if (!is_over(s, st))
		add_resize_conditions(x, &st->resize, list);
	add_condition(x, s, list, "PodReadyToStartContainers", &stands);
	add_condition(x, s, list, "Initialized", &init);
	add_condition(x, s, list, "Ready", &all);
	add_condition(x, s, list, "ContainersReady", &containers);
	add_condition(x, s, list, "PodScheduled", &scheduled);
	if (may_begin_anew(s)) {
		struct verdict anew = begins_anew(s, st, phase);
		add_condition(x, s, list, "AllContainersRestarting", &anew);
	}
}

// ---- the whole

static void add_addresses(const struct status_context *x, const struct pod_spec *s, const struct pod_state *st,
			  struct json *status)
{
	struct arena *a = x->arena;
	struct str ip = s->host_network ? x->host_ip : str_of(st->ip);
	json_put_str(a, status, "hostIP", x->host_ip);
	json_put_str(a, json_push(json_put(status, "hostIPs", json_array(a)), json_object(a)), "ip", x->host_ip);
	if (!ip.n || (s->host_network && !st->was_ready))
		return;
	json_put_str(a, status, "podIP", ip);
	json_put_str(a, json_push(json_put(status, "podIPs", json_array(a)), json_object(a)), "ip", ip);
}

struct json *pod_status(const struct status_context *x, const struct pod_spec *s, const struct pod_state *st)
{
	struct arena *a = x->arena;
	struct json *status = json_object(a);
	const char *phase = pod_phase(s, st);
	if (s->generation)
		json_put_int(a, status, "observedGeneration", s->generation);
	json_put_str(a, status, "phase", str_of(phase));
	if (st->rejected[0] || (st->deadline_exceeded && is_over(s, st))) {
		json_put_str(a, status, "reason", st->rejected[0] ? str_of(st->rejected) : STR("DeadlineExceeded"));
		json_put_str(a, status, "message", str_of(st->message));
	}
	if (st->started)
		put_time(a, status, "startTime", st->started);
	json_put_str(a, status, "qosClass", str_of(pod_qos(s->object)));
	if (st->rejected[0])
		return status;
	add_conditions(x, s, st, status, phase);
	add_addresses(x, s, st, status);
	add_containers(x, s, st, status);
	status_put_pod(a, status, s, &st->resize);
	return status;
}

// Without this the patch would add to the list, whose elements are told apart by their addresses.
static void replace_list(struct arena *a, struct json *status, const char *key)
{
	struct json *list = json_get(status, str_of(key));
	struct json *directive = json_object(a);
	json_put_str(a, directive, "$patch", STR("replace"));
	if (list)
		json_insert(list, 0, directive);
}

// A condition that is over is taken out of the list.
static void drop_condition(struct arena *a, struct json *conditions, const char *type)
{
	if (!conditions || find_condition(conditions, str_of(type)))
		return;
	struct json *c = json_push(conditions, json_object(a));
	json_put_str(a, c, "type", str_of(type));
	json_put_str(a, c, "$patch", STR("delete"));
}

struct json *pod_status_patch(struct arena *a, const struct pod_spec *s, const struct pod_state *st,
			      const struct json *status)
{
	struct json *patch = json_object(a), *meta = json_put(patch, "metadata", json_object(a));
	json_put_str(a, meta, "uid", s->uid);
	struct json *body = json_put(patch, "status", json_clone(a, status));
	json_each(c, json_get(body, STR("conditions"))) {
		if (!json_get(c, STR("reason")))
			json_put(c, "reason", json_null(a));
		if (!json_get(c, STR("message")))
			json_put(c, "message", json_null(a));
	}
	if (st->resize.told) {
		drop_condition(a, json_get(body, STR("conditions")), "PodResizePending");
		drop_condition(a, json_get(body, STR("conditions")), "PodResizeInProgress");
	}
	replace_list(a, body, "hostIPs");
	replace_list(a, body, "podIPs");
	return patch;
}

static const char *const status_lists[] = {"initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses"};

struct str pod_status_gist(struct arena *a, const struct json *status)
{
	struct buf gist CLEAN_BUF;
	buf_init(&gist);
	buf_add(&gist, json_str(status, "phase"));
	for (size_t i = 0; i < ARRAY_LEN(status_lists); i++) {
		json_each(c, json_get(status, str_of(status_lists[i]))) {
			const struct json *state = json_first(json_get(c, STR("state")));
			buf_fmt(&gist, ";%.*s=%.*s:%.*s:%lld", STR_FMT(json_str(c, "name")),
				STR_FMT(state ? state->key : STR_NONE), STR_FMT(json_str(state, "reason")),
				(long long)json_i64(c, "restartCount", 0));
		}
	}
	return arena_str(a, buf_str(&gist));
}

bool pod_status_is_quiet(const struct json *status)
{
	if (!json_str_is(status, "phase", "Pending"))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(status_lists); i++) {
		json_each(c, json_get(status, str_of(status_lists[i]))) {
			const struct json *waiting = json_at(c, "state.waiting");
			if (!json_str_is(waiting, "reason", "ContainerCreating") &&
			    !json_str_is(waiting, "reason", "PodInitializing"))
				return false;
		}
	}
	return true;
}
