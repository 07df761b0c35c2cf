// SPDX-License-Identifier: Apache-2.0
#include "controllers/endpointslice_plan.h"

#include "base/map.h"
#include "controllers/owner.h"

#define SERVICE_NAME "kubernetes.io/service-name"
#define MANAGED_BY "endpointslice.kubernetes.io/managed-by"
#define KEEPER "endpointslice-controller.k8s.io"
#define HEADLESS "service.kubernetes.io/headless"

struct slice {			  // one that is there or will be
	const struct json *known; // NULL: new
	const struct json *ports;
	struct json *endpoints; // as they will be
	bool changed;
};

struct packing { // of one group of ports
	struct arena *a;
	const struct slice_view *view;
	struct slice *slices;
	size_t count;
};

// ---- what a slice says

static struct json *target_of(struct arena *a, const struct pod *pod)
{
	struct json *target = json_object(a);
	json_put_str(a, target, "kind", STR("Pod"));
	json_put_str(a, target, "namespace", pod->namespace);
	json_put_str(a, target, "name", pod->name);
	json_put_str(a, target, "uid", pod->uid);
	return target;
}

static struct json *endpoint_of(struct arena *a, const struct slice_view *v, const struct backend *b)
{
	struct json *endpoint = json_object(a), *conditions;
	json_push(json_need_array(a, endpoint, "addresses"), json_string(a, b->ip));
	conditions = json_need_object(a, endpoint, "conditions");
	json_put_bool(a, conditions, "ready", b->ready);
	json_put_bool(a, conditions, "serving", b->serving);
	json_put_bool(a, conditions, "terminating", b->terminating);
	if (b->named)
		json_put_str(a, endpoint, "hostname", b->pod->hostname);
	json_put(endpoint, "targetRef", target_of(a, b->pod));
	if (!str_empty(b->pod->node)) {
		json_put_str(a, endpoint, "nodeName", b->pod->node);
		struct str zone = v->zone_of(v->arg, b->pod->node);
		if (!str_empty(zone))
			json_put_str(a, endpoint, "zone", zone);
	}
	return endpoint;
}

static bool is_headless(const struct json *service)
{
	return json_str_is(service, "spec.clusterIP", "None");
}

static struct json *labels_of(struct arena *a, const struct json *service)
{
	struct json *labels = json_object(a);
	json_each(label, json_at(service, "metadata.labels")) {
		if (!str_is(label->key, SERVICE_NAME) && !str_is(label->key, MANAGED_BY) &&
		    !str_is(label->key, HEADLESS))
			json_set(labels, label->key, json_clone(a, label));
	}
	if (is_headless(service))
		json_put_str(a, labels, HEADLESS, STR(""));
	json_put_str(a, labels, SERVICE_NAME, json_str(service, "metadata.name"));
	json_put_str(a, labels, MANAGED_BY, STR(KEEPER));
	return labels;
}

bool slice_is_kept(const struct json *slice)
{
	const struct json *keeper = json_get(json_at(slice, "metadata.labels"), STR(MANAGED_BY));
	return keeper && str_is(keeper->text, KEEPER);
}

static struct json *new_slice(struct arena *a, const struct slice_view *v, const struct slice *s)
{
	struct json *object = json_object(a);
	json_put_str(a, object, "apiVersion", STR("discovery.k8s.io/v1"));
	json_put_str(a, object, "kind", STR("EndpointSlice"));
	struct json *metadata = json_need_object(a, object, "metadata");
	struct str service = json_str(v->service, "metadata.name");
	json_put_str(a, metadata, "name", v->new_name(v->arg, a, service));
	json_put_str(a, metadata, "generateName", arena_fmt(a, "%.*s-", STR_FMT(service)));
	json_put_str(a, metadata, "namespace", json_str(v->service, "metadata.namespace"));
	json_put(metadata, "labels", labels_of(a, v->service));
	json_push(json_need_array(a, metadata, "ownerReferences"), owner_reference(a, "v1", "Service", v->service));
	json_put_str(a, object, "addressType", v->family);
	json_put(object, "endpoints", s->endpoints);
	json_put(object, "ports", json_clone(a, s->ports));
	return object;
}

// ---- packing

// Sets or removes labels until they are those of the Service; NULL: they are.
static struct json *label_patch(struct arena *a, const struct json *service, const struct json *known)
{
	struct json *patch = json_object(a), *wanted = labels_of(a, service);
	const struct json *have = json_at(known, "metadata.labels");
	json_each(label, wanted) {
		const struct json *same = json_get(have, label->key);
		if (!same || !json_equal(same, label))
			json_set(patch, label->key, json_clone(a, label));
	}
	json_each(label, have) {
		if (!json_get(wanted, label->key))
			json_set(patch, label->key, json_null(a));
	}
	return patch->count ? patch : NULL;
}

// Keeps the endpoints that are still wanted where they are, and takes them out of `unplaced` (pod's uid -> backend).
static void keep_endpoints(struct packing *p, struct slice *s, struct map *unplaced)
{
	json_each(known, json_get(s->known, STR("endpoints"))) {
		struct str uid = json_str(known, "targetRef.uid");
		const struct backend *b = map_get(unplaced, uid);
		if (!b || !str_eq(json_str(known, "addresses.0"), b->ip)) {
			s->changed = true;
			continue;
		}
		map_remove(unplaced, uid);
		struct json *wanted = endpoint_of(p->a, p->view, b);
		if (!json_equal(wanted, known))
			s->changed = true;
		json_push(s->endpoints, wanted);
	}
}

// A slice with room: one that is written anyway before one that is not.
static struct slice *slice_with_room(struct packing *p)
{
	struct slice *found = NULL;
	for (size_t i = 0; i < p->count; i++) {
		struct slice *s = &p->slices[i];
		if (s->endpoints->count < SLICE_MAX && (!found || (s->changed && !found->changed)))
			found = s;
	}
	return found;
}

static void pack(struct packing *p, const struct backend_group *g)
{
	struct map unplaced CLEAN_MAP;
	map_init(&unplaced);
	for (size_t i = 0; i < g->members.n; i++)
		map_set(&unplaced, g->members.p[i].pod->uid, &g->members.p[i]);
	for (size_t i = 0; i < p->count; i++)
		keep_endpoints(p, &p->slices[i], &unplaced);
	struct slice *target = NULL;
	for (size_t i = 0; i < g->members.n; i++) {
		if (map_get(&unplaced, g->members.p[i].pod->uid) != &g->members.p[i])
			continue;
		if (!target || target->endpoints->count >= SLICE_MAX)
			target = slice_with_room(p);
		if (!target) {
			target = &p->slices[p->count++];
			*target = (struct slice){.ports = g->ports, .endpoints = json_array(p->a)};
		}
		target->changed = true;
		json_push(target->endpoints, endpoint_of(p->a, p->view, &g->members.p[i]));
	}
}

// ---- the plan

static void settle(struct packing *p, struct slice_plan *plan, bool keep_one)
{
	struct arena *a = p->a;
	for (size_t i = 0; i < p->count; i++) {
		struct slice *s = &p->slices[i];
		bool last = keep_one && i == 0;
		if (s->known && s->endpoints->count == 0 && !last) {
			plan->delete[plan->delete_count++] = json_str(s->known, "metadata.name");
			continue;
		}
		if (!s->known) {
			plan->create[plan->create_count++] = new_slice(a, p->view, s);
			continue;
		}
		struct json *labels = label_patch(a, p->view->service, s->known);
		if (!s->changed && !labels)
			continue;
		struct json *patch = json_object(a), *metadata = json_need_object(a, patch, "metadata");
		json_put_str(a, metadata, "resourceVersion", json_str(s->known, "metadata.resourceVersion"));
		if (labels)
			json_put(metadata, "labels", labels);
		json_put(patch, "endpoints", s->endpoints);
		json_put(patch, "ports", json_clone(a, s->ports));
		plan->change[plan->change_count++] = (struct slice_change){json_str(s->known, "metadata.name"), patch};
	}
}

// The known slices of one list of ports, and room for those to come.
static struct packing packing_of(struct arena *a, const struct slice_view *v, const struct backend_group *g, bool *used)
{
	size_t most = v->slice_count + g->members.n / SLICE_MAX + 1;
	struct packing p = {a, v, ARENA_ARRAY(a, struct slice, most), 0};
	struct json *none = json_array(a);
	for (size_t i = 0; i < v->slice_count; i++) {
		const struct json *ports = json_get(v->slices[i], STR("ports"));
		if (used[i] || !json_equal(ports && ports->type == JSON_ARRAY ? ports : none, g->ports))
			continue;
		used[i] = true;
		p.slices[p.count++] =
			(struct slice){.known = v->slices[i], .ports = g->ports, .endpoints = json_array(a)};
	}
	return p;
}

void slice_plan(struct arena *a, const struct slice_view *v, struct slice_plan *plan)
{
	struct backend_group *groups;
	size_t group_count = backends_group(a, v->backends, &groups);
	size_t most = v->slice_count + v->backends.n + 1;
	*plan = (struct slice_plan){
		.create = ARENA_ARRAY(a, struct json *, most),
		.change = ARENA_ARRAY(a, struct slice_change, most),
		.delete = ARENA_ARRAY(a, struct str, most),
	};
	bool *used = ARENA_ARRAY(a, bool, v->slice_count + 1);
	for (size_t i = 0; i < group_count; i++) {
		struct packing p = packing_of(a, v, &groups[i], used);
		pack(&p, &groups[i]);
		settle(&p, plan, false);
	}
	if (group_count == 0) { // an empty slice says that there is nothing behind the Service
		struct backend_group none = {json_array(a), {NULL, 0}};
		struct packing p = packing_of(a, v, &none, used);
		pack(&p, &none);
		if (p.count == 0)
			p.slices[p.count++] = (struct slice){.ports = none.ports, .endpoints = json_array(a)};
		settle(&p, plan, true);
	}
	for (size_t i = 0; i < v->slice_count; i++) {
		if (!used[i])
			plan->delete[plan->delete_count++] = json_str(v->slices[i], "metadata.name");
	}
}
