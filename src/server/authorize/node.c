// SPDX-License-Identifier: Apache-2.0
#include "server/authorize/node.h"

enum reach {
	ANY,
	OWN_NAME, // the object named as the node. Creation is for admission to judge: the path says no name then
	OWN_POD,  // pods that are bound to the node
	NEEDED,	  // what such a pod names
};

static const struct {
	const char *group, *resource; // resource with its subresource: "pods/status"
	const char *verbs;	      // separated by spaces
	enum reach reach;
} rules[] = {
	{"", "services", "get list watch", ANY},
	{"", "endpoints", "get list watch", ANY},
	{"discovery.k8s.io", "endpointslices", "get list watch", ANY},
	{"", "namespaces", "get list watch", ANY},
	{"", "nodes", "get list watch", ANY},
	{"", "nodes", "create update patch delete", OWN_NAME},
	{"", "nodes/status", "get update patch", OWN_NAME},
	{"coordination.k8s.io", "leases", "get create update patch delete", OWN_NAME},
	{"", "pods", "get list watch delete", OWN_POD},
	{"", "pods/status", "get update patch", OWN_POD},
	{"", "configmaps", "get list watch", NEEDED},
	{"", "secrets", "get list watch", NEEDED},
	{"", "serviceaccounts", "get", NEEDED},
	{"", "serviceaccounts/token", "create", NEEDED},
	{"", "events", "create update patch", ANY},
	{"events.k8s.io", "events", "create update patch", ANY},
	{"authentication.k8s.io", "tokenreviews", "create", ANY},
	{"authorization.k8s.io", "subjectaccessreviews", "create", ANY},
};

bool node_of_user(const struct user *u, struct str *node)
{
	struct str prefix = STR("system:node:");
	if (!user_in_group(u, "system:nodes") || !str_starts(u->name, prefix))
		return false;
	*node = str_from(u->name, prefix.n);
	return !str_empty(*node);
}

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

static bool is_within(enum reach reach, struct server *s, const struct access *a, struct str node)
{
	bool many = str_is(a->verb, "list") || str_is(a->verb, "watch");
	switch (reach) {
	case ANY:
		return true;
	case OWN_NAME:
		return str_eq(a->name, node) || str_is(a->verb, "create");
	case OWN_POD:
		if (many)
			return str_eq(a->on_node, node);
		return !str_empty(a->name) && node_pod_is_own(s, node, a->namespace, a->name);
	case NEEDED:
		return node_pods_need(s, node, a);
	}
	return false;
}

bool node_may(struct server *s, const struct access *a, struct str node)
{
	for (size_t i = 0; i < ARRAY_LEN(rules); i++)
		if (str_is(a->group, rules[i].group) && resource_is(a, rules[i].resource) &&
		    has_verb(rules[i].verbs, a->verb) && is_within(rules[i].reach, s, a, node))
			return true;
	return false;
}
