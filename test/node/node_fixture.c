// SPDX-License-Identifier: Apache-2.0
#include "node_fixture.h"

#include "tar_maker.h"
#include "unit.h"

enum { SEED = 11 };

void world_start_node(struct world *w)
{
	struct node_config c = {
		.loop = w->loop,
		.transport = fake_server_transport(w->server),
		.runtime = fake_runtime_table(w->runtime),
		.network = fake_network(),
		.name = "n1",
		.address = "192.0.2.1",
		.machine = &w->machine,
		.port = 10250,
		.pods_max = 120,
		.data_dir = w->data,
		.run_dir = w->data,
	};
	REQUIRE(!node_create(&c, &w->node, NULL));
	sim_run(w->sim, 2 * TIME_S);
}

void world_begin(struct world *w, int cpus, const char *dir, const struct fake_act *acts, size_t n)
{
	*w = (struct world){.sim = sim_create(SEED)};
	w->machine = (struct machine){.cpus = cpus,
				      .memory = 8LL << 30,
				      .storage = 100LL << 30,
				      .architecture = STR("amd64"),
				      .hostname = STR("n1")};
	w->data = dir ? test_dir(dir) : NULL;
	arena_init(&w->arena);
	w->loop = sim_loop(w->sim, "node");
	w->server = fake_server_create(w->loop);
	w->runtime = fake_runtime_create(w->loop, acts, n);
	world_start_node(w);
}

void world_replace_node(struct world *w)
{
	node_destroy(w->node);
	fake_runtime_restart(w->runtime);
	world_start_node(w);
}

void world_end(struct world *w)
{
	node_destroy(w->node);
	sim_run(w->sim, TIME_S);
	fake_runtime_destroy(w->runtime);
	fake_server_destroy(w->server);
	sim_destroy(w->sim);
	if (w->data)
		test_dir_remove(w->data);
	arena_finish(&w->arena);
}
