// SPDX-License-Identifier: Apache-2.0
#include "node/pod/objects.h"

#include "base/encode.h"
#include "base/map.h"

struct object {
	struct objects *all;
	struct informer *informer;
	struct arena names;
	struct str namespace, name;
	bool secret;
	unsigned users;
};

struct objects {
	struct transport *transport;
	struct map map; // "secrets/namespace/name" -> struct object
	const struct objects_events *events;
	void *arg;
};

static struct str key_of(struct arena *a, struct str namespace, bool secret, struct str name)
{
	return arena_fmt(a, "%s/%.*s/%.*s", secret ? "secrets" : "configmaps", STR_FMT(namespace), STR_FMT(name));
}

static struct object *find(const struct objects *o, struct str namespace, bool secret, struct str name)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	return map_get(&o->map, key_of(&a, namespace, secret, name));
}

static void tell(struct object *x)
{
	x->all->events->on_change(x->all->arg, x->namespace, x->secret, x->name);
}

static void on_change(void *arg, const struct informer_object *before, const struct informer_object *now)
{
	struct object *x = arg;
	if (informer_synced(x->informer))
		tell(x);
}

static void on_synced(void *arg)
{
	tell(arg);
}

struct objects *objects_create(struct transport *t, const struct objects_events *ev, void *arg)
{
	struct objects *o = MEM_NEW(struct objects);
	*o = (struct objects){.transport = t, .events = ev, .arg = arg};
	map_init(&o->map);
	return o;
}

static void object_destroy(struct object *x)
{
	informer_destroy(x->informer);
	arena_finish(&x->names);
	free(x);
}

void objects_destroy(struct objects *o)
{
	if (!o)
		return;
	map_each(entry, &o->map)
		object_destroy(entry->value);
	map_finish(&o->map);
	free(o);
}

static struct object *object_create(struct objects *o, struct str namespace, bool secret, struct str name)
{
	static const struct informer_events events = {on_change, on_synced};
	struct object *x = MEM_NEW(struct object);
	struct buf path CLEAN_BUF;
	buf_init(&path);
	arena_init(&x->names);
	x->all = o;
	x->secret = secret;
	x->namespace = arena_str(&x->names, namespace);
	x->name = arena_str(&x->names, name);
	buf_fmt(&path, "/api/v1/namespaces/%.*s/%s?fieldSelector=metadata.name%%3D", STR_FMT(namespace), secret ? "secrets" : "configmaps");
	encode_url(&path, name);
	x->informer = informer_create(o->transport, buf_str(&path));
	informer_listen(x->informer, &events, x);
	return x;
}

void objects_want(struct objects *o, struct str namespace, bool secret, struct str name)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct str key = key_of(&a, namespace, secret, name);
	struct object *x = map_get(&o->map, key);
	if (!x) {
		x = object_create(o, namespace, secret, name);
		map_set(&o->map, key, x);
	}
	x->users++;
}

void objects_drop(struct objects *o, struct str namespace, bool secret, struct str name)
{
	struct object *x = find(o, namespace, secret, name);
	if (!x || --x->users)
		return;
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	map_remove(&o->map, key_of(&a, namespace, secret, name));
	object_destroy(x);
}

bool objects_known(const struct objects *o, struct str namespace, bool secret, struct str name)
{
	const struct object *x = find(o, namespace, secret, name);
	return x && informer_synced(x->informer);
}

struct json *objects_get(const struct objects *o, struct arena *a, struct str namespace, bool secret, struct str name)
{
	const struct object *x = find(o, namespace, secret, name);
	if (!x)
		return NULL;
	const struct informer_object *found = informer_get(x->informer, arena_fmt(a, "%.*s/%.*s", STR_FMT(namespace), STR_FMT(name)));
	return found ? informer_parse(a, found) : NULL;
}
