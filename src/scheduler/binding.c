// SPDX-License-Identifier: Apache-2.0
#include "base/times.h"
#include "scheduler/state.h"

enum { TRIES_MAX = 10 }; // of a binding whose answers are lost
static const int64_t resend_ns = TIME_S, doubt_ns = 5 * TIME_S;

struct binding {
	struct scheduler *scheduler; // NULL once it has stopped
	struct binding *previous, *next;
	struct arena memory;
	struct str key, uid, node;
	struct events_about about;
	struct json *object;
	unsigned tries;
	bool refused; // for what the watch will show
	struct timer timer;
};

static void binding_finish(struct binding *b)
{
	if (b->scheduler) {
		if (b->previous)
			b->previous->next = b->next;
		else
			b->scheduler->bindings = b->next;
		if (b->next)
			b->next->previous = b->previous;
	}
	timer_stop(&b->timer);
	arena_finish(&b->memory);
	free(b);
}

// The pod whose binding this is, as long as it is not known to be bound or gone.
static struct scheduler_pod *binding_pod(struct binding *b)
{
	struct scheduler_pod *p = b->scheduler ? map_get(&b->scheduler->pods, b->key) : NULL;
	return p && p->state == POD_BINDING && str_eq(p->uid, b->uid) ? p : NULL;
}

static void binding_failed(struct binding *b, const char *why)
{
	struct scheduler_pod *p = binding_pod(b);
	if (p) {
		struct scheduler *s = b->scheduler;
		snapshot_remove_pod(&s->snapshot, p->key);
		p->attempts++;
		p->attempted_ns = loop_now(s->transport->loop);
		events_record(s->events, &b->about, EVENTS_WARNING, "FailedScheduling", "Binding rejected: %s", why);
		scheduler_retry(p);
		scheduler_wake_waiting(s, false); // the place that it held is free
	}
	binding_finish(b);
}

static void binding_send(struct binding *b);

static void binding_fire(struct timer *t)
{
	struct binding *b = CONTAINER_OF(t, struct binding, timer);
	if (!binding_pod(b))
		binding_finish(b);
	else if (b->refused)
		binding_failed(b, "the pod has changed");
	else
		binding_send(b);
}

// While it is not known whether a binding was made, the pod keeps its place, and the same binding is sent again.
static void bound(void *arg, const struct client_response *r)
{
	struct binding *b = arg;
	struct scheduler *s = b->scheduler;
	bool unknown = r->e && (r->code == 0 || r->e->reason == ERR_TIMEOUT);
	b->refused = r->e && r->e->reason == ERR_CONFLICT;
	if (!s || (!r->e && b->tries > 1 && !binding_pod(b))) {
		binding_finish(b);
	} else if (!r->e) {
		events_record(s->events, &b->about, EVENTS_NORMAL, "Scheduled", "Successfully assigned %.*s to %.*s",
			      STR_FMT(b->key), STR_FMT(b->node));
		binding_finish(b);
	} else if (b->refused || (unknown && b->tries < TRIES_MAX)) {
		timer_start(s->transport->loop, &b->timer, b->refused ? doubt_ns : resend_ns);
	} else {
		binding_failed(b, err_text(r->e));
	}
}

static void binding_send(struct binding *b)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	b->tries++;
	struct str path = client_path(&a, STR("v1"), b->about.namespace, STR("pods"), b->about.name, STR("binding"));
	client_create(b->scheduler->transport, path, b->object, bound, b);
}

static struct json *binding_object(const struct binding *b, struct arena *a)
{
	struct json *object = json_object(a);
	json_put_str(a, object, "apiVersion", STR("v1"));
	json_put_str(a, object, "kind", STR("Binding"));
	struct json *metadata = json_need_object(a, object, "metadata"),
		    *target = json_need_object(a, object, "target");
	json_put_str(a, metadata, "name", b->about.name);
	json_put_str(a, metadata, "namespace", b->about.namespace);
	json_put_str(a, metadata, "uid", b->uid);
	json_put_str(a, target, "apiVersion", STR("v1"));
	json_put_str(a, target, "kind", STR("Node"));
	json_put_str(a, target, "name", b->node);
	return object;
}

void binding_start(struct scheduler_pod *p, const struct node *node)
{
	struct scheduler *s = p->scheduler;
	struct binding *b = MEM_NEW(struct binding);
	struct arena *a = &b->memory;
	arena_init(a);
	b->scheduler = s;
	b->key = arena_str(a, p->key);
	b->uid = arena_str(a, p->uid);
	b->node = arena_str(a, node->name);
	b->about = scheduler_about(p);
	b->about.namespace = arena_str(a, p->namespace);
	b->about.name = arena_str(a, p->name);
	b->about.uid = b->uid;
	b->object = binding_object(b, a);
	b->timer = (struct timer){.fire = binding_fire, .loop = s->transport->loop};
	b->next = s->bindings;
	if (b->next)
		b->next->previous = b;
	s->bindings = b;
	binding_send(b);
}

void bindings_stop(struct scheduler *s)
{
	for (struct binding *b = s->bindings, *next; b; b = next) {
		next = b->next;
		b->scheduler = NULL;
		if (timer_running(&b->timer)) // otherwise its answer is still to come
			binding_finish(b);
	}
}
