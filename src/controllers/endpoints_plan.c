// SPDX-License-Identifier: Apache-2.0
// The older Endpoints object of a Service: the same backends in one object, ready ones and others apart.
#include "controllers/endpointslice_plan.h"

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

// Leaves out who is on the way out, unless the Service wants all; *room is what may still be listed.
static struct json *subset_of(struct arena *a, const struct backend_group *g, size_t *room)
{
	struct json *subset = json_object(a), *ready = json_array(a), *others = json_array(a);
	for (size_t i = 0; i<g->members.n && * room> 0; i++) {
		const struct backend *b = &g->members.p[i];
		if (b->terminating && !b->ready)
			continue;
		json_push(b->ready ? ready : others, address_of(a, b));
		--*room;
	}
	if (ready->count)
		json_put(subset, "addresses", ready);
	if (others->count)
		json_put(subset, "notReadyAddresses", others);
	if (g->ports->count)
		json_put(subset, "ports", subset_ports(a, g->ports));
	return ready->count || others->count ? subset : NULL;
}

struct json *endpoints_plan(struct arena *a, const struct json *service, struct backends backends)
{
	struct json *object = json_object(a), *subsets = json_array(a);
	json_put_str(a, object, "apiVersion", STR("v1"));
	json_put_str(a, object, "kind", STR("Endpoints"));
	struct json *metadata = json_need_object(a, object, "metadata");
	json_put_str(a, metadata, "name", json_str(service, "metadata.name"));
	json_put_str(a, metadata, "namespace", json_str(service, "metadata.namespace"));
	struct json *labels = json_need_object(a, metadata, "labels");
	json_each(label, json_at(service, "metadata.labels"))
		json_set(labels, label->key, json_clone(a, label));
	json_put_str(a, labels, "endpoints.kubernetes.io/managed-by", STR("endpoint-controller"));
	if (json_str_is(service, "spec.clusterIP", "None"))
		json_put_str(a, labels, "service.kubernetes.io/headless", STR(""));
	struct backend_group *groups;
	size_t count = backends_group(a, backends, &groups), room = ENDPOINTS_MAX;
	for (size_t i = 0; i < count; i++) {
		struct json *subset = subset_of(a, &groups[i], &room);
		if (subset)
			json_push(subsets, subset);
	}
	if (backends.n > ENDPOINTS_MAX)
		json_put_str(a, json_need_object(a, metadata, "annotations"), "endpoints.kubernetes.io/over-capacity",
			     STR("truncated"));
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
	       !same(json_at(wanted, "metadata.labels"), json_at(known, "metadata.labels"));
}
