// SPDX-License-Identifier: Apache-2.0
// What every store promises (store.h), for all implementations.
#include "rig.h"

#include <stdio.h>
#include <time.h>

#include "base/map.h"
#include "base/mem.h"
#include "base/times.h"

static struct blob *big(size_t n)
{
	struct blob *b = blob_create_raw(n);
	memset(b->p, 'x', n);
	return b;
}

static int64_t revision_in(struct store_snapshot *p, const char *key)
{
	struct store_item item;
	return store_get(p, str_of(key), &item) ? item.revision : 0;
}

static int64_t revision_now(struct rig *r, const char *key)
{
	struct store_snapshot *p = store_snapshot(r->store);
	int64_t revision = revision_in(p, key);
	store_snapshot_release(p);
	return revision;
}

// ---- transactions

TEST_BOTH(revisions_rise_by_one_and_are_read_at_once)
{
	struct store_snapshot *empty = store_snapshot(r->store);
	int64_t start = store_snapshot_revision(empty);
	CHECK(start > 0);
	for (int i = 1; i <= 20; i++) {
		CHECK_INT(rig_put(r, i % 2 ? "a/x" : "a/y", STR("value")), start + i);
		CHECK_INT(revision_now(r, i % 2 ? "a/x" : "a/y"), start + i);
	}
	CHECK_INT(rig_delete(r, "a/x"), start + 21);
	CHECK_INT(revision_now(r, "a/x"), 0);
	CHECK_INT(rig_delete(r, "a/x"), start + 22);
	CHECK_INT(store_count(empty, STR_NONE, STR_NONE), 0);
	store_snapshot_release(empty);
}

TEST_BOTH(the_revision_is_written_into_the_value)
{
	struct store_op op = op_put("a/x", STORE_ABSENT, STR("{\"v\":\"\",\"w\":1}"));
	op.revision_at = 6;
	struct answer a = rig_txn(r, &op, 1);
	char want[64];
	snprintf(want, sizeof want, "{\"v\":\"%lld\",\"w\":1}", (long long)a.revision);
	CHECK_STR(blob_str(a.value), want);
	struct store_snapshot *p = store_snapshot(r->store);
	struct store_item item;
	REQUIRE(store_get(p, STR("a/x"), &item));
	CHECK(item.value == a.value);
	CHECK_STR(item.key, "a/x");
	store_snapshot_release(p);
	blob_unref(a.value);
}

TEST_BOTH(a_compare_that_does_not_hold_changes_nothing)
{
	int64_t first = rig_put(r, "a/x", STR("1"));
	const struct {
		struct store_op op;
		bool holds;
	} cases[] = {
		{op_put("a/x", STORE_ABSENT, STR("2")), false}, {op_put("a/x", first + 1, STR("2")), false},
		{op_put("a/y", first, STR("2")), false},	 {op_delete("a/x", STORE_ABSENT), false},
		{op_delete("a/y", first), false},		 {op_check("a/x", STORE_ABSENT), false},
		{op_check("a/y", STORE_ABSENT), true},		 {op_check("a/x", first), true},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct store_op ops[] = {op_put("a/z", STORE_ANY, STR("z")), cases[i].op};
		struct answer a = rig_txn(r, ops, 2);
		CHECK_INT(a.reason, cases[i].holds ? ERR_NONE : ERR_CONFLICT);
		CHECK_INT(a.failed, cases[i].holds ? 0 : 1);
		CHECK_INT(revision_now(r, "a/z") != 0, cases[i].holds);
		CHECK_INT(revision_now(r, "a/x"), first);
		blob_unref(a.value);
		rig_delete(r, "a/z");
	}
	struct answer a = rig_txn(r, &(struct store_op){STORE_DELETE, STR("a/x"), first, STR_NONE, 0}, 1);
	CHECK_INT(a.reason, ERR_NONE);
	CHECK_INT(revision_now(r, "a/x"), 0);
}

TEST_BOTH(all_keys_of_a_transaction_get_one_revision)
{
	struct store_op ops[STORE_OPS_MAX];
	char keys[STORE_OPS_MAX][32];
	for (int i = 0; i < STORE_OPS_MAX; i++) {
		snprintf(keys[i], sizeof keys[i], "a/%03d", i);
		ops[i] = op_put(keys[i], STORE_ABSENT, STR("v"));
	}
	struct answer a = rig_txn(r, ops, STORE_OPS_MAX);
	CHECK_INT(a.reason, ERR_NONE);
	blob_unref(a.value);
	for (int i = 0; i < STORE_OPS_MAX; i++)
		CHECK_INT(revision_now(r, keys[i]), a.revision);
	struct answer again = rig_txn(r, ops, STORE_OPS_MAX);
	CHECK_INT(again.reason, ERR_CONFLICT);
	CHECK_INT(revision_now(r, "a/000"), a.revision);
}

TEST_BOTH(wrong_forms_are_refused)
{
	struct blob *huge = big(STORE_VALUE_MAX + 1);
	struct store_op many[STORE_OPS_MAX + 1], twice[] = {op_put("a", -1, STR("1")), op_check("a", -1)};
	struct store_op no_key = op_put("", -1, STR("1")), huge_key = no_key, huge_value = op_put("a", -1, blob_str(huge));
	struct store_op outside = op_put("a", -1, STR("1"));
	for (size_t i = 0; i < ARRAY_LEN(many); i++)
		many[i] = outside;
	huge_key.key = str_sub(blob_str(huge), 0, STORE_KEY_MAX + 1);
	outside.revision_at = 2;
	const struct {
		const struct store_op *ops;
		size_t count;
		enum err_reason reason;
	} cases[] = {
		{many, ARRAY_LEN(many), ERR_BAD_REQUEST}, {many, 0, ERR_BAD_REQUEST},	  {twice, 2, ERR_BAD_REQUEST},
		{&no_key, 1, ERR_BAD_REQUEST},		  {&huge_key, 1, ERR_BAD_REQUEST}, {&huge_value, 1, ERR_TOO_LARGE},
		{&outside, 1, ERR_BAD_REQUEST},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		CHECK_INT(rig_txn(r, cases[i].ops, cases[i].count).reason, cases[i].reason);
	struct store_snapshot *p = store_snapshot(r->store);
	CHECK_INT(store_count(p, STR_NONE, STR_NONE), 0);
	store_snapshot_release(p);
	huge_value.value = str_sub(blob_str(huge), 0, STORE_VALUE_MAX);
	struct answer a = rig_txn(r, &huge_value, 1);
	CHECK_INT(a.reason, ERR_NONE);
	blob_unref(a.value);
	blob_unref(huge);
}

// Many who read, change and compare at once lose no change.
struct counter {
	struct rig *rig;
	struct store *store;
	int left, *running;
	size_t lost;
	bool *done;
};

static void count_up(struct counter *c);

static void counted(void *arg, const struct store_result *result)
{
	struct counter *c = arg;
	if (!result->e)
		c->left--;
	else if (result->e->reason == ERR_CONFLICT)
		c->lost++;
	else
		unit_fail(__FILE__, __LINE__, "%s", err_text(result->e));
	if (c->left > 0)
		count_up(c);
	else if (--*c->running == 0)
		*c->done = true;
}

static void count_up(struct counter *c)
{
	struct store_snapshot *p = store_snapshot(c->store);
	struct store_item item = {.revision = STORE_ABSENT};
	int64_t value = 0;
	if (store_get(p, STR("counter"), &item))
		str_to_i64(blob_str(item.value), &value);
	char text[32];
	snprintf(text, sizeof text, "%lld", (long long)value + 1);
	struct store_op op = op_put("counter", item.revision, str_of(text));
	store_txn(c->store, &op, 1, c->rig->user, counted, c);
	store_snapshot_release(p);
}

TEST_BOTH(no_change_is_lost_among_many_writers)
{
	enum { WRITERS = 8, EACH = 20 };
	struct counter c[WRITERS];
	int running = WRITERS;
	bool done = false;
	size_t lost = 0;
	for (int i = 0; i < WRITERS; i++) {
		c[i] = (struct counter){r, i % 2 ? r->store : r->other, EACH, &running, 0, &done};
		count_up(&c[i]);
	}
	r->run(r, &done);
	for (int i = 0; i < WRITERS; i++)
		lost += c[i].lost;
	CHECK(lost > 0);
	r->pause(r, 50 * TIME_MS); // the last change may have been the other server's
	struct store_snapshot *p = store_snapshot(r->store);
	struct store_item item;
	REQUIRE(store_get(p, STR("counter"), &item));
	CHECK_STR(blob_str(item.value), "160");
	store_snapshot_release(p);
}

TEST_BOTH(answers_come_in_the_order_of_asking_and_later_ones_see_earlier)
{
	enum { N = 500 };
	static struct answer answers[N];
	int64_t start = rig_put(r, "a/0", STR("x"));
	for (int i = 0; i < N; i++) {
		char key[16], before[16];
		snprintf(key, sizeof key, "a/%d", i + 1);
		snprintf(before, sizeof before, "a/%d", i);
		if (!r->sim) { // a remote store may overtake: nobody may rely on more than compares
			struct store_op ops[] = {op_check(before, start + i), op_put(key, STORE_ABSENT, STR("x"))};
			rig_submit(r, r->store, ops, 2, &answers[i]);
		} else {
			struct store_op op = op_put(key, STORE_ABSENT, STR("x"));
			rig_submit(r, r->store, &op, 1, &answers[i]);
		}
	}
	for (int i = 0; i < N; i++) {
		r->run(r, &answers[i].done);
		CHECK_INT(answers[i].reason, ERR_NONE);
		CHECK(r->sim || answers[i].revision == start + 1 + i);
		blob_unref(answers[i].value);
		answers[i].value = NULL;
	}
}

// ---- snapshots

struct listing {
	struct str last;
	size_t count, stop_at;
	bool ordered;
};

static bool list_item(void *arg, const struct store_item *item)
{
	struct listing *l = arg;
	l->ordered &= str_cmp(item->key, l->last) > 0;
	l->last = item->key;
	return ++l->count != l->stop_at;
}

TEST_BOTH(scans_and_counts)
{
	char key[32];
	for (int i = 0; i < 150; i++) {
		snprintf(key, sizeof key, "%s/%03d", i % 3 ? "pods" : "nodes", i);
		rig_put(r, key, STR("v"));
	}
	struct store_snapshot *p = store_snapshot(r->store);
	struct listing all = {.ordered = true}, after = all, three = all, none = all;
	store_scan(p, STR("pods/"), STR_NONE, list_item, &all);
	CHECK(all.ordered && all.count == 100);
	store_scan(p, STR("pods/"), STR("pods/100"), list_item, &after);
	CHECK(after.ordered);
	CHECK_INT(after.count, 33);
	CHECK_INT(store_count(p, STR("pods/"), STR("pods/100")), 33);
	three.stop_at = 3;
	store_scan(p, STR_NONE, STR_NONE, list_item, &three);
	CHECK_INT(three.count, 3);
	CHECK_STR(three.last, "nodes/006");
	store_scan(p, STR("pods0"), STR_NONE, list_item, &none);
	CHECK_INT(none.count, 0);
	CHECK_INT(store_count(p, STR_NONE, STR_NONE), 150);
	CHECK_INT(store_count(p, STR("nodes/"), STR("pods/")), 0);
	store_snapshot_release(p);
}

TEST_BOTH(a_snapshot_of_an_earlier_revision)
{
	int64_t revisions[30];
	for (int i = 0; i < 30; i++) {
		char key[16];
		snprintf(key, sizeof key, "a/%d", i % 7);
		revisions[i] = i % 5 == 4 ? rig_delete(r, key) : rig_put(r, key, STR("v"));
	}
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct store_snapshot *p = NULL;
	for (int repeat = 0; repeat < 2; repeat++) {
		for (int i = 0; i < 30; i++) {
			REQUIRE(store_snapshot_at(r->store, revisions[i], &p, &e) == 0);
			CHECK_INT(store_snapshot_revision(p), revisions[i]);
			char key[16];
			snprintf(key, sizeof key, "a/%d", i % 7);
			CHECK_INT(revision_in(p, key), i % 5 == 4 ? 0 : revisions[i]);
			CHECK(i < 7 || store_count(p, STR("a/"), STR_NONE) >= 4);
			store_snapshot_release(p);
		}
	}
	CHECK(store_snapshot_at(r->store, revisions[29] + 1, &p, &e) < 0);
	CHECK_INT(e.reason, ERR_TIMEOUT);
}

// ---- watches

struct follower { // keeps a model of what it was told
	struct rig *rig;
	struct store *store;
	struct store_watch *watch;
	struct store_scope scope;
	struct map model; // key -> revision
	int64_t revision;
	size_t events;
	bool ended, progress;
	enum err_reason reason;
};

static struct str whole_value(struct str value)
{
	return value;
}

static bool follows(const struct follower *f, const struct blob *value)
{
	return value && (!f->scope.facet || str_eq(blob_str(value), f->scope.wanted));
}

static void follow(void *arg, const struct store_event *events, size_t count, int64_t revision)
{
	struct follower *f = arg;
	CHECK(revision >= f->revision);
	int64_t last = f->revision;
	for (size_t i = 0; i < count; i++) {
		const struct store_event *ev = &events[i];
		int64_t before = (int64_t)(intptr_t)map_get(&f->model, ev->key);
		CHECK(ev->revision > f->revision && ev->revision >= last && ev->revision <= revision);
		CHECK(str_starts(ev->key, f->scope.prefix));
		CHECK(follows(f, ev->previous) || follows(f, ev->value));
		CHECK((before != 0) == follows(f, ev->previous));
		if (follows(f, ev->value))
			map_set(&f->model, ev->key, (void *)(intptr_t)ev->revision);
		else
			map_remove(&f->model, ev->key);
		last = ev->revision;
	}
	f->events += count;
	f->progress |= count == 0;
	f->revision = revision;
}

static void follow_end(void *arg, const struct err *e)
{
	struct follower *f = arg;
	f->ended = true;
	f->reason = e->reason;
}

static const struct store_watch_events follow_events = {follow, follow_end};

static bool follow_item(void *arg, const struct store_item *item)
{
	struct follower *f = arg;
	if (follows(f, item->value))
		map_set(&f->model, item->key, (void *)(intptr_t)item->revision);
	return true;
}

static void follower_start(struct follower *f, struct rig *r, struct store *s, struct store_scope scope)
{
	*f = (struct follower){.rig = r, .store = s, .scope = scope};
	map_init(&f->model);
	struct store_snapshot *p = store_snapshot(s);
	store_scan(p, scope.prefix, STR_NONE, follow_item, f);
	f->revision = store_snapshot_revision(p);
	store_snapshot_release(p);
	f->watch = store_watch(s, &f->scope, f->revision, r->user, &follow_events, f);
}

static void follower_stop(struct follower *f)
{
	store_watch_close(f->watch);
	map_finish(&f->model);
}

struct agreement {
	const struct follower *f;
	size_t count;
	bool ok;
};

static bool agree_item(void *arg, const struct store_item *item)
{
	struct agreement *a = arg;
	if (!follows(a->f, item->value))
		return true;
	a->count++;
	a->ok &= (int64_t)(intptr_t)map_get(&a->f->model, item->key) == item->revision;
	return true;
}

static bool follower_agrees(const struct follower *f)
{
	struct store_snapshot *p = store_snapshot(f->store);
	struct agreement a = {f, 0, true};
	store_scan(p, f->scope.prefix, STR_NONE, agree_item, &a);
	store_snapshot_release(p);
	return a.ok && a.count == f->model.count;
}

// A few keys change in a hundred ways at once; answers are waited for at the end.
static void storm(struct rig *r, struct answer *answers, size_t n)
{
	static const char *const keys[] = {"pods/a/1", "pods/a/2", "pods/b/1", "pods/b/2", "nodes/1", "nodes/2", "x"};
	for (size_t i = 0; i < n; i++) {
		const char *key = keys[rig_draw(r, ARRAY_LEN(keys))], *other = keys[rig_draw(r, ARRAY_LEN(keys))];
		struct store_op ops[] = {
			rig_draw(r, 3) ? op_put(key, STORE_ANY, STR("v")) : op_delete(key, STORE_ANY),
			op_put(other, STORE_ANY, STR("w")),
		};
		rig_submit(r, rig_draw(r, 2) ? r->store : r->other, ops, other == key ? 1 : 2, &answers[i]);
	}
}

TEST_BOTH(watches_tell_every_change_once_though_they_are_killed)
{
	enum { FOLLOWERS = 18, ROUNDS = 20, BURST = 100 };
	static const struct store_scope scopes[] = {
		{STR_INIT("")}, {STR_INIT("pods/")}, {STR_INIT("pods/a/")}, {STR_INIT("nodes/")}, {STR_INIT("n")}, {STR_INIT("pods/b/1")},
		{STR_INIT("pods/"), whole_value, STR_INIT("v")}, {STR_INIT("pods/"), whole_value, STR_INIT("w")},
		{STR_INIT("n"), whole_value, STR_INIT("v")}};
	struct follower f[FOLLOWERS];
	static struct answer answers[BURST];
	for (int i = 0; i < FOLLOWERS; i++)
		follower_start(&f[i], r, i % 2 ? r->store : r->other, scopes[i % ARRAY_LEN(scopes)]);
	for (int round = 0; round < ROUNDS; round++) {
		storm(r, answers, BURST);
		for (int kills = 0; kills < 6; kills++) {
			struct follower *victim = &f[rig_draw(r, FOLLOWERS)];
			r->pause(r, (int64_t)rig_draw(r, 1000000));
			store_watch_close(victim->watch);
			victim->watch = store_watch(victim->store, &victim->scope, victim->revision, r->user,
						    &follow_events, victim);
		}
		for (int i = 0; i < BURST; i++)
			r->run(r, &answers[i].done);
	}
	for (int i = 0; i < BURST; i++) {
		blob_unref(answers[i].value);
		answers[i].value = NULL;
	}
	r->pause(r, 300 * TIME_MS);
	for (int i = 0; i < FOLLOWERS; i++) {
		CHECK(follower_agrees(&f[i]));
		CHECK(!f[i].ended && f[i].events > 0);
		follower_stop(&f[i]);
	}
}

TEST_SIM(a_watch_tells_progress_without_changes_of_its_own)
{
	struct follower f;
	follower_start(&f, r, r->store, (struct store_scope){STR("pods/")});
	int64_t revision = rig_put(r, "nodes/1", STR("v"));
	r->pause(r, 20 * TIME_S);
	CHECK(f.progress);
	CHECK_INT(f.revision, revision);
	follower_stop(&f);
}

struct closer {
	struct store_watch *watch;
	size_t calls;
};

static void close_at_once(void *arg, const struct store_event *events, size_t count, int64_t revision)
{
	struct closer *c = arg;
	c->calls++;
	store_watch_close(c->watch);
}

TEST_BOTH(a_watch_is_closed_from_its_own_callback)
{
	struct closer c = {0};
	struct store_snapshot *p = store_snapshot(r->store);
	int64_t start = store_snapshot_revision(p);
	store_snapshot_release(p);
	for (int i = 0; i < 10; i++)
		rig_put(r, "pods/1", STR("v"));
	c.watch = store_watch(r->store, &(struct store_scope){STR("pods/")}, start, r->user, &(struct store_watch_events){close_at_once, NULL}, &c);
	for (int i = 0; i < 10; i++)
		rig_put(r, "pods/1", STR("v"));
	r->pause(r, 20 * TIME_MS);
	CHECK_INT(c.calls, 1);
}

TEST_BOTH(what_is_too_old_is_expired)
{
	struct blob *value = big(1 << 20);
	int64_t first = rig_put(r, "pods/1", STR("v")), last = 0;
	for (int i = 0; i < 40; i++) // more than the history holds
		last = rig_put(r, "pods/2", blob_str(value));
	struct follower f = {.rig = r, .revision = first};
	map_init(&f.model);
	f.watch = store_watch(r->store, &(struct store_scope){STR("pods/")}, first, r->user, &follow_events, &f);
	r->run(r, &f.ended);
	CHECK_INT(f.reason, ERR_EXPIRED);
	CHECK_INT(f.events, 0);
	follower_stop(&f);
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct store_snapshot *p = NULL;
	CHECK(store_snapshot_at(r->store, first, &p, &e) < 0);
	CHECK_INT(e.reason, ERR_EXPIRED);
	REQUIRE(store_snapshot_at(r->store, last - 2, &p, &e) == 0);
	CHECK_INT(revision_in(p, "pods/2"), last - 2);
	store_snapshot_release(p);
	blob_unref(value);
}

// What goes at once may weigh more than the history holds: who watches still hears of all of it, or that it has not.
TEST_BOTH(a_watch_hears_of_every_large_object_that_goes_at_once)
{
	enum { LARGE = 40 };
	static struct answer answers[LARGE];
	char keys[LARGE][16];
	struct blob *value = big(1 << 20);
	struct follower f;
	for (int i = 0; i < LARGE; i++) {
		snprintf(keys[i], sizeof keys[i], "maps/%02d", i);
		rig_put(r, keys[i], blob_str(value));
	}
	follower_start(&f, r, r->store, (struct store_scope){STR("maps/")});
	CHECK_INT(f.model.count, LARGE);
	r->pause(r, 20 * TIME_MS);
	for (int i = 0; i < LARGE; i++) {
		struct store_op op = op_delete(keys[i], STORE_ANY);
		rig_submit(r, r->store, &op, 1, &answers[i]);
	}
	for (int i = 0; i < LARGE; i++)
		r->run(r, &answers[i].done);
	r->pause(r, 100 * TIME_MS);
	CHECK(f.ended ? f.reason == ERR_EXPIRED : follower_agrees(&f));
	follower_stop(&f);
	blob_unref(value);
}

// A watcher that does not listen while more passes than the history holds is ended, and nothing is kept for it.
TEST(a_slow_watcher_is_overtaken)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	const char *path = rig_new_path(&a);
	struct rig *r = rig_open(path, NULL), *deaf = r;
	REQUIRE(r);
	struct follower f;
	follower_start(&f, deaf, r->store, (struct store_scope){STR("pods/")});
	struct blob *value = big(1 << 20);
	static struct answer answers[45];
	for (int i = 0; i < 45; i++) {
		struct store_op op = op_put("pods/1", STORE_ANY, blob_str(value));
		rig_submit(r, r->store, &op, 1, &answers[i]);
	}
	struct store_snapshot *p = NULL;
	for (int tries = 0; tries < 2000; tries++) { // the user's loop stands still meanwhile
		p = store_snapshot(r->store);
		bool all = store_snapshot_revision(p) >= f.revision + 45;
		store_snapshot_release(p);
		if (all)
			break;
		struct timespec ms = {0, 1000000};
		nanosleep(&ms, NULL);
	}
	r->run(r, &f.ended);
	CHECK_INT(f.reason, ERR_EXPIRED);
	for (int i = 0; i < 45; i++) {
		r->run(r, &answers[i].done);
		blob_unref(answers[i].value);
	}
	follower_stop(&f);
	blob_unref(value);
	rig_close(r);
	rig_remove(path);
}
