// SPDX-License-Identifier: Apache-2.0
#include "controllers/endpoints_mirror.h"

#include "controllers/mirror_plan.h"
#include "controllers/owned.h"
#include "controllers/reconcile.h"

enum { PARALLEL = 16 };

struct endpoints_mirror {
	struct cluster *cluster;
	struct informer *services, *endpoints, *slices;
	struct owned *owned;
	struct reconciler *reconciler;
};

static struct str slice_path(struct sync *s, struct str name)
{
	return client_path(&s->arena, STR("discovery.k8s.io/v1"), s->namespace, STR("endpointslices"), name, STR_NONE);
}

static bool created(void *arg, struct sync *s, const struct client_response *r)
{
	return !r->e || r->e->reason == ERR_NOT_FOUND || r->e->reason == ERR_FORBIDDEN; // the namespace goes
}

// Leaves those that are right, makes those that are missing, deletes the rest.
static void handle(void *arg, struct sync *s)
{
	struct endpoints_mirror *c = arg;
	struct arena *a = &s->arena;
	struct json *endpoints = cluster_object(a, c->endpoints, s->key);
	struct json *service = cluster_object(a, c->services, s->key);
	if (!endpoints)
		return; // its slices go with it, as garbage
	struct json *wanted = mirror_wanted(endpoints, service) ? mirror_slices(a, endpoints) : json_array(a);
	struct owned_list known = owned_by(c->owned, json_str(endpoints, "metadata.uid"));
	for (size_t i = 0; i < known.n; i++) {
		struct json *slice = cluster_object(a, c->slices, known.p[i]->key), *same = NULL;
		json_each(one, wanted) {
			if (!same && mirror_same(slice, one))
				same = one;
		}
		if (same)
			json_unlink(wanted, same);
		else
			sync_send(s, "DELETE", slice_path(s, json_str(slice, "metadata.name")), NULL, NULL, NULL);
	}
	json_each(slice, wanted)
		sync_write(s, c->slices, "POST", slice_path(s, STR_NONE), slice, created, NULL);
}

static void on_change(void *arg, const struct informer_object *before, const struct informer_object *now)
{
	struct endpoints_mirror *c = arg;
	reconciler_add(c->reconciler, now ? now->key : before->key);
}

static void on_slice(void *arg, const struct informer_object *before, const struct informer_object *now)
{
	struct endpoints_mirror *c = arg;
	const struct informer_object *o = now ? now : before;
	struct owner owner = owner_of(o->text);
	if (!str_is(owner.kind, "Endpoints"))
		return;
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct str namespace, name;
	str_cut(o->key, '/', &namespace, &name);
	reconciler_add(c->reconciler, arena_fmt(&a, "%.*s/%.*s", STR_FMT(namespace), STR_FMT(owner.name)));
}

void *endpoints_mirror_start(struct cluster *cluster)
{
	static const struct informer_events on_changes = {.on_change = on_change}, on_slices = {.on_change = on_slice};
	struct endpoints_mirror *c = MEM_NEW(struct endpoints_mirror);
	c->cluster = cluster;
	c->services = cluster_informer(cluster, "/api/v1/services");
	c->endpoints = cluster_informer(cluster, "/api/v1/endpoints");
	c->slices = cluster_informer(cluster, "/apis/discovery.k8s.io/v1/endpointslices");
	c->owned = owned_create(c->slices);
	c->reconciler = reconciler_create(cluster->transport, PARALLEL, handle, c);
	reconciler_await(c->reconciler, c->services);
	reconciler_await(c->reconciler, c->endpoints);
	reconciler_await(c->reconciler, c->slices);
	informer_listen(c->services, &on_changes, c);
	informer_listen(c->endpoints, &on_changes, c);
	informer_listen(c->slices, &on_slices, c);
	return c;
}

void endpoints_mirror_stop(void *controller)
{
	struct endpoints_mirror *c = controller;
	reconciler_destroy(c->reconciler);
	owned_destroy(c->owned);
	free(c);
}
