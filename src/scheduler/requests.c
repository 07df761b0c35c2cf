// SPDX-License-Identifier: Apache-2.0
#include "scheduler/requests.h"

#include "api/quantity.h"
#include "scheduler/snapshot.h"

enum { USUAL_CPU_MILLI = 100 };
static const int64_t usual_memory = 200 << 20;

struct sums { // values by resource; the first three are cpu, memory, ephemeral-storage
	struct arena *a;
	struct snapshot *names;
	int64_t cpu, memory, storage;
	struct amount *others;
	size_t count;
};

static int64_t *slot(struct sums *s, struct str name)
{
	if (str_is(name, "cpu"))
		return &s->cpu;
	if (str_is(name, "memory"))
		return &s->memory;
	if (str_is(name, "ephemeral-storage"))
		return &s->storage;
	size_t resource = snapshot_resource(s->names, name);
	for (size_t i = 0; i < s->count; i++) {
		if (s->others[i].resource == resource)
			return &s->others[i].value;
	}
	struct amount *more = ARENA_ARRAY(s->a, struct amount, s->count + 1);
	if (s->count)
		memcpy(more, s->others, s->count * sizeof *more);
	s->others = more;
	s->others[s->count] = (struct amount){resource, 0};
	return &s->others[s->count++].value;
}

static int64_t value_of(struct str name, const struct json *quantity)
{
	struct quantity q;
	if (quantity_of(quantity, &q) < 0)
		return 0;
	return str_is(name, "cpu") ? quantity_milli(q) : quantity_value(q);
}

static void add_list(struct sums *s, const struct json *list)
{
	json_each(quantity, list)
		*slot(s, quantity->key) += value_of(quantity->key, quantity);
}

static struct sums sums_of(const struct sums *like, const struct json *list, bool usual)
{
	struct sums s = {.a = like->a, .names = like->names};
	add_list(&s, list);
	if (usual && !json_get(list, STR("cpu")))
		s.cpu = USUAL_CPU_MILLI;
	if (usual && !json_get(list, STR("memory")))
		s.memory = usual_memory;
	return s;
}

static int64_t greater(int64_t x, int64_t y)
{
	return x > y ? x : y;
}

static struct str name_of(const struct sums *s, size_t i)
{
	return snapshot_resource_name(s->names, s->others[i].resource);
}

static void add(struct sums *to, const struct sums *from)
{
	to->cpu += from->cpu;
	to->memory += from->memory;
	to->storage += from->storage;
	for (size_t i = 0; i < from->count; i++)
		*slot(to, name_of(from, i)) += from->others[i].value;
}

static void raise(struct sums *to, const struct sums *from)
{
	to->cpu = greater(to->cpu, from->cpu);
	to->memory = greater(to->memory, from->memory);
	to->storage = greater(to->storage, from->storage);
	for (size_t i = 0; i < from->count; i++) {
		int64_t *value = slot(to, name_of(from, i));
		*value = greater(*value, from->others[i].value);
	}
}

// Requests of the whole pod replace the sums of those resources.
static void replace(struct sums *s, const struct json *list)
{
	json_each(quantity, list)
		*slot(s, quantity->key) = value_of(quantity->key, quantity);
}

static const struct json *list_of(const struct json *holder)
{
	return json_at(holder, "resources.requests");
}

struct requests requests_of(struct arena *a, struct snapshot *names, const struct json *pod_spec, bool usual)
{
	struct sums all = {.a = a, .names = names}, sidecars = all, starting = all;
	json_each(container, json_get(pod_spec, STR("containers"))) {
		struct sums one = sums_of(&all, list_of(container), usual);
		add(&all, &one);
	}
	json_each(container, json_get(pod_spec, STR("initContainers"))) {
		struct sums one = sums_of(&all, list_of(container), usual);
		if (json_str_is(container, "restartPolicy", "Always")) {
			add(&all, &one);
			add(&sidecars, &one);
			raise(&starting, &sidecars);
		} else {
			add(&one, &sidecars);
			raise(&starting, &one);
		}
	}
	raise(&all, &starting);
	replace(&all, list_of(pod_spec));
	add_list(&all, json_get(pod_spec, STR("overhead")));
	return (struct requests){all.cpu, all.memory, all.storage, all.others, all.count};
}
