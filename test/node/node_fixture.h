// SPDX-License-Identifier: Apache-2.0
// The node agent in virtual time, between an imitated server and an imitated runtime: "n1", 192.0.2.1, 8 GiB.
#ifndef TEST_NODE_FIXTURE_H
#define TEST_NODE_FIXTURE_H

#include "base/times.h"
#include "fake_runtime.h"
#include "fake_server.h"
#include "node/node.h"
#include "sys/sim.h"

struct world {
	struct sim *sim;
	struct loop *loop;
	struct fake_server *server;
	struct fake_runtime *runtime;
	struct node *node;
	struct arena arena;
	struct machine machine;
	char *data; // the agent's directory; NULL: it has none
};

// acts: what the containers do by their command; kept. dir: what the name of its directory begins with, or NULL.
void world_begin(struct world *w, int cpus, const char *dir, const struct fake_act *acts, size_t n);
void world_start_node(struct world *w); // once more, after node_destroy(w->node)
void world_replace_node(struct world *w); // by another, at once
void world_end(struct world *w);

#endif
