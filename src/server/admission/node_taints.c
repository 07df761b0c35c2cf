// SPDX-License-Identifier: Apache-2.0
// A new node is tainted until it says that it is ready, so that nothing is bound to it too early.
#include "server/admission/admission.h"

int admit_node_taints(struct admission *a, struct err *e)
{
	struct arena *arena = a->call->arena;
	if (!str_is(a->resource->plural, "nodes") || a->operation != OPERATION_CREATE || !str_empty(a->subresource))
		return 0;
	struct json *taints = json_need_array(arena, json_need_object(arena, a->object, "spec"), "taints");
	json_each(t, taints)
		if (json_str_is(t, "key", "node.kubernetes.io/not-ready") && json_str_is(t, "effect", "NoSchedule"))
			return 0;
	struct json *taint = json_push(taints, json_object(arena));
	json_put_str(arena, taint, "key", STR("node.kubernetes.io/not-ready"));
	json_put_str(arena, taint, "effect", STR("NoSchedule"));
	return 0;
}
