// SPDX-License-Identifier: Apache-2.0
#include "node/pod/objects.h"

#include "base/encode.h"
#include "base/map.h"
#include "base/times.h"

enum { WATCHES_MAX = 100, ASK_EVERY_S = 60, ASK_AGAIN_S = 2 };

struct object {
	struct objects *all;
	struct arena names;
	struct str namespace, name;
	bool secret;
	unsigned users;
	struct informer *informer; // NULL: it is asked for now and then; then:
	struct timer timer;
	struct blob *text;	     // NULL: missing
	bool known, open, forgotten; // open: a request is under way, whose answer frees what was forgotten meanwhile
};

struct objects {
	struct transport *transport;
	unsigned watches;
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

static void object_free(struct object *x)
{
	blob_unref(x->text);
	arena_finish(&x->names);
	free(x);
}

static void object_destroy(struct object *x)
{
	x->all->watches -= x->informer != NULL;
	informer_destroy(x->informer);
	timer_stop(&x->timer);
	x->forgotten = true;
	if (!x->open)
		object_free(x);
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

// ---- by asking

static void take(struct object *x, struct str text)
{
	bool changed = !x->known || !x->text != !text.n || !str_eq(blob_str(x->text), text);
	blob_unref(x->text);
	x->text = text.n ? blob_create(text) : NULL;
	x->known = true;
	if (changed)
		tell(x);
}

static void on_answer(void *arg, const struct client_response *r)
{
	struct object *x = arg;
	x->open = false;
	if (x->forgotten) {
		object_free(x);
		return;
	}
	bool answered = !r->e || r->code == 404;
	timer_start(x->all->transport->loop, &x->timer,
		    (answered && r->code != 404 ? ASK_EVERY_S : ASK_AGAIN_S) * TIME_S);
	if (answered)
		take(x, r->e ? STR_NONE : r->body);
}

static void ask(struct object *x)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	x->open = true;
	client_get(
		x->all->transport,
		client_path(&a, STR("v1"), x->namespace, x->secret ? STR("secrets") : STR("configmaps"), x->name, STR_NONE),
		on_answer, x);
}

static void on_timer(struct timer *t)
{
	ask(CONTAINER_OF(t, struct object, timer));
}

// ---- by watching

static void follow(struct object *x)
{
	static const struct informer_events events = {on_change, on_synced};
	struct buf path CLEAN_BUF;
	buf_init(&path);
	buf_fmt(&path, "/api/v1/namespaces/%.*s/%s?fieldSelector=metadata.name%%3D", STR_FMT(x->namespace),
		x->secret ? "secrets" : "configmaps");
	encode_url(&path, x->name);
	x->all->watches++;
	x->informer = informer_create(x->all->transport, buf_str(&path));
	informer_listen(x->informer, &events, x);
}

static struct object *object_create(struct objects *o, struct str namespace, bool secret, struct str name)
{
	struct object *x = MEM_NEW(struct object);
	arena_init(&x->names);
	x->all = o;
	x->secret = secret;
	x->timer.fire = on_timer;
	x->namespace = arena_str(&x->names, namespace);
	x->name = arena_str(&x->names, name);
	if (o->watches < WATCHES_MAX)
		follow(x);
	else
		ask(x);
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
	return x && (x->informer ? informer_synced(x->informer) : x->known);
}

struct json *objects_get(const struct objects *o, struct arena *a, struct str namespace, bool secret, struct str name)
{
	const struct object *x = find(o, namespace, secret, name);
	struct json *object = NULL;
	if (x && !x->informer && x->text)
		return json_parse(a, blob_str(x->text), NULL, &object, NULL) ? NULL : object;
	if (!x || !x->informer)
		return NULL;
	const struct informer_object *found =
		informer_get(x->informer, arena_fmt(a, "%.*s/%.*s", STR_FMT(namespace), STR_FMT(name)));
	return found ? informer_parse(a, found) : NULL;
}
