// SPDX-License-Identifier: Apache-2.0
// A container's way up: its image, its environment, identity and mounts, the runtime's create and start. What fails on
// the way becomes the reason for which it waits. From then on tend.c has it.
#include <stdio.h>

#include "node/env/services.h"
#include "node/pod/launch.h"
#include "node/pod/resize_plan.h"
#include "node/pod/worker_parts.h"

enum { CONFIG_RETRY_S = 10, ID_BYTES = 16, START_ERROR_CODE = 128 };

struct container_start {
	struct pod_worker *worker;    // NULL: abandoned
	struct container_start *next; // waiting for a turn
	struct pod_host *host;
	struct pod_spec *spec;
	size_t container;
	int attempt;
	struct container_size size;
	char id[POD_ID_MAX + 1];
	struct arena memory; // of all below
	struct image image;
	struct env env;
	struct runtime_container_spec launch;
	struct pod_disk_mount *mounts;
	size_t mount_count;
	struct str words;
	struct work work;
	struct err error;
	int result;
	bool queued, has_turn, begun; // begun: runtime_start was called
	bool ended;		      // it exited before its start was told; then:
	struct container_run end;
};

static void run_turn(struct container_start *s);

static struct container_state *state_of(const struct container_start *s)
{
	return &s->worker->state->containers[s->container];
}

static const struct container_spec *spec_of(const struct container_start *s)
{
	return &s->spec->containers[s->container];
}

// ---- turns

static void give_turn(struct container_start *s)
{
	s->queued = false;
	s->has_turn = true;
	s->host->starting++;
	run_turn(s);
}

static void take_turn(struct container_start *s)
{
	struct pod_host *h = s->host;
	if (h->starting < h->starting_max) {
		give_turn(s);
		return;
	}
	s->queued = true;
	if (h->waiting_last)
		h->waiting_last->next = s;
	else
		h->waiting_first = s;
	h->waiting_last = s;
}

static void leave_queue(struct container_start *s)
{
	struct pod_host *h = s->host;
	struct container_start **at = &h->waiting_first, *before = NULL;
	while (*at && *at != s) {
		before = *at;
		at = &(*at)->next;
	}
	*at = s->next;
	if (h->waiting_last == s)
		h->waiting_last = before;
	s->queued = false;
}

static void end_turn(struct container_start *s)
{
	struct pod_host *h = s->host;
	if (!s->has_turn)
		return;
	s->has_turn = false;
	h->starting--;
	struct container_start *next = h->waiting_first;
	if (!next)
		return;
	leave_queue(next);
	give_turn(next);
}

static void start_free(struct container_start *s)
{
	if (s->queued)
		leave_queue(s);
	end_turn(s);
	if (s->worker)
		s->worker->containers[s->container].start = NULL;
	err_clear(&s->error);
	container_run_clear(&s->end);
	pod_spec_unref(s->spec);
	arena_finish(&s->memory);
	struct pod_host *h = s->host;
	free(s);
	host_leave(h);
}

// ---- failures

// Nothing was begun: the container waits with a reason, and is tried again after `rest` or when something changes.
static void give_up(struct container_start *s, const char *reason, const char *message, int64_t rest)
{
	struct pod_worker *w = s->worker;
	struct container_state *c = state_of(s);
	c->stage = c->run.id[0] ? STAGE_EXITED : STAGE_NONE;
	c->attempts--;
	c->retry_at = worker_now(w) + rest;
	container_wait(c, reason, message);
	start_free(s);
	worker_step_soon(w);
}

static void config_failed(struct container_start *s, const struct err *e)
{
	tell(s->worker, (int)s->container, EVENTS_WARNING, "Failed", "Error: %s", err_text(e));
	give_up(s, "CreateContainerConfigError", err_text(e), CONFIG_RETRY_S * TIME_S);
}

static void set_run(struct container_start *s, struct container_run *run)
{
	snprintf(run->id, sizeof(run->id), "%s", s->id);
	struct str shown = s->image.digests.count ? s->image.digests.items[0] : s->image.id;
	run->image_id = mem_strdup(arena_c(&s->memory, shown));
	run->attempt = s->attempt;
}

static void nobody(void *arg, const struct err *e)
{
}

// The life that was shown gives way to the next: of it and the one before, logs and last words are kept.
static void make_way(struct container_start *s)
{
	struct container_state *c = state_of(s);
	struct pod_disk *disk = &s->host->disk;
	if (!c->run.id[0])
		return;
	runtime_remove(s->host->runtime, str_of(c->run.id), nobody, NULL);
	if (c->last.id[0])
		disk->ops->remove_logs(disk, s->spec->uid, spec_of(s)->name, c->last.attempt);
	container_run_move(&c->last, &c->run);
}

// The runtime could not run it: that was a life, if a short one.
static void run_failed(struct container_start *s, const struct err *e)
{
	struct pod_worker *w = s->worker;
	struct container_state *c = state_of(s);
	make_way(s);
	set_run(s, &c->run);
	c->run.finished = worker_now(w);
	c->run.exit_code = START_ERROR_CODE;
	c->run.message = mem_strdup(err_text(e));
	snprintf(c->run.reason, sizeof(c->run.reason), "StartError");
	c->stage = STAGE_EXITED;
	c->restart_at_exit = false;
	c->backing_off = c->past = false;
	container_wait(c, "RunContainerError", err_text(e));
	tell(w, (int)s->container, EVENTS_WARNING, "Failed", "Error: %s", err_text(e));
	start_free(s);
	worker_step_soon(w);
}

// ---- environment and mounts

static const struct json *lookup_data(void *arg, bool secret, struct str name)
{
	struct container_start *s = arg;
	const struct json *object = objects_get(s->host->objects, &s->memory, s->spec->namespace, secret, name);
	if (!object)
		return NULL;
	const struct json *data = json_get(object, STR("data"));
	return data ? data : json_object(&s->memory);
}

static int read_file(void *arg, struct str volume, struct str path, struct str *text, struct err *e)
{
	struct container_start *s = arg;
	struct pod_disk *disk = &s->host->disk;
	bool in_memory = volume_is_in_memory(pod_spec_volume(s->spec, volume));
	return disk->ops->read_file(disk, &s->memory, s->spec->uid, volume, in_memory, path, text, e);
}

static int build_env(struct container_start *s, struct err *e)
{
	const struct json *links = json_at(s->spec->object, "spec.enableServiceLinks");
	bool with_links = !links || links->type != JSON_BOOL || links->boolean;
	struct downward_context downward = worker_downward(s->worker);
	struct env_context x = {
		.downward = &downward,
		.container = spec_of(s),
		.image = &s->image,
		.lookup = lookup_data,
		.read_file = read_file,
		.lookup_arg = s,
	};
	struct str *services = NULL;
	if (s->host->services)
		services_env(&s->memory, s->host->services, s->spec->namespace, with_links, &services,
			     &x.service_count);
	x.services = services;
	return env_build(&s->memory, &x, &s->env, e);
}

static struct str id_of_target(struct container_start *s)
{
	struct str name = json_str(spec_of(s)->json, "targetContainerName");
	const struct pod_state *st = s->worker->state;
	for (size_t i = 0; name.n && i < st->count; i++)
		if (str_eq(s->spec->containers[i].name, name) && st->containers[i].stage == STAGE_RUNNING)
			return str_of(st->containers[i].run.id);
	return STR_NONE;
}

static struct launch_context launch_context_of(struct container_start *s)
{
	return (struct launch_context){
		.arena = &s->memory,
		.pod = s->spec,
		.container = spec_of(s),
		.image = &s->image,
		.env = &s->env,
		.hostname = names_hostname(&s->memory, s->spec, &s->host->names),
		.target = id_of_target(s),
		.node_memory = s->host->memory,
	};
}

static int build_launch(struct container_start *s, struct err *e)
{
	struct launch_context x = launch_context_of(s);
	if (build_env(s, e) || launch_build(&x, &s->launch, e) || launch_mounts(&x, &s->mounts, &s->mount_count, e))
		return -1;
	s->launch.id = str_of(s->id);
	s->launch.note =
		resize_note(&s->memory, &(struct container_note){s->attempt, s->size, spec_of(s)->image_key});
	s->launch.log_path = pod_disk_log(&s->memory, &s->host->disk, s->spec->uid, spec_of(s)->name, s->attempt);
	return 0;
}

// ---- the steps, each begun by the one before

// Whether to go on: not when the agent lets go of the pod, or the pod comes to its end.
static bool goes_on(struct container_start *s, bool created)
{
	if (s->worker && !pod_is_stopping(s->worker->spec, s->worker->state))
		return true;
	if (s->worker && created)
		runtime_remove(s->host->runtime, str_of(s->id), nobody, NULL);
	if (s->worker)
		give_up(s, NULL, NULL, 0);
	else
		start_free(s);
	return false;
}

static void become_running(struct container_start *s)
{
	struct pod_worker *w = s->worker;
	struct container_state *c = state_of(s);
	struct arena a CLEAN_ARENA;
	struct runtime_state rs;
	arena_init(&a);
	bool known = runtime_state(s->host->runtime, &a, str_of(s->id), &rs);
	make_way(s);
	set_run(s, &c->run);
	c->run.started = known && rs.started ? rs.started : worker_now(w);
	c->stage = STAGE_RUNNING;
	c->restart_at_exit = false;
	c->failed = STOP_NONE;
	c->backing_off = c->past = false;
	c->image_backoff = (struct pod_backoff){0};
	c->retry_at = 0;
	c->hooking = spec_of(s)->post_start.kind != ACTION_NONE;
	if (!c->hooking)
		container_wait(c, NULL, NULL);
	w->containers[s->container].stop_signal = signal_of_name(s->image.stop_signal);
}

static void started(void *arg, const struct err *e)
{
	struct container_start *s = arg;
	struct pod_worker *w = s->worker;
	size_t i = s->container;
	if (!w) {
		start_free(s);
		return;
	}
	end_turn(s);
	if (e) {
		runtime_remove(s->host->runtime, str_of(s->id), nobody, NULL);
		run_failed(s, e);
		return;
	}
	become_running(s);
	bool ended = s->ended;
	struct container_run end = s->end;
	s->end = (struct container_run){0};
	start_free(s);
	tend_begin(w, i, false, 0);
	worker_report(w); // each step is to be seen, a short life too
	tell(w, (int)i, EVENTS_NORMAL, "Started", "Container started");
	if (ended)
		worker_ended(w, i, &end);
	else
		worker_step_soon(w);
}

static void created(void *arg, const struct err *e)
{
	struct container_start *s = arg;
	if (!s->worker) {
		start_free(s);
		return;
	}
	// Only a command that cannot be run is a life; where the machine or the spec is at fault, it may get one yet.
	if (e && e->reason != ERR_BAD_REQUEST) {
		tell(s->worker, (int)s->container, EVENTS_WARNING, "Failed", "Error: %s", err_text(e));
		give_up(s, e->reason == ERR_INVALID ? "CreateContainerConfigError" : "CreateContainerError",
			err_text(e), CONFIG_RETRY_S * TIME_S);
		return;
	}
	tell(s->worker, (int)s->container, EVENTS_NORMAL, "Created", "Container created");
	if (e) {
		run_failed(s, e);
		return;
	}
	if (!goes_on(s, true))
		return;
	s->begun = true;
	runtime_start(s->host->runtime, str_of(s->id), started, s);
}

static void run_disk(struct work *work)
{
	struct container_start *s = CONTAINER_OF(work, struct container_start, work);
	struct pod_disk *disk = &s->host->disk;
	s->result = disk->ops->set_up_container(disk, &s->memory, s->spec->uid, spec_of(s)->name, s->attempt, s->mounts,
						s->mount_count, &s->words, &s->error);
}

static void disk_ready(struct work *work)
{
	struct container_start *s = CONTAINER_OF(work, struct container_start, work);
	if (!goes_on(s, false))
		return;
	if (s->result) {
		config_failed(s, &s->error);
		return;
	}
	struct launch_context x = launch_context_of(s);
	launch_finish(&x, &s->host->disk, s->mounts, s->mount_count, s->words, &s->launch);
	runtime_create(s->host->runtime, &s->launch, created, s);
}

static void run_turn(struct container_start *s)
{
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct image_lack lack;
	if (!goes_on(s, false))
		return;
	if (!prepare_knows_objects_of(s->worker, spec_of(s))) { // worker_inputs_changed comes back
		give_up(s, NULL, NULL, CONFIG_RETRY_S * TIME_S);
		return;
	}
	if (image_lacks(s->worker, s->container, &s->memory, &s->image, &lack)) {
		give_up(s, lack.reason, lack.message.p, lack.rest);
		return;
	}
	if (build_launch(s, &e)) {
		config_failed(s, &e);
		return;
	}
	s->work = (struct work){.run = run_disk, .done = disk_ready};
	loop_work(s->host->loop, &s->work);
}

static void make_id(struct loop *l, char out[POD_ID_MAX + 1])
{
	unsigned char bytes[ID_BYTES];
	loop_random(l, bytes, sizeof(bytes));
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}

void start_begin(struct pod_worker *w, size_t container)
{
	struct container_state *c = &w->state->containers[container];
	struct container_start *s = MEM_NEW(struct container_start);
	s->worker = w;
	s->host = w->host;
	host_enter(s->host);
	s->spec = pod_spec_ref(w->spec);
	s->container = container;
	arena_init(&s->memory);
	make_id(w->host->loop, s->id);
	w->containers[container].start = s;
	c->stage = STAGE_STARTING;
	s->attempt = c->attempts++;
	s->size = c->size = container_size_of(s->spec, spec_of(s));
	c->image = spec_of(s)->image_key;
	take_turn(s);
}

void start_abandon(struct pod_worker *w, size_t container)
{
	struct container_start *s = w->containers[container].start;
	if (!s)
		return;
	w->containers[container].start = NULL;
	s->worker = NULL;
	if (s->queued)
		start_free(s);
}

void start_cancel_queued(struct pod_worker *w)
{
	for (size_t i = 0; i < w->spec->container_count; i++) {
		struct container_start *s = w->containers[i].start;
		if (s && s->queued)
			give_up(s, NULL, NULL, 0);
	}
}

bool start_exited(struct pod_worker *w, size_t container, const struct runtime_state *rs)
{
	struct container_start *s = w->containers[container].start;
	if (!s || !str_is(rs->id, s->id))
		return false;
	s->ended = true;
	worker_read_end(w, container, s->attempt, rs, &s->end);
	return true;
}
