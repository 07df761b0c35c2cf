// SPDX-License-Identifier: Apache-2.0
// A container's end: its preStop hook, the stop signal, and when the grace is over the one that can't be refused.
#include <signal.h>

#include "base/log.h"
#include "node/pod/worker_parts.h"

enum { LEAST_GRACE_S = 2, KILL_AGAIN_S = 10 };

struct container_stop {
	struct pod_worker *worker;
	size_t container;
	struct action *hook; // preStop, under way
	struct timer timer;
	int64_t begun, deadline; // monotonic
	int64_t least_until;	 // once signalled it has at least a moment, whatever the grace
	bool forced, waits, signalled;
};

static struct container_state *state_of(struct container_stop *s)
{
	return &s->worker->state->containers[s->container];
}

static void kill_now(struct container_stop *s)
{
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct pod_host *h = s->worker->host;
	action_cancel(s->hook);
	s->hook = NULL;
	if (runtime_kill(h->runtime, str_of(state_of(s)->run.id), SIGKILL, &e) && e.reason != ERR_NOT_FOUND)
		log_warn("kill container %s: %s", state_of(s)->run.id, err_text(&e));
	timer_start(h->loop, &s->timer, KILL_AGAIN_S * TIME_S);
}

static int signal_of(const struct container_stop *s)
{
	int own = s->worker->spec->containers[s->container].stop_signal,
	    image = s->worker->containers[s->container].stop_signal;
	return own ? own : image ? image : SIGTERM;
}

static void arm(struct container_stop *s)
{
	struct loop *l = s->worker->host->loop;
	int64_t until = s->deadline > s->least_until ? s->deadline : s->least_until, left = until - loop_now(l);
	timer_start(l, &s->timer, left > 0 ? left : 0);
}

static void signal_now(struct container_stop *s)
{
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct pod_host *h = s->worker->host;
	s->signalled = true;
	s->least_until = loop_now(h->loop) + LEAST_GRACE_S * TIME_S;
	if (runtime_kill(h->runtime, str_of(state_of(s)->run.id), signal_of(s), &e) && e.reason != ERR_NOT_FOUND)
		log_warn("stop container %s: %s", state_of(s)->run.id, err_text(&e));
	arm(s);
}

static void on_timer(struct timer *t)
{
	struct container_stop *s = CONTAINER_OF(t, struct container_stop, timer);
	if (s->hook) { // it used up the grace
		action_cancel(s->hook);
		s->hook = NULL;
		tell(s->worker, (int)s->container, EVENTS_WARNING, "FailedPreStopHook",
		     "PreStopHook did not end within the grace period");
	}
	if (s->signalled)
		kill_now(s);
	else
		signal_now(s);
}

static void signal_in_turn(struct container_stop *s)
{
	if (!s->hook && !s->waits && !s->signalled)
		signal_now(s);
}

static void on_hook(void *arg, enum action_result result, struct str said)
{
	struct container_stop *s = arg;
	s->hook = NULL;
	if (result == ACTION_BAD)
		tell(s->worker, (int)s->container, EVENTS_WARNING, "FailedPreStopHook", "PreStopHook failed: %.*s",
		     STR_FMT(said));
	signal_in_turn(s);
}

static void begin_hook(struct container_stop *s, const struct pod_action *hook)
{
	struct pod_worker *w = s->worker;
	struct action_context x = {
		.loop = w->host->loop,
		.runtime = w->host->runtime,
		.container_id = str_of(state_of(s)->run.id),
		.ip = w->spec->host_network ? w->host->host_ip : str_of(w->state->ip),
		.any_answer = true,
	};
	s->hook = action_start(&x, hook, 0, on_hook, s);
}

static void tell_why(struct pod_worker *w, const struct plan_action *how)
{
	const struct container_spec *spec = &w->spec->containers[how->container];
	struct str name = spec->name;
	static const char *const probes[] = {[STOP_LIVENESS] = "liveness", [STOP_STARTUP] = "startup"};
	bool again = container_should_restart(w->spec, spec, 128 + SIGKILL); // now or when it has rested
	if (how->cause == STOP_LIVENESS || how->cause == STOP_STARTUP)
		tell(w, (int)how->container, EVENTS_NORMAL, "Killing",
		     "Container %.*s failed %s probe%s", STR_FMT(name), probes[how->cause],
		     again ? ", will be restarted" : "");
	else if (how->cause == STOP_IMAGE)
		tell(w, (int)how->container, EVENTS_NORMAL, "Killing",
		     "Container %.*s definition changed, will be restarted", STR_FMT(name));
	else if (how->cause == STOP_RESIZE)
		tell(w, (int)how->container, EVENTS_NORMAL, "Killing", "Container %.*s resize requires restart",
		     STR_FMT(name));
	else if (how->cause == STOP_HOOK)
		tell(w, (int)how->container, EVENTS_NORMAL, "Killing", "FailedPostStartHook");
	else
		tell(w, (int)how->container, EVENTS_NORMAL, "Killing", "Stopping container %.*s", STR_FMT(name));
}

// Told again while it ends: its turn may have come, the grace may be shorter now, and the next life may be off.
static void hurry(struct container_stop *s, const struct plan_action *how)
{
	int64_t deadline = s->begun + how->grace_ns;
	s->waits &= how->waits;
	if (how->cause == STOP_POD)
		state_of(s)->restart_at_exit = false;
	if (how->forced && !s->forced) {
		s->forced = true;
		kill_now(s);
	} else if (deadline < s->deadline && !s->forced) {
		s->deadline = deadline;
		arm(s);
	}
	if (!s->forced)
		signal_in_turn(s);
}

void stop_begin(struct pod_worker *w, const struct plan_action *how)
{
	struct container_work *work = &w->containers[how->container];
	struct container_state *c = &w->state->containers[how->container];
	if (work->stop) {
		hurry(work->stop, how);
		return;
	}
	struct container_stop *s = MEM_NEW(struct container_stop);
	const struct pod_action *hook = &w->spec->containers[how->container].pre_stop;
	*s = (struct container_stop){
		.worker = w, .container = how->container, .forced = how->forced, .waits = how->waits};
	s->timer.fire = on_timer;
	s->begun = loop_now(w->host->loop);
	s->deadline = s->begun + how->grace_ns;
	work->stop = s;
	c->stage = STAGE_STOPPING;
	c->restart_at_exit = how->restart;
	tell_why(w, how);
	if (how->cause == STOP_HOOK || how->cause == STOP_POD || how->cause == STOP_ANEW) {
		action_cancel(work->hook);
		work->hook = NULL;
	}
	prober_only_readiness(work->prober);
	if (s->forced) {
		kill_now(s);
		return;
	}
	if (hook->kind != ACTION_NONE && how->grace_ns > 0)
		begin_hook(s, hook);
	arm(s);
	signal_in_turn(s);
}

void stop_finish(struct pod_worker *w, size_t container)
{
	struct container_stop *s = w->containers[container].stop;
	if (!s)
		return;
	timer_stop(&s->timer);
	action_cancel(s->hook);
	w->containers[container].stop = NULL;
	free(s);
}
