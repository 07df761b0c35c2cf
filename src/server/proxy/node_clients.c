// SPDX-License-Identifier: Apache-2.0
#include "server/proxy/node_clients.h"

#include <arpa/inet.h>

#include "base/map.h"
#include "server/worker.h"
#include "wire/client.h"

enum { CLIENTS_MAX = 1000 }; // destinations

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

size_t node_clients_count(const struct node_clients *n)
{
	return n->clients.count;
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

// Addresses that mean another place to each who uses them: what a pod or a node says of itself must not lead to what
// listens beside this server. However they are written.
static bool is_local(struct str host)
{
	char text[INET6_ADDRSTRLEN];
	struct in_addr v4;
	struct in6_addr v6;
	if (!str_to_c(host, text, sizeof text))
		return false;
	if (inet_pton(AF_INET6, text, &v6) == 1) {
		if (!IN6_IS_ADDR_V4MAPPED(&v6))
			return IN6_IS_ADDR_LOOPBACK(&v6) || IN6_IS_ADDR_LINKLOCAL(&v6) || IN6_IS_ADDR_UNSPECIFIED(&v6);
		memcpy(&v4, v6.s6_addr + 12, sizeof v4);
	} else if (inet_pton(AF_INET, text, &v4) != 1) {
		return false; // no address at all: it is not connected to
	}
	uint32_t n = ntohl(v4.s_addr);
	return n >> 24 == 127 || n >> 24 == 0 || n >> 16 == 0xa9fe; // 169.254.0.0/16
}

// The connections to a place that nobody uses give way to the next; false where all are in use.
static bool make_room(struct node_clients *n)
{
	if (n->clients.count < CLIENTS_MAX)
		return true;
	for (size_t i = 0; i < n->clients.count; i++) {
		struct map_entry *entry = &n->clients.entries[i];
		if (!http_client_idle(entry->value))
			continue;
		http_client_destroy(entry->value);
		map_remove(&n->clients, entry->key);
		return true;
	}
	return false;
}

struct http_client *node_client(struct node_clients *n, struct str host, struct str port, struct str node,
				struct err *e)
{
	bool tls = !str_empty(node);
	struct arena scratch CLEAN_ARENA;
	arena_init(&scratch);
	if (is_local(host) && !(tls && n->worker->server->loopback_nodes)) {
		err_set(e, ERR_BAD_REQUEST, "the address %.*s is not reached from here", STR_FMT(host));
		return NULL;
	}
	refresh(n);
	struct str key = arena_fmt(&scratch, "%s %.*s %.*s %.*s", tls ? "https" : "http", STR_FMT(host), STR_FMT(port),
				   (int)node.n, tls ? node.p : "");
	struct http_client *c = map_get(&n->clients, key);
	if (c)
		return c;
	if (!make_room(n)) {
		err_set(e, ERR_UNAVAILABLE, "too many places are connected to from here");
		return NULL;
	}
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
