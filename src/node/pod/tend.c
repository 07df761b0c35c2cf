// SPDX-License-Identifier: Apache-2.0
// A container that runs: its postStart hook, then its probes.
#include "node/pod/worker_parts.h"

static void hook_done(void *arg, enum action_result result, struct str said)
{
	struct probe_slot *slot = arg;
	struct pod_worker *w = slot->worker;
	size_t i = slot->container;
	struct container_state *c = &w->state->containers[i];
	w->containers[i].hook = NULL;
	if (result != ACTION_BAD) {
		c->hooking = false;
		container_wait(c, NULL, NULL);
		tend_begin(w, i, false, worker_now(w) - c->run.started);
		worker_report(w);
	} else {
		tell(w, (int)i, EVENTS_WARNING, "FailedPostStartHook", "PostStartHook failed: %.*s", STR_FMT(said));
		c->failed = STOP_HOOK;
	}
	worker_step_soon(w);
}

static struct action_context action_context_of(struct pod_worker *w, size_t i)
{
	return (struct action_context){
		.loop = w->host->loop,
		.runtime = w->host->runtime,
		.container_id = str_of(w->state->containers[i].run.id),
		.ip = w->spec->host_network ? w->host->host_ip : str_of(w->state->ip),
	};
}

static void on_verdict(void *arg, enum probe_type type, enum probe_verdict v)
{
	struct probe_slot *slot = arg;
	struct pod_worker *w = slot->worker;
	struct container_state *c = &w->state->containers[slot->container];
	if (type == PROBE_READINESS)
		c->ready = v == PROBE_GOOD;
	else if (type == PROBE_STARTUP && v == PROBE_GOOD)
		c->started = true;
	else if (v == PROBE_BAD && c->stage == STAGE_RUNNING)
		c->failed = type == PROBE_STARTUP ? STOP_STARTUP : STOP_LIVENESS;
	worker_step_soon(w);
}

static void on_remark(void *arg, enum probe_type type, enum action_result result, struct str said)
{
	static const char *const names[] = {
		[PROBE_STARTUP] = "Startup", [PROBE_READINESS] = "Readiness", [PROBE_LIVENESS] = "Liveness"};
	struct probe_slot *slot = arg;
	bool failed = result == ACTION_BAD;
	tell(slot->worker, (int)slot->container, EVENTS_WARNING, failed ? "Unhealthy" : "ProbeWarning",
	     "%s probe %s: %.*s", names[type], failed ? "failed" : "warning", STR_FMT(said));
}

static bool has_probe(const struct container_spec *c, enum probe_type type)
{
	return c->probes[type].action.kind != ACTION_NONE;
}

void tend_begin(struct pod_worker *w, size_t i, bool was_started, int64_t since_ns)
{
	static const struct prober_events events = {on_verdict, on_remark};
	struct container_work *work = &w->containers[i];
	struct container_state *c = &w->state->containers[i];
	const struct container_spec *spec = &w->spec->containers[i];
	struct action_context x = action_context_of(w, i);
	if (c->hooking) {
		x.any_answer = true;
		work->hook = action_start(&x, &spec->post_start, 0, hook_done, work->slot);
		return;
	}
	c->started = was_started || !has_probe(spec, PROBE_STARTUP);
	c->ready = !has_probe(spec, PROBE_READINESS);
	if (!has_probe(spec, PROBE_STARTUP) && !has_probe(spec, PROBE_READINESS) && !has_probe(spec, PROBE_LIVENESS))
		return;
	work->probed = pod_spec_ref(w->spec);
	work->prober = prober_create(&x, spec, c->started, since_ns, &events, work->slot);
}

void tend_end(struct pod_worker *w, size_t i)
{
	struct container_work *work = &w->containers[i];
	action_cancel(work->hook);
	prober_destroy(work->prober);
	pod_spec_unref(work->probed);
	work->hook = NULL;
	work->prober = NULL;
	work->probed = NULL;
}
