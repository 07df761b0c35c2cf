// SPDX-License-Identifier: Apache-2.0
// A pod is not resized beyond what its node has at all. Whether there is room beside others, the node decides.
#include "api/quantity.h"
#include "server/admission/admission.h"
#include "server/verbs/verbs.h"

static int64_t amount(const struct json *list, const char *name)
{
	struct quantity q;
	if (quantity_of(json_get(list, str_of(name)), &q))
		return 0;
	return !strcmp(name, "cpu") ? quantity_milli(q) : quantity_value(q);
}

static int64_t greater(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

// Main containers and sidecars together, or the greatest of the others with the sidecars before it.
static int64_t requested(const struct json *spec, const char *name)
{
	int64_t running = 0, sidecars = 0, starting = 0;
	const struct json *whole = json_at(spec, "resources.requests");
	json_each(c, json_get(spec, STR("containers")))
		running += amount(json_at(c, "resources.requests"), name);
	json_each(c, json_get(spec, STR("initContainers"))) {
		int64_t one = amount(json_at(c, "resources.requests"), name);
		if (json_str_is(c, "restartPolicy", "Always"))
			sidecars += one;
		else
			starting = greater(starting, one + sidecars);
	}
	int64_t all = json_get(whole, str_of(name)) ? amount(whole, name) : greater(running + sidecars, starting);
	return all + amount(json_get(spec, STR("overhead")), name);
}

static struct json *node_of(const struct admission *a, struct str name)
{
	struct arena *arena = a->call->arena;
	const struct api_resource *nodes = api_resource_find(STR_NONE, STR("v1"), STR("nodes"));
	struct store_item item;
	return store_get(a->snapshot, object_key(arena, nodes, STR_NONE, name), &item) ? object_parse(arena, item.value)
										       : NULL;
}

static int refuse(const struct admission *a, struct str why, struct err *e)
{
	return err_set(e, ERR_FORBIDDEN, "pods \"%.*s\" is forbidden: %.*s", STR_FMT(a->name), STR_FMT(why));
}

int admit_pod_resize(struct admission *a, struct err *e)
{
	static const char *const names[] = {"cpu", "memory"};
	struct arena *arena = a->call->arena;
	const struct json *spec = json_at(a->object, "spec");
	struct str node_name = json_str(a->old, "spec.nodeName");
	if (!str_is(a->resource->plural, "pods") || !str_is(a->subresource, "resize") || !node_name.n ||
	    a->operation != OPERATION_UPDATE)
		return 0;
	const struct json *node = node_of(a, node_name);
	if (!node)
		return refuse(a, arena_fmt(arena, "node \"%.*s\" not found", STR_FMT(node_name)), e);
	struct buf why CLEAN_BUF;
	buf_init(&why);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		int64_t asked = requested(spec, names[i]), had = requested(json_at(a->old, "spec"), names[i]);
		int64_t room = amount(json_at(node, "status.allocatable"), names[i]);
		if (asked > room && asked != had)
			buf_fmt(&why, "%s%s, requested: %lld, allocatable: %lld", why.n ? "; " : "", names[i],
				(long long)asked, (long long)room);
	}
	if (!why.n)
		return 0;
	refuse(a, arena_fmt(arena, "node didn't have enough allocatable resources: %.*s", STR_FMT(buf_str(&why))), e);
	err_cause(e, STR_NONE, "NodeCapacity", "%.*s", STR_FMT(buf_str(&why)));
	if (e)
		e->reason = ERR_FORBIDDEN; // no fault of a field
	return -1;
}
