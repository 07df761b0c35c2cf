// SPDX-License-Identifier: Apache-2.0
// A pod's row. The Status column is not the phase but what tells a person most: why a container waits or ended, how
// far initialization is, that the pod is being deleted.
#include "api/table_cells.h"
#include "base/times.h"

struct pod_summary {
	struct str status;
	int64_t ready, containers, restarts;
	const struct json *last_restart; // time, NULL: unknown
};

static bool restarts_always(const struct json *init_container)
{
	return json_str_is(init_container, "restartPolicy", "Always");
}

static const struct json *by_name(const struct json *containers, struct str name)
{
	json_each(c, containers)
		if (str_eq(json_str(c, "name"), name))
			return c;
	return NULL;
}

static bool condition_is(const struct json *pod, const char *type, const char *status)
{
	json_each(c, json_at(pod, "status.conditions"))
		if (json_str_is(c, "type", type))
			return json_str_is(c, "status", status);
	return false;
}

static void count_restarts(struct pod_summary *s, const struct json *status)
{
	s->restarts += json_i64(status, "restartCount", 0);
	const struct json *ended = json_at(status, "lastState.terminated.finishedAt");
	int64_t at, last;
	if (!ended || ended->type != JSON_STRING || time_parse(ended->text, &at))
		return;
	if (!s->last_restart || time_parse(s->last_restart->text, &last) || last < at)
		s->last_restart = ended;
}

// Why a container ended: its reason, or the signal, or the exit code.
static struct str ended_text(struct arena *a, const char *prefix, const struct json *terminated)
{
	struct str reason = json_str(terminated, "reason");
	int64_t signal = json_i64(terminated, "signal", 0);
	if (reason.n)
		return arena_fmt(a, "%s%.*s", prefix, STR_FMT(reason));
	if (signal)
		return arena_fmt(a, "%sSignal:%lld", prefix, (long long)signal);
	return arena_fmt(a, "%sExitCode:%lld", prefix, (long long)json_i64(terminated, "exitCode", 0));
}

// What an init container that is not through says of the pod.
static struct str init_text(const struct row *r, const struct json *status, size_t index)
{
	const struct json *terminated = json_at(status, "state.terminated");
	struct str waiting = json_str(status, "state.waiting.reason");
	if (terminated)
		return ended_text(r->arena, "Init:", terminated);
	if (waiting.n && !str_is(waiting, "PodInitializing"))
		return arena_fmt(r->arena, "Init:%.*s", STR_FMT(waiting));
	const struct json *all = json_at(r->object, "spec.initContainers");
	return arena_fmt(r->arena, "Init:%zu/%u", index, all ? all->count : 0);
}

// Returns whether initialization is still going on. *beside gets the restarts of containers that stay.
static bool summarize_init(const struct row *r, struct pod_summary *s, struct pod_summary *beside)
{
	const struct json *containers = json_at(r->object, "spec.initContainers");
	size_t index = 0;
	json_each(status, json_at(r->object, "status.initContainerStatuses")) {
		bool stays = restarts_always(by_name(containers, json_str(status, "name")));
		const struct json *terminated = json_at(status, "state.terminated");
		count_restarts(s, status);
		if (stays)
			count_restarts(beside, status);
		index++;
		if (terminated && json_i64(terminated, "exitCode", 0) == 0)
			continue;
		if (stays && json_is_true(status, "started")) {
			s->ready += json_is_true(status, "ready");
			continue;
		}
		s->status = init_text(r, status, index - 1);
		return true;
	}
	return false;
}

static void summarize_containers(const struct row *r, struct pod_summary *s)
{
	bool running = false, decided = false;
	json_each(status, json_at(r->object, "status.containerStatuses")) { // the first with something to say wins
		const struct json *terminated = json_at(status, "state.terminated");
		struct str waiting = json_str(status, "state.waiting.reason");
		count_restarts(s, status);
		if (waiting.n || terminated) {
			if (!decided)
				s->status = waiting.n ? waiting : ended_text(r->arena, "", terminated);
			decided = true;
		} else if (json_is_true(status, "ready") && json_at(status, "state.running")) {
			running = true;
			s->ready++;
		}
	}
	if (running && str_is(s->status, "Completed"))
		s->status = condition_is(r->object, "Ready", "True") ? STR("Running") : STR("NotReady");
}

static struct str first_status(const struct json *pod)
{
	json_each(c, json_at(pod, "status.conditions"))
		if (json_str_is(c, "type", "PodScheduled") && json_str_is(c, "reason", "SchedulingGated"))
			return STR("SchedulingGated");
	struct str reason = json_str(pod, "status.reason");
	return reason.n ? reason : json_str(pod, "status.phase");
}

static struct pod_summary summarize(const struct row *r)
{
	const struct json *pod = r->object, *containers = json_at(pod, "spec.containers");
	struct pod_summary s = {.status = first_status(pod), .containers = containers ? containers->count : 0};
	struct pod_summary beside = {0};
	json_each(c, json_at(pod, "spec.initContainers"))
		s.containers += restarts_always(c);
	bool initializing = summarize_init(r, &s, &beside);
	if (!initializing || condition_is(pod, "Initialized", "True")) {
		s.restarts = beside.restarts;
		s.last_restart = beside.last_restart;
		summarize_containers(r, &s);
	}
	bool ended = json_str_is(pod, "status.phase", "Succeeded") || json_str_is(pod, "status.phase", "Failed");
	if (json_at(pod, "metadata.deletionTimestamp")) {
		if (json_str_is(pod, "status.reason", "NodeLost"))
			s.status = STR("Unknown");
		else if (!ended)
			s.status = STR("Terminating");
	}
	return s;
}

static void readiness_gates(struct row *r)
{
	const struct json *gates = json_at(r->object, "spec.readinessGates");
	int met = 0;
	json_each(gate, gates)
		met += condition_is(r->object, arena_c(r->arena, json_str(gate, "conditionType")), "True");
	if (gates && gates->count)
		cell_fmt(r, "%d/%u", met, gates->count);
	else
		cell_text(r, STR("<none>"));
}

void table_pod(struct row *r)
{
	struct pod_summary s = summarize(r);
	cell_name(r);
	cell_fmt(r, "%lld/%lld", (long long)s.ready, (long long)s.containers);
	cell_text(r, s.status);
	if (s.restarts && s.last_restart)
		cell_fmt(r, "%lld (%.*s ago)", (long long)s.restarts, STR_FMT(row_age(r, s.last_restart)));
	else
		cell_fmt(r, "%lld", (long long)s.restarts);
	cell_age(r);
	struct str ip = json_str(r->object, "status.podIPs.0.ip");
	cell_text(r, ip.n ? ip : STR("<none>"));
	cell_at(r, "spec.nodeName", "<none>");
	cell_at(r, "status.nominatedNodeName", "<none>");
	readiness_gates(r);
}
