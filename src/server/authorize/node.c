// SPDX-License-Identifier: Apache-2.0
// What a node may do: read what pods need, write itself, its lease, and the pods bound to it.
#include "server/authorize/authorize.h"
#include "server/state.h"
#include "server/verbs/verbs.h"

struct rule {
	const char *group, *resource; // resource with its subresource: "pods/status"
	const char *verbs;	      // separated by spaces
	bool own;		      // only the object named after the node
};

static const struct rule rules[] = {
	{"", "services", "get list watch", false},
	{"", "endpoints", "get list watch", false},
	{"discovery.k8s.io", "endpointslices", "get list watch", false},
	{"", "nodes", "get list watch create", false},
	{"", "nodes", "update patch delete", true},
	{"", "nodes/status", "get update patch", true},
	{"", "pods", "get list watch", false},
	{"", "configmaps", "get list watch", false},
	{"", "secrets", "get list watch", false},
	{"", "namespaces", "get list watch", false},
	{"", "serviceaccounts", "get", false},
	{"", "serviceaccounts/token", "create", false},
	{"", "persistentvolumes", "get", false},
	{"", "persistentvolumeclaims", "get", false},
	{"", "events", "create update patch", false},
	{"events.k8s.io", "events", "create update patch", false},
	{"coordination.k8s.io", "leases", "get create update patch delete", true},
	{"node.k8s.io", "runtimeclasses", "get list watch", false},
	{"authentication.k8s.io", "tokenreviews", "create", false},
	{"authorization.k8s.io", "subjectaccessreviews", "create", false},
	{"certificates.k8s.io", "certificatesigningrequests", "create get list watch", false},
};

static bool has_verb(const char *verbs, struct str verb)
{
	struct str rest = str_of(verbs), one;
	while (str_next(&rest, ' ', &one))
		if (str_eq(one, verb))
			return true;
	return false;
}

static bool resource_is(const struct access *a, const char *resource)
{
	struct str name, sub;
	str_cut(str_of(resource), '/', &name, &sub);
	return str_eq(name, a->resource) && str_eq(sub, a->subresource);
}

// Writing pods: only those that are bound to the node.
static bool may_write_pod(struct server *s, const struct access *a, struct str node)
{
	if (str_is(a->verb, "create") || str_empty(a->name))
		return str_is(a->verb, "create") && str_empty(a->subresource); // mirror pods
	bool status = str_is(a->subresource, "status") && (str_is(a->verb, "update") || str_is(a->verb, "patch"));
	bool remove = str_empty(a->subresource) && str_is(a->verb, "delete");
	if (!status && !remove)
		return false;
	struct arena scratch CLEAN_ARENA;
	arena_init(&scratch);
	const struct api_resource *pods = api_resource_find(STR(""), STR("v1"), STR("pods"));
	struct store_item item;
	struct store_snapshot *snapshot = store_snapshot(s->store);
	bool own = false;
	if (store_get(snapshot, object_key(&scratch, pods, a->namespace, a->name), &item))
		own = str_eq(json_str(object_parse(&scratch, item.value), "spec.nodeName"), node);
	store_snapshot_release(snapshot);
	return own;
}

bool access_of_node(struct server *s, const struct access *a, struct str node)
{
	for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
		const struct rule *r = &rules[i];
		bool fits = str_is(a->group, r->group) && resource_is(a, r->resource) && has_verb(r->verbs, a->verb);
		if (fits && (!r->own || str_eq(a->name, node) || str_is(a->verb, "create")))
			return true;
	}
	return str_empty(a->group) && str_is(a->resource, "pods") && may_write_pod(s, a, node);
}
