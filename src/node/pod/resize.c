// SPDX-License-Identifier: Apache-2.0
// A pod's resize carried out: what is allocated is written down, then given to what runs; conditions and events say how
// it stands. Whether there is room for it is decided for all pods together (pods_resizes.c).
#include "node/pod/allocation.h"
#include "node/pod/resize_plan.h"
#include "node/pod/worker_parts.h"

enum { RETRY_S = 10 };

static void set_text(char **to, struct str text)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	free(*to);
	*to = text.n ? mem_strdup(arena_c(&a, text)) : NULL;
}

// ---- telling

static const struct json *resources_of(const struct pod_spec *s, const struct container_spec *c)
{
	const struct json *wanted = json_get(s->wanted, STR("containers"));
	return wanted ? json_get(wanted, c->name) : json_get(c->json, STR("resources"));
}

static void add_containers(struct arena *a, struct json *to, const struct pod_spec *s, const char *key, size_t from,
			   size_t until)
{
	struct json *list = from < until ? json_put(to, key, json_array(a)) : NULL;
	for (size_t i = from; i < until; i++) {
		struct json *one = json_push(list, json_object(a));
		const struct json *resources = resources_of(s, &s->containers[i]);
		json_put_str(a, one, "name", s->containers[i].name);
		json_put(one, "resources", resources ? json_clone(a, resources) : json_object(a));
	}
}

// What the containers are to have, as v1.36 tells it.
static struct str summary(struct arena *a, const struct pod_spec *s, int64_t generation, struct str error)
{
	struct json *o = json_object(a);
	add_containers(a, o, s, "initContainers", 0, s->init_count);
	add_containers(a, o, s, "containers", s->init_count, s->init_count + s->main_count);
	json_put_int(a, o, "generation", generation);
	if (error.n)
		json_put_str(a, o, "error", error);
	return json_text(a, o);
}

static void tell_resize(struct pod_worker *w, enum events_type type, const char *reason, const char *what,
			int64_t generation, struct str error)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct str text = summary(&a, w->spec, generation, error);
	tell(w, -1, type, reason, "Pod resize %s: %.*s", what, STR_FMT(text));
}

// ---- allocation

void resize_count(struct pod_worker *w)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct container_size *held = ARENA_ARRAY(&a, struct container_size, w->spec->container_count + 1);
	for (size_t i = 0; i < w->spec->container_count; i++)
		if (container_is_alive(&w->state->containers[i]))
			held[i] = w->state->containers[i].size;
	w->requests = pod_requests(w->spec, held);
}

void resize_carry(struct pod_worker *w, struct pod_spec *fresh)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	if (fresh->generation && fresh->generation == w->spec->generation && !w->spec->wanted)
		return;
	allocation_carry(fresh, allocation_of(&a, w->spec));
	struct pod_resize *r = &w->state->resize;
	if (!fresh->wanted && r->pending != RESIZE_NOT_PENDING) // it was taken back
		r->pending = RESIZE_NOT_PENDING;
}

void worker_allocate(struct pod_worker *w)
{
	struct pod_resize *r = &w->state->resize;
	struct pod_spec *accepted = allocation_accept(w->spec);
	pod_spec_unref(w->spec);
	w->spec = accepted;
	w->allocations++;
	r->pending = RESIZE_NOT_PENDING;
	r->in_progress = r->told = true;
	r->generation = accepted->generation;
	r->retry_at = 0;
	r->kept = false;
	set_text(&r->error, STR_NONE);
	resize_count(w);
	tell_resize(w, EVENTS_NORMAL, "ResizeStarted", "started", r->generation, STR_NONE);
	prepare_refresh(w); // files may show what it has
	worker_step_soon(w);
}

void worker_wait_for_room(struct pod_worker *w, enum resize_pending why, struct str message)
{
	struct pod_resize *r = &w->state->resize;
	bool never = why == RESIZE_INFEASIBLE;
	if (r->pending == why && r->pending_generation == w->spec->generation &&
	    str_eq(str_of(r->pending_message), message))
		return;
	if (r->pending != why)
		r->pending_since = worker_now(w);
	r->pending = why;
	r->pending_generation = w->spec->generation;
	r->told = true;
	set_text(&r->pending_message, message);
	tell_resize(w, EVENTS_WARNING, never ? "ResizeInfeasible" : "ResizeDeferred", never ? "Infeasible" : "Deferred",
		    r->pending_generation, message);
	worker_step_soon(w);
}

struct keeping {
	struct work work;
	struct pod_worker *worker;
	struct arena memory;
	struct str uid, text;
	unsigned allocation;
	bool synced;
	struct err error;
	int result;
};

static void run_keep(struct work *work)
{
	struct keeping *k = CONTAINER_OF(work, struct keeping, work);
	struct pod_disk *disk = &k->worker->host->disk;
	k->result = disk->ops->write_note(disk, k->uid, k->text, k->synced, &k->error);
}

static void failed(struct pod_worker *w, const struct err *e)
{
	struct pod_resize *r = &w->state->resize;
	struct str text = str_of(err_text(e));
	bool same = r->error && str_is(text, r->error);
	r->retry_at = worker_now(w) + RETRY_S * TIME_S;
	if (same || !r->in_progress)
		return;
	set_text(&r->error, text);
	tell_resize(w, EVENTS_WARNING, "ResizeError", "error", r->generation, text);
}

static void keep_done(struct work *work)
{
	struct keeping *k = CONTAINER_OF(work, struct keeping, work);
	struct pod_worker *w = k->worker;
	if (worker_leave(w)) {
		w->state->resize.busy = false;
		w->state->resize.kept = !k->result && k->allocation == w->allocations;
		if (k->result)
			failed(w, &k->error);
		worker_step_soon(w);
	}
	err_clear(&k->error);
	arena_finish(&k->memory);
	free(k);
}

void resize_keep(struct pod_worker *w)
{
	struct keeping *k = MEM_NEW(struct keeping);
	arena_init(&k->memory);
	k->worker = w;
	k->uid = arena_str(&k->memory, w->spec->uid);
	k->text = json_text(&k->memory, allocation_of(&k->memory, w->spec));
	k->allocation = w->allocations;
	k->synced = w->state->resize.told; // else it is what the API says too
	k->work = (struct work){.run = run_keep, .done = keep_done};
	w->state->resize.busy = true;
	worker_enter(w);
	loop_work(w->host->loop, &k->work);
}

// ---- giving

struct giving {
	struct pod_worker *worker;
	struct cgroup_limits pod; // what its group has afterwards
};

static void read_sizes(struct pod_worker *w)
{
	for (size_t i = 0; i < w->spec->container_count; i++) {
		struct container_state *c = &w->state->containers[i];
		struct arena a CLEAN_ARENA;
		struct runtime_state rs;
		struct container_note note;
		arena_init(&a);
		if (c->stage == STAGE_RUNNING && runtime_state(w->host->runtime, &a, str_of(c->run.id), &rs) &&
		    resize_read_note(rs.note, &note))
			c->size = note.size;
	}
}

static void given(void *arg, const struct err *e)
{
	struct giving *g = arg;
	struct pod_worker *w = g->worker;
	struct pod_resize *r = &w->state->resize;
	if (worker_leave(w)) {
		r->busy = false;
		read_sizes(w);
		if (e) {
			runtime_pod_limits(w->host->runtime, w->spec->uid, &r->pod);
			failed(w, e);
		} else {
			r->pod = g->pod;
		}
		worker_step_soon(w);
	}
	free(g);
}

static void note_pod_step(struct cgroup_limits *pod, const struct runtime_resize_step *step)
{
	if (step->parts & CGROUP_SHARES)
		pod->cpu_shares = step->limits.cpu_shares;
	if (step->parts & CGROUP_QUOTA)
		pod->cpu_quota_us = step->limits.cpu_quota_us;
	if (step->parts & CGROUP_MEMORY)
		pod->memory_bytes = step->limits.memory_bytes;
}

void resize_give(struct pod_worker *w)
{
	struct arena a CLEAN_ARENA;
	struct resize_plan plan;
	struct giving *g = MEM_NEW(struct giving);
	arena_init(&a);
	*g = (struct giving){w, w->state->resize.pod};
	resize_plan(&a, w->spec, w->state, &plan);
	for (size_t i = 0; i < plan.count; i++)
		if (!plan.steps[i].id.n)
			note_pod_step(&g->pod, &plan.steps[i]);
	w->state->resize.busy = true;
	worker_enter(w);
	runtime_resize(w->host->runtime, w->spec->uid, plan.steps, plan.count, given, g);
}

static bool takes_less(const struct node_amounts *now, const struct node_amounts *before)
{
	return now->cpu_milli < before->cpu_milli || now->memory < before->memory || now->storage < before->storage ||
	       now->pods < before->pods;
}

void resize_settle(struct pod_worker *w)
{
	struct pod_resize *r = &w->state->resize;
	if (r->in_progress && r->kept && !r->busy && resize_is_done(w->spec, w->state)) {
		tell_resize(w, EVENTS_NORMAL, "ResizeCompleted", "completed", r->generation, STR_NONE);
		r->in_progress = false;
		set_text(&r->error, STR_NONE);
	}
	if (r->told)
		resize_count(w);
	struct node_amounts uses = worker_uses(w);
	if (takes_less(&uses, &w->used))
		w->host->on_room(w->host->arg);
	w->used = uses;
}

// ---- after a restart

static const struct json *condition_of(const struct pod_spec *s, const char *type)
{
	json_each(c, json_at(s->object, "status.conditions"))
		if (json_str_is(c, "type", type))
			return c;
	return NULL;
}

// What an earlier agent had allocated to it.
static void recall_allocation(struct pod_worker *w)
{
	struct arena a CLEAN_ARENA;
	struct pod_disk *disk = &w->host->disk;
	struct json *allocation;
	arena_init(&a);
	if (!json_at(w->spec->object, "status.startTime") ||
	    json_parse(&a, disk->ops->read_note(disk, &a, w->spec->uid), NULL, &allocation, NULL))
		return;
	allocation_carry(w->spec, allocation);
	w->state->resize.kept = true;
}

void resize_recall(struct pod_worker *w)
{
	struct pod_resize *r = &w->state->resize;
	recall_allocation(w);
	resize_count(w);
	const struct json *pending = condition_of(w->spec, "PodResizePending");
	const struct json *progress = condition_of(w->spec, "PodResizeInProgress");
	r->told = pending || progress;
	if (pending && w->spec->wanted) {
		r->pending = json_str_is(pending, "reason", "Infeasible") ? RESIZE_INFEASIBLE : RESIZE_DEFERRED;
		r->pending_generation = json_i64(pending, "observedGeneration", 0);
		set_text(&r->pending_message, json_str(pending, "message"));
		if (time_parse(json_str(pending, "lastTransitionTime"), &r->pending_since))
			r->pending_since = worker_now(w);
	}
	if (progress) {
		r->in_progress = true;
		r->generation = json_i64(progress, "observedGeneration", w->spec->generation);
		set_text(&r->error, json_str(progress, "message"));
	}
}

void resize_adopt(struct pod_worker *w)
{
	struct pod_resize *r = &w->state->resize;
	if (r->in_progress || resize_is_done(w->spec, w->state))
		return;
	r->in_progress = r->told = true;
	r->generation = w->spec->generation;
}
