// SPDX-License-Identifier: Apache-2.0
#include "scheduler/scheduler.h"

#include "base/times.h"
#include "client/events.h"
#include "client/scan.h"
#include "client/watcher.h"
#include "scheduler/pending.h"
#include "scheduler/plan.h"

enum {
	TURN_MAX = 64,	// decisions before other events get their turn
	TRIES_MAX = 10, // of a binding whose answers are lost
};
static const int64_t doubt_ns = 5 * TIME_S;
static const int64_t backoff_first_ns = TIME_S, backoff_max_ns = 10 * TIME_S, flush_ns = 300 * TIME_S;

enum state { IGNORED, QUEUED, BINDING, BOUND, WAITING, BACKING_OFF };

struct pod {
	struct scheduler *scheduler;
	struct pending pending;
	struct str key, namespace, name, uid; // behind the struct
	struct shape *shape;
	enum state state;
	uint32_t round;	      // of the last list that showed it
	unsigned attempts;    // that found no node, in a row
	int64_t attempted_ns; // the last of them
	uint64_t told;	      // hash of the message that its condition shows
	struct timer backoff;
};

struct known_node {
	uint64_t placing, scoring; // hashes of what matters for either
	uint32_t round;
};

struct scheduler {
	struct transport *transport;
	struct str name; // heap
	struct snapshot snapshot;
	struct watcher *pods_watcher, *nodes_watcher, *namespaces_watcher;
	struct map pods, nodes, namespaces; // -> struct pod, struct known_node, round as a pointer
	uint32_t pods_round, nodes_round, namespaces_round;
	bool pods_listed, nodes_listed, namespaces_listed;
	struct pending_heap queue;
	uint64_t arrivals;
	size_t start; // of the next search
	struct timer turn, flush;
	struct events *events;
	struct binding *bindings; // under way
};

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

// ---- the queue

static bool is_listed(const struct scheduler *s)
{
	return s->pods_listed && s->nodes_listed && s->namespaces_listed;
}

static void wake(struct scheduler *s)
{
	if (s->queue.n > 0 && is_listed(s) && !timer_running(&s->turn))
		timer_start(s->transport->loop, &s->turn, 0);
}

static void pod_queue(struct pod *p)
{
	timer_stop(&p->backoff);
	if (p->state != QUEUED)
		pending_add(&p->scheduler->queue, &p->pending);
	p->state = QUEUED;
	wake(p->scheduler);
}

// Not before its time.
static void pod_retry(struct pod *p)
{
	struct loop *loop = p->scheduler->transport->loop;
	int64_t delay_ns = backoff_first_ns;
	for (unsigned i = 1; i < p->attempts && delay_ns < backoff_max_ns; i++)
		delay_ns *= 2;
	delay_ns = delay_ns < backoff_max_ns ? delay_ns : backoff_max_ns;
	int64_t left_ns = p->attempted_ns + delay_ns - loop_now(loop);
	if (left_ns <= 0) {
		pod_queue(p);
		return;
	}
	p->state = BACKING_OFF;
	if (!timer_running(&p->backoff))
		timer_start(loop, &p->backoff, left_ns);
}

static void backoff_fire(struct timer *t)
{
	pod_queue(CONTAINER_OF(t, struct pod, backoff));
}

// Something changed that may let pods in that waited; with `affine_only`, only those that look for other pods.
static void wake_waiting(struct scheduler *s, bool affine_only)
{
	map_each(slot, &s->pods) {
		struct pod *p = slot->value;
		if (p->state == WAITING && (!affine_only || p->shape->affinity.n > 0 || p->shape->spread_count > 0))
			pod_retry(p);
	}
}

static void flush_fire(struct timer *t)
{
	struct scheduler *s = CONTAINER_OF(t, struct scheduler, flush);
	wake_waiting(s, false);
	timer_start(s->transport->loop, &s->flush, flush_ns);
}

// ---- telling

static struct events_about about_pod(const struct pod *p)
{
	return (struct events_about){STR("v1"), STR("Pod"), p->namespace, p->name, p->uid, STR_NONE, STR_NONE};
}

static void ignore_answer(void *arg, const struct client_response *r)
{
	// A condition that could not be written is written with the next attempt: the watch does not show it.
}

static void tell_unschedulable(struct pod *p, struct arena *a, struct str message)
{
	struct scheduler *s = p->scheduler;
	struct events_about about = about_pod(p);
	events_record(s->events, &about, EVENTS_WARNING, "FailedScheduling", "%.*s", STR_FMT(message));
	if (p->told == str_hash(message))
		return;
	struct json *patch = json_object(a), *status = json_need_object(a, patch, "status");
	struct json *condition = json_push(json_need_array(a, status, "conditions"), json_object(a));
	json_put_str(a, condition, "type", STR("PodScheduled"));
	json_put_str(a, condition, "status", STR("False"));
	json_put_str(a, condition, "reason", STR("Unschedulable"));
	json_put_str(a, condition, "message", message);
	json_put_str(a, condition, "lastTransitionTime", time_format(a, loop_wall(s->transport->loop)));
	client_patch_strategic(s->transport,
			       client_path(a, STR("v1"), p->namespace, STR("pods"), p->name, STR("status")), patch,
			       ignore_answer, NULL);
}

// ---- binding

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
static struct pod *binding_pod(struct binding *b)
{
	struct pod *p = b->scheduler ? map_get(&b->scheduler->pods, b->key) : NULL;
	return p && p->state == BINDING && str_eq(p->uid, b->uid) ? p : NULL;
}

static void binding_failed(struct binding *b, const char *why)
{
	struct pod *p = binding_pod(b);
	if (p) {
		struct scheduler *s = b->scheduler;
		snapshot_remove_pod(&s->snapshot, p->key);
		p->attempts++;
		p->attempted_ns = loop_now(s->transport->loop);
		events_record(s->events, &b->about, EVENTS_WARNING, "FailedScheduling", "Binding rejected: %s", why);
		pod_retry(p);
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
		timer_start(s->transport->loop, &b->timer, b->refused ? doubt_ns : backoff_first_ns);
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

static void bind(struct pod *p, const struct node *node)
{
	struct scheduler *s = p->scheduler;
	struct binding *b = MEM_NEW(struct binding);
	struct arena *a = &b->memory;
	arena_init(a);
	b->scheduler = s;
	b->key = arena_str(a, p->key);
	b->uid = arena_str(a, p->uid);
	b->node = arena_str(a, node->name);
	b->about = about_pod(p);
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

// ---- deciding

static void decide(struct pod *p, struct arena *a)
{
	struct scheduler *s = p->scheduler;
	struct schedule_verdict verdict;
	schedule_plan(a, &s->snapshot, p->shape, s->start, &verdict);
	s->start = s->snapshot.node_count ? (s->start + verdict.looked_at) % s->snapshot.node_count : 0;
	if (verdict.node) {
		p->state = BINDING;
		snapshot_set_pod(&s->snapshot, p->key, verdict.node->name, p->shape, false);
		bind(p, verdict.node);
		return;
	}
	p->state = WAITING;
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
		decide(CONTAINER_OF(first, struct pod, pending), &a);
		arena_reset(&a);
	}
	wake(s);
}

// ---- pods as they come and go

static void pod_destroy(struct pod *p)
{
	struct scheduler *s = p->scheduler;
	timer_stop(&p->backoff);
	pending_remove(&s->queue, &p->pending);
	snapshot_shape_unref(&s->snapshot, p->shape);
	free(p);
}

static struct pod *pod_create(struct scheduler *s, struct str key, const struct json *object)
{
	struct str uid = json_str(object, "metadata.uid");
	struct pod *p = mem_zalloc(sizeof *p + key.n + uid.n);
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

static void pod_gone(struct scheduler *s, struct str key)
{
	struct pod *p = map_remove(&s->pods, key);
	if (!p)
		return;
	bool held_room = p->state == BOUND || p->state == BINDING;
	snapshot_remove_pod(&s->snapshot, p->key);
	pod_destroy(p);
	if (held_room)
		wake_waiting(s, false);
}

static bool is_terminal(const struct json *object)
{
	return json_str_is(object, "status.phase", "Succeeded") || json_str_is(object, "status.phase", "Failed");
}

static bool is_ours(const struct scheduler *s, const struct json *object)
{
	struct str name = json_str(object, "spec.schedulerName");
	return str_eq(str_empty(name) ? STR("default-scheduler") : name, s->name) &&
	       !json_first(json_at(object, "spec.schedulingGates")) && !json_at(object, "metadata.deletionTimestamp");
}

static void pod_placed(struct pod *p, const struct json *object)
{
	struct scheduler *s = p->scheduler;
	bool was_placed = p->state == BOUND || p->state == BINDING;
	timer_stop(&p->backoff);
	pending_remove(&s->queue, &p->pending);
	p->state = BOUND;
	snapshot_set_pod(&s->snapshot, p->key, json_str(object, "spec.nodeName"), p->shape,
			 json_at(object, "metadata.deletionTimestamp") != NULL);
	if (!was_placed)
		wake_waiting(s, true);
}

static struct str unschedulable_message(const struct json *object)
{
	json_each(condition, json_at(object, "status.conditions")) {
		if (json_str_is(condition, "type", "PodScheduled") && json_str_is(condition, "reason", "Unschedulable"))
			return json_str(condition, "message");
	}
	return STR_NONE;
}

static void pod_open(struct pod *p, const struct json *object, bool shape_changed)
{
	p->told = str_hash(unschedulable_message(object));
	bool undecided = p->state == QUEUED || p->state == BINDING || p->state == BACKING_OFF;
	p->pending.priority = p->state == QUEUED ? p->pending.priority : json_i64(object, "spec.priority", 0);
	if (undecided || (p->state == WAITING && !shape_changed))
		return;
	pod_queue(p);
}

static void pod_ignored(struct pod *p)
{
	struct scheduler *s = p->scheduler;
	bool held_room = p->state == BOUND;
	timer_stop(&p->backoff);
	pending_remove(&s->queue, &p->pending);
	snapshot_remove_pod(&s->snapshot, p->key);
	p->state = IGNORED;
	if (held_room)
		wake_waiting(s, false);
}

static struct str key_of(struct arena *a, struct str text)
{
	struct str metadata = scan_get(text, "metadata");
	struct str namespace = scan_get_str(metadata, "namespace"), name = scan_get_str(metadata, "name");
	return namespace.n ? arena_fmt(a, "%.*s/%.*s", STR_FMT(namespace), STR_FMT(name)) : arena_str(a, name);
}

static void on_pod(void *arg, struct blob *line, struct str text, bool deleted)
{
	struct scheduler *s = arg;
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct str key = key_of(&a, text);
	struct json *object;
	if (deleted || json_parse(&a, text, NULL, &object, NULL) < 0) {
		pod_gone(s, key);
		return;
	}
	struct pod *p = map_get(&s->pods, key);
	if (p && !str_eq(p->uid, json_str(object, "metadata.uid"))) {
		pod_gone(s, key);
		p = NULL;
	}
	if (!p)
		p = pod_create(s, key, object);
	p->round = s->pods_round;
	struct shape *shape = snapshot_shape(&s->snapshot, object), *old = p->shape;
	p->shape = shape;
	if (is_terminal(object))
		pod_ignored(p);
	else if (!str_empty(json_str(object, "spec.nodeName")))
		pod_placed(p, object);
	else if (is_ours(s, object))
		pod_open(p, object, old != shape);
	else
		pod_ignored(p);
	snapshot_shape_unref(&s->snapshot, old);
}

static void on_pods_listing(void *arg)
{
	((struct scheduler *)arg)->pods_round++;
}

static void on_pods_listed(void *arg)
{
	struct scheduler *s = arg;
	for (size_t i = s->pods.count; i-- > 0;) {
		struct pod *p = s->pods.entries[i].value;
		if (p->round != s->pods_round)
			pod_gone(s, p->key);
	}
	s->pods_listed = true;
	wake(s);
}

// ---- nodes

static void node_gone(struct scheduler *s, struct str name)
{
	free(map_remove(&s->nodes, name));
	snapshot_remove_node(&s->snapshot, name);
}

static void on_node(void *arg, struct blob *line, struct str text, bool deleted)
{
	struct scheduler *s = arg;
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct str name = key_of(&a, text), spec = scan_get(text, "spec"), status = scan_get(text, "status");
	if (deleted) {
		node_gone(s, name);
		return;
	}
	uint64_t scoring = str_hash(scan_get(status, "images"));
	uint64_t placing = str_hash(scan_get(scan_get(text, "metadata"), "labels")) * 3 + str_hash(spec) * 5 +
			   str_hash(scan_get(status, "allocatable"));
	struct known_node *known = map_get(&s->nodes, name);
	bool is_new = !known;
	if (is_new) {
		known = MEM_NEW(struct known_node);
		map_set(&s->nodes, name, known);
	}
	known->round = s->nodes_round;
	bool may_help = is_new || known->placing != placing;
	if (!may_help && known->scoring == scoring)
		return; // a heartbeat
	known->placing = placing;
	known->scoring = scoring;
	struct json *object;
	if (json_parse(&a, text, NULL, &object, NULL) == 0)
		snapshot_set_node(&s->snapshot, object);
	if (may_help)
		wake_waiting(s, false);
}

static void on_nodes_listing(void *arg)
{
	((struct scheduler *)arg)->nodes_round++;
}

static void on_nodes_listed(void *arg)
{
	struct scheduler *s = arg;
	for (size_t i = s->nodes.count; i-- > 0;) {
		if (((struct known_node *)s->nodes.entries[i].value)->round != s->nodes_round)
			node_gone(s, s->nodes.entries[i].key);
	}
	s->nodes_listed = true;
	wake(s);
}

// ---- namespaces

static void on_namespace(void *arg, struct blob *line, struct str text, bool deleted)
{
	struct scheduler *s = arg;
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct str name = key_of(&a, text);
	struct json *object;
	if (deleted || json_parse(&a, text, NULL, &object, NULL) < 0) {
		map_remove(&s->namespaces, name);
		snapshot_remove_namespace(&s->snapshot, name);
		return;
	}
	map_set(&s->namespaces, name, (void *)(uintptr_t)s->namespaces_round);
	snapshot_set_namespace(&s->snapshot, name, json_at(object, "metadata.labels"));
}

static void on_namespaces_listing(void *arg)
{
	((struct scheduler *)arg)->namespaces_round++;
}

static void on_namespaces_listed(void *arg)
{
	struct scheduler *s = arg;
	for (size_t i = s->namespaces.count; i-- > 0;) {
		struct map_entry *slot = &s->namespaces.entries[i];
		if ((uint32_t)(uintptr_t)slot->value == s->namespaces_round)
			continue;
		snapshot_remove_namespace(&s->snapshot, slot->key);
		map_remove(&s->namespaces, slot->key);
	}
	s->namespaces_listed = true;
	wake(s);
}

// ---- the outside

struct scheduler *scheduler_start(struct transport *t, struct str name)
{
	static const struct watcher_events on_pods = {on_pods_listing, on_pod, on_pods_listed};
	static const struct watcher_events on_nodes = {on_nodes_listing, on_node, on_nodes_listed};
	static const struct watcher_events on_namespaces = {on_namespaces_listing, on_namespace, on_namespaces_listed};
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
	s->pods_watcher = watcher_create(t, STR("/api/v1/pods"), &on_pods, s);
	s->nodes_watcher = watcher_create(t, STR("/api/v1/nodes"), &on_nodes, s);
	s->namespaces_watcher = watcher_create(t, STR("/api/v1/namespaces"), &on_namespaces, s);
	timer_start(t->loop, &s->flush, flush_ns);
	return s;
}

void scheduler_stop(struct scheduler *s)
{
	if (!s)
		return;
	watcher_destroy(s->pods_watcher);
	watcher_destroy(s->nodes_watcher);
	watcher_destroy(s->namespaces_watcher);
	timer_stop(&s->turn);
	timer_stop(&s->flush);
	for (struct binding *b = s->bindings, *next; b; b = next) {
		next = b->next;
		b->scheduler = NULL;
		if (timer_running(&b->timer)) // otherwise its answer is still to come
			binding_finish(b);
	}
	events_destroy(s->events);
	map_each(slot, &s->pods) {
		snapshot_remove_pod(&s->snapshot, slot->key);
		pod_destroy(slot->value);
	}
	map_each(slot, &s->nodes)
		free(slot->value);
	map_finish(&s->pods);
	map_finish(&s->nodes);
	map_finish(&s->namespaces);
	pending_finish(&s->queue);
	snapshot_finish(&s->snapshot);
	free((char *)s->name.p);
	free(s);
}
