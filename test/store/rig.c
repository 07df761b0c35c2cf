// SPDX-License-Identifier: Apache-2.0
#include "rig.h"

#include <stdio.h>
#include <unistd.h>

#include "base/times.h"
#include "store/sim.h"
#include "store/sqlite.h"
#include "sys/real.h"
#include "sys/sim.h"

static const int64_t patience = 60 * TIME_S;

uint64_t rig_draw(struct rig *r, uint64_t below)
{
	r->chance ^= r->chance << 13;
	r->chance ^= r->chance >> 7;
	r->chance ^= r->chance << 17;
	return r->chance % below;
}

// ---- real

struct watcher { // looks now and then whether the test is done
	struct timer timer;
	struct loop *loop;
	const bool *done;
	int64_t until;
};

static void look(struct timer *t)
{
	struct watcher *x = CONTAINER_OF(t, struct watcher, timer);
	if ((x->done && *x->done) || loop_now(x->loop) > x->until)
		loop_real_stop(x->loop);
	else
		timer_start(x->loop, t, TIME_MS);
}

static void run_real_until(struct rig *r, const bool *done, int64_t duration)
{
	struct watcher x = {.timer = {.fire = look}, .loop = r->user, .done = done};
	x.until = loop_now(r->user) + duration;
	timer_start(r->user, &x.timer, 0);
	loop_real_run(r->user);
}

static void run_real(struct rig *r, const bool *done)
{
	run_real_until(r, done, patience);
	if (!*done)
		unit_fail(__FILE__, __LINE__, "did not come to its end");
}

static void pause_real(struct rig *r, int64_t ns)
{
	run_real_until(r, NULL, ns);
}

const char *rig_new_path(struct arena *a)
{
	static int number;
	return arena_fmt(a, "/tmp/onggi-test-store-%d-%d.db", getpid(), number++).p;
}

void rig_remove(const char *path)
{
	static const char *const endings[] = {"", "-wal", "-shm", "-journal"};
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	for (size_t i = 0; i < ARRAY_LEN(endings); i++)
		unlink(arena_fmt(&a, "%s%s", path, endings[i]).p);
}

struct rig *rig_open(const char *path, struct err *e)
{
	struct rig *r = MEM_NEW(struct rig);
	*r = (struct rig){.core = loop_real_thread("core"), .user = loop_real_create(), .run = run_real,
			  .pause = pause_real, .chance = 1};
	arena_init(&r->arena);
	if (store_sqlite_open(r->core, path, &r->store, e) < 0) {
		rig_close(r);
		return NULL;
	}
	r->other = r->store;
	return r;
}

struct destroying {
	struct task task;
	struct store *store;
};

static void destroy(struct task *t)
{
	store_destroy(CONTAINER_OF(t, struct destroying, task)->store);
}

void rig_close(struct rig *r)
{
	struct destroying d = {{.run = destroy}, r->store};
	loop_post(r->core, &d.task);
	loop_real_thread_destroy(r->core);
	loop_real_destroy(r->user);
	arena_finish(&r->arena);
	free(r);
}

void rig_with_sqlite(void (*test)(struct rig *r))
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	const char *path = rig_new_path(&a);
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct rig *r = rig_open(path, &e);
	if (!r) {
		unit_fail(__FILE__, __LINE__, "%s", err_text(&e));
		return;
	}
	test(r);
	rig_close(r);
	rig_remove(path);
}

// ---- simulated

static void run_sim(struct rig *r, const bool *done)
{
	int64_t until = sim_now(r->sim) + patience;
	while (!*done && sim_now(r->sim) < until && sim_step(r->sim))
		;
	if (!*done)
		unit_fail(__FILE__, __LINE__, "did not come to its end");
}

static void pause_sim(struct rig *r, int64_t ns)
{
	sim_run(r->sim, ns);
}

void rig_with_sim(void (*test)(struct rig *r))
{
	for (uint64_t seed = 1; seed <= 10; seed++) {
		struct rig r = {.sim = sim_create(seed), .run = run_sim, .pause = pause_sim, .chance = seed};
		arena_init(&r.arena);
		r.core = sim_loop(r.sim, "core");
		r.user = sim_loop(r.sim, "user");
		r.cluster = store_cluster_create();
		r.store = store_sim_open(r.cluster, r.core);
		r.other = store_sim_open(r.cluster, sim_loop(r.sim, "other"));
		test(&r);
		store_destroy(r.store);
		store_destroy(r.other);
		sim_destroy(r.sim);
		store_cluster_destroy(r.cluster);
		arena_finish(&r.arena);
	}
}

// ---- transactions

static void keep_answer(void *arg, const struct store_result *result)
{
	struct answer *a = arg;
	a->revision = result->revision;
	a->reason = result->e ? result->e->reason : ERR_NONE;
	a->failed = result->failed;
	blob_unref(a->value);
	a->value = result->e ? NULL : blob_ref(result->values[0]);
	a->done = true;
}

void rig_submit(struct rig *r, struct store *s, const struct store_op *ops, size_t count, struct answer *out)
{
	out->done = false;
	store_txn(s, ops, count, r->user, keep_answer, out);
}

struct answer rig_txn(struct rig *r, const struct store_op *ops, size_t count)
{
	struct answer a = {0};
	rig_submit(r, r->store, ops, count, &a);
	CHECK(!a.done);
	r->run(r, &a.done);
	return a;
}

static int64_t txn_of_one(struct rig *r, struct store_op op)
{
	struct answer a = rig_txn(r, &op, 1);
	blob_unref(a.value);
	return a.reason ? 0 : a.revision;
}

int64_t rig_put(struct rig *r, const char *key, struct str value)
{
	return txn_of_one(r, op_put(key, STORE_ANY, value));
}

int64_t rig_delete(struct rig *r, const char *key)
{
	return txn_of_one(r, op_delete(key, STORE_ANY));
}

struct store_op op_put(const char *key, int64_t expect, struct str value)
{
	return (struct store_op){STORE_PUT, str_of(key), expect, value, 0};
}

struct store_op op_delete(const char *key, int64_t expect)
{
	return (struct store_op){STORE_DELETE, str_of(key), expect, STR_NONE, 0};
}

struct store_op op_check(const char *key, int64_t expect)
{
	return (struct store_op){STORE_CHECK, str_of(key), expect, STR_NONE, 0};
}
