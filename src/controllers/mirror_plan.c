// SPDX-License-Identifier: Apache-2.0
#include "controllers/mirror_plan.h"

#include "controllers/owner.h"

enum { SLICE_MAX = 100, SUBSET_MAX = 1000 };

bool mirror_wanted(const struct json *endpoints, const struct json *service)
{
	const struct json *metadata = json_get(endpoints, STR("metadata"));
	const struct json *skip =
		json_get(json_get(metadata, STR("labels")), STR("endpointslice.kubernetes.io/skip-mirror"));
	const struct json *leader =
		json_get(json_get(metadata, STR("annotations")), STR("control-plane.alpha.kubernetes.io/leader"));
	return service && !json_first(json_at(service, "spec.selector")) && !leader &&
	       !(skip && skip->type == JSON_STRING && str_is(skip->text, "true"));
}

static struct json *labels_of(struct arena *a, const struct json *endpoints)
{
	struct json *labels = json_object(a);
	json_each(label, json_at(endpoints, "metadata.labels")) {
		if (!str_is(label->key, "endpoints.kubernetes.io/managed-by"))
			json_set(labels, label->key, json_clone(a, label));
	}
	json_put_str(a, labels, "kubernetes.io/service-name", json_str(endpoints, "metadata.name"));
	json_put_str(a, labels, "endpointslice.kubernetes.io/managed-by",
		     STR("endpointslicemirroring-controller.k8s.io"));
	return labels;
}

static struct json *new_slice(struct arena *a, const struct json *endpoints, const struct json *subset,
			      const char *family)
{
	struct json *slice = json_object(a), *metadata;
	json_put_str(a, slice, "apiVersion", STR("discovery.k8s.io/v1"));
	json_put_str(a, slice, "kind", STR("EndpointSlice"));
	metadata = json_need_object(a, slice, "metadata");
	json_put_str(a, metadata, "generateName", arena_fmt(a, "%.*s-", STR_FMT(json_str(endpoints, "metadata.name"))));
	json_put_str(a, metadata, "namespace", json_str(endpoints, "metadata.namespace"));
	json_put(metadata, "labels", labels_of(a, endpoints));
	json_push(json_need_array(a, metadata, "ownerReferences"), owner_reference(a, "v1", "Endpoints", endpoints));
	json_put_str(a, slice, "addressType", str_of(family));
	json_put(slice, "endpoints", json_array(a));
	struct json *ports = json_put(slice, "ports", json_array(a));
	json_each(port, json_get(subset, STR("ports"))) {
		struct json *copy = json_push(ports, json_clone(a, port));
		if (!json_get(copy, STR("name")))
			json_put_str(a, copy, "name", STR(""));
	}
	return slice;
}

static void add_endpoint(struct arena *a, struct json *slice, const struct json *address, bool ready)
{
	struct json *endpoint = json_push(json_get(slice, STR("endpoints")), json_object(a));
	json_push(json_need_array(a, endpoint, "addresses"), json_string(a, json_str(address, "ip")));
	json_put_bool(a, json_need_object(a, endpoint, "conditions"), "ready", ready);
	static const char *const kept[] = {"hostname", "targetRef", "nodeName"};
	for (size_t i = 0; i < ARRAY_LEN(kept); i++) {
		const struct json *value = json_get(address, str_of(kept[i]));
		if (value)
			json_put(endpoint, kept[i], json_clone(a, value));
	}
}

struct family {
	const char *name;
	struct json *slice; // the one being filled
	size_t count;
};

static void add_addresses(struct arena *a, struct json *slices, const struct json *endpoints, const struct json *subset,
			  struct family *family, bool ready)
{
	const struct json *addresses = json_get(subset, ready ? STR("addresses") : STR("notReadyAddresses"));
	json_each(address, addresses) {
		bool is_v6 = str_find(json_str(address, "ip"), ':') >= 0;
		if (is_v6 != (strcmp(family->name, "IPv6") == 0) || family->count == SUBSET_MAX)
			continue;
		if (family->count++ % SLICE_MAX == 0)
			family->slice = json_push(slices, new_slice(a, endpoints, subset, family->name));
		add_endpoint(a, family->slice, address, ready);
	}
}

struct json *mirror_slices(struct arena *a, const struct json *endpoints)
{
	static const char *const names[] = {"IPv4", "IPv6"};
	struct json *slices = json_array(a);
	json_each(subset, json_get(endpoints, STR("subsets"))) {
		for (size_t i = 0; i < ARRAY_LEN(names); i++) {
			struct family family = {names[i], NULL, 0};
			add_addresses(a, slices, endpoints, subset, &family, true);
			add_addresses(a, slices, endpoints, subset, &family, false);
		}
	}
	return slices;
}

bool mirror_same(const struct json *known, const struct json *wanted)
{
	static const char *const parts[] = {"addressType", "endpoints", "ports", "metadata.labels"};
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		const struct json *x = json_at(known, parts[i]), *y = json_at(wanted, parts[i]);
		if (x && y ? !json_equal(x, y) : (x ? x->count : 0) != (y ? y->count : 0))
			return false;
	}
	return true;
}
