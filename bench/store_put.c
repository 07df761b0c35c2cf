// SPDX-License-Identifier: Apache-2.0
// The embedded store alone: durable puts a second of 1 KB values, each of N submitters waiting for its own answer;
// then how long the next start takes to load them.
//   store_put [DIRECTORY] [SUBMITTERS] [PUTS]
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/times.h"
#include "store/sqlite.h"
#include "sys/real.h"

struct bench;

struct submitter {
	struct bench *bench;
	int64_t started;
};

struct bench {
	struct loop *core, *io;
	struct store *store;
	struct task begin;
	struct submitter *submitters;
	int64_t *latencies;
	size_t submitter_count, puts, sent, answered;
	char value[1024];
};

static void submit(struct submitter *u);

static void on_done(void *arg, const struct store_result *r)
{
	struct submitter *u = arg;
	struct bench *b = u->bench;
	MUST(!r->e);
	b->latencies[b->answered++] = loop_now(b->io) - u->started;
	if (b->sent < b->puts)
		submit(u);
	else if (b->answered == b->puts)
		loop_real_stop(b->core);
}

static void submit(struct submitter *u)
{
	struct bench *b = u->bench;
	char key[64];
	int n = snprintf(key, sizeof key, "configmaps/default/object-%06zu", b->sent++);
	struct store_op op = {STORE_PUT, {key, (size_t)n}, STORE_ABSENT, {b->value, sizeof b->value}, 100};
	u->started = loop_now(b->io);
	store_txn(b->store, &op, 1, b->io, on_done, u);
}

static void begin(struct task *t)
{
	struct bench *b = CONTAINER_OF(t, struct bench, begin);
	for (size_t i = 0; i < b->submitter_count; i++)
		submit(&b->submitters[i]);
}

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

static long resident_kb(void)
{
	long pages = 0, all;
	FILE *f = fopen("/proc/self/statm", "r");
	if (f && fscanf(f, "%ld %ld", &all, &pages) != 2)
		pages = 0;
	if (f)
		fclose(f);
	return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static void put_all(struct bench *b, const char *path)
{
	struct err e CLEAN_ERR = ERR_EMPTY;
	b->core = loop_real_create();
	b->io = loop_real_thread("io");
	if (store_sqlite_open(b->core, path, &b->store, &e) < 0) {
		fprintf(stderr, "%s\n", err_text(&e));
		exit(1);
	}
	int64_t start = loop_now(b->core);
	b->begin.run = begin;
	loop_post(b->io, &b->begin);
	loop_real_run(b->core);
	double seconds = (double)(loop_now(b->core) - start) / 1e9;
	qsort(b->latencies, b->puts, sizeof *b->latencies, compare);
	printf("%zu puts of 1 KB by %zu submitters: %.0f a second, p50 %.2f ms, p99 %.2f ms, max %.2f ms, %ld KB resident\n",
	       b->puts, b->submitter_count, (double)b->puts / seconds, (double)b->latencies[b->puts / 2] / 1e6,
	       (double)b->latencies[b->puts * 99 / 100] / 1e6, (double)b->latencies[b->puts - 1] / 1e6, resident_kb());
	store_destroy(b->store);
	loop_real_thread_destroy(b->io);
	loop_real_destroy(b->core);
}

static void load_all(const char *path)
{
	struct loop *core = loop_real_create();
	struct store *s;
	int64_t start = loop_now(core);
	MUST(store_sqlite_open(core, path, &s, NULL) == 0);
	printf("loaded in %.1f ms\n", (double)(loop_now(core) - start) / 1e6);
	store_destroy(s);
	loop_real_destroy(core);
}

int main(int argc, char **argv)
{
	struct bench b = {.submitter_count = argc > 2 ? strtoul(argv[2], NULL, 10) : 64,
			  .puts = argc > 3 ? strtoul(argv[3], NULL, 10) : 31000};
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	const char *path = arena_fmt(&a, "%s/bench-%d.db", argc > 1 ? argv[1] : ".", getpid()).p;
	memset(b.value, 'x', sizeof b.value);
	b.submitters = mem_zalloc(b.submitter_count * sizeof *b.submitters);
	b.latencies = mem_zalloc(b.puts * sizeof *b.latencies);
	for (size_t i = 0; i < b.submitter_count; i++)
		b.submitters[i].bench = &b;
	put_all(&b, path);
	load_all(path);
	unlink(path);
	free(b.submitters);
	free(b.latencies);
	return 0;
}
