// SPDX-License-Identifier: Apache-2.0
#include "controllers/namespaced.h"

#include "controllers/reconcile.h"

enum { PARALLEL = 16 };

struct namespaced {
	struct cluster *cluster;
	const struct namespaced_object *what;
	struct informer *namespaces, *objects;
	struct reconciler *reconciler;
};

static bool made(void *arg, struct sync *s, const struct client_response *r)
{
	// There already, or the namespace is gone or going (403): nothing more to do.
	return !r->e || r->e->reason == ERR_ALREADY_EXISTS || r->e->reason == ERR_NOT_FOUND ||
	       r->e->reason == ERR_FORBIDDEN;
}

static void handle(void *arg, struct sync *s)
{
	struct namespaced *n = arg;
	const struct namespaced_object *what = n->what;
	struct arena *a = &s->arena;
	struct json *namespace = cluster_object(a, n->namespaces, s->name);
	if (!namespace || json_at(namespace, "metadata.deletionTimestamp"))
		return;
	struct json *known = cluster_object(a, n->objects, arena_fmt(a, "%.*s/%s", STR_FMT(s->name), what->name));
	if (known && (!what->will_do || what->will_do(known, what->arg)))
		return;
	struct json *object = what->make(a, known, what->arg);
	struct str name = known ? str_of(what->name) : STR_NONE;
	struct str path = client_path(a, STR("v1"), s->name, str_of(what->plural), name, STR_NONE);
	if (!known)
		json_put_str(a, json_need_object(a, object, "metadata"), "name", str_of(what->name));
	sync_write(s, n->objects, known ? "PATCH" : "POST", path, object, made, NULL);
}

static void on_namespace(void *arg, const struct informer_object *before, const struct informer_object *now)
{
	struct namespaced *n = arg;
	if (now)
		reconciler_add(n->reconciler, now->key);
}

static void on_object(void *arg, const struct informer_object *before, const struct informer_object *now)
{
	struct namespaced *n = arg;
	struct str namespace, name;
	str_cut(now ? now->key : before->key, '/', &namespace, &name);
	if (before)
		reconciler_add(n->reconciler, namespace);
}

struct namespaced *namespaced_start(struct cluster *c, const struct namespaced_object *what)
{
	static const struct informer_events on_namespaces = {.on_change = on_namespace};
	static const struct informer_events on_objects = {.on_change = on_object};
	struct namespaced *n = MEM_NEW(struct namespaced);
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	n->cluster = c;
	n->what = what;
	n->namespaces = cluster_informer(c, "/api/v1/namespaces");
	struct str path = arena_fmt(&a, "/api/v1/%s?fieldSelector=metadata.name%%3D%s", what->plural, what->name);
	n->objects = cluster_informer(c, path.p);
	n->reconciler = reconciler_create(c->transport, PARALLEL, handle, n);
	reconciler_await(n->reconciler, n->namespaces);
	reconciler_await(n->reconciler, n->objects);
	informer_listen(n->namespaces, &on_namespaces, n);
	informer_listen(n->objects, &on_objects, n);
	return n;
}

void namespaced_stop(struct namespaced *n)
{
	if (!n)
		return;
	reconciler_destroy(n->reconciler);
	free(n);
}
