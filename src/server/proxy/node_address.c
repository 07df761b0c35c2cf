// SPDX-License-Identifier: Apache-2.0
#include "server/proxy/node_address.h"

#include "server/respond.h"
#include "server/verbs/verbs.h"

int node_address_find(struct call *c, struct store_snapshot *s, struct str node, struct node_address *out,
		      struct err *e)
{
	const struct api_resource *nodes = api_resource_find(STR(""), STR("v1"), STR("nodes"));
	struct store_item item;
	if (!store_get(s, object_key(c->arena, nodes, STR_NONE, node), &item))
		return status_not_found(e, nodes, node);
	struct json *object = object_parse(c->arena, item.value);
	int64_t port = json_i64(object, "status.daemonEndpoints.kubeletEndpoint.Port", 0);
	out->port = arena_fmt(c->arena, "%lld", (long long)port);
	out->host = STR_NONE;
	json_each(address, json_at(object, "status.addresses"))
		if (json_str_is(address, "type", "InternalIP") && str_empty(out->host))
			out->host = arena_str(c->arena, json_str(address, "address"));
	if (port <= 0 || str_empty(out->host))
		return err_set(e, ERR_UNAVAILABLE, "node %.*s does not say where its agent listens", STR_FMT(node));
	return 0;
}
