// SPDX-License-Identifier: Apache-2.0
#include "scheduler/scheduler.h"

#include "base/times.h"
#include "scheduler/plan.h"
#include "scheduler/state.h"

enum { TURN_MAX = 64 }; // decisions before other events get their turn
static const int64_t backoff_first_ns = TIME_S, backoff_max_ns = 10 * TIME_S, flush_ns = 300 * TIME_S;

// ---- the queue

static bool is_listed(const struct scheduler *s)
{
	return s->pods_listed && s->nodes_listed && s->namespaces_listed;
}

void scheduler_wake(struct scheduler *s)
{
	if (s->queue.n > 0 && is_listed(s) && !timer_running(&s->turn))
		timer_start(s->transport->loop, &s->turn, 0);
}

static void waiting_add(struct scheduler_pod *p)
{
	p->previous_waiting = NULL;
	p->next_waiting = p->scheduler->waiting;
	if (p->next_waiting)
		p->next_waiting->previous_waiting = p;
	p->scheduler->waiting = p;
}

static void waiting_remove(struct scheduler_pod *p)
{
	if (p->previous_waiting)
		p->previous_waiting->next_waiting = p->next_waiting;
	else
		p->scheduler->waiting = p->next_waiting;
	if (p->next_waiting)
		p->next_waiting->previous_waiting = p->previous_waiting;
}

void scheduler_enter(struct scheduler_pod *p, enum pod_state state)
{
	if (p->state == POD_WAITING)
		waiting_remove(p);
	p->state = state;
	if (state == POD_WAITING)
		waiting_add(p);
}

void scheduler_queue(struct scheduler_pod *p)
{
	timer_stop(&p->backoff);
	if (p->state != POD_QUEUED)
		pending_add(&p->scheduler->queue, &p->pending);
	scheduler_enter(p, POD_QUEUED);
	scheduler_wake(p->scheduler);
}

void scheduler_retry(struct scheduler_pod *p)
{
	struct loop *loop = p->scheduler->transport->loop;
	int64_t delay_ns = backoff_first_ns;
	for (unsigned i = 1; i < p->attempts && delay_ns < backoff_max_ns; i++)
		delay_ns *= 2;
	delay_ns = delay_ns < backoff_max_ns ? delay_ns : backoff_max_ns;
	int64_t left_ns = p->attempted_ns + delay_ns - loop_now(loop);
	if (left_ns <= 0) {
		scheduler_queue(p);
		return;
	}
	scheduler_enter(p, POD_BACKING_OFF);
	if (!timer_running(&p->backoff))
		timer_start(loop, &p->backoff, left_ns);
}

static void backoff_fire(struct timer *t)
{
	scheduler_queue(CONTAINER_OF(t, struct scheduler_pod, backoff));
}

void scheduler_wake_waiting(struct scheduler *s, bool affine_only)
{
	for (struct scheduler_pod *p = s->waiting, *next; p; p = next) {
		next = p->next_waiting;
		if (!affine_only || p->shape->affinity.n > 0 || p->shape->spread_count > 0)
			scheduler_retry(p);
	}
}

static void flush_fire(struct timer *t)
{
	struct scheduler *s = CONTAINER_OF(t, struct scheduler, flush);
	scheduler_wake_waiting(s, false);
	timer_start(s->transport->loop, &s->flush, flush_ns);
}

// ---- telling

struct events_about scheduler_about(const struct scheduler_pod *p)
{
	return (struct events_about){STR("v1"), STR("Pod"), p->namespace, p->name, p->uid, STR_NONE, STR_NONE};
}

static void ignore_answer(void *arg, const struct client_response *r)
{
	// A condition that could not be written is written with the next attempt: the watch does not show it.
}

static void tell_unschedulable(struct scheduler_pod *p, struct arena *a, struct str message)
{
	struct scheduler *s = p->scheduler;
	struct events_about about = scheduler_about(p);
	events_record(s->events, &about, EVENTS_WARNING, "FailedScheduling", "%.*s", STR_FMT(message));
	if (p->told == str_hash(message))
		return;
	int64_t since_ns = p->unplaced_ns ? p->unplaced_ns : loop_wall(s->transport->loop);
	struct json *patch = json_object(a), *status = json_need_object(a, patch, "status");
	struct json *condition = json_push(json_need_array(a, status, "conditions"), json_object(a));
	json_put_str(a, condition, "type", STR("PodScheduled"));
	json_put_str(a, condition, "status", STR("False"));
	json_put_str(a, condition, "reason", STR("Unschedulable"));
	json_put_str(a, condition, "message", message);
	json_put_str(a, condition, "lastTransitionTime", time_format(a, since_ns));
	client_patch_strategic(s->transport,
			       client_path(a, STR("v1"), p->namespace, STR("pods"), p->name, STR("status")), patch,
			       ignore_answer, NULL);
}

// ---- deciding

static void decide(struct scheduler_pod *p, struct arena *a)
{
	struct scheduler *s = p->scheduler;
	struct schedule_verdict verdict;
	schedule_plan(a, &s->snapshot, p->shape, s->start, &verdict);
	s->start = s->snapshot.node_count ? (s->start + verdict.looked_at) % s->snapshot.node_count : 0;
	if (verdict.node) {
		scheduler_enter(p, POD_BINDING);
		snapshot_set_pod(&s->snapshot, p->key, verdict.node->name, p->shape, false);
		binding_start(p, verdict.node);
		return;
	}
	scheduler_enter(p, POD_WAITING);
	p->attempts++;
	p->attempted_ns = loop_now(s->transport->loop);
	tell_unschedulable(p, a, schedule_message(a, &s->snapshot, &verdict));
}

static void turn_fire(struct timer *t)
{
	struct scheduler *s = CONTAINER_OF(t, struct scheduler, turn);
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	for (int i = 0; i < TURN_MAX; i++) {
		struct pending *first = pending_take(&s->queue);
		if (!first)
			return;
		decide(CONTAINER_OF(first, struct scheduler_pod, pending), &a);
		arena_reset(&a);
	}
	scheduler_wake(s);
}

// ---- pods

static void pod_destroy(struct scheduler_pod *p)
{
	struct scheduler *s = p->scheduler;
	scheduler_enter(p, POD_IGNORED);
	timer_stop(&p->backoff);
	pending_remove(&s->queue, &p->pending);
	snapshot_shape_unref(&s->snapshot, p->shape);
	free(p);
}

struct scheduler_pod *scheduler_add(struct scheduler *s, struct str key, struct str uid)
{
	struct scheduler_pod *p = mem_zalloc(sizeof *p + key.n + uid.n);
	char *text = (char *)(p + 1);
	memcpy(text, key.p, key.n);
	if (uid.n)
		memcpy(text + key.n, uid.p, uid.n);
	p->scheduler = s;
	p->key = (struct str){text, key.n};
	str_cut(p->key, '/', &p->namespace, &p->name);
	p->uid = (struct str){text + key.n, uid.n};
	p->backoff.fire = backoff_fire;
	p->backoff.loop = s->transport->loop;
	p->pending.arrival = ++s->arrivals;
	map_set(&s->pods, key, p);
	return p;
}

void scheduler_forget(struct scheduler *s, struct str key)
{
	struct scheduler_pod *p = map_remove(&s->pods, key);
	if (!p)
		return;
	bool held_room = p->state == POD_BOUND || p->state == POD_BINDING;
	snapshot_remove_pod(&s->snapshot, p->key);
	pod_destroy(p);
	if (held_room)
		scheduler_wake_waiting(s, false);
}

// ---- the outside

struct scheduler *scheduler_start(struct transport *t, struct str name)
{
	struct scheduler *s = MEM_NEW(struct scheduler);
	if (str_empty(name))
		name = STR("default-scheduler");
	char *copy = mem_alloc(name.n);
	memcpy(copy, name.p, name.n);
	s->transport = t;
	s->name = (struct str){copy, name.n};
	snapshot_init(&s->snapshot);
	s->turn = (struct timer){.fire = turn_fire, .loop = t->loop};
	s->flush = (struct timer){.fire = flush_fire, .loop = t->loop};
	s->events = events_create(t, name, STR_NONE);
	follow_start(s);
	timer_start(t->loop, &s->flush, flush_ns);
	return s;
}

void scheduler_stop(struct scheduler *s)
{
	if (!s)
		return;
	follow_stop(s);
	timer_stop(&s->turn);
	timer_stop(&s->flush);
	bindings_stop(s);
	events_destroy(s->events);
	map_each(slot, &s->pods) {
		snapshot_remove_pod(&s->snapshot, slot->key);
		pod_destroy(slot->value);
	}
	map_finish(&s->pods);
	pending_finish(&s->queue);
	snapshot_finish(&s->snapshot);
	free((char *)s->name.p);
	free(s);
}
