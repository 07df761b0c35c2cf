// SPDX-License-Identifier: Apache-2.0
#include "controllers/endpointslice.h"

#include "api/selector.h"
#include "base/times.h"
#include "client/scan.h"
#include "controllers/endpointslice_plan.h"
#include "controllers/owned.h"
#include "controllers/reconcile.h"
#include "controllers/service_index.h"

enum { PARALLEL = 64 };
// Pods of one rollout change together: what comes within this time is written at once.
static const int64_t gather_ns = 5 * TIME_MS;

struct endpointslice_controller {
	struct cluster *cluster;
	struct informer *services, *slices, *endpoints, *nodes;
	struct pod_cache *pods;
	struct owned *owned;
	struct service_index *index;
	struct reconciler *reconciler;
};

// ---- writing

static bool written(void *arg, struct sync *s, const struct client_response *r)
{
	// Of a namespace that goes, nothing can be made any more; what else fails is tried again on fresh caches.
	return !r->e || r->e->reason == ERR_NOT_FOUND || r->e->reason == ERR_FORBIDDEN;
}

static struct str slice_path(struct sync *s, struct str name)
{
	return client_path(&s->arena, STR("discovery.k8s.io/v1"), s->namespace, STR("endpointslices"), name, STR_NONE);
}

static void apply_slices(struct endpointslice_controller *c, struct sync *s, const struct slice_plan *plan)
{
	for (size_t i = 0; i < plan->create_count; i++)
		sync_write(s, c->slices, "POST", slice_path(s, STR_NONE), plan->create[i], written, NULL);
	for (size_t i = 0; i < plan->change_count; i++)
		sync_write(s, c->slices, "PATCH", slice_path(s, plan->change[i].name), plan->change[i].patch, NULL,
			   NULL);
	for (size_t i = 0; i < plan->delete_count; i++)
		sync_send(s, "DELETE", slice_path(s, plan->delete[i]), NULL, NULL, NULL);
}

// ---- slices

struct slice_list {
	const struct json **p;
	size_t n;
};

struct lookup {
	struct endpointslice_controller *controller;
	struct arena *arena;
};

static struct str zone_of(void *arg, struct str node)
{
	struct lookup *lookup = arg;
	const struct informer_object *o = informer_get(lookup->controller->nodes, node);
	if (!o)
		return STR_NONE;
	struct str labels = scan_get(scan_get(o->text, "metadata"), "labels");
	return arena_str(lookup->arena, scan_get_str(labels, "topology.kubernetes.io/zone"));
}

static struct str new_name(void *arg, struct arena *a, struct str service)
{
	struct lookup *lookup = arg;
	struct str suffix = loop_random_name(lookup->controller->cluster->loop, a, 5);
	return arena_fmt(a, "%.*s-%.*s", STR_FMT(str_sub(service, 0, 57)), STR_FMT(suffix));
}

// The slices of the Service that this controller keeps: it may own others, which somebody else made.
static struct slice_list slices_of(struct endpointslice_controller *c, struct sync *s, const struct json *service)
{
	struct owned_list owned = owned_by(c->owned, json_str(service, "metadata.uid"));
	struct slice_list list = {ARENA_ARRAY(&s->arena, const struct json *, owned.n + 1), 0};
	for (size_t i = 0; i < owned.n; i++) {
		const struct json *slice = cluster_object(&s->arena, c->slices, owned.p[i]->key);
		if (slice_is_kept(slice))
			list.p[list.n++] = slice;
	}
	return list;
}

static void sync_slices(struct endpointslice_controller *c, struct sync *s, const struct json *service,
			struct pod_list pods, struct str family, struct slice_list known)
{
	struct arena *a = &s->arena;
	const struct json **slices = ARENA_ARRAY(a, const struct json *, known.n + 1);
	struct lookup lookup = {c, a};
	struct slice_view view = {.service = service,
				  .family = family,
				  .backends = backends_of(a, service, pods, family),
				  .slices = slices,
				  .zone_of = zone_of,
				  .new_name = new_name,
				  .arg = &lookup};
	for (size_t i = 0; i < known.n; i++)
		if (str_eq(json_str(known.p[i], "addressType"), family))
			slices[view.slice_count++] = known.p[i];
	struct slice_plan plan;
	slice_plan(a, &view, &plan);
	apply_slices(c, s, &plan);
}

// Slices of a family that the Service had once.
static void remove_slices_but(struct sync *s, const struct json *families, struct slice_list known)
{
	for (size_t i = 0; i < known.n; i++) {
		bool wanted = false;
		json_each(family, families)
			wanted |= str_eq(json_str(known.p[i], "addressType"), family->text);
		if (!wanted)
			sync_send(s, "DELETE", slice_path(s, json_str(known.p[i], "metadata.name")), NULL, NULL, NULL);
	}
}

// ---- Endpoints

static void sync_endpoints(struct endpointslice_controller *c, struct sync *s, const struct json *service,
			   struct pod_list pods, struct str family)
{
	struct arena *a = &s->arena;
	struct json *known = cluster_object(a, c->endpoints, s->key);
	struct json *wanted = endpoints_plan(a, service, backends_of(a, service, pods, family), known);
	if (known && !endpoints_differ(wanted, known))
		return;
	struct str path =
		client_path(a, STR("v1"), s->namespace, STR("endpoints"), known ? s->name : STR_NONE, STR_NONE);
	sync_write(s, c->endpoints, known ? "PUT" : "POST", path, wanted, written, NULL);
}

// The slices of a Service that is gone go with it as what it owns; its Endpoints have no owner.
static void remove_endpoints(struct endpointslice_controller *c, struct sync *s)
{
	struct arena *a = &s->arena;
	struct json *known = cluster_object(a, c->endpoints, s->key);
	const struct json *keeper = json_get(json_at(known, "metadata.labels"), STR("endpoints.kubernetes.io/managed-by"));
	if (!keeper || !str_is(keeper->text, "endpoint-controller"))
		return;
	struct json *options = json_object(a);
	json_put_str(a, json_need_object(a, options, "preconditions"), "uid", json_str(known, "metadata.uid"));
	struct str path = client_path(a, STR("v1"), s->namespace, STR("endpoints"), s->name, STR_NONE);
	sync_send(s, "DELETE", path, options, NULL, NULL);
}

// ---- the loop

static struct pod_list selected_pods(struct endpointslice_controller *c, struct sync *s,
				     const struct json *selector_map)
{
	struct arena *a = &s->arena;
	struct api_selector *selector = api_selector_of_map(a, selector_map);
	struct pod_list all = pod_cache_in_namespace(c->pods, s->namespace);
	struct pod_list selected = {ARENA_ARRAY(a, struct pod *, all.n + 1), 0};
	struct pod_labels_reader labels = {.a = a};
	for (size_t i = 0; i < all.n; i++) {
		if (api_selector_matches(selector, pod_labels_next(&labels, all.p[i])))
			selected.p[selected.n++] = all.p[i];
	}
	return selected;
}

static const struct json *families_of(struct arena *a, const struct json *service)
{
	const struct json *families = json_at(service, "spec.ipFamilies");
	if (json_first(families))
		return families;
	struct json *only = json_array(a);
	json_push(only, json_string(a, STR("IPv4")));
	return only;
}

static void handle(void *arg, struct sync *s)
{
	struct endpointslice_controller *c = arg;
	struct json *service = cluster_object(&s->arena, c->services, s->key);
	const struct json *selector = json_at(service, "spec.selector");
	if (!service)
		remove_endpoints(c, s);
	if (!service || json_at(service, "metadata.deletionTimestamp") || !json_first(selector) ||
	    json_str_is(service, "spec.type", "ExternalName"))
		return;
	struct pod_list pods = selected_pods(c, s, selector);
	struct slice_list slices = slices_of(c, s, service);
	const struct json *families = families_of(&s->arena, service);
	json_each(family, families)
		sync_slices(c, s, service, pods, family->text, slices);
	remove_slices_but(s, families, slices);
	sync_endpoints(c, s, service, pods, json_first(families)->text);
}

static void wake(void *arg, struct str service_key)
{
	struct endpointslice_controller *c = arg;
	reconciler_add_after(c->reconciler, service_key, gather_ns);
}

static void on_service(void *arg, const struct informer_object *before, const struct informer_object *now)
{
	struct endpointslice_controller *c = arg;
	reconciler_add(c->reconciler, now ? now->key : before->key);
}

// What endpoints say of a pod.
static bool same_to_services(const struct pod *x, const struct pod *y)
{
	return str_eq(x->labels, y->labels) && str_eq(x->ip, y->ip) && str_eq(x->node, y->node) &&
	       x->ready == y->ready && x->deleting == y->deleting && pod_terminal(x) == pod_terminal(y) &&
	       str_eq(x->hostname, y->hostname) && str_eq(x->subdomain, y->subdomain);
}

static void wake_selecting(struct endpointslice_controller *c, const struct pod *p)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	service_index_each(c->index, p->namespace, pod_labels(&a, p), wake, c);
}

static void on_pod(void *arg, const struct pod *before, const struct pod *now)
{
	if (before && now && same_to_services(before, now))
		return;
	if (now)
		wake_selecting(arg, now);
	if (before && (!now || !str_eq(before->labels, now->labels)))
		wake_selecting(arg, before);
}

// Somebody else changed or removed what we keep.
static void on_slice(void *arg, const struct informer_object *before, const struct informer_object *now)
{
	struct endpointslice_controller *c = arg;
	const struct informer_object *o = now ? now : before;
	struct str namespace, name;
	str_cut(o->key, '/', &namespace, &name);
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct owner owner = owner_of(o->text);
	if (str_is(owner.kind, "Service"))
		wake(c, arena_fmt(&a, "%.*s/%.*s", STR_FMT(namespace), STR_FMT(owner.name)));
}

// Also when they are first seen: their Service may have gone while nobody looked.
static void on_endpoints(void *arg, const struct informer_object *before, const struct informer_object *now)
{
	wake(arg, now ? now->key : before->key);
}

void *endpointslice_start(struct cluster *cluster)
{
	static const struct informer_events on_services = {.on_change = on_service},
					    on_slices = {.on_change = on_slice},
					    on_all_endpoints = {.on_change = on_endpoints};
	static const struct pod_cache_events on_pods = {on_pod};
	struct endpointslice_controller *c = MEM_NEW(struct endpointslice_controller);
	c->cluster = cluster;
	c->services = cluster_informer(cluster, "/api/v1/services");
	c->slices = cluster_informer(cluster, "/apis/discovery.k8s.io/v1/endpointslices");
	c->endpoints = cluster_informer(cluster, "/api/v1/endpoints");
	c->nodes = cluster_informer(cluster, "/api/v1/nodes");
	c->pods = cluster_pods(cluster);
	c->owned = owned_create(c->slices);
	c->index = service_index_create(c->services);
	c->reconciler = reconciler_create(cluster->transport, PARALLEL, handle, c);
	const struct informer *caches[] = {c->services, c->slices, c->endpoints, c->nodes, pod_cache_informer(c->pods)};
	for (size_t i = 0; i < ARRAY_LEN(caches); i++)
		reconciler_await(c->reconciler, caches[i]);
	informer_listen(c->services, &on_services, c);
	informer_listen(c->slices, &on_slices, c);
	informer_listen(c->endpoints, &on_all_endpoints, c);
	pod_cache_listen(c->pods, &on_pods, c);
	return c;
}

void endpointslice_stop(void *controller)
{
	struct endpointslice_controller *c = controller;
	reconciler_destroy(c->reconciler);
	service_index_destroy(c->index);
	owned_destroy(c->owned);
	free(c);
}
