// SPDX-License-Identifier: Apache-2.0
#include "controllers/gc.h"

#include "base/times.h"
#include "client/events.h"
#include "client/scan.h"
#include "client/watcher.h"
#include "controllers/gc_plan.h"
#include "controllers/reconcile.h"

enum { PARALLEL = 256 };
static const int64_t unknown_kind_ns = 60 * TIME_S; // until a kind that nobody serves is looked for again

struct source { // one resource
	struct collector *collector;
	const struct api_resource *resource;
	struct watcher *watcher;
	uint32_t round;
	bool listed;
};

struct collector {
	struct cluster *cluster;
	struct gc_graph graph;
	struct source *sources;
	size_t source_count;
	struct reconciler *reconciler; // of uids
	struct events *events;
};

// ---- paths

static struct str path_of(struct arena *a, struct gc_place p)
{
	return client_path(a, api_version_text(a, p.resource), p.resource->namespaced ? p.namespace : STR_NONE,
			   p.resource->plural, p.name, STR_NONE);
}

// ---- asking for owners

struct question {
	struct collector *collector;
	struct str uid;
	struct gc_place place;
	uint32_t round;
};

static uint32_t round_of(const struct collector *c, const struct api_resource *r)
{
	for (size_t i = 0; i < c->source_count; i++) {
		if (str_eq(c->sources[i].resource->store_prefix, r->store_prefix))
			return c->sources[i].round;
	}
	return 0;
}

static bool owner_answered(void *arg, struct sync *s, const struct client_response *r)
{
	struct question *q = arg;
	struct collector *c = q->collector;
	if (r->e && r->e->reason != ERR_NOT_FOUND)
		return false;
	bool same = !r->e && str_eq(scan_get_str(scan_get(r->body, "metadata"), "uid"), q->uid);
	if (same)
		gc_graph_confirm(&c->graph, q->uid, q->place, q->round);
	else
		gc_graph_refute(&c->graph, q->uid, s->key, q->place);
	reconciler_add(c->reconciler, s->key);
	return true;
}

static void ask_owners(struct collector *c, struct sync *s, const struct gc_plan *plan)
{
	struct arena *a = &s->arena;
	for (size_t i = 0; i < plan->owner_count; i++) {
		struct gc_place place = gc_reference_place(plan->owners[i]);
		if (!place.resource) { // not served here; perhaps later
			reconciler_add_after(c->reconciler, s->key, unknown_kind_ns);
			continue;
		}
		place.namespace = arena_str(a, place.namespace);
		place.name = arena_str(a, place.name);
		struct question *q = ARENA_NEW(a, struct question);
		*q = (struct question){c, arena_str(a, plan->owners[i]->owner->uid), place, round_of(c, place.resource)};
		sync_send(s, "GET", path_of(a, place), NULL, owner_answered, q);
	}
}

// ---- changing references and finalizers: read the object, write it back at that version

enum edit_kind { EDIT_DROP, EDIT_UNBLOCK, EDIT_RELEASE };

struct edit {
	struct collector *collector;
	enum edit_kind kind;
	struct str path, uid;
	struct str *owners; // uids, of EDIT_DROP
	size_t owner_count;
	const char *finalizer;	 // of EDIT_RELEASE
	const char *then_delete; // policy, or NULL
};

static bool edited(void *arg, struct sync *s, const struct client_response *r)
{
	return !r->e || r->e->reason == ERR_NOT_FOUND; // a conflict: once more
}

static bool is_listed(const struct edit *edit, struct str uid)
{
	for (size_t i = 0; i < edit->owner_count; i++) {
		if (str_eq(edit->owners[i], uid))
			return true;
	}
	return false;
}

static struct json *edited_references(struct arena *a, const struct edit *edit, const struct json *object)
{
	struct json *kept = json_array(a);
	json_each(reference, json_at(object, "metadata.ownerReferences")) {
		if (edit->kind == EDIT_DROP && is_listed(edit, json_str(reference, "uid")))
			continue;
		struct json *copy = json_push(kept, json_clone(a, reference));
		if (edit->kind == EDIT_UNBLOCK)
			json_put_bool(a, copy, "blockOwnerDeletion", false);
	}
	return kept->count ? kept : json_null(a);
}

static struct json *edited_finalizers(struct arena *a, const struct edit *edit, const struct json *object)
{
	struct json *kept = json_array(a);
	json_each(finalizer, json_at(object, "metadata.finalizers")) {
		if (!str_is(finalizer->text, edit->finalizer))
			json_push(kept, json_string(a, arena_str(a, finalizer->text)));
	}
	return kept->count ? kept : json_null(a);
}

static void send_delete(struct sync *s, struct str path, struct str uid, const char *policy)
{
	struct arena *a = &s->arena;
	struct json *options = json_object(a);
	json_put_str(a, options, "propagationPolicy", str_of(policy));
	json_put_str(a, json_need_object(a, options, "preconditions"), "uid", uid);
	sync_send(s, "DELETE", path, options, NULL, NULL);
}

static bool read_for_edit(void *arg, struct sync *s, const struct client_response *r)
{
	struct edit *edit = arg;
	struct arena *a = &s->arena;
	struct json *object;
	if (r->e)
		return r->e->reason == ERR_NOT_FOUND;
	if (json_parse(a, arena_str(a, r->body), NULL, &object, NULL) < 0 ||
	    !str_eq(json_str(object, "metadata.uid"), edit->uid))
		return true; // another of the same name
	struct json *patch = json_object(a), *metadata = json_need_object(a, patch, "metadata");
	json_put_str(a, metadata, "uid", edit->uid);
	json_put_str(a, metadata, "resourceVersion", json_str(object, "metadata.resourceVersion"));
	if (edit->kind == EDIT_RELEASE)
		json_put(metadata, "finalizers", edited_finalizers(a, edit, object));
	else
		json_put(metadata, "ownerReferences", edited_references(a, edit, object));
	sync_send(s, "PATCH", edit->path, patch, edited, NULL);
	if (edit->then_delete)
		send_delete(s, edit->path, edit->uid, edit->then_delete);
	return true;
}

static struct edit *edit_start(struct collector *c, struct sync *s, const struct gc_node *node, enum edit_kind kind,
			       size_t owner_count)
{
	struct arena *a = &s->arena;
	struct edit *edit = ARENA_NEW(a, struct edit);
	*edit = (struct edit){.collector = c, .kind = kind};
	edit->path = path_of(a, gc_node_place(node));
	edit->uid = arena_str(a, node->uid);
	edit->owners = ARENA_ARRAY(a, struct str, owner_count + 1);
	sync_send(s, "GET", edit->path, NULL, read_for_edit, edit);
	return edit;
}

// ---- the loop

// Whoever made the object may not know that an owner in another namespace is none.
static void tell_misplaced_owners(struct collector *c, struct arena *a, const struct gc_node *node)
{
	struct events_about about = {.api_version = api_version_text(a, node->resource),
				     .kind = node->resource->kind,
				     .namespace = node->namespace,
				     .name = node->name,
				     .uid = node->uid};
	for (size_t i = 0; i < node->owner_count; i++) {
		const struct gc_node *owner = node->owners[i].owner;
		if (owner->state != GC_PRESENT || gc_owner_is_near(owner, node))
			continue;
		struct str version = api_version_text(a, owner->resource);
		events_record(c->events, &about, EVENTS_WARNING, "OwnerRefInvalidNamespace",
			      "ownerRef [%.*s/%.*s, namespace: %.*s, name: %.*s, uid: %.*s] does not exist in namespace "
			      "\"%.*s\"",
			      STR_FMT(version), STR_FMT(owner->resource->kind), STR_FMT(owner->namespace),
			      STR_FMT(owner->name), STR_FMT(owner->uid), STR_FMT(node->namespace));
	}
}

static void apply(struct collector *c, struct sync *s, const struct gc_node *node, const struct gc_plan *plan)
{
	struct arena *a = &s->arena;
	struct edit *edit;
	switch (plan->action) {
	case GC_NOTHING:
		break;
	case GC_ASK_OWNERS:
		ask_owners(c, s, plan);
		break;
	case GC_DELETE:
		send_delete(s, path_of(a, gc_node_place(node)), arena_str(a, node->uid), plan->policy);
		break;
	case GC_UNBLOCK:
		edit_start(c, s, node, EDIT_UNBLOCK, 0)->then_delete = plan->policy;
		break;
	case GC_RELEASE:
		edit_start(c, s, node, EDIT_RELEASE, 0)->finalizer = plan->finalizer;
		break;
	case GC_DROP_REFERENCES:
		edit = edit_start(c, s, node, EDIT_DROP, plan->owner_count);
		for (size_t i = 0; i < plan->owner_count; i++)
			edit->owners[edit->owner_count++] = arena_str(a, plan->owners[i]->owner->uid);
		break;
	case GC_ORPHAN_DEPENDENTS:
		for (size_t i = 0; i < node->dependent_count; i++) {
			if (!node->dependents[i]->resource)
				continue;
			edit = edit_start(c, s, node->dependents[i], EDIT_DROP, 1);
			edit->owners[edit->owner_count++] = arena_str(a, node->uid);
		}
		break;
	}
}

static bool all_listed(const struct collector *c)
{
	for (size_t i = 0; i < c->source_count; i++) {
		if (!c->sources[i].listed)
			return false;
	}
	return true;
}

static void handle(void *arg, struct sync *s)
{
	struct collector *c = arg;
	const struct gc_node *node = gc_graph_find(&c->graph, s->key);
	if (!node || !node->resource)
		return;
	if (!all_listed(c)) {
		reconciler_add_after(c->reconciler, s->key, 50 * TIME_MS);
		return;
	}
	struct gc_plan plan;
	gc_plan(&s->arena, node, &plan);
	tell_misplaced_owners(c, &s->arena, node);
	apply(c, s, node, &plan);
}

static void on_touched(void *arg, const struct gc_node *node)
{
	struct collector *c = arg;
	reconciler_add(c->reconciler, node->uid);
}

// ---- following

static void on_listing(void *arg)
{
	((struct source *)arg)->round++;
}

static void on_object(void *arg, struct blob *line, struct str text, bool deleted)
{
	struct source *source = arg;
	struct gc_graph *graph = &source->collector->graph;
	if (deleted)
		gc_graph_lose(graph, scan_get_str(scan_get(text, "metadata"), "uid"));
	else
		gc_graph_see(graph, source->resource, text, source->round);
}

// What the list did not show is gone.
static void on_listed(void *arg)
{
	struct source *source = arg;
	struct gc_graph *graph = &source->collector->graph;
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct str *gone = ARENA_ARRAY(&a, struct str, graph->nodes.count + 1);
	size_t count = 0;
	map_each(slot, &graph->nodes) {
		const struct gc_node *node = slot->value;
		if (node->state == GC_PRESENT && node->round != source->round && node->resource &&
		    str_eq(node->resource->store_prefix, source->resource->store_prefix))
			gone[count++] = arena_str(&a, node->uid);
	}
	for (size_t i = 0; i < count; i++)
		gc_graph_lose(graph, gone[i]);
	source->listed = true;
}

static bool is_followed(size_t i)
{
	const struct api_resource *r = &api_resources[i];
	unsigned needed = API_LIST_VERB | API_WATCH | API_DELETE;
	if (r->ephemeral || (r->verbs & needed) != needed || str_is(r->plural, "events"))
		return false; // events die of age
	for (size_t n = 0; n < i; n++) {
		if (str_eq(api_resources[n].store_prefix, r->store_prefix))
			return false; // another view of the same objects
	}
	return true;
}

void *gc_start(struct cluster *cluster)
{
	static const struct watcher_events events = {on_listing, on_object, on_listed};
	struct collector *c = MEM_NEW(struct collector);
	c->cluster = cluster;
	gc_graph_init(&c->graph, on_touched, c);
	c->events = events_create(cluster->transport, STR("garbage-collector-controller"), STR_NONE);
	c->reconciler = reconciler_create(cluster->transport, PARALLEL, handle, c);
	c->sources = mem_zalloc(api_resource_count * sizeof *c->sources);
	for (size_t i = 0; i < api_resource_count; i++) {
		if (is_followed(i))
			c->sources[c->source_count++] = (struct source){.collector = c, .resource = &api_resources[i]};
	}
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	for (size_t i = 0; i < c->source_count; i++) {
		struct source *source = &c->sources[i];
		struct str version = api_version_text(&a, source->resource);
		struct str path = client_path(&a, version, STR_NONE, source->resource->plural, STR_NONE, STR_NONE);
		source->watcher = watcher_create(cluster->transport, path, &events, source);
	}
	return c;
}

void gc_stop(void *controller)
{
	struct collector *c = controller;
	for (size_t i = 0; i < c->source_count; i++)
		watcher_destroy(c->sources[i].watcher);
	reconciler_destroy(c->reconciler);
	events_destroy(c->events);
	gc_graph_finish(&c->graph);
	free(c->sources);
	free(c);
}
