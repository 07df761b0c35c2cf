// SPDX-License-Identifier: Apache-2.0
// A whole cluster in one thread under a seed: servers over one imitated store, the controllers and the scheduler of
// each, imitated nodes, and a client of the test's own. Time is virtual; the same seed gives the same run to the last byte.
#ifndef SIM_CLUSTER_H
#define SIM_CLUSTER_H

#include "client/client.h"
#include "store/sim.h"
#include "sys/sim.h"

struct cluster_config {
	uint64_t seed;
	size_t servers;
	size_t leaders; // so many servers, from the first, run all controllers and the scheduler; 0: each
	size_t nodes;	// spread over the servers
	int64_t pods_a_node;
	const struct store_cluster_faults *faults; // NULL: none
};

struct cluster;

// Runs until every server is ready; ends the program where one can't start.
struct cluster *cluster_create(const struct cluster_config *config);
void cluster_destroy(struct cluster *c);

struct sim *cluster_sim(struct cluster *c);
void cluster_set_faults(struct cluster *c, const struct store_cluster_faults *faults);
// Cuts a server off from the store, or joins it again.
void cluster_cut(struct cluster *c, size_t server, bool cut);
// The store forgets its changes: who has not heard of them starts anew, and so do those who watch there.
void cluster_forget(struct cluster *c);
// An administrator's connection to one server.
struct transport *cluster_client(struct cluster *c, size_t server);

// One request to the first server, run until its answer: the code, and the parsed body in the arena (NULL: none).
int cluster_ask(struct cluster *c, struct arena *a, const char *method, const char *path, const char *content_type,
		const char *body, struct json **answer);
// Runs, at most so long, until holds() is true; whether it is.
bool cluster_until(struct cluster *c, int64_t limit_ns, bool (*holds)(struct cluster *c, void *arg), void *arg);
size_t cluster_running(const struct cluster *c); // pods on all nodes
void cluster_crash_node(struct cluster *c, size_t i);

#endif
