// SPDX-License-Identifier: Apache-2.0
#include "cluster.h"

#include <stdio.h>

#include "base/times.h"
#include "cli/local_transport.h"
#include "controllers/controllers.h"
#include "imitated_node.h"
#include "scheduler/scheduler.h"
#include "server/server.h"

enum { SERVERS_MAX = 5 };

struct one_server {
	struct store *store;
	struct server *server;
	struct transport *transport; // of its controllers and its scheduler
	struct transport *nodes;     // of the nodes that know this server; one for all, as connections share I/O loops
	struct transport *client;    // of the test's own
	struct controllers *controllers; // NULL: it does not lead
	struct scheduler *scheduler;
	struct loop *loop;
	bool ready, stopped;
};

struct cluster {
	struct sim *sim;
	struct store_cluster *stores;
	struct one_server servers[SERVERS_MAX];
	size_t server_count;
	struct imitated_node **nodes;
	size_t node_count;
	size_t running; // pods on all nodes
};

static struct transport *connect_as(struct one_server *s, struct loop *l, const char *name, const char *group)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct str in = str_of(group);
	struct user user = user_make(&a, str_of(name), STR_NONE, &in, 1);
	return local_transport_create(s->server, l, &user);
}

static void on_ready(void *arg, const struct err *e)
{
	struct one_server *s = arg;
	if (e)
		mem_panic(err_text(e));
	s->ready = true;
}

static void on_stopped(void *arg)
{
	struct one_server *s = arg;
	s->stopped = true;
}

static bool servers_ready(struct cluster *c, void *arg)
{
	for (size_t i = 0; i < c->server_count; i++)
		if (!c->servers[i].ready)
			return false;
	return true;
}

static void start_server(struct cluster *c, size_t i)
{
	struct one_server *s = &c->servers[i];
	struct err e CLEAN_ERR = ERR_EMPTY;
	char name[32];
	snprintf(name, sizeof name, "server-%zu", i);
	s->loop = sim_loop(c->sim, name);
	s->store = store_sim_open(c->stores, s->loop);
	struct server_config config = {.core = s->loop, .store = s->store, .data_dir = "/data"};
	s->server = server_create(&config, &e);
	if (!s->server)
		mem_panic(err_text(&e));
	server_start(s->server, on_ready, s);
}

static void start_clients(struct sim *sim, struct one_server *s)
{
	s->nodes = connect_as(s, sim_loop(sim, "nodes"), "nodes", "system:masters");
	s->client = connect_as(s, s->loop, "admin", "system:masters");
}

static void start_controllers(struct one_server *s)
{
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct controllers_options o = {.root_ca = server_authority(s->server)};
	s->transport = connect_as(s, s->loop, "system:kube-controller-manager", "system:masters");
	s->controllers = controllers_start(s->transport, &o, &e);
	if (!s->controllers)
		mem_panic(err_text(&e));
	s->scheduler = scheduler_start(s->transport, STR_NONE);
}

static void start_node(struct cluster *c, size_t i, int64_t pods)
{
	char name[32];
	snprintf(name, sizeof name, "node-%zu", i);
	struct imitated_node_config config = {name, pods, 5 * TIME_MS, 50 * TIME_MS, &c->running};
	c->nodes[i] = imitated_node_create(c->servers[i % c->server_count].nodes, &config);
}

struct cluster *cluster_create(const struct cluster_config *config)
{
	struct cluster *c = MEM_NEW(struct cluster);
	MUST(config->servers >= 1 && config->servers <= SERVERS_MAX);
	c->sim = sim_create(config->seed);
	c->stores = store_cluster_create();
	c->server_count = config->servers;
	for (size_t i = 0; i < c->server_count; i++)
		start_server(c, i);
	MUST(cluster_until(c, 60 * TIME_S, servers_ready, NULL));
	for (size_t i = 0; i < c->server_count; i++) {
		if (config->leaders == 0 || i < config->leaders)
			start_controllers(&c->servers[i]);
		start_clients(c->sim, &c->servers[i]);
	}
	c->node_count = config->nodes;
	c->nodes = mem_zalloc(config->nodes * sizeof *c->nodes);
	for (size_t i = 0; i < config->nodes; i++)
		start_node(c, i, config->pods_a_node);
	cluster_set_faults(c, config->faults);
	return c;
}

static bool servers_stopped(struct cluster *c, void *arg)
{
	for (size_t i = 0; i < c->server_count; i++)
		if (!c->servers[i].stopped)
			return false;
	return true;
}

void cluster_destroy(struct cluster *c)
{
	for (size_t i = 0; i < c->node_count; i++)
		cluster_crash_node(c, i);
	for (size_t i = 0; i < c->server_count; i++) {
		struct one_server *s = &c->servers[i];
		scheduler_stop(s->scheduler);
		controllers_stop(s->controllers);
		client_destroy(s->transport);
		client_destroy(s->nodes);
		client_destroy(s->client);
		server_stop(s->server, on_stopped, s);
	}
	cluster_until(c, 60 * TIME_S, servers_stopped, NULL);
	sim_run(c->sim, TIME_S); // what was cancelled comes to its end
	for (size_t i = 0; i < c->server_count; i++) {
		server_destroy(c->servers[i].server);
		store_destroy(c->servers[i].store);
	}
	sim_destroy(c->sim);
	store_cluster_destroy(c->stores);
	free(c->nodes);
	free(c);
}

struct sim *cluster_sim(struct cluster *c)
{
	return c->sim;
}

void cluster_set_faults(struct cluster *c, const struct store_cluster_faults *faults)
{
	store_cluster_set_faults(c->stores, faults);
}

void cluster_cut(struct cluster *c, size_t server, bool cut)
{
	store_sim_cut(c->servers[server].store, cut);
}

void cluster_forget(struct cluster *c)
{
	store_cluster_forget(c->stores);
}

struct transport *cluster_client(struct cluster *c, size_t server)
{
	return c->servers[server].client;
}

bool cluster_until(struct cluster *c, int64_t limit_ns, bool (*holds)(struct cluster *c, void *arg), void *arg)
{
	int64_t end = sim_now(c->sim) + limit_ns;
	while (!holds(c, arg))
		if (sim_now(c->sim) > end || !sim_step(c->sim))
			return false;
	return true;
}

struct asking {
	struct arena *arena;
	struct json *answer;
	int code;
	bool done;
};

static void on_answer(void *arg, const struct client_response *r)
{
	struct asking *x = arg;
	x->code = r->code;
	x->done = true;
	if (r->body.n)
		json_parse(x->arena, arena_str(x->arena, r->body), NULL, &x->answer, NULL);
}

static bool answered(struct cluster *c, void *arg)
{
	return ((struct asking *)arg)->done;
}

int cluster_ask(struct cluster *c, struct arena *a, const char *method, const char *path, const char *content_type,
		const char *body, struct json **answer)
{
	struct asking x = {.arena = a};
	struct client_request r = {method, str_of(path), content_type, str_of(body)};
	client_send(c->servers[0].client, &r, on_answer, &x);
	MUST(cluster_until(c, 120 * TIME_S, answered, &x));
	if (answer)
		*answer = x.answer;
	return x.code;
}

size_t cluster_running(const struct cluster *c)
{
	return c->running;
}

void cluster_crash_node(struct cluster *c, size_t i)
{
	imitated_node_destroy(c->nodes[i]);
	c->nodes[i] = NULL;
}
