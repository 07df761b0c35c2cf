// SPDX-License-Identifier: Apache-2.0
// What is particular to the imitated remote store: other writers, lost answers, a cut connection, and repeatability.
#include "rig.h"

#include <stdio.h>

#include "base/mem.h"
#include "base/times.h"
#include "store/sim.h"
#include "sys/sim.h"

static int64_t revision_at(struct store *s, const char *key)
{
	struct store_snapshot *p = store_snapshot(s);
	struct store_item item = {.revision = 0};
	store_get(p, str_of(key), &item);
	store_snapshot_release(p);
	return item.revision;
}

TEST_SIM(others_changes_arrive_later)
{
	int64_t revision = rig_put(r, "a", STR("1"));
	CHECK_INT(revision_at(r->store, "a"), revision);
	r->pause(r, 10 * TIME_MS);
	CHECK_INT(revision_at(r->other, "a"), revision);
}

TEST_SIM(a_cut_connection_times_out_and_catches_up)
{
	int64_t first = rig_put(r, "a", STR("1"));
	store_sim_cut(r->store, true);
	struct store_op op = op_put("a", STORE_ANY, STR("2"));
	CHECK_INT(rig_txn(r, &op, 1).reason, ERR_TIMEOUT);
	struct answer a = {0};
	rig_submit(r, r->other, &op, 1, &a);
	r->run(r, &a.done);
	CHECK_INT(a.reason, ERR_NONE);
	blob_unref(a.value);
	CHECK_INT(revision_at(r->store, "a"), first);
	store_sim_cut(r->store, false);
	r->pause(r, 10 * TIME_MS);
	CHECK_INT(revision_at(r->store, "a"), a.revision);
}

TEST_SIM(a_lost_answer_leaves_open_what_happened)
{
	store_cluster_set_faults(r->cluster, &(struct store_cluster_faults){1000, 1000000, 300, 300, 0});
	int happened = 0, answered = 0;
	for (int i = 0; i < 50; i++) {
		char key[16];
		snprintf(key, sizeof key, "k/%d", i);
		struct store_op op = op_put(key, STORE_ABSENT, STR("1"));
		struct answer a = rig_txn(r, &op, 1);
		CHECK(a.reason == ERR_NONE || a.reason == ERR_TIMEOUT);
		bool there = revision_at(r->store, key) != 0;
		CHECK(a.reason != ERR_NONE || there);
		answered += a.reason == ERR_NONE;
		happened += there;
		blob_unref(a.value);
	}
	CHECK(answered > 10 && happened > answered && happened < 50);
}

static void on_end(void *arg, const struct err *e)
{
	*(bool *)arg = e->reason == ERR_EXPIRED;
}

static void on_changes(void *arg, const struct store_event *events, size_t count, int64_t revision)
{
}

TEST_SIM(what_the_cluster_has_forgotten_comes_as_a_whole)
{
	bool expired = false;
	struct store_watch *w = store_watch(r->store, &(struct store_scope){STR_NONE}, 1, r->user,
					    &(struct store_watch_events){on_changes, on_end}, &expired);
	rig_put(r, "gone", STR("1"));
	store_sim_cut(r->store, true);
	struct blob *value = blob_create_raw(1 << 20);
	memset(value->p, 'x', value->n);
	struct answer a = {0};
	for (int i = 0; i < 40; i++) {
		struct store_op ops[] = {op_put("big", STORE_ANY, blob_str(value)), op_delete("gone", STORE_ANY)};
		rig_submit(r, r->other, ops, 2, &a);
		r->run(r, &a.done);
	}
	store_sim_cut(r->store, false);
	r->run(r, &expired);
	CHECK_INT(revision_at(r->store, "big"), a.revision);
	CHECK_INT(revision_at(r->store, "gone"), 0);
	store_watch_close(w);
	blob_unref(a.value);
	blob_unref(value);
	rig_put(r, "after", STR("1"));
}

// ---- the same seed, the same run

static uint64_t random_run(uint64_t seed)
{
	struct sim *s = sim_create(seed);
	struct store_cluster *c = store_cluster_create();
	struct rig r = {.sim = s, .user = sim_loop(s, "user"), .chance = seed};
	store_cluster_set_faults(c, &(struct store_cluster_faults){100000, 3000000, 20, 20, 20});
	r.store = store_sim_open(c, sim_loop(s, "one"));
	r.other = store_sim_open(c, sim_loop(s, "two"));
	static struct answer answers[200];
	for (int i = 0; i < 200; i++) {
		char key[16];
		snprintf(key, sizeof key, "k/%d", (int)rig_draw(&r, 20));
		struct store_op op = op_put(key, rig_draw(&r, 2) ? STORE_ANY : revision_at(r.store, key), STR("v"));
		rig_submit(&r, rig_draw(&r, 2) ? r.store : r.other, &op, 1, &answers[i]);
		sim_run(s, (int64_t)rig_draw(&r, 2000000));
	}
	sim_run(s, 10 * TIME_S);
	for (int i = 0; i < 200; i++) {
		sim_log(s, "%d %d %lld", i, answers[i].reason, (long long)answers[i].revision);
		blob_unref(answers[i].value);
		answers[i].value = NULL;
	}
	uint64_t digest = sim_digest(s) ^ str_hash(sim_trace(s));
	store_destroy(r.store);
	store_destroy(r.other);
	sim_destroy(s);
	store_cluster_destroy(c);
	return digest;
}

TEST(a_seed_repeats_its_run)
{
	uint64_t first = random_run(1);
	CHECK(random_run(2) != first);
	CHECK(random_run(1) == first);
}
