// SPDX-License-Identifier: Apache-2.0
// Which pods are a node's own, and which objects these need. Both are looked up in what is stored at the moment: there
// is no index that could lag behind a binding.
#include "server/authorize/node.h"
#include "server/state.h"
#include "server/verbs/verbs.h"

// The members of a pod's spec that name an object of the resource: as a text, or as an object (or a list of objects)
// with a member "name".
static const struct {
	const char *resource;
	const char *members; // separated by spaces
} references[] = {
	{"secrets", "secretName secret secretRef secretKeyRef imagePullSecrets nodePublishSecretRef"},
	{"configmaps", "configMap configMapRef configMapKeyRef"},
	{"serviceaccounts", "serviceAccountName"},
};

static bool is_among(const char *words, struct str word)
{
	struct str rest = str_of(words), one;
	while (str_next(&rest, ' ', &one))
		if (str_eq(one, word))
			return true;
	return false;
}

static bool names(const struct json *value, struct str name)
{
	if (value->type == JSON_STRING)
		return str_eq(value->text, name);
	if (value->type == JSON_OBJECT)
		return str_eq(json_str(value, "name"), name);
	json_each(element, value)
		if (str_eq(json_str(element, "name"), name))
			return true;
	return false;
}

static bool refers(const struct json *part, const char *members, struct str name)
{
	json_each(child, part)
		if ((is_among(members, child->key) && names(child, name)) || refers(child, members, name))
			return true;
	return false;
}

struct search {
	struct str node, name;
	const char *members;
	struct arena scratch;
	bool found;
};

static bool search_pod(void *arg, const struct store_item *item)
{
	struct search *s = arg;
	struct str text = blob_str(item->value);
	if (!str_contains(text, s->node) || !str_contains(text, s->name))
		return true; // most pods: nothing is parsed
	arena_reset(&s->scratch);
	const struct json *spec = json_get(object_parse(&s->scratch, item->value), STR("spec"));
	s->found = str_eq(json_str(spec, "nodeName"), s->node) && refers(spec, s->members, s->name);
	return !s->found;
}

bool node_pods_need(struct server *s, struct str node, const struct access *a)
{
	struct search search = {.node = node, .name = a->name};
	for (size_t i = 0; i < ARRAY_LEN(references); i++)
		if (str_is(a->resource, references[i].resource))
			search.members = references[i].members;
	if (!search.members || str_empty(a->name) || str_empty(a->namespace))
		return false;
	const struct api_resource *pods = api_resource_find(STR(""), STR("v1"), STR("pods"));
	struct arena keys CLEAN_ARENA;
	arena_init(&keys);
	arena_init(&search.scratch);
	struct store_snapshot *snapshot = store_snapshot(s->store);
	store_scan(snapshot, collection_prefix(&keys, pods, a->namespace), STR_NONE, search_pod, &search);
	store_snapshot_release(snapshot);
	arena_finish(&search.scratch);
	return search.found;
}

bool node_pod_is_own(struct server *s, struct str node, struct str namespace, struct str name)
{
	const struct api_resource *pods = api_resource_find(STR(""), STR("v1"), STR("pods"));
	struct arena scratch CLEAN_ARENA;
	arena_init(&scratch);
	struct store_item item;
	struct store_snapshot *snapshot = store_snapshot(s->store);
	bool there = store_get(snapshot, object_key(&scratch, pods, namespace, name), &item);
	bool own = !there || str_eq(json_str(object_parse(&scratch, item.value), "spec.nodeName"), node);
	store_snapshot_release(snapshot);
	return own;
}
