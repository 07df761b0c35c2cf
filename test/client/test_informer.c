// SPDX-License-Identifier: Apache-2.0
// An informer keeps a copy that in the end is what the server has, and tells each change once, whatever breaks on the
// way: here the listener keeps a copy of its own from the notices alone.
#include "client/informer.h"

#include "base/map.h"
#include "base/times.h"
#include "fake_server.h"
#include "sys/sim.h"
#include "unit.h"

struct follower {
	struct map known; // key -> the revision it was told of
	int added, changed, deleted, synced, wrong;
};

static void on_change(void *arg, const struct informer_object *before, const struct informer_object *now)
{
	struct follower *f = arg;
	struct str key = now ? now->key : before->key;
	int64_t told = (int64_t)(intptr_t)map_get(&f->known, key);
	if (before ? told != before->revision : told != 0)
		f->wrong++; // not what it was told last
	if (now && before && now->revision <= before->revision)
		f->wrong++;
	f->added += !before;
	f->changed += before && now;
	f->deleted += !now;
	if (now)
		map_set(&f->known, key, (void *)(intptr_t)now->revision);
	else
		map_remove(&f->known, key);
}

static void on_synced(void *arg)
{
	((struct follower *)arg)->synced++;
}

static const struct informer_events events = {on_change, on_synced};

static void put_map(struct fake_server *s, const char *method, int n, int value)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct str path = arena_fmt(&a, "/api/v1/namespaces/n%d/configmaps%s", n % 3,
				    strcmp(method, "POST") == 0 ? "" : arena_fmt(&a, "/m%d", n).p);
	struct str body = arena_fmt(&a, "{\"metadata\":{\"name\":\"m%d\"},\"data\":{\"v\":\"%d\"}}", n, value);
	fake_server_do(s, method, path.p, body.p);
}

static void check_same(struct fake_server *s, struct informer *i, struct follower *f)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct json *items = json_get(fake_server_get(s, &a, "/api/v1/configmaps"), STR("items"));
	CHECK_INT(informer_count(i), items->count);
	CHECK_INT(f->known.count, items->count);
	CHECK_INT(f->wrong, 0);
	json_each(item, items) {
		struct str key = arena_fmt(&a, "%.*s/%.*s", STR_FMT(json_str(item, "metadata.namespace")),
					   STR_FMT(json_str(item, "metadata.name")));
		const struct informer_object *o = informer_get(i, key);
		REQUIRE(o != NULL);
		CHECK(json_equal(informer_parse(&a, o), item));
	}
}

TEST(informer_lists_in_pages_and_follows)
{
	struct sim *sim = sim_create(7);
	struct fake_server *s = fake_server_create(sim_loop(sim, "test"));
	struct follower f = {0};
	for (int n = 0; n < 1234; n++)
		put_map(s, "POST", n, 0);
	struct informer *i = informer_create(fake_server_transport(s), STR("/api/v1/configmaps"));
	informer_listen(i, &events, &f);
	CHECK(!informer_synced(i));
	sim_run(sim, TIME_S);
	CHECK(informer_synced(i));
	CHECK_INT(f.synced, 1);
	CHECK_INT(f.added, 1234);
	put_map(s, "POST", 5000, 1);
	put_map(s, "PUT", 5, 1);
	put_map(s, "DELETE", 6, 1);
	sim_run(sim, TIME_S);
	CHECK_INT(f.added, 1235);
	CHECK_INT(f.changed, 1);
	CHECK_INT(f.deleted, 1);
	check_same(s, i, &f);
	struct follower late = {0}; // hears of what is there
	informer_listen(i, &events, &late);
	CHECK_INT(late.added, 1234);
	CHECK_INT(late.synced, 1);
	informer_destroy(i);
	map_finish(&f.known);
	map_finish(&late.known);
	fake_server_destroy(s);
	sim_destroy(sim);
}

TEST(informer_tells_only_differences_after_a_gap)
{
	struct sim *sim = sim_create(7);
	struct fake_server *s = fake_server_create(sim_loop(sim, "test"));
	struct follower f = {0};
	for (int n = 0; n < 30; n++)
		put_map(s, "POST", n, 0);
	struct informer *i = informer_create(fake_server_transport(s), STR("/api/v1/configmaps"));
	informer_listen(i, &events, &f);
	sim_run(sim, TIME_S);
	fake_server_break_watches(s);
	put_map(s, "PUT", 1, 2);
	put_map(s, "DELETE", 2, 0);
	put_map(s, "DELETE", 3, 0);
	put_map(s, "POST", 3, 9); // another of the same name
	put_map(s, "POST", 40, 0);
	fake_server_compact(s); // the informer's revision is too old now: 410
	sim_run(sim, 5 * TIME_S);
	CHECK_INT(f.added, 30 + 2);
	CHECK_INT(f.changed, 1);
	CHECK_INT(f.deleted, 2);
	CHECK_INT(f.synced, 1);
	check_same(s, i, &f);
	informer_destroy(i);
	map_finish(&f.known);
	fake_server_destroy(s);
	sim_destroy(sim);
}

static void churn(uint64_t seed)
{
	struct sim *sim = sim_create(seed);
	struct fake_server *s = fake_server_create(sim_loop(sim, "test"));
	struct follower f = {0};
	fake_server_set_faults(
		s, (struct fake_faults){
		       .request_lost = 200, .answer_lost = 200, .watch_broken = 50, .delay_max_ns = 20 * TIME_MS});
	struct informer *i = informer_create(fake_server_transport(s), STR("/api/v1/configmaps"));
	informer_listen(i, &events, &f);
	for (int round = 0; round < 400; round++) {
		int n = (int)(sim_random(sim) % 40);
		static const char *const methods[] = {"POST", "PUT", "DELETE"};
		put_map(s, methods[sim_random(sim) % 3], n, round);
		if (sim_random(sim) % 20 == 0)
			fake_server_compact(s);
		sim_run(sim, (int64_t)(sim_random(sim) % (50 * TIME_MS)));
	}
	fake_server_set_faults(s, (struct fake_faults){0});
	sim_run(sim, 60 * TIME_S);
	check_same(s, i, &f);
	informer_destroy(i);
	map_finish(&f.known);
	fake_server_destroy(s);
	sim_destroy(sim);
}

TEST(informer_converges_under_faults)
{
	for (uint64_t seed = 1; seed <= 40; seed++)
		churn(seed);
}

TEST(informer_may_go_at_any_moment)
{
	for (int64_t moment_us = 0; moment_us < 4000; moment_us += 100) {
		struct sim *sim = sim_create(3);
		struct fake_server *s = fake_server_create(sim_loop(sim, "test"));
		put_map(s, "POST", 1, 1);
		struct informer *i = informer_create(fake_server_transport(s), STR("/api/v1/configmaps"));
		sim_run(sim, moment_us * 1000);
		informer_destroy(i);
		sim_run(sim, TIME_S);
		fake_server_destroy(s);
		sim_destroy(sim);
	}
}
