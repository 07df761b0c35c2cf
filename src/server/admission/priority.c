// SPDX-License-Identifier: Apache-2.0
// A pod's priority and preemption policy come from its PriorityClass, from the class that is the default of all, or are
// 0 and PreemptLowerPriority. The two classes of the system exist always.
#include "server/admission/admission.h"
#include "server/verbs/verbs.h"

static const struct {
	const char *name;
	int64_t value;
} system_classes[] = {
	{"system-cluster-critical", 2000000000},
	{"system-node-critical", 2000001000},
};

struct class
{
	struct str name; // empty: none
	int64_t value;
	struct str preemption;
};

static const struct api_resource *class_resource(void)
{
	return api_resource_find(STR("scheduling.k8s.io"), STR("v1"), STR("priorityclasses"));
}

static void read_class(const struct json *o, struct class *out)
{
	out->name = json_str(o, "metadata.name");
	out->value = json_i64(o, "value", 0);
	struct str preemption = json_str(o, "preemptionPolicy");
	if (!str_empty(preemption))
		out->preemption = preemption;
}

struct search {
	struct arena *arena;
	struct class *best;
};

static bool look_for_default(void *arg, const struct store_item *item)
{
	struct search *s = arg;
	struct json *o = object_parse(s->arena, item->value);
	if (json_is_true(o, "globalDefault") && (str_empty(s->best->name) || json_i64(o, "value", 0) < s->best->value))
		read_class(o, s->best);
	return true;
}

static int find_class(struct admission *a, struct str name, struct class *out, struct err *e)
{
	struct arena *arena = a->call->arena;
	const struct api_resource *r = class_resource();
	struct store_item item;
	*out = (struct class){.preemption = STR("PreemptLowerPriority")};
	if (str_empty(name)) {
		struct search s = {arena, out};
		if (r)
			store_scan(a->snapshot, collection_prefix(arena, r, STR_NONE), STR_NONE, look_for_default, &s);
		return 0;
	}
	if (r && store_get(a->snapshot, object_key(arena, r, STR_NONE, name), &item)) {
		read_class(object_parse(arena, item.value), out);
		return 0;
	}
	for (size_t i = 0; i < ARRAY_LEN(system_classes); i++)
		if (str_is(name, system_classes[i].name)) {
			out->name = name;
			out->value = system_classes[i].value;
			return 0;
		}
	return err_set(e, ERR_FORBIDDEN, "pods \"%.*s\" is forbidden: no PriorityClass with name %.*s was found",
		       STR_FMT(json_str(a->object, "metadata.name")), STR_FMT(name));
}

static int refuse(struct admission *a, const char *what, struct err *e)
{
	return err_set(e, ERR_FORBIDDEN,
		       "pods \"%.*s\" is forbidden: the %s of a pod is computed from its PriorityClass: it must not be "
		       "another one",
		       STR_FMT(json_str(a->object, "metadata.name")), what);
}

static void keep_old(struct admission *a, struct json *spec, const char *key)
{
	struct json *before = json_get(json_at(a->old, "spec"), str_of(key));
	if (before && !json_get(spec, str_of(key)))
		json_put(spec, key, json_clone(a->call->arena, before));
}

int admit_priority(struct admission *a, struct err *e)
{
	struct json *spec = json_at(a->object, "spec");
	if (!str_is(a->resource->plural, "pods") || !str_empty(a->subresource) || a->operation == OPERATION_DELETE ||
	    !spec || spec->type != JSON_OBJECT)
		return 0;
	if (a->operation == OPERATION_UPDATE) {
		keep_old(a, spec, "priority");
		keep_old(a, spec, "preemptionPolicy");
		return 0;
	}
	struct class class;
	if (find_class(a, json_str(spec, "priorityClassName"), &class, e) < 0)
		return -1;
	if (json_get(spec, STR("priority")) && json_i64(spec, "priority", 0) != class.value)
		return refuse(a, "priority", e);
	if (json_get(spec, STR("preemptionPolicy")) &&
	    !str_eq(json_str(spec, "preemptionPolicy"), class.preemption))
		return refuse(a, "preemption policy", e);
	struct arena *arena = a->call->arena;
	if (!str_empty(class.name))
		json_put_str(arena, spec, "priorityClassName", class.name);
	json_put_int(arena, spec, "priority", class.value);
	json_put_str(arena, spec, "preemptionPolicy", class.preemption);
	return 0;
}
