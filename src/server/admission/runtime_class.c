// SPDX-License-Identifier: Apache-2.0
// A pod may name only a RuntimeClass that exists, and has only its class's overhead. There are no RuntimeClasses here:
// every container runs in the same way.
#include "server/admission/admission.h"

int admit_runtime_class(struct admission *a, struct err *e)
{
	const struct json *spec = json_at(a->object, "spec");
	struct str class = json_str(spec, "runtimeClassName");
	if (!str_is(a->resource->plural, "pods") || !str_empty(a->subresource) || a->operation != OPERATION_CREATE)
		return 0;
	if (class.n)
		return err_set(e, ERR_FORBIDDEN, "pods \"%.*s\" is forbidden: the RuntimeClass \"%.*s\" does not exist",
			       STR_FMT(json_str(a->object, "metadata.name")), STR_FMT(class));
	if (json_at(spec, "overhead"))
		return err_set(e, ERR_FORBIDDEN, "pods \"%.*s\" is forbidden: only a RuntimeClass gives it an overhead",
			       STR_FMT(json_str(a->object, "metadata.name")));
	return 0;
}
