// SPDX-License-Identifier: Apache-2.0
#include "node/pod/allocation.h"

#include "api/quantity.h"

static const char *const lists[] = {"spec.initContainers", "spec.containers"};

static void put_copy(struct arena *a, struct json *to, struct str key, const struct json *resources)
{
	if (resources)
		json_set(to, arena_str(a, key), json_clone(a, resources));
}

struct json *allocation_of(struct arena *a, const struct pod_spec *s)
{
	struct json *allocation = json_object(a);
	put_copy(a, allocation, STR("resources"), json_at(s->object, "spec.resources"));
	struct json *containers = json_put(allocation, "containers", json_object(a));
	for (size_t i = 0; i < s->init_count + s->main_count; i++)
		put_copy(a, containers, s->containers[i].name, json_get(s->containers[i].json, STR("resources")));
	return allocation;
}

static bool same_amounts(const struct json *a, const struct json *b)
{
	if ((a ? a->count : 0) != (b ? b->count : 0))
		return false;
	json_each(amount, a) {
		struct quantity one, other;
		if (quantity_of(amount, &one) || quantity_of(json_get(b, amount->key), &other) ||
		    quantity_cmp(one, other))
			return false;
	}
	return true;
}

static bool same_resources(const struct json *a, const struct json *b)
{
	return same_amounts(json_get(a, STR("requests")), json_get(b, STR("requests"))) &&
	       same_amounts(json_get(a, STR("limits")), json_get(b, STR("limits")));
}

static bool differs(const struct pod_spec *s, const struct json *allocation)
{
	const struct json *containers = json_get(allocation, STR("containers"));
	if (!same_resources(json_at(s->object, "spec.resources"), json_get(allocation, STR("resources"))))
		return true;
	for (size_t i = 0; i < s->init_count + s->main_count; i++) {
		const struct container_spec *c = &s->containers[i];
		if (!same_resources(json_get(c->json, STR("resources")), json_get(containers, c->name)))
			return true;
	}
	return false;
}

static void put_allocated(struct arena *a, struct json *to, const struct json *resources)
{
	if (resources)
		json_put(to, "resources", json_clone(a, resources));
	else
		json_remove(to, STR("resources"));
}

void allocation_carry(struct pod_spec *s, const struct json *allocation)
{
	if (!allocation || !differs(s, allocation))
		return;
	s->wanted = allocation_of(&s->arena, s);
	const struct json *containers = json_get(allocation, STR("containers"));
	put_allocated(&s->arena, json_get(s->object, STR("spec")), json_get(allocation, STR("resources")));
	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		json_each(c, json_at(s->object, lists[i]))
			put_allocated(&s->arena, c, json_get(containers, json_str(c, "name")));
}

struct pod_spec *allocation_accept(const struct pod_spec *s)
{
	return pod_spec_create(s->text, s->source);
}
