// SPDX-License-Identifier: Apache-2.0
// Plain HTTP through the server: nodes/[SCHEME:]NAME[:PORT]/proxy/..., pods/..., services/.... What follows `proxy` and
// the query go on as they are. Pages of pods and services are shown below our path, so their links are moved.
#include "server/proxy/aim.h"
#include "server/proxy/links.h"
#include "server/proxy/proxy.h"
#include "server/proxy/relay.h"
#include "server/respond.h"
#include "server/verbs/verbs.h"
#include "server/worker.h"

static struct str with_query(struct call *c, struct str path)
{
	struct str before, query;
	if (!str_cut(c->target, '?', &before, &query))
		return path;
	return arena_fmt(c->arena, "%.*s?%.*s", STR_FMT(path), STR_FMT(query));
}

// A browser must see the root with its slash: relative links would else lead beside it.
static bool lacks_slash(const struct call *c)
{
	bool reads = str_is(c->method, "GET") || str_is(c->method, "HEAD");
	return str_empty(c->route.rest) && reads && !http_header_lists(c->headers, "Connection", "upgrade");
}

static const struct link_view *view_of(struct call *c, const struct destination *to)
{
	struct link_view *v = ARENA_NEW(c->arena, struct link_view);
	*v = (struct link_view){.prefix = str_sub(c->path, 0, c->path.n - c->route.rest.n),
				.far_host = to->host,
				.far_port = to->port,
				.near_host = call_header(c, "Host")};
	return links_can_move(v) ? v : NULL;
}

static void proxy_to(struct call *c, aim_find *find)
{
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct destination to;
	struct store_snapshot *s = store_snapshot(c->server->store);
	int ok = find(c, s, &to, &e);
	store_snapshot_release(s);
	if (ok < 0) {
		respond_failure(c, &e, c->route.name);
		return;
	}
	if (lacks_slash(c)) {
		respond_moved(c, with_query(c, arena_fmt(c->arena, "%.*s/", STR_FMT(c->path))));
		return;
	}
	struct http_client *client = node_client(c->worker->nodes, &to, &e);
	bool agent = !str_empty(to.node);
	if (client)
		relay_call(c, client, with_query(c, str_empty(c->route.rest) ? STR("/") : c->route.rest),
			   agent ? NULL : view_of(c, &to));
	else
		respond_error(c, &e, NULL);
}

void proxy_node(struct call *c)
{
	proxy_to(c, aim_at_node);
}

void proxy_pod(struct call *c)
{
	proxy_to(c, aim_at_pod);
}

void proxy_service(struct call *c)
{
	proxy_to(c, aim_at_service);
}
