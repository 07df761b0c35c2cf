// SPDX-License-Identifier: Apache-2.0
// Namespaces, nodes and workloads.
#include "api/defaults/defaults.h"

void api_defaults_namespace(struct arena *a, struct json *namespace)
{
	struct str name = json_str(namespace, "metadata.name");
	if (name.n)
		json_put_str(a, json_need_object(a, namespace, "metadata.labels"), "kubernetes.io/metadata.name", name);
}

void api_defaults_node_status(struct arena *a, struct json *status)
{
	const struct json *capacity = json_get(status, STR("capacity"));
	if (capacity && !json_get(status, STR("allocatable")))
		json_put(status, "allocatable", json_clone(a, capacity));
}

void api_defaults_deployment_strategy(struct arena *a, struct json *strategy)
{
	if (!json_str_is(strategy, "type", "RollingUpdate"))
		return;
	struct json *rolling = json_need_object(a, strategy, "rollingUpdate");
	static const char *const bounds[] = {"maxUnavailable", "maxSurge"};
	for (size_t i = 0; i < ARRAY_LEN(bounds); i++)
		if (!json_get(rolling, str_of(bounds[i])))
			json_put_str(a, rolling, bounds[i], STR("25%"));
}
