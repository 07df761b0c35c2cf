// SPDX-License-Identifier: Apache-2.0
// One round: list every namespaced resource; delete what is not on its way out yet; when all lists are empty, finalize,
// otherwise say what remains and come again. Pods go first, so that none runs on without what kept it in bounds.
#include "controllers/namespace.h"

#include "api/schema.h"
#include "base/times.h"
#include "client/scan.h"
#include "controllers/conditions.h"
#include "controllers/reconcile.h"

enum { PARALLEL = 16, REMAINING_TEXT_MAX = 1000 };
static const int64_t first_wait_ns = 30 * TIME_MS, longest_wait_ns = 5 * TIME_S;

struct namespace_controller {
	struct cluster *cluster;
	struct informer *namespaces;
	struct reconciler *reconciler;
	struct map waits; // name -> how long to wait next, as a pointer
	struct round *rounds;
};

struct round {
	struct round *next, *previous;
	struct namespace_controller *controller;
	struct json *namespace;
	size_t lists_open;
	size_t remaining;      // objects
	struct buf contents;   // "pods. has 2 resource instances"
	struct map finalizers; // name -> objects that have it, as a pointer
	bool failed;
	bool pods_only; // so far
};

struct listing {
	struct round *round;
	const struct api_resource *resource;
};

// ---- resources

static bool is_emptied(size_t i)
{
	const struct api_resource *r = &api_resources[i];
	unsigned needed = API_LIST_VERB | API_DELETE_COLLECTION;
	if (!r->namespaced || r->ephemeral || (r->verbs & needed) != needed)
		return false;
	for (size_t n = 0; n < i; n++) {
		if (str_eq(api_resources[n].store_prefix, r->store_prefix))
			return false; // another view of the same objects
	}
	return true;
}

static struct str path_of(struct sync *s, const struct api_resource *r, const char *query)
{
	struct str version = api_version_text(&s->arena, r);
	struct str path = client_path(&s->arena, version, s->name, r->plural, STR_NONE, STR_NONE);
	return arena_fmt(&s->arena, "%.*s%s", STR_FMT(path), query);
}

// ---- the end of a round

static struct str finalizers_text(struct sync *s, const struct round *round)
{
	struct buf text CLEAN_BUF;
	buf_init(&text);
	map_each(slot, &round->finalizers)
		buf_fmt(&text, "%s%.*s in %zu resource instances", text.n ? ", " : "", STR_FMT(slot->key),
			(size_t)(uintptr_t)slot->value);
	return arena_str(&s->arena, str_sub(buf_str(&text), 0, REMAINING_TEXT_MAX));
}

static void put_condition(struct sync *s, struct json *conditions, const char *type, bool is_true, const char *reason,
			  struct str message, int64_t now_ns)
{
	struct json *known = condition_find(conditions, type);
	struct condition c = {type, is_true ? "True" : "False", reason, message, false};
	if (known && !str_eq(json_str(known, "message"), message))
		json_put_str(&s->arena, known, "message", message);
	condition_set(&s->arena, conditions, &c, now_ns);
}

static void tell_remaining(struct round *round, struct sync *s)
{
	struct arena *a = &s->arena;
	struct namespace_controller *c = round->controller;
	int64_t now_ns = loop_wall(c->cluster->loop);
	const struct json *known = json_at(round->namespace, "status.conditions");
	struct json *conditions = known ? json_clone(a, known) : json_array(a);
	put_condition(s, conditions, "NamespaceDeletionDiscoveryFailure", false, "ResourcesDiscovered",
		      STR("All resources successfully discovered"), now_ns);
	put_condition(s, conditions, "NamespaceDeletionGroupVersionParsingFailure", false, "ParsedGroupVersions",
		      STR("All legacy kube types successfully parsed"), now_ns);
	put_condition(s, conditions, "NamespaceDeletionContentFailure", round->failed,
		      round->failed ? "ContentDeletionFailed" : "ContentDeleted",
		      round->failed ? STR("Some content could not be listed or deleted")
				    : STR("All content successfully deleted, may be waiting on finalization"),
		      now_ns);
	struct str contents = arena_fmt(a, "Some resources are remaining: %.*s", STR_FMT(buf_str(&round->contents)));
	put_condition(s, conditions, "NamespaceContentRemaining", round->remaining > 0,
		      round->remaining ? "SomeResourcesRemain" : "ContentRemoved",
		      round->remaining ? contents : STR("All content successfully removed"), now_ns);
	bool held = round->finalizers.count > 0;
	struct str holders = arena_fmt(a, "Some content in the namespace has finalizers remaining: %.*s",
				       STR_FMT(finalizers_text(s, round)));
	put_condition(s, conditions, "NamespaceFinalizersRemaining", held,
		      held ? "SomeFinalizersRemain" : "ContentHasNoFinalizers",
		      held ? holders : STR("All content-preserving finalizers finished"), now_ns);
	if (known && json_equal(known, conditions))
		return;
	struct json *patch = json_object(a), *status = json_need_object(a, patch, "status");
	json_put(status, "conditions", conditions);
	sync_write(s, c->namespaces, "PATCH",
		   client_path(a, STR("v1"), STR_NONE, STR("namespaces"), s->name, STR("status")), patch, NULL, NULL);
}

static void finalize(struct round *round, struct sync *s)
{
	struct arena *a = &s->arena;
	struct json *namespace = json_clone(a, round->namespace), *kept = json_array(a);
	json_each(finalizer, json_at(namespace, "spec.finalizers")) {
		if (!str_is(finalizer->text, "kubernetes"))
			json_push(kept, json_string(a, finalizer->text));
	}
	json_put(json_need_object(a, namespace, "spec"), "finalizers", kept);
	sync_send(s, "PUT", client_path(a, STR("v1"), STR_NONE, STR("namespaces"), s->name, STR("finalize")), namespace,
		  NULL, NULL);
}

static void round_free(struct round *round)
{
	struct namespace_controller *c = round->controller;
	if (round->previous)
		round->previous->next = round->next;
	else
		c->rounds = round->next;
	if (round->next)
		round->next->previous = round->previous;
	buf_finish(&round->contents);
	map_finish(&round->finalizers);
	free(round);
}

static void round_finish(struct round *round, struct sync *s)
{
	struct namespace_controller *c = round->controller;
	if (round->remaining == 0 && !round->failed) {
		map_remove(&c->waits, s->name);
		finalize(round, s);
	} else {
		int64_t wait_ns = (int64_t)(intptr_t)map_get(&c->waits, s->name);
		wait_ns = wait_ns == 0 ? first_wait_ns : wait_ns * 2 > longest_wait_ns ? longest_wait_ns : wait_ns * 2;
		map_set(&c->waits, s->name, (void *)(intptr_t)wait_ns);
		if (wait_ns > TIME_S) // what goes quickly needs no word
			tell_remaining(round, s);
		reconciler_add_after(c->reconciler, s->name, wait_ns);
	}
	round_free(round);
}

// ---- lists

static bool count_items(struct round *round, struct str items, size_t *count)
{
	struct str item, name;
	bool all_leaving = true;
	while (scan_element(&items, &item)) {
		struct str metadata = scan_get(item, "metadata"), finalizers = scan_get(metadata, "finalizers");
		++*count;
		all_leaving &= scan_get(metadata, "deletionTimestamp").n > 2;
		while (scan_element(&finalizers, &name)) {
			name = str_sub(name, 1, name.n - 2);
			size_t known = (size_t)(uintptr_t)map_get(&round->finalizers, name);
			map_set(&round->finalizers, name, (void *)(uintptr_t)(known + 1));
		}
	}
	return all_leaving;
}

static bool listed(void *arg, struct sync *s, const struct client_response *r);

static bool is_pods(const struct api_resource *r)
{
	return str_empty(r->group) && str_is(r->plural, "pods");
}

static void list_all(struct round *round, struct sync *s)
{
	for (size_t i = 0; i < api_resource_count; i++) {
		const struct api_resource *r = &api_resources[i];
		if (!is_emptied(i) || is_pods(r) != round->pods_only)
			continue;
		struct listing *listing = ARENA_NEW(&s->arena, struct listing);
		*listing = (struct listing){round, r};
		round->lists_open++;
		sync_send(s, "GET", path_of(s, r, "?limit=500"), NULL, listed, listing);
	}
}

static bool listed(void *arg, struct sync *s, const struct client_response *r)
{
	struct listing *listing = arg;
	struct round *round = listing->round;
	const struct api_resource *resource = listing->resource;
	size_t count = 0;
	struct str metadata = scan_get(r->body, "metadata");
	bool is_all = str_empty(scan_get_str(metadata, "continue"));
	if (r->e) {
		round->failed = true;
	} else if (!count_items(round, scan_get(r->body, "items"), &count) || !is_all) {
		struct json *options = json_object(&s->arena);
		json_put_str(&s->arena, options, "propagationPolicy", STR("Background"));
		sync_send(s, "DELETE", path_of(s, resource, ""), options, NULL, NULL);
	}
	if (count > 0) {
		round->remaining += count;
		if (round->contents.n < REMAINING_TEXT_MAX)
			buf_fmt(&round->contents, "%s%.*s.%.*s has %zu resource instances",
				round->contents.n ? ", " : "", STR_FMT(resource->plural), STR_FMT(resource->group),
				count);
	}
	if (--round->lists_open > 0)
		return true;
	if (round->pods_only && round->remaining == 0 && !round->failed) {
		round->pods_only = false;
		list_all(round, s);
	} else {
		round_finish(round, s);
	}
	return true;
}

static void handle(void *arg, struct sync *s)
{
	struct namespace_controller *c = arg;
	struct json *namespace = cluster_object(&s->arena, c->namespaces, s->name);
	if (!namespace || !json_at(namespace, "metadata.deletionTimestamp") ||
	    !json_first(json_at(namespace, "spec.finalizers")))
		return;
	struct round *round = MEM_NEW(struct round);
	round->controller = c;
	round->next = c->rounds;
	if (round->next)
		round->next->previous = round;
	c->rounds = round;
	round->namespace = namespace;
	buf_init(&round->contents);
	map_init(&round->finalizers);
	round->pods_only = true;
	list_all(round, s);
}

static void on_namespace(void *arg, const struct informer_object *before, const struct informer_object *now)
{
	struct namespace_controller *c = arg;
	if (!now)
		map_remove(&c->waits, before->key);
	else if (scan_get(scan_get(now->text, "metadata"), "deletionTimestamp").n > 2)
		reconciler_add(c->reconciler, now->key);
}

void *namespace_start(struct cluster *cluster)
{
	static const struct informer_events on_namespaces = {.on_change = on_namespace};
	struct namespace_controller *c = MEM_NEW(struct namespace_controller);
	c->cluster = cluster;
	c->namespaces = cluster_informer(cluster, "/api/v1/namespaces");
	c->reconciler = reconciler_create(cluster->transport, PARALLEL, handle, c);
	map_init(&c->waits);
	reconciler_await(c->reconciler, c->namespaces);
	informer_listen(c->namespaces, &on_namespaces, c);
	return c;
}

void namespace_stop(void *controller)
{
	struct namespace_controller *c = controller;
	reconciler_destroy(c->reconciler);
	while (c->rounds)
		round_free(c->rounds);
	map_finish(&c->waits);
	free(c);
}
