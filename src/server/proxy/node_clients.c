// SPDX-License-Identifier: Apache-2.0
#include "server/proxy/node_clients.h"

#include "base/map.h"
#include "server/worker.h"
#include "wire/client.h"

struct node_clients {
	struct worker *worker;
	struct map clients;	 // by "https 10.0.0.1 10250 node-1"
	struct tls_context *tls; // which they use now
};

struct node_clients *node_clients_create(struct worker *w)
{
	struct node_clients *n = MEM_NEW(struct node_clients);
	n->worker = w;
	map_init(&n->clients);
	return n;
}

void node_clients_destroy(struct node_clients *n)
{
	if (!n)
		return;
	map_each(entry, &n->clients)
		http_client_destroy(entry->value);
	map_finish(&n->clients);
	free(n);
}

// A renewed certificate is for the connections from now on.
static void refresh(struct node_clients *n)
{
	struct tls_context *tls = atomic_load(&n->worker->server->node_tls);
	if (tls == n->tls)
		return;
	n->tls = tls;
	map_each(entry, &n->clients)
		if (str_starts(entry->key, STR("https ")))
			http_client_set_tls(entry->value, tls);
}

static bool is_local(struct str host)
{
	return str_starts(host, STR("127.")) || str_starts(host, STR("169.254.")) || str_is(host, "::1") ||
	       str_starts(host, STR("fe80:")) || str_is(host, "0.0.0.0") || str_is(host, "::");
}

struct http_client *node_client(struct node_clients *n, struct str host, struct str port, struct str node,
				struct err *e)
{
	bool tls = !str_empty(node);
	struct arena scratch CLEAN_ARENA;
	arena_init(&scratch);
	if (is_local(host) && !n->worker->server->loopback_nodes) {
		err_set(e, ERR_BAD_REQUEST, "the address %.*s is not reached from here", STR_FMT(host));
		return NULL;
	}
	refresh(n);
	struct str key = arena_fmt(&scratch, "%s %.*s %.*s %.*s", tls ? "https" : "http", STR_FMT(host), STR_FMT(port),
				   (int)node.n, tls ? node.p : "");
	struct http_client *c = map_get(&n->clients, key);
	if (c)
		return c;
	bool v6 = str_find(host, ':') >= 0;
	struct http_client_config config = {
		.loop = n->worker->loop,
		.address = arena_fmt(&scratch, v6 ? "[%.*s]:%.*s" : "%.*s:%.*s", STR_FMT(host), STR_FMT(port)).p,
		.server_name = arena_c(&scratch, tls ? node : host),
		.tls = tls ? n->tls : NULL,
	};
	c = http_client_create(&config);
	map_set(&n->clients, key, c);
	return c;
}
