// SPDX-License-Identifier: Apache-2.0
// What is particular to the store in a file: it outlives restarts, kill -9, power cuts, full and failing disks, and
// knows damage when it sees it.
#include "rig.h"

#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/map.h"
#include "base/mem.h"
#include "base/times.h"
#include "disk.h"

static int64_t revision_of(struct rig *r)
{
	struct store_snapshot *p = store_snapshot(r->store);
	int64_t revision = store_snapshot_revision(p);
	store_snapshot_release(p);
	return revision;
}

static bool reads(struct rig *r, const char *key, struct str value)
{
	struct store_snapshot *p = store_snapshot(r->store);
	struct store_item item;
	bool same = store_get(p, str_of(key), &item) ? str_eq(blob_str(item.value), value) : value.p == NULL;
	store_snapshot_release(p);
	return same;
}

// ---- restarts

TEST(what_was_stored_is_there_after_a_restart)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	const char *path = rig_new_path(&a);
	int64_t revision = 0;
	for (int round = 0; round < 5; round++) {
		struct rig *r = rig_open(path, NULL);
		REQUIRE(r);
		CHECK(round == 0 || revision_of(r) == revision);
		for (int i = 0; i < 20; i++) {
			char key[16];
			snprintf(key, sizeof key, "k/%d", i);
			CHECK(round == 0 || reads(r, key, round % 2 || i % 2 ? str_of(key) : STR_NONE));
			revision = (round + i) % 2 || round % 2 == 0 ? rig_put(r, key, str_of(key)) : rig_delete(r, key);
			CHECK(revision > 0);
		}
		for (int i = 0; i < 20; i += 2) {
			char key[16];
			snprintf(key, sizeof key, "k/%d", i);
			revision = round % 2 ? rig_delete(r, key) : rig_put(r, key, str_of(key));
		}
		for (int i = 1; i < 20; i += 2) {
			char key[16];
			snprintf(key, sizeof key, "k/%d", i);
			revision = rig_put(r, key, str_of(key));
		}
		rig_close(r);
	}
	rig_remove(path);
}

TEST(a_second_server_on_the_same_file_is_refused)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	const char *path = rig_new_path(&a);
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct rig *r = rig_open(path, NULL);
	REQUIRE(r);
	CHECK(!rig_open(path, &e));
	CHECK_INT(e.reason, ERR_CONFLICT);
	CHECK(str_contains(str_of(err_text(&e)), STR("another server")));
	CHECK(rig_put(r, "a", STR("1")) > 0);
	rig_close(r);
	r = rig_open(path, NULL);
	REQUIRE(r);
	rig_close(r);
	rig_remove(path);
}

TEST(what_is_no_store_is_refused)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	const char *path = rig_new_path(&a);
	struct err e CLEAN_ERR = ERR_EMPTY;
	CHECK(!rig_open("/nowhere/at/all.db", &e));
	FILE *f = fopen(path, "w");
	REQUIRE(f);
	for (int i = 0; i < 1000; i++)
		fputs("this is a text, not a database\n", f);
	fclose(f);
	CHECK(!rig_open(path, &e));
	CHECK(str_contains(str_of(err_text(&e)), STR("not a database")));
	rig_remove(path);
}

TEST(pending_transactions_are_answered_before_the_store_goes)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	const char *path = rig_new_path(&a);
	struct rig *r = rig_open(path, NULL);
	REQUIRE(r);
	static struct answer answers[200];
	for (int i = 0; i < 200; i++) {
		struct store_op op = op_put("k", STORE_ANY, STR("v"));
		answers[i] = (struct answer){0};
		rig_submit(r, r->store, &op, 1, &answers[i]);
	}
	rig_close(r);
	r = rig_open(path, NULL);
	REQUIRE(r);
	int64_t acknowledged = 0;
	for (int i = 0; i < 200; i++) {
		CHECK(answers[i].done && (answers[i].reason == ERR_NONE || answers[i].reason == ERR_UNAVAILABLE));
		acknowledged = answers[i].revision > acknowledged ? answers[i].revision : acknowledged;
		blob_unref(answers[i].value);
	}
	CHECK_INT(revision_of(r), acknowledged);
	rig_close(r);
	rig_remove(path);
}

// ---- kill -9

struct writer_process {
	pid_t pid;
	FILE *out;
};

static struct writer_process start_writer(const char *path)
{
	struct writer_process w = {0};
	int ends[2];
	MUST(pipe(ends) == 0);
	posix_spawn_file_actions_t actions;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
	posix_spawn_file_actions_addclose(&actions, ends[0]);
	char *const argv[] = {(char *)CRASH_WRITER, (char *)path, NULL};
	MUST(posix_spawn(&w.pid, CRASH_WRITER, &actions, NULL, argv, environ) == 0);
	posix_spawn_file_actions_destroy(&actions);
	close(ends[1]);
	w.out = fdopen(ends[0], "r");
	return w;
}

struct acknowledged {
	int64_t revisions[64]; // of each key
	int64_t last;
	size_t count;
};

// Reads the writer's acknowledgements, kills it somewhere among them, and reads what it had said before it died.
static void follow_writer(struct writer_process *w, struct acknowledged *known, int kill_after)
{
	int key, lines = 0;
	long long revision;
	while (fscanf(w->out, "%d %lld\n", &key, &revision) == 2) {
		CHECK(revision > known->revisions[key]);
		known->revisions[key] = revision;
		known->last = revision > known->last ? revision : known->last;
		known->count++;
		if (++lines == kill_after)
			kill(w->pid, SIGKILL);
	}
	fclose(w->out);
	int status;
	waitpid(w->pid, &status, 0);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

TEST(kill_9_loses_nothing_acknowledged)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	const char *path = rig_new_path(&a);
	struct acknowledged known = {.last = 1};
	srand(1);
	for (int round = 0; round < 20; round++) {
		struct writer_process w = start_writer(path);
		follow_writer(&w, &known, 1 + rand() % 3000);
		struct err e CLEAN_ERR = ERR_EMPTY;
		struct rig *r = rig_open(path, &e);
		if (!r)
			unit_fail(__FILE__, __LINE__, "%s", err_text(&e));
		REQUIRE(r);
		CHECK(revision_of(r) >= known.last);
		struct store_snapshot *p = store_snapshot(r->store);
		for (int i = 0; i < 64; i++) {
			char key[16];
			snprintf(key, sizeof key, "k/%d", i);
			struct store_item item = {.revision = 0};
			store_get(p, str_of(key), &item);
			CHECK(item.revision >= known.revisions[i]);
		}
		store_snapshot_release(p);
		int64_t next = rig_put(r, "round", STR("x"));
		CHECK(next > known.last);
		known.last = next;
		rig_close(r);
	}
	CHECK(known.count > 1000);
	rig_remove(path);
}

// ---- power cuts

enum { CUT_KEYS = 20, CUT_TXNS = 120 };

struct step { // of a run: one transaction
	int key;
	bool remove;
	size_t n; // bytes of the value
	char fill;
};

static struct str value_of(struct arena *a, const struct step *s)
{
	char *p = arena_alloc(a, s->n + 1);
	memset(p, s->fill, s->n);
	return (struct str){p, s->n};
}

static void apply_step(struct step *state, const struct step *s)
{
	state[s->key] = *s;
}

static struct step random_step(struct rig *r, int i)
{
	size_t n = rig_draw(r, 20) ? rig_draw(r, 3000) : rig_draw(r, 400000); // now and then enough for a checkpoint
	return (struct step){(int)rig_draw(r, CUT_KEYS), rig_draw(r, 4) == 0, 1 + n, (char)('a' + i % 26)};
}

static bool state_is(struct rig *r, const struct step *state)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	bool same = true;
	for (int i = 0; i < CUT_KEYS; i++) {
		char key[16];
		snprintf(key, sizeof key, "k/%d", i);
		bool absent = state[i].remove || state[i].n == 0;
		same &= reads(r, key, absent ? STR_NONE : value_of(&a, &state[i]));
	}
	return same;
}

// Sends steps until the power is gone and all are answered; returns the highest revision acknowledged.
static int64_t run_until_dark(struct rig *r, const struct step *steps)
{
	static struct answer answers[CUT_TXNS];
	int64_t acknowledged = 0;
	for (int i = 0; i < CUT_TXNS; i++) {
		char key[16];
		snprintf(key, sizeof key, "k/%d", steps[i].key);
		arena_reset(&r->arena);
		struct store_op op = steps[i].remove ? op_delete(key, STORE_ANY)
						     : op_put(key, STORE_ANY, value_of(&r->arena, &steps[i]));
		answers[i] = (struct answer){0};
		rig_submit(r, r->store, &op, 1, &answers[i]);
		if (rig_draw(r, 8) == 0)
			r->run(r, &answers[i].done);
	}
	for (int i = 0; i < CUT_TXNS; i++) {
		r->run(r, &answers[i].done);
		CHECK(answers[i].reason == ERR_NONE || answers[i].reason == ERR_UNAVAILABLE);
		acknowledged = answers[i].revision > acknowledged ? answers[i].revision : acknowledged;
		blob_unref(answers[i].value);
	}
	return acknowledged;
}

static void cut_power_again_and_again(uint64_t seed)
{
	struct step state[CUT_KEYS] = {{0}}, steps[CUT_TXNS];
	uint64_t chance = seed * 7919;
	disk_insert(seed);
	int64_t base = 1;
	for (int round = 0; round < 4; round++) {
		struct err e CLEAN_ERR = ERR_EMPTY;
		struct rig *r = rig_open("/power.db", &e);
		if (!r)
			unit_fail(__FILE__, __LINE__, "seed %d: %s", (int)seed, err_text(&e));
		if (!r)
			break;
		r->chance = chance += 104729;
		for (int i = 0; i < CUT_TXNS; i++)
			steps[i] = random_step(r, i);
		disk_cut_power_at(disk_operations() + 1 + (long)rig_draw(r, 4000));
		int64_t acknowledged = run_until_dark(r, steps);
		rig_close(r);
		disk_restore_power();
		r = rig_open("/power.db", &e);
		if (!r)
			unit_fail(__FILE__, __LINE__, "seed %d: %s", (int)seed, err_text(&e));
		if (!r)
			break;
		int64_t revision = revision_of(r);
		CHECK(revision >= acknowledged && revision <= base + CUT_TXNS);
		for (int i = 0; i < revision - base && i < CUT_TXNS; i++)
			apply_step(state, &steps[i]);
		if (!state_is(r, state))
			unit_fail(__FILE__, __LINE__, "seed %d, round %d: not what it was at %d", (int)seed, round, (int)revision);
		base = revision;
		rig_close(r);
	}
	disk_remove();
}

TEST(power_cuts_leave_a_whole_prefix)
{
	for (uint64_t seed = 1; seed <= 40; seed++)
		cut_power_again_and_again(seed);
}

// ---- failing disks

// Changes with one failure among the disk's operations; all that was acknowledged, and nothing else, is there.
static bool write_with_failure(long at)
{
	static struct answer answers[12];
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	const char *values[4] = {NULL};
	disk_insert(1);
	struct rig *r = rig_open("/fail.db", NULL);
	REQUIRE(r);
	disk_fail_at(disk_operations() + at);
	for (int i = 0; i < 12; i++) {
		const char *key = arena_fmt(&a, "k/%d", i % 4).p, *value = arena_fmt(&a, "value %d", i).p;
		struct store_op op = op_put(key, STORE_ANY, str_of(value));
		answers[i] = (struct answer){0};
		rig_submit(r, r->store, &op, 1, &answers[i]);
		if (i % 3 != 0) // some go together
			r->run(r, &answers[i].done);
	}
	for (int i = 0; i < 12; i++) {
		r->run(r, &answers[i].done);
		CHECK(answers[i].reason == ERR_NONE || answers[i].reason == ERR_UNAVAILABLE);
		if (answers[i].reason == ERR_NONE)
			values[i % 4] = arena_fmt(&a, "value %d", i).p;
		blob_unref(answers[i].value);
	}
	bool failed = disk_failed();
	disk_fail_at(0);
	int64_t revision = rig_put(r, "after", STR("x")); // it goes on
	CHECK(revision > 0);
	for (int again = 0; again < 2; again++) {
		CHECK_INT(revision_of(r), revision);
		for (int k = 0; k < 4; k++)
			CHECK(reads(r, arena_fmt(&a, "k/%d", k).p, values[k] ? str_of(values[k]) : STR_NONE));
		rig_close(r);
		if (!again)
			r = rig_open("/fail.db", NULL);
		REQUIRE(r);
	}
	disk_remove();
	return failed;
}

TEST(each_operation_of_the_disk_fails_in_turn_while_writing)
{
	long n = 1;
	while (write_with_failure(n))
		n++;
	CHECK(n > 20);
}

// A file with a log to recover, as a power cut leaves it, is opened.
static bool open_with_failure(long at)
{
	disk_insert(1);
	struct rig *r = rig_open("/fail.db", NULL);
	REQUIRE(r);
	for (int i = 0; i < 5; i++)
		CHECK(rig_put(r, i % 2 ? "a" : "b", STR("x")) > 0);
	disk_cut_power_at(disk_operations());
	rig_close(r);
	disk_restore_power();
	disk_fail_at(disk_operations() + at);
	struct err e CLEAN_ERR = ERR_EMPTY;
	r = rig_open("/fail.db", &e);
	bool failed = disk_failed();
	disk_fail_at(0);
	CHECK(r || failed);
	if (!r)
		r = rig_open("/fail.db", &e);
	REQUIRE(r);
	CHECK_INT(revision_of(r), 6);
	CHECK(reads(r, "a", STR("x")) && rig_put(r, "c", STR("x")) == 7);
	rig_close(r);
	disk_remove();
	return failed;
}

TEST(each_operation_of_the_disk_fails_in_turn_while_opening)
{
	long n = 1;
	while (open_with_failure(n))
		n++;
	CHECK(n > 10);
}

TEST(a_full_disk_refuses_writes_and_recovers)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	disk_insert(1);
	struct rig *r = rig_open("/full.db", NULL);
	REQUIRE(r);
	int64_t revision = rig_put(r, "k", STR("before"));
	disk_set_full(true);
	static struct answer answers[50];
	for (int i = 0; i < 50; i++) { // each depends on the one before
		char key[16], before[16];
		snprintf(key, sizeof key, "new/%d", i);
		snprintf(before, sizeof before, "new/%d", i - 1);
		struct store_op ops[] = {op_put(key, STORE_ABSENT, STR("v")), op_check(i ? before : "k", revision + i)};
		answers[i] = (struct answer){0};
		rig_submit(r, r->store, ops, 2, &answers[i]);
	}
	for (int i = 0; i < 50; i++) {
		r->run(r, &answers[i].done);
		CHECK(answers[i].reason == ERR_UNAVAILABLE || answers[i].reason == ERR_CONFLICT);
	}
	CHECK_INT(answers[0].reason, ERR_UNAVAILABLE);
	CHECK(reads(r, "k", STR("before")));
	CHECK(reads(r, "new/0", STR_NONE));
	CHECK_INT(revision_of(r), revision);
	CHECK_INT(rig_put(r, "k", STR("during")), 0);
	disk_set_full(false);
	CHECK_INT(rig_put(r, "k", STR("after")), revision + 1);
	rig_close(r);
	r = rig_open("/full.db", NULL);
	REQUIRE(r);
	CHECK(reads(r, "k", STR("after")));
	CHECK(reads(r, "new/0", STR_NONE));
	rig_close(r);
	disk_remove();
}

// ---- damage

TEST(no_flipped_bit_is_served)
{
	enum { OBJECTS = 60, FLIPS = 1500 };
	disk_insert(1);
	struct rig *r = rig_open("/flip.db", NULL);
	REQUIRE(r);
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	for (int i = 0; i < OBJECTS; i++)
		rig_put(r, arena_fmt(&a, "k/%d", i).p, arena_fmt(&a, "%0*d", i % 10 ? 300 : 9000, i));
	rig_close(r);
	size_t n = 0;
	unsigned char *bytes = disk_bytes("/flip.db", &n);
	REQUIRE(bytes && n > 20000);
	unsigned char *whole = mem_alloc(n);
	memcpy(whole, bytes, n);
	int told = 0;
	srand(1);
	for (int flip = 0; flip < FLIPS; flip++) {
		size_t at = flip < 200 ? (size_t)flip : (size_t)rand() % n; // the header, and anywhere
		bytes[at] ^= (unsigned char)(1 << rand() % 8);
		r = rig_open("/flip.db", NULL);
		told += !r;
		for (int i = 0; r && i < OBJECTS; i++)
			CHECK(reads(r, arena_fmt(&a, "k/%d", i).p, arena_fmt(&a, "%0*d", i % 10 ? 300 : 9000, i)));
		if (r) {
			CHECK_INT(revision_of(r), 1 + OBJECTS);
			rig_close(r);
		}
		bytes = disk_bytes("/flip.db", &n);
		memcpy(bytes, whole, n);
		arena_reset(&a);
	}
	CHECK(told > FLIPS / 2);
	free(whole);
	disk_remove();
}
