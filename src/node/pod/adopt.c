// SPDX-License-Identifier: Apache-2.0
// Taking over what a former agent left: the runtime's containers, and what the API still shows of those it has
// forgotten.
#include <stdio.h>

#include "node/pod/resize_plan.h"
#include "node/pod/worker_parts.h"

static int64_t parse_time(const struct json *from, const char *field)
{
	int64_t t = 0;
	return time_parse(json_str(from, field), &t) ? 0 : t;
}

// The runtime's own, without "crun://".
static struct str id_of(const struct json *terminated)
{
	struct str scheme, id;
	str_cut(json_str(terminated, "containerID"), '/', &scheme, &id);
	return str_from(id, 1);
}

static void read_ended(const struct json *terminated, int attempt, struct container_run *out)
{
	struct str message = json_str(terminated, "message");
	str_to_c(id_of(terminated), out->id, sizeof(out->id));
	str_to_c(json_str(terminated, "reason"), out->reason, sizeof(out->reason));
	out->attempt = attempt;
	out->exit_code = (int)json_i64(terminated, "exitCode", 0);
	out->started = parse_time(terminated, "startedAt");
	out->finished = parse_time(terminated, "finishedAt");
	if (message.n) {
		out->message = mem_zalloc(message.n + 1);
		memcpy(out->message, message.p, message.n);
	}
}

static const struct json *status_of(const struct pod_spec *s, size_t i)
{
	const char *list = i < s->init_count				  ? "status.initContainerStatuses"
			   : s->containers[i].kind == CONTAINER_EPHEMERAL ? "status.ephemeralContainerStatuses"
									  : "status.containerStatuses";
	json_each(status, json_at(s->object, list)) {
		if (str_eq(json_str(status, "name"), s->containers[i].name))
			return status;
	}
	return NULL;
}

static void set_image_id(struct container_run *run, const struct json *status)
{
	struct str id = json_str(status, "imageID");
	if (run->image_id || !id.n)
		return;
	run->image_id = mem_zalloc(id.n + 1);
	memcpy(run->image_id, id.p, id.n);
}

// What the API still shows of a container whose life the runtime no longer knows.
void adopt_recall(struct pod_worker *w, size_t i)
{
	struct container_state *c = &w->state->containers[i];
	const struct json *status = status_of(w->spec, i), *ended = json_at(status, "state.terminated");
	const struct json *before = json_at(status, "lastState.terminated");
	int restarts = (int)json_i64(status, "restartCount", 0);
	if (before && !c->last.finished && !str_eq(id_of(before), str_of(c->run.id)))
		read_ended(before, restarts - (json_at(status, "state.waiting") ? 0 : 1), &c->last);
	if (c->run.id[0] || !(ended || json_at(status, "state.running") || before))
		return;
	c->attempts = restarts + 1;
	c->stage = STAGE_EXITED;
	if (ended) {
		read_ended(ended, restarts, &c->run);
	} else if (before && !json_at(status, "state.running")) {
		container_run_move(&c->run, &c->last);
	} else { // it ran, and is nowhere: the machine was restarted
		c->run.attempt = restarts;
		snprintf(c->run.reason, sizeof(c->run.reason), "ContainerStatusUnknown");
		c->run.message = mem_strdup("The container could not be located when the node came back");
		c->run.exit_code = 137;
		c->run.started = parse_time(status, "state.running.startedAt");
		c->run.finished = worker_now(w);
		snprintf(c->run.id, sizeof(c->run.id), "lost");
	}
	set_image_id(&c->run, status);
}

static void nobody(void *arg, const struct err *e)
{
}

static void adopt_run(struct pod_worker *w, const struct runtime_state *rs)
{
	int i = pod_spec_find(w->spec, rs->name);
	if (i < 0 || rs->phase == RUNTIME_CREATED) { // it never ran
		runtime_remove(w->host->runtime, rs->id, nobody, NULL);
		return;
	}
	struct container_state *c = &w->state->containers[i];
	struct container_note note = {.size = container_size_of(w->spec, &w->spec->containers[i])};
	resize_read_note(rs->note, &note);
	if (c->run.id[0]) {
		runtime_remove(w->host->runtime, str_of(c->run.id), nobody, NULL);
		container_run_move(&c->last, &c->run);
	}
	c->attempts = note.attempt + 1;
	c->size = note.size;
	c->image = note.image;
	if (rs->phase == RUNTIME_EXITED) {
		worker_read_end(w, (size_t)i, note.attempt, rs, &c->run);
		c->stage = STAGE_EXITED;
	} else {
		str_to_c(rs->id, c->run.id, sizeof(c->run.id));
		c->run.attempt = note.attempt;
		c->run.started = rs->started;
		c->stage = STAGE_RUNNING;
	}
	set_image_id(&c->run, status_of(w->spec, (size_t)i));
}

void worker_adopt(struct pod_worker *w, const struct runtime_state *runs, size_t count)
{
	for (size_t i = 0; i < count; i++)
		adopt_run(w, &runs[i]);
	// One that nobody has begun yet is begun like any other; but its agent may have ended before it could tell.
	w->adopting = w->resuming = count > 0 || json_at(w->spec->object, "status.startTime");
	w->state->was_ready = true; // a part of the sandbox may stand
	for (size_t i = 0; i < w->spec->container_count; i++)
		adopt_recall(w, i);
	resize_adopt(w);
}

// After a restart of the machine: what init containers did in the sandbox is gone with it.
void adopt_anew(struct pod_worker *w)
{
	const struct pod_state *st = w->state;
	for (size_t i = 0; i < st->count; i++)
		if (container_is_alive(&st->containers[i]))
			return;
	for (size_t i = 0; i < st->count; i++) {
		const struct container_spec *spec = &w->spec->containers[i];
		struct container_state *c = &st->containers[i];
		bool again = spec->kind == CONTAINER_INIT && !c->run.exit_code;
		c->past = c->stage == STAGE_EXITED && (again || container_should_restart(w->spec, spec, c->run.exit_code));
	}
}

// The sandbox stands again: probes of the containers that kept running go on.
void adopt_resume(struct pod_worker *w)
{
	w->resuming = false;
	for (size_t i = 0; i < w->spec->container_count; i++) {
		struct container_state *c = &w->state->containers[i];
		const struct json *status = status_of(w->spec, i);
		if (c->stage != STAGE_RUNNING)
			continue;
		bool was_started = json_is_true(status, "started"), was_ready = json_is_true(status, "ready");
		tend_begin(w, i, was_started, worker_now(w) - c->run.started);
		c->ready |= was_ready;
	}
}
