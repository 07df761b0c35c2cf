// SPDX-License-Identifier: Apache-2.0
#include "server/admission/admission.h"

enum { TOLERATION_SECONDS = 300 };

// Whether one of the pod's tolerations already covers the NoExecute taint `key`.
static bool tolerates(const struct json *tolerations, const char *key)
{
	json_each(t, tolerations) {
		struct str effect = json_str(t, "effect"), its_key = json_str(t, "key");
		if ((str_is(its_key, key) || str_empty(its_key)) && (str_is(effect, "NoExecute") || str_empty(effect)))
			return true;
	}
	return false;
}

static void add(struct arena *a, struct json *spec, const char *key)
{
	struct json *list = json_need_array(a, spec, "tolerations");
	if (tolerates(list, key))
		return;
	struct json *t = json_push(list, json_object(a));
	json_put_str(a, t, "key", str_of(key));
	json_put_str(a, t, "operator", STR("Exists"));
	json_put_str(a, t, "effect", STR("NoExecute"));
	json_put_int(a, t, "tolerationSeconds", TOLERATION_SECONDS);
}

int admit_default_tolerations(struct admission *a, struct err *e)
{
	struct json *spec = json_at(a->object, "spec");
	if (!str_is(a->resource->plural, "pods") || !str_empty(a->subresource) || a->operation == OPERATION_DELETE ||
	    !spec || spec->type != JSON_OBJECT)
		return 0;
	add(a->call->arena, spec, "node.kubernetes.io/not-ready");
	add(a->call->arena, spec, "node.kubernetes.io/unreachable");
	return 0;
}
