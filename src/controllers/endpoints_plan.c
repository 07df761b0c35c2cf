// SPDX-License-Identifier: Apache-2.0
// The older Endpoints object of a Service: the same backends in one object, ready ones and others apart.
#include "controllers/endpointslice_plan.h"

#define HEADLESS "service.kubernetes.io/headless"
#define OVER_CAPACITY "endpoints.kubernetes.io/over-capacity"

static struct json *address_of(struct arena *a, const struct backend *b)
{
	struct json *address = json_object(a);
	json_put_str(a, address, "ip", b->ip);
	if (b->named)
		json_put_str(a, address, "hostname", b->pod->hostname);
	if (!str_empty(b->pod->node))
		json_put_str(a, address, "nodeName", b->pod->node);
	struct json *target = json_need_object(a, address, "targetRef");
	json_put_str(a, target, "kind", STR("Pod"));
	json_put_str(a, target, "namespace", b->pod->namespace);
	json_put_str(a, target, "name", b->pod->name);
	json_put_str(a, target, "uid", b->pod->uid);
	return address;
}

static struct json *subset_ports(struct arena *a, const struct json *ports)
{
	struct json *out = json_clone(a, ports);
	json_each(port, out) {
		if (str_empty(json_str(port, "name")))
			json_remove(port, STR("name"));
	}
	return out;
}

// Leaves out who is on the way out, unless the Service wants all.
static bool is_listed(const struct backend *b)
{
	return b->ready || !b->terminating;
}

struct room { // how many may still be listed
	size_t ready, others;
};

static struct json *subset_of(struct arena *a, const struct backend_group *g, struct room *room)
{
	struct json *subset = json_object(a), *ready = json_array(a), *others = json_array(a);
	for (size_t i = 0; i < g->members.n; i++) {
		const struct backend *b = &g->members.p[i];
		size_t *left = b->ready ? &room->ready : &room->others;
		if (!is_listed(b) || *left == 0)
			continue;
		json_push(b->ready ? ready : others, address_of(a, b));
		--*left;
	}
	if (ready->count)
		json_put(subset, "addresses", ready);
	if (others->count)
		json_put(subset, "notReadyAddresses", others);
	if (g->ports->count)
		json_put(subset, "ports", subset_ports(a, g->ports));
	return ready->count || others->count ? subset : NULL;
}

// Ready ones come first; false when not all have room.
static bool room_for(struct backends backends, struct room *room)
{
	size_t ready = 0, all = 0;
	for (size_t i = 0; i < backends.n; i++) {
		ready += backends.p[i].ready;
		all += is_listed(&backends.p[i]);
	}
	room->ready = ready < ENDPOINTS_MAX ? ready : ENDPOINTS_MAX;
	room->others = ENDPOINTS_MAX - room->ready;
	return all <= ENDPOINTS_MAX;
}

static struct json *endpoints_labels(struct arena *a, const struct json *service)
{
	struct json *labels = json_object(a);
	json_each(label, json_at(service, "metadata.labels"))
		json_set(labels, label->key, json_clone(a, label));
	json_put_str(a, labels, "endpoints.kubernetes.io/managed-by", STR("endpoint-controller"));
	if (json_str_is(service, "spec.clusterIP", "None"))
		json_put_str(a, labels, HEADLESS, STR(""));
	else
		json_remove(labels, STR(HEADLESS));
	return labels;
}

static void tell_capacity(struct arena *a, struct json *metadata, bool all_have_room)
{
	struct json *annotations = json_get(metadata, STR("annotations"));
	if (!all_have_room)
		json_put_str(a, json_need_object(a, metadata, "annotations"), OVER_CAPACITY, STR("truncated"));
	else if (annotations)
		json_remove(annotations, STR(OVER_CAPACITY));
}

struct json *endpoints_plan(struct arena *a, const struct json *service, struct backends backends,
			    const struct json *known)
{
	struct json *object = known ? json_clone(a, known) : json_object(a), *subsets = json_array(a);
	json_put_str(a, object, "apiVersion", STR("v1"));
	json_put_str(a, object, "kind", STR("Endpoints"));
	struct json *metadata = json_need_object(a, object, "metadata");
	json_put_str(a, metadata, "name", json_str(service, "metadata.name"));
	json_put_str(a, metadata, "namespace", json_str(service, "metadata.namespace"));
	json_put(metadata, "labels", endpoints_labels(a, service));
	struct room room;
	tell_capacity(a, metadata, room_for(backends, &room));
	struct backend_group *groups;
	size_t count = backends_group(a, backends, &groups);
	bool has_ports = json_first(json_at(service, "spec.ports")) != NULL;
	for (size_t i = 0; i < count; i++) {
		if (has_ports && groups[i].ports->count == 0)
			continue; // whose pods know none of the names
		struct json *subset = subset_of(a, &groups[i], &room);
		if (subset)
			json_push(subsets, subset);
	}
	json_put(object, "subsets", subsets);
	return object;
}

static bool same(const struct json *x, const struct json *y)
{
	return x && y && x->count + y->count > 0 ? json_equal(x, y) : (!x || x->count == 0) && (!y || y->count == 0);
}

bool endpoints_differ(const struct json *wanted, const struct json *known)
{
	return !same(json_get(wanted, STR("subsets")), json_get(known, STR("subsets"))) ||
	       !same(json_at(wanted, "metadata.labels"), json_at(known, "metadata.labels")) ||
	       !same(json_at(wanted, "metadata.annotations"), json_at(known, "metadata.annotations"));
}
