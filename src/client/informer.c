// SPDX-License-Identifier: Apache-2.0
// Each list of the watcher is a round. Objects that the list shows are marked with it; when the list is complete, those
// of an earlier round are gone. So a list after a gap tells only what differs.
#include "client/informer.h"

#include "base/map.h"
#include "client/scan.h"
#include "client/watcher.h"

enum { LISTENERS_MAX = 16 };

struct cached {
	struct informer_object object;
	struct str uid; // inside object.line
	uint32_t round; // of the last list that showed it
};

struct listener_slot {
	const struct informer_events *events;
	void *arg;
};

struct informer {
	struct watcher *watcher;
	struct map objects; // key -> struct cached
	struct listener_slot listeners[LISTENERS_MAX];
	size_t listener_count;
	bool synced;
	uint32_t round;
};

static void notify(struct informer *i, const struct cached *before, const struct cached *now)
{
	for (size_t n = 0; n < i->listener_count; n++) {
		struct listener_slot *l = &i->listeners[n];
		if (l->events->on_change)
			l->events->on_change(l->arg, before ? &before->object : NULL, now ? &now->object : NULL);
	}
}

struct informer_object *informer_object_ref(const struct informer_object *o)
{
	struct informer_object *object = (struct informer_object *)o;
	object->refs++;
	return object;
}

void informer_object_unref(struct informer_object *o)
{
	if (!o || --o->refs > 0)
		return;
	blob_unref(o->line);
	free(CONTAINER_OF(o, struct cached, object));
}

// An object of the cache from its text, which lies in `line`; NULL where it has no name.
static struct cached *cached_create(struct blob *line, struct str text)
{
	struct str metadata = scan_get(text, "metadata");
	struct str name = scan_get_str(metadata, "name");
	struct str namespace = scan_get_str(metadata, "namespace");
	if (str_empty(name))
		return NULL;
	size_t key_length = name.n + (namespace.n ? namespace.n + 1 : 0);
	struct cached *c = mem_zalloc(sizeof *c + key_length);
	char *key = (char *)(c + 1);
	if (namespace.n) {
		memcpy(key, namespace.p, namespace.n);
		key[namespace.n] = '/';
	}
	memcpy(key + key_length - name.n, name.p, name.n);
	c->object = (struct informer_object){.refs = 1, .key = {key, key_length}, .text = text, .line = blob_ref(line)};
	str_to_i64(scan_get_str(metadata, "resourceVersion"), &c->object.revision);
	c->uid = scan_get_str(metadata, "uid");
	return c;
}

static void forget(struct informer *i, struct cached *c)
{
	map_remove(&i->objects, c->object.key);
	notify(i, c, NULL);
	informer_object_unref(&c->object);
}

// Takes over `now`. An object of another uid under the same name is a deletion and a new one.
static void remember(struct informer *i, struct cached *now)
{
	struct cached *before = map_get(&i->objects, now->object.key);
	now->round = i->round;
	if (before && before->object.revision == now->object.revision) {
		before->round = i->round;
		informer_object_unref(&now->object);
		return;
	}
	if (before && !str_eq(before->uid, now->uid)) {
		forget(i, before);
		before = NULL;
	}
	map_set(&i->objects, now->object.key, now);
	notify(i, before, now);
	if (before)
		informer_object_unref(&before->object);
}

// ---- what the watcher tells

static void on_listing(void *arg)
{
	struct informer *i = arg;
	i->round++;
}

static void on_object(void *arg, struct blob *line, struct str text, bool deleted)
{
	struct informer *i = arg;
	struct cached *c = cached_create(line, text);
	if (!c)
		return;
	if (!deleted) {
		remember(i, c);
		return;
	}
	struct cached *known = map_get(&i->objects, c->object.key);
	if (known)
		forget(i, known);
	informer_object_unref(&c->object);
}

static void on_listed(void *arg)
{
	struct informer *i = arg;
	for (size_t n = i->objects.count; n-- > 0;) {
		struct cached *c = i->objects.entries[n].value;
		if (c->round != i->round)
			forget(i, c);
	}
	if (i->synced)
		return;
	i->synced = true;
	for (size_t n = 0; n < i->listener_count; n++) {
		struct listener_slot *l = &i->listeners[n];
		if (l->events->on_synced)
			l->events->on_synced(l->arg);
	}
}

// ---- the outside

struct informer *informer_create(struct transport *t, struct str path)
{
	static const struct watcher_events events = {on_listing, on_object, on_listed};
	struct informer *i = MEM_NEW(struct informer);
	map_init(&i->objects);
	i->watcher = watcher_create(t, path, &events, i);
	return i;
}

void informer_destroy(struct informer *i)
{
	if (!i)
		return;
	watcher_destroy(i->watcher);
	map_each(slot, &i->objects)
		informer_object_unref(&((struct cached *)slot->value)->object);
	map_finish(&i->objects);
	free(i);
}

void informer_listen(struct informer *i, const struct informer_events *ev, void *arg)
{
	MUST(i->listener_count < LISTENERS_MAX);
	i->listeners[i->listener_count++] = (struct listener_slot){ev, arg};
	if (ev->on_change) {
		map_each(slot, &i->objects)
			ev->on_change(arg, NULL, &((struct cached *)slot->value)->object);
	}
	if (i->synced && ev->on_synced)
		ev->on_synced(arg);
}

bool informer_synced(const struct informer *i)
{
	return i->synced;
}

int64_t informer_revision(const struct informer *i)
{
	return watcher_revision(i->watcher);
}

size_t informer_count(const struct informer *i)
{
	return i->objects.count;
}

const struct informer_object *informer_get(const struct informer *i, struct str key)
{
	struct cached *c = map_get(&i->objects, key);
	return c ? &c->object : NULL;
}

void informer_each(const struct informer *i, bool (*each)(void *arg, const struct informer_object *), void *arg)
{
	map_each(slot, &i->objects) {
		if (!each(arg, &((struct cached *)slot->value)->object))
			return;
	}
}

struct json *informer_parse(struct arena *a, const struct informer_object *o)
{
	struct json *object;
	if (json_parse(a, o->text, NULL, &object, NULL) < 0)
		return json_object(a);
	return object;
}
