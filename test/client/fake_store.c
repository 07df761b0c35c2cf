// SPDX-License-Identifier: Apache-2.0
#include "fake_store.h"

#include "api/patch.h"
#include "api/selector.h"
#include "base/encode.h"
#include "base/times.h"

struct call {
	struct fake_store *store;
	struct arena *a;
	struct fake_path path;
	struct json *body;
	struct fake_answer *out;
};

static const char *const conflict_text = "the object has been modified";

// ---- names

struct str fake_query(struct str query, const char *name)
{
	struct str pair, key, value;
	while (str_next(&query, '&', &pair)) {
		str_cut(pair, '=', &key, &value);
		if (str_is(key, name))
			return value;
	}
	return STR_NONE;
}

bool fake_path_parse(struct arena *a, struct str text, struct fake_path *out)
{
	*out = (struct fake_path){0};
	struct str path, part, parts[10];
	size_t n = 0;
	str_cut(text, '?', &path, &out->query);
	path = str_from(path, 1);
	while (n < ARRAY_LEN(parts) && str_next(&path, '/', &part))
		parts[n++] = part;
	size_t at = n > 0 && str_is(parts[0], "apis") ? 3 : 2;
	if (n <= at)
		return false;
	struct str version = at == 3 ? arena_fmt(a, "%.*s/%.*s", STR_FMT(parts[1]), STR_FMT(parts[2])) : parts[1];
	bool own = n - at <= 3 && n - at >= 2 && str_is(parts[at], "namespaces") &&
		   (n - at == 2 || str_is(parts[at + 2], "status") || str_is(parts[at + 2], "finalize"));
	if (n - at > 2 && str_is(parts[at], "namespaces") && !own) {
		out->namespace = parts[at + 1];
		at += 2;
	}
	out->resource = arena_fmt(a, "%.*s/%.*s", STR_FMT(version), STR_FMT(parts[at]));
	out->name = n > at + 1 ? parts[at + 1] : STR_NONE;
	out->subresource = n > at + 2 ? parts[at + 2] : STR_NONE;
	return true;
}

static struct str key_of(struct arena *a, struct str resource, struct str namespace, struct str name)
{
	return arena_fmt(a, "%.*s|%.*s/%.*s", STR_FMT(resource), STR_FMT(namespace), STR_FMT(name));
}

// ---- answers

static void refuse(struct call *c, enum err_reason reason, const char *message)
{
	struct json *status = json_object(c->a);
	c->out->code = err_http_code(reason);
	json_put_str(c->a, status, "kind", STR("Status"));
	json_put_str(c->a, status, "apiVersion", STR("v1"));
	json_put_str(c->a, status, "status", STR("Failure"));
	json_put_str(c->a, status, "message", str_of(message));
	json_put_str(c->a, status, "reason", str_of(err_reason_name(reason)));
	json_put_int(c->a, status, "code", c->out->code);
	json_write(&c->out->body, status);
}

static void answer(struct call *c, int code, const struct json *object)
{
	c->out->code = code;
	json_write(&c->out->body, object);
}

// ---- the store

static void note_event(struct fake_store *s, const char *type, const struct fake_path *path, struct str object)
{
	if (s->event_count == s->event_room) {
		s->event_room = s->event_room ? s->event_room * 2 : 256;
		s->events = mem_realloc(s->events, s->event_room * sizeof *s->events);
	}
	struct buf line CLEAN_BUF;
	buf_init(&line);
	buf_fmt(&line, "{\"type\":\"%s\",\"object\":", type);
	size_t at = line.n;
	buf_add(&line, object);
	BUF_LIT(&line, "}");
	struct fake_event *event = &s->events[s->event_count++];
	char *names = mem_alloc(path->resource.n + path->namespace.n + 1);
	memcpy(names, path->resource.p, path->resource.n);
	if (path->namespace.n)
		memcpy(names + path->resource.n, path->namespace.p, path->namespace.n);
	*event = (struct fake_event){.type = type,
				     .resource = {names, path->resource.n},
				     .namespace = {names + path->resource.n, path->namespace.n},
				     .line = blob_create(buf_str(&line)),
				     .revision = s->revision};
	event->object = str_sub(blob_str(event->line), at, object.n);
	if (s->changed) {
		struct fake_event copy = *event; // the hook may cause more events
		s->changed(s->arg, &copy);
	}
}

static void store(struct call *c, struct json *object, bool is_new)
{
	struct fake_store *s = c->store;
	s->revision++;
	json_put_str(c->a, json_need_object(c->a, object, "metadata"), "resourceVersion",
		     arena_fmt(c->a, "%lld", (long long)s->revision));
	struct str text = json_text(c->a, object);
	struct str key = key_of(c->a, c->path.resource, c->path.namespace, c->path.name);
	struct fake_object *o = map_get(&s->objects, key);
	if (!o) {
		o = MEM_NEW(struct fake_object);
		map_set(&s->objects, key, o);
	}
	blob_unref(o->text);
	o->text = blob_create(text);
	o->revision = s->revision;
	note_event(s, is_new ? "ADDED" : "MODIFIED", &c->path, text);
}

static void drop(struct call *c, struct json *object)
{
	struct fake_store *s = c->store;
	s->revision++;
	json_put_str(c->a, json_need_object(c->a, object, "metadata"), "resourceVersion",
		     arena_fmt(c->a, "%lld", (long long)s->revision));
	struct fake_object *o =
		map_remove(&s->objects, key_of(c->a, c->path.resource, c->path.namespace, c->path.name));
	if (o) {
		blob_unref(o->text);
		free(o);
	}
	note_event(s, "DELETED", &c->path, json_text(c->a, object));
}

static struct json *load(struct call *c)
{
	struct fake_object *o =
		map_get(&c->store->objects, key_of(c->a, c->path.resource, c->path.namespace, c->path.name));
	struct json *object = NULL;
	if (o)
		json_parse(c->a, arena_str(c->a, blob_str(o->text)), NULL, &object, NULL);
	return object;
}

static bool is_pod(const struct call *c)
{
	return str_is(c->path.resource, "v1/pods");
}

// ---- reading

static bool selected(struct call *c, const struct json *object, struct api_selector *labels, struct str field)
{
	if (labels && !api_selector_matches(labels, json_at(object, "metadata.labels")))
		return false;
	struct str path, value;
	if (str_empty(field))
		return true;
	str_cut(field, '=', &path, &value);
	return str_eq(json_str(object, arena_c(c->a, path)), value);
}

static int compare_keys(const void *left, const void *right)
{
	return str_cmp(*(const struct str *)left, *(const struct str *)right);
}

static struct str *sorted_keys(struct call *c, size_t *count)
{
	struct map *objects = &c->store->objects;
	struct str *keys = ARENA_ARRAY(c->a, struct str, objects->count + 1);
	struct str prefix = key_of(c->a, c->path.resource, c->path.namespace, STR(""));
	if (str_empty(c->path.namespace))
		prefix.n--; // objects of every namespace
	*count = 0;
	map_each(slot, objects) {
		if (str_starts(slot->key, prefix))
			keys[(*count)++] = slot->key;
	}
	qsort(keys, *count, sizeof *keys, compare_keys);
	return keys;
}

static void list(struct call *c)
{
	struct str labels_text, field;
	struct api_selector *labels = NULL;
	decode_url(c->a, fake_query(c->path.query, "labelSelector"), true, &labels_text);
	decode_url(c->a, fake_query(c->path.query, "fieldSelector"), true, &field);
	if (!str_empty(labels_text))
		api_selector_parse(c->a, labels_text, &labels, NULL);
	uint64_t limit = 0, from = 0;
	str_to_u64(fake_query(c->path.query, "limit"), &limit);
	str_to_u64(fake_query(c->path.query, "continue"), &from);
	struct json *all = json_object(c->a), *items = json_array(c->a);
	struct json *metadata = json_need_object(c->a, all, "metadata");
	json_put_str(c->a, metadata, "resourceVersion", arena_fmt(c->a, "%lld", (long long)c->store->revision));
	size_t count;
	struct str *keys = sorted_keys(c, &count);
	for (size_t i = from; i < count; i++) {
		if (limit && items->count >= limit) {
			json_put_str(c->a, metadata, "continue", arena_fmt(c->a, "%zu", i));
			break;
		}
		struct fake_object *o = map_get(&c->store->objects, keys[i]);
		struct json *object = NULL;
		json_parse(c->a, blob_str(o->text), NULL, &object, NULL);
		if (selected(c, object, labels, field))
			json_push(items, object);
	}
	json_put(all, "items", items);
	answer(c, 200, all);
}

// ---- writing

static void create(struct call *c)
{
	struct json *metadata = json_need_object(c->a, c->body, "metadata");
	struct str name = json_str(metadata, "name");
	if (str_empty(name)) {
		struct str suffix = loop_random_name(c->store->loop, c->a, 5);
		name = arena_fmt(c->a, "%.*s%.*s", STR_FMT(json_str(metadata, "generateName")), STR_FMT(suffix));
	}
	c->path.name = name;
	struct fake_object *namespace =
		map_get(&c->store->objects, key_of(c->a, STR("v1/namespaces"), STR(""), c->path.namespace));
	if (namespace && str_contains(blob_str(namespace->text), STR("deletionTimestamp"))) {
		refuse(c, ERR_FORBIDDEN, "the namespace is being terminated");
		return;
	}
	if (load(c)) {
		refuse(c, ERR_ALREADY_EXISTS, "already exists");
		return;
	}
	json_put_str(c->a, metadata, "name", name);
	if (!str_empty(c->path.namespace))
		json_put_str(c->a, metadata, "namespace", c->path.namespace);
	json_put_str(c->a, metadata, "uid", loop_uuid(c->store->loop, c->a));
	json_put_str(c->a, metadata, "creationTimestamp", time_format(c->a, loop_wall(c->store->loop)));
	json_put_int(c->a, metadata, "generation", 1);
	if (is_pod(c) && !json_get(c->body, STR("status")))
		json_put_str(c->a, json_need_object(c->a, c->body, "status"), "phase", STR("Pending"));
	store(c, c->body, true);
	answer(c, 201, c->body);
}

static void bind(struct call *c)
{
	struct json *pod = load(c);
	if (!pod) {
		refuse(c, ERR_NOT_FOUND, "pod not found");
		return;
	}
	if (!str_empty(json_str(pod, "spec.nodeName")) || json_at(pod, "metadata.deletionTimestamp")) {
		refuse(c, ERR_CONFLICT, "the pod is already assigned to a node");
		return;
	}
	json_put_str(c->a, json_need_object(c->a, pod, "spec"), "nodeName", json_str(c->body, "target.name"));
	struct json *conditions = json_need_array(c->a, json_need_object(c->a, pod, "status"), "conditions");
	for (struct json *known = json_first(conditions); known; known = json_first(conditions))
		json_unlink(conditions, known);
	struct json *condition = json_push(conditions, json_object(c->a));
	json_put_str(c->a, condition, "type", STR("PodScheduled"));
	json_put_str(c->a, condition, "status", STR("True"));
	store(c, pod, false);
	answer(c, 201, pod);
}

static void finish_update(struct call *c, struct json *old, struct json *new)
{
	struct json *metadata = json_need_object(c->a, new, "metadata");
	static const char *const kept[] = {"uid", "creationTimestamp", "deletionTimestamp", "namespace", "name"};
	for (size_t i = 0; i < ARRAY_LEN(kept); i++) {
		const struct json *value = json_get(json_get(old, STR("metadata")), str_of(kept[i]));
		if (value)
			json_put(metadata, kept[i], json_clone(c->a, value));
	}
	int64_t generation = json_i64(old, "metadata.generation", 1);
	json_put_int(c->a, metadata, "generation", generation);
	json_put_str(c->a, metadata, "resourceVersion", json_str(old, "metadata.resourceVersion"));
	if (json_equal(old, new)) {
		answer(c, 200, old);
		return;
	}
	if (!json_equal(json_get(old, STR("spec")), json_get(new, STR("spec"))))
		json_put_int(c->a, metadata, "generation", generation + 1);
	bool namespace_done = str_is(c->path.resource, "v1/namespaces") && !json_first(json_at(new, "spec.finalizers"));
	if (json_at(new, "metadata.deletionTimestamp") && !json_first(json_at(new, "metadata.finalizers")) &&
	    (namespace_done || (!str_is(c->path.resource, "v1/namespaces") && !is_pod(c))))
		drop(c, new);
	else
		store(c, new, false);
	answer(c, 200, new);
}

static bool admits(struct call *c, const struct json *old, const struct json *given)
{
	struct str revision = json_str(given, "metadata.resourceVersion"), uid = json_str(given, "metadata.uid");
	if ((!str_empty(revision) && !str_eq(revision, json_str(old, "metadata.resourceVersion"))) ||
	    (!str_empty(uid) && !str_eq(uid, json_str(old, "metadata.uid")))) {
		refuse(c, ERR_CONFLICT, conflict_text);
		return false;
	}
	return true;
}

static void keep(struct call *c, struct json *to, const struct json *from, const char *key)
{
	const struct json *value = json_get(from, str_of(key));
	if (value)
		json_put(to, key, json_clone(c->a, value));
	else
		json_remove(to, str_of(key));
}

static void change(struct call *c, bool patch)
{
	struct json *old = load(c);
	if (!old) {
		refuse(c, ERR_NOT_FOUND, "not found");
		return;
	}
	if (!admits(c, old, c->body))
		return;
	struct json *new = c->body;
	if (patch) {
		new = json_clone(c->a, old);
		api_patch_merge(c->a, &new, c->body);
	}
	if (str_is(c->path.subresource, "status")) {
		struct json *whole = json_clone(c->a, old);
		keep(c, whole, new, "status");
		new = whole;
	} else {
		keep(c, new, old, "status");
	}
	finish_update(c, old, new);
}

// Marks what must wait for its finalizers, its node, or the deletion of its contents.
static bool waits(struct call *c, struct json *object, struct json *metadata)
{
	struct str policy = json_str(c->body, "propagationPolicy");
	const char *finalizer = str_is(policy, "Foreground") ? "foregroundDeletion"
				: str_is(policy, "Orphan")   ? "orphan"
							     : NULL;
	if (finalizer && !json_get(metadata, STR("deletionTimestamp")))
		json_push(json_need_array(c->a, metadata, "finalizers"), json_string(c->a, str_of(finalizer)));
	int64_t grace =
		json_i64(c->body, "gracePeriodSeconds", json_i64(object, "spec.terminationGracePeriodSeconds", 30));
	bool running = is_pod(c) && grace > 0 && !str_empty(json_str(object, "spec.nodeName"));
	return json_first(json_get(metadata, STR("finalizers"))) || running ||
	       str_is(c->path.resource, "v1/namespaces");
}

static void delete (struct call *c)
{
	struct json *object = load(c);
	if (!object) {
		refuse(c, ERR_NOT_FOUND, "not found");
		return;
	}
	const struct json *given = json_get(c->body, STR("preconditions"));
	struct str uid = json_str(given, "uid"), revision = json_str(given, "resourceVersion");
	struct json *metadata = json_get(object, STR("metadata"));
	if ((!str_empty(uid) && !str_eq(uid, json_str(metadata, "uid"))) ||
	    (!str_empty(revision) && !str_eq(revision, json_str(metadata, "resourceVersion")))) {
		refuse(c, ERR_CONFLICT, conflict_text);
		return;
	}
	if (!waits(c, object, metadata)) {
		drop(c, object);
	} else if (!json_get(metadata, STR("deletionTimestamp"))) {
		json_put_str(c->a, metadata, "deletionTimestamp", time_format(c->a, loop_wall(c->store->loop)));
		if (str_is(c->path.resource, "v1/namespaces"))
			json_put_str(c->a, json_need_object(c->a, object, "status"), "phase", STR("Terminating"));
		store(c, object, false);
	}
	answer(c, 200, object);
}

static void delete_collection(struct call *c)
{
	size_t count;
	struct str *keys = sorted_keys(c, &count);
	struct buf ignored CLEAN_BUF;
	buf_init(&ignored);
	for (size_t i = 0; i < count; i++) {
		struct str resource, rest, namespace, name;
		struct fake_answer one = {0, ignored};
		str_cut(arena_str(c->a, keys[i]), '|', &resource, &rest);
		str_cut(rest, '/', &namespace, &name);
		struct call each = {c->store, c->a, {resource, namespace, name, STR_NONE, STR_NONE}, c->body, &one};
		delete (&each);
		ignored = one.body;
		buf_clear(&ignored);
	}
	answer(c, 200, json_object(c->a));
}

void fake_store_do(struct fake_store *s, const char *method, struct str path, struct str body, struct fake_answer *out)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	body = str_trim(body);
	struct call c = {.store = s, .a = &a, .out = out};
	if (!fake_path_parse(&a, path, &c.path) || (body.n > 0 && json_parse(&a, body, NULL, &c.body, NULL) < 0)) {
		refuse(&c, ERR_BAD_REQUEST, "bad request");
		return;
	}
	bool one = !str_empty(c.path.name);
	struct json *object = one ? load(&c) : NULL;
	if (strcmp(method, "GET") == 0 && one && !object)
		refuse(&c, ERR_NOT_FOUND, "not found");
	else if (strcmp(method, "GET") == 0 && one)
		answer(&c, 200, object);
	else if (strcmp(method, "GET") == 0)
		list(&c);
	else if (strcmp(method, "POST") == 0 && str_is(c.path.subresource, "binding"))
		bind(&c);
	else if (strcmp(method, "POST") == 0)
		create(&c);
	else if (strcmp(method, "DELETE") == 0 && one)
		delete (&c);
	else if (strcmp(method, "DELETE") == 0)
		delete_collection(&c);
	else
		change(&c, strcmp(method, "PATCH") == 0);
}

void fake_store_init(struct fake_store *s, struct loop *l)
{
	*s = (struct fake_store){.loop = l, .revision = 1};
	map_init(&s->objects);
}

void fake_store_finish(struct fake_store *s)
{
	map_each(slot, &s->objects) {
		struct fake_object *o = slot->value;
		blob_unref(o->text);
		free(o);
	}
	map_finish(&s->objects);
	for (size_t i = 0; i < s->event_count; i++) {
		blob_unref(s->events[i].line);
		free((char *)s->events[i].resource.p);
	}
	free(s->events);
}
