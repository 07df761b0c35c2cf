// SPDX-License-Identifier: Apache-2.0
// A server in an imitated world: virtual time, an imitated remote store, requests in process.
#ifndef TEST_SERVER_WORLD_H
#define TEST_SERVER_WORLD_H

#include "base/json.h"
#include "base/times.h"
#include "server/local.h"
#include "server/server.h"
#include "store/sim.h"
#include "sys/sim.h"
#include "unit.h"

struct world {
	struct sim *sim;
	struct loop *loop;
	struct store_cluster *cluster;
	struct store *store;
	struct server *server;
	struct worker *worker;
	struct arena arena;
	struct user admin;
	bool ready;
};

void world_init(struct world *w, uint64_t seed);
// A second server of the same cluster: its own store, which sees the first one's writes later.
void world_init_beside(struct world *w, struct world *first, const char *data_dir);
void world_finish(struct world *w);

struct answer {
	int code;
	struct json *body; // NULL where it is no JSON
	struct str text;
};

// Asks as `user` (NULL: the admin) and runs the world until the answer is there. Strings with ' for ".
struct answer ask_as(struct world *w, const struct user *user, const char *method, const char *target, const char *type,
		     const char *body);
struct answer ask(struct world *w, const char *method, const char *target, const char *body);
struct answer ask_patch(struct world *w, const char *target, const char *type, const char *body);

// A request whose answer is waited for later.
struct pending {
	struct world *world;
	struct answer answer;
	struct buf text;
	bool done;
	struct local_call *call;
	struct json *events; // of a watch: array of its lines so far
};
struct pending *ask_later(struct world *w, const char *method, const char *target, const char *type, const char *body);
void run_until(struct world *w, const bool *done);
void run_for(struct world *w, int64_t ns);
void pending_free(struct pending *p);
// Waits until a watch has told `count` events in all.
void watch_until(struct pending *p, size_t count);
// "ADDED a", "BOOKMARK "
struct str watch_event(struct pending *p, size_t i);

#endif
