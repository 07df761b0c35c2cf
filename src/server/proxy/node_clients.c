// SPDX-License-Identifier: Apache-2.0
#include "server/proxy/node_clients.h"

#include <arpa/inet.h>

#include "base/map.h"
#include "server/worker.h"
#include "wire/client.h"

enum { CLIENTS_MAX = 1000 }; // destinations

struct node_clients {
	struct worker *worker;
	struct map clients;	 // by "agent 10.0.0.1 10250 node-1", "http 10.0.0.1 80 "
	struct tls_context *tls; // which those of agents use now
	struct tls_context *any; // which trusts everybody; made when it is first needed
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
	tls_context_unref(n->any);
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
		if (str_starts(entry->key, STR("agent ")))
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

// Sets *out to the certificates for a destination, NULL for plain HTTP.
static int choose_tls(struct node_clients *n, const struct destination *to, struct tls_context **out, struct err *e)
{
	static const struct tls_config trusting = {.insecure = true};
	*out = !str_empty(to->node) ? n->tls : NULL;
	if (*out || !to->https)
		return 0;
	if (!n->any)
		n->any = tls_context_client(&trusting, e);
	*out = n->any;
	return n->any ? 0 : -1;
}

static struct http_client *connect_to(struct node_clients *n, const struct destination *to, struct err *e)
{
	struct arena scratch CLEAN_ARENA;
	arena_init(&scratch);
	struct tls_context *tls;
	if (choose_tls(n, to, &tls, e) < 0)
		return NULL;
	bool v6 = str_find(to->host, ':') >= 0;
	struct http_client_config config = {
		.loop = n->worker->loop,
		.address = arena_fmt(&scratch, v6 ? "[%.*s]:%.*s" : "%.*s:%.*s", STR_FMT(to->host), STR_FMT(to->port)).p,
		.server_name = arena_c(&scratch, str_empty(to->node) ? to->host : to->node),
		.tls = tls,
	};
	return http_client_create(&config);
}

struct http_client *node_client(struct node_clients *n, const struct destination *to, struct err *e)
{
	bool agent = !str_empty(to->node);
	struct arena scratch CLEAN_ARENA;
	arena_init(&scratch);
	if (is_local(to->host) && !(agent && n->worker->server->loopback_nodes)) {
		err_set(e, ERR_BAD_REQUEST, "the address %.*s is not reached from here", STR_FMT(to->host));
		return NULL;
	}
	refresh(n);
	struct str key = arena_fmt(&scratch, "%s %.*s %.*s %.*s", agent ? "agent" : to->https ? "https" : "http",
				   STR_FMT(to->host), STR_FMT(to->port), STR_FMT(to->node));
	struct http_client *c = map_get(&n->clients, key);
	if (c)
		return c;
	if (!make_room(n)) {
		err_set(e, ERR_UNAVAILABLE, "too many places are connected to from here");
		return NULL;
	}
	c = connect_to(n, to, e);
	if (c)
		map_set(&n->clients, key, c);
	return c;
}
