// SPDX-License-Identifier: Apache-2.0
#include "api/together.h"

#include "base/json.h"

static struct quantity *amount_in(struct together *t, struct map *amounts, struct str name)
{
	struct quantity *q = map_get(amounts, name);
	if (!q)
		map_set(amounts, name, q = ARENA_NEW(t->arena, struct quantity));
	return q;
}

static void add_container(struct together *t, const struct json *container, const char *part, bool prepares)
{
	json_each(amount, json_get(json_at(container, "resources"), str_of(part))) {
		struct quantity q, *running = amount_in(t, &t->running, amount->key);
		if (quantity_of(amount, &q) < 0)
			continue;
		struct quantity sum = quantity_add(*running, q), *most = amount_in(t, &t->most, amount->key);
		if (!prepares)
			*running = sum;
		if (quantity_cmp(sum, *most) > 0)
			*most = sum;
	}
}

void together_init(struct together *t, struct arena *a, const struct json *spec, const char *part)
{
	t->arena = a;
	map_init(&t->running);
	map_init(&t->most);
	json_each(container, json_get(spec, STR("initContainers")))
		add_container(t, container, part, !json_str_is(container, "restartPolicy", "Always"));
	json_each(container, json_get(spec, STR("containers")))
		add_container(t, container, part, false);
}

void together_finish(struct together *t)
{
	map_finish(&t->running);
	map_finish(&t->most);
}

const struct quantity *together_of(const struct together *t, struct str resource)
{
	return map_get(&t->most, resource);
}
