// SPDX-License-Identifier: Apache-2.0
// A node's agent makes only the Node and the Lease that bear its node's name: what a creation is called stands in its
// body, which authorization does not see.
#include "server/admission/admission.h"
#include "server/authorize/node.h"

int admit_node_own(struct admission *a, struct err *e)
{
	struct str node;
	bool named = str_is(a->resource->plural, "nodes") || str_is(a->resource->plural, "leases");
	if (!named || a->operation != OPERATION_CREATE || !str_empty(a->subresource) ||
	    !node_of_user(&a->call->user, &node) || str_eq(a->name, node))
		return 0;
	return err_set(e, ERR_FORBIDDEN, "%.*s \"%.*s\" is forbidden: node \"%.*s\" may only make its own",
		       STR_FMT(a->resource->plural), STR_FMT(a->name), STR_FMT(node));
}
