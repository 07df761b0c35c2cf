// SPDX-License-Identifier: Apache-2.0
#include "node/pod/status_resources.h"

#include "api/quantity.h"

static void put_cpu(struct arena *a, struct json *list, int64_t milli)
{
	json_put_str(a, list, "cpu", quantity_text(a, quantity_of_milli(milli)));
}

static void put_bytes(struct arena *a, struct json *list, const char *key, int64_t bytes)
{
	struct quantity q = quantity_of_int(bytes);
	q.form = QUANTITY_BINARY;
	json_put_str(a, list, key, quantity_text(a, q));
}

static void put_memory(struct arena *a, struct json *list, int64_t bytes)
{
	put_bytes(a, list, "memory", bytes);
}

// What the container has while it is not yet what is allocated to it.
static void put_held(struct arena *a, struct json *resources, const struct container_size *has,
		     const struct container_size *wanted)
{
	struct json *requests = json_get(resources, STR("requests")), *limits = json_get(resources, STR("limits"));
	const struct {
		struct json *list;
		const char *key;
		int64_t has, wanted;
		void (*put)(struct arena *, struct json *, int64_t);
	} all[] = {{requests, "cpu", has->cpu_request, wanted->cpu_request, put_cpu},
		   {requests, "memory", has->memory_request, wanted->memory_request, put_memory},
		   {limits, "cpu", has->cpu_limit, wanted->cpu_limit, put_cpu},
		   {limits, "memory", has->memory_limit, wanted->memory_limit, put_memory}};
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		if (!json_get(all[i].list, str_of(all[i].key)) || all[i].has == all[i].wanted)
			continue;
		if (all[i].has)
			all[i].put(a, all[i].list, all[i].has);
		else
			json_remove(all[i].list, str_of(all[i].key));
	}
}

void status_put_container(struct arena *a, struct json *out, const struct pod_spec *s, const struct container_spec *c,
			  const struct container_state *st)
{
	const struct json *allocated = json_get(c->json, STR("resources"));
	const struct json *requests = json_get(allocated, STR("requests"));
	struct container_size wanted = container_size_of(s, c);
	if (requests && requests->count)
		json_put(out, "allocatedResources", json_clone(a, requests));
	struct json *resources =
		json_put(out, "resources", allocated ? json_clone(a, allocated) : json_object(a));
	if (container_is_alive(st))
		put_held(a, resources, &st->size, &wanted);
}

static struct json *amounts(struct arena *a, const struct node_amounts *n)
{
	struct json *list = json_object(a);
	if (n->cpu_milli)
		put_cpu(a, list, n->cpu_milli);
	if (n->storage)
		put_bytes(a, list, "ephemeral-storage", n->storage);
	if (n->memory)
		put_memory(a, list, n->memory);
	return list;
}

// In the pod's own words where it has some: sums are in whole bytes.
static void quote(struct arena *a, struct json *list, const struct pod_spec *s, const char *which)
{
	if (json_at(s->object, "spec.overhead"))
		return;
	json_each(amount, json_get(json_at(s->object, "spec.resources"), str_of(which)))
		if (json_get(list, amount->key))
			json_set(list, amount->key, json_clone(a, amount));
}

void status_put_pod(struct arena *a, struct json *status, const struct pod_spec *s, const struct pod_resize *resize)
{
	struct node_amounts requests = pod_requests(s, NULL), limits = pod_limit_amounts(s);
	if (resize->in_progress && resize->pod.cpu_quota_us)
		limits.cpu_milli = resize->pod.cpu_quota_us * 1000 / (int64_t)resize->pod.cpu_period_us;
	if (resize->in_progress && resize->pod.memory_bytes)
		limits.memory = (int64_t)resize->pod.memory_bytes;
	struct json *asked = amounts(a, &requests), *allowed = amounts(a, &limits);
	struct json *resources = json_put(status, "resources", json_object(a));
	quote(a, asked, s, "requests");
	if (!resize->in_progress)
		quote(a, allowed, s, "limits");
	if (asked->count) {
		json_put(status, "allocatedResources", asked);
		json_put(resources, "requests", json_clone(a, asked));
	}
	if (allowed->count)
		json_put(resources, "limits", allowed);
}
