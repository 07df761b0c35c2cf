// SPDX-License-Identifier: Apache-2.0
// Writes to the store named by its argument as fast as it can and says on stdout what was acknowledged ("KEY REVISION"),
// until it is killed.
#include <stdio.h>
#include <unistd.h>

#include "base/err.h"
#include "store/sqlite.h"
#include "sys/real.h"

enum { KEYS = 64 };

static struct loop *loop;
static struct store *store;
static int keys[KEYS];
static char value[2000];

static void put(int *key);

static void on_done(void *arg, const struct store_result *r)
{
	int *key = arg;
	char line[64];
	MUST(!r->e);
	int n = snprintf(line, sizeof line, "%d %lld\n", *key, (long long)r->revision);
	if (write(1, line, (size_t)n) != n) // one write: a line is there whole or not at all
		loop_real_stop(loop);
	put(key);
}

static void put(int *key)
{
	char name[16];
	snprintf(name, sizeof name, "k/%d", *key);
	struct store_op op = {STORE_PUT, str_of(name), STORE_ANY, {value, 1 + (size_t)*key * 30}, 0};
	store_txn(store, &op, 1, loop, on_done, key);
}

int main(int argc, char **argv)
{
	struct err e CLEAN_ERR = ERR_EMPTY;
	memset(value, 'v', sizeof value);
	loop = loop_real_create();
	if (argc < 2 || store_sqlite_open(loop, argv[1], &store, &e) < 0) {
		fprintf(stderr, "%s\n", err_text(&e));
		return 1;
	}
	for (int i = 0; i < KEYS; i++) {
		keys[i] = i;
		put(&keys[i]);
	}
	loop_real_run(loop);
	return 0;
}
