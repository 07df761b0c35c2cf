// SPDX-License-Identifier: Apache-2.0
#include "server/admission/admission.h"

static const struct {
	admission_plugin *run;
	bool decides_only; // does not fill in anything
} plugins[] = {
	{admit_namespace_lifecycle, true},  {admit_node_own, true},  {admit_service_account, false},
	{admit_default_tolerations, false}, {admit_priority, false}, {admit_node_taints, false},
	{admit_runtime_class, true},	    {admit_service_addresses, false}, {admit_secret_pair, true},
	{admit_pod_resize, true},
};

int admission_run(struct admission *a, struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(plugins); i++)
		if (!(a->internal && plugins[i].decides_only) && plugins[i].run(a, e) < 0)
			return -1;
	return 0;
}

int op_list_add(struct op_list *l, enum store_action action, struct str key, int64_t expect, struct str value,
		struct err *e)
{
	if (l->count == ARRAY_LEN(l->list))
		return err_set(e, ERR_INVALID, "the object needs more than %zu keys at once", ARRAY_LEN(l->list));
	l->list[l->count++] = (struct store_op){.action = action, .key = key, .expect = expect, .value = value};
	return 0;
}
