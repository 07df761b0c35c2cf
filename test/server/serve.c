// SPDX-License-Identifier: Apache-2.0
// A server by itself, for trying it out: serve DATA_DIR [ADDRESS [TOKEN_FILE]]. Ends on SIGINT or SIGTERM.
#include <signal.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/mem.h"
#include "server/server.h"
#include "store/sqlite.h"
#include "sys/real.h"

static struct loop *core;
static struct server *server;

static void on_stopped(void *arg)
{
	loop_real_stop(core);
}

static void on_signal(void *arg, int number)
{
	server_stop(server, on_stopped, NULL);
}

static void on_ready(void *arg, const struct err *e)
{
	if (e) {
		fprintf(stderr, "serve: %s\n", err_text(e));
		loop_real_stop(core);
		return;
	}
	struct str address = server_address(server);
	printf("https://%.*s\n", STR_FMT(address));
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct store *store;
	struct arena a CLEAN_ARENA;
	if (argc < 2)
		return 2;
	arena_init(&a);
	core = loop_real_create();
	struct loop *io[] = {loop_real_thread("io-0"), loop_real_thread("io-1")};
	dir_make(core, argv[1], 0700, &e);
	if (store_sqlite_open(core, arena_fmt(&a, "%s/state.db", argv[1]).p, &store, &e) < 0) {
		fprintf(stderr, "serve: %s\n", err_text(&e));
		return 1;
	}
	struct server_config config = {.core = core,
				       .io = io,
				       .io_count = ARRAY_LEN(io),
				       .store = store,
				       .data_dir = argv[1],
				       .listen = argc > 2 ? argv[2] : "127.0.0.1:0",
				       .token_file = argc > 3 ? argv[3] : NULL};
	server = server_create(&config, &e);
	if (!server) {
		fprintf(stderr, "serve: %s\n", err_text(&e));
		return 1;
	}
	loop_real_on_signal(core, SIGINT, on_signal, NULL);
	loop_real_on_signal(core, SIGTERM, on_signal, NULL);
	server_start(server, on_ready, NULL);
	loop_real_run(core);
	for (size_t i = 0; i < ARRAY_LEN(io); i++)
		loop_real_thread_destroy(io[i]);
	server_destroy(server);
	store_destroy(store);
	loop_real_destroy(core);
	return 0;
}
