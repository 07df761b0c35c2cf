// SPDX-License-Identifier: Apache-2.0
// Keeps the snapshot and the queue as the API shows pods, nodes and namespaces.
#include "base/times.h"
#include "client/scan.h"
#include "scheduler/resized.h"
#include "scheduler/state.h"

// ---- pods

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

static void pod_placed(struct scheduler_pod *p, const struct json *object, bool shape_changed)
{
	struct scheduler *s = p->scheduler;
	struct str node = json_str(object, "spec.nodeName"), held = snapshot_pod_node(&s->snapshot, p->key);
	bool was_placed = p->state == POD_BOUND, elsewhere = held.n && !str_eq(held, node); // somebody else bound it there
	timer_stop(&p->backoff);
	pending_remove(&s->queue, &p->pending);
	scheduler_enter(p, POD_BOUND);
	snapshot_set_pod(&s->snapshot, p->key, node, p->shape, json_at(object, "metadata.deletionTimestamp") != NULL);
	if (!was_placed || shape_changed) // it may ask for less than before; a new one only takes room
		scheduler_wake_waiting(s, !was_placed && !elsewhere);
}

// What its condition says of it already.
static void read_told(struct scheduler_pod *p, const struct json *object)
{
	p->told = 0;
	p->unplaced_ns = 0;
	json_each(condition, json_at(object, "status.conditions")) {
		if (!json_str_is(condition, "type", "PodScheduled") || !json_str_is(condition, "reason", "Unschedulable"))
			continue;
		p->told = str_hash(json_str(condition, "message"));
		time_parse(json_str(condition, "lastTransitionTime"), &p->unplaced_ns);
	}
}

static void pod_open(struct scheduler_pod *p, const struct json *object, bool shape_changed)
{
	read_told(p, object);
	bool undecided = p->state == POD_QUEUED || p->state == POD_BINDING || p->state == POD_BACKING_OFF;
	p->pending.priority = p->state == POD_QUEUED ? p->pending.priority : json_i64(object, "spec.priority", 0);
	if (undecided || (p->state == POD_WAITING && !shape_changed))
		return;
	scheduler_queue(p);
}

static void pod_ignored(struct scheduler_pod *p)
{
	struct scheduler *s = p->scheduler;
	bool held_room = p->state == POD_BOUND || p->state == POD_BINDING;
	timer_stop(&p->backoff);
	pending_remove(&s->queue, &p->pending);
	snapshot_remove_pod(&s->snapshot, p->key);
	scheduler_enter(p, POD_IGNORED);
	if (held_room)
		scheduler_wake_waiting(s, false);
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
		scheduler_forget(s, key);
		return;
	}
	struct scheduler_pod *p = map_get(&s->pods, key);
	if (p && !str_eq(p->uid, json_str(object, "metadata.uid"))) {
		scheduler_forget(s, key);
		p = NULL;
	}
	if (!p)
		p = scheduler_add(s, key, json_str(object, "metadata.uid"));
	p->round = s->pods_round;
	struct shape *shape = snapshot_shape(&s->snapshot, pod_as_counted(&a, object)), *old = p->shape;
	p->shape = shape;
	if (is_terminal(object))
		pod_ignored(p);
	else if (!str_empty(json_str(object, "spec.nodeName")))
		pod_placed(p, object, old != shape);
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
		struct scheduler_pod *p = s->pods.entries[i].value;
		if (p->round != s->pods_round)
			scheduler_forget(s, p->key);
	}
	s->pods_listed = true;
	scheduler_wake(s);
}

// ---- nodes

static void node_gone(struct scheduler *s, struct str name)
{
	free(map_remove(&s->nodes, name));
	snapshot_remove_node(&s->snapshot, name);
	scheduler_wake_waiting(s, true); // spreading has one domain less to fill
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
		scheduler_wake_waiting(s, false);
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
	scheduler_wake(s);
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
	scheduler_wake(s);
}

// ---- the outside

void follow_start(struct scheduler *s)
{
	static const struct watcher_events on_pods = {on_pods_listing, on_pod, on_pods_listed};
	static const struct watcher_events on_nodes = {on_nodes_listing, on_node, on_nodes_listed};
	static const struct watcher_events on_namespaces = {on_namespaces_listing, on_namespace, on_namespaces_listed};
	s->pods_watcher = watcher_create(s->transport, STR("/api/v1/pods"), &on_pods, s);
	s->nodes_watcher = watcher_create(s->transport, STR("/api/v1/nodes"), &on_nodes, s);
	s->namespaces_watcher = watcher_create(s->transport, STR("/api/v1/namespaces"), &on_namespaces, s);
}

void follow_stop(struct scheduler *s)
{
	watcher_destroy(s->pods_watcher);
	watcher_destroy(s->nodes_watcher);
	watcher_destroy(s->namespaces_watcher);
	map_each(slot, &s->nodes)
		free(slot->value);
	map_finish(&s->nodes);
	map_finish(&s->namespaces);
}
