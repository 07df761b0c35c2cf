// SPDX-License-Identifier: Apache-2.0
#include "client/events.h"

#include "base/times.h"
#include "fake_server.h"
#include "sys/sim.h"
#include "unit.h"

struct bench {
	struct sim *sim;
	struct fake_server *server;
	struct events *events;
	struct arena a;
};

static const struct events_about web = {STR_INIT("v1"),
					STR_INIT("Pod"),
					STR_INIT("one"),
					STR_INIT("web"),
					STR_INIT("u1"),
					STR_INIT("5"),
					STR_INIT("spec.containers{c}")};

static void bench_start(struct bench *b)
{
	b->sim = sim_create(1);
	b->server = fake_server_create(sim_loop(b->sim, "test"));
	b->events = events_create(fake_server_transport(b->server), STR("kubelet"), STR("n1"));
	arena_init(&b->a);
}

static void bench_stop(struct bench *b)
{
	events_destroy(b->events);
	fake_server_destroy(b->server);
	sim_destroy(b->sim);
	arena_finish(&b->a);
}

static struct json *all(struct bench *b)
{
	return json_get(fake_server_get(b->server, &b->a, "/api/v1/namespaces/one/events"), STR("items"));
}

TEST(events_say_what_happened)
{
	struct bench b;
	bench_start(&b);
	events_record(b.events, &web, EVENTS_WARNING, "BackOff", "Back-off %d", 7);
	sim_run(b.sim, TIME_S);
	struct json *items = all(&b);
	REQUIRE(items->count == 1);
	const struct json *event = json_index(items, 0);
	CHECK_STR(json_str(event, "involvedObject.kind"), "Pod");
	CHECK_STR(json_str(event, "involvedObject.fieldPath"), "spec.containers{c}");
	CHECK_STR(json_str(event, "reason"), "BackOff");
	CHECK_STR(json_str(event, "message"), "Back-off 7");
	CHECK_STR(json_str(event, "type"), "Warning");
	CHECK_STR(json_str(event, "source.component"), "kubelet");
	CHECK_STR(json_str(event, "source.host"), "n1");
	CHECK_INT(json_i64(event, "count", 0), 1);
	CHECK(str_starts(json_str(event, "metadata.name"), STR("web.")));
	bench_stop(&b);
}

TEST(events_that_repeat_are_counted)
{
	struct bench b;
	bench_start(&b);
	for (int i = 0; i < 5; i++) {
		events_record(b.events, &web, EVENTS_NORMAL, "Pulled", "Image is there");
		if (i > 2)
			sim_run(b.sim, TIME_S);
	}
	struct json *items = all(&b);
	REQUIRE(items->count == 1);
	CHECK_INT(json_i64(json_index(items, 0), "count", 0), 5);
	CHECK(
		!str_eq(json_str(json_index(items, 0), "firstTimestamp"), json_str(json_index(items, 0), "lastTimestamp")));
	sim_run(b.sim, 3600 * TIME_S); // later it is another one
	events_record(b.events, &web, EVENTS_NORMAL, "Pulled", "Image is there");
	sim_run(b.sim, TIME_S);
	CHECK_INT(all(&b)->count, 2);
	bench_stop(&b);
}

TEST(events_of_a_flood_are_combined_and_then_dropped)
{
	struct bench b;
	bench_start(&b);
	for (int i = 0; i < 100; i++) {
		events_record(b.events, &web, EVENTS_WARNING, "Unhealthy", "Probe %d failed", i);
		sim_run(b.sim, 10 * TIME_MS);
	}
	sim_run(b.sim, TIME_S);
	struct json *items = all(&b);
	CHECK_INT(items->count, 11); // ten of their own and the combined one
	int64_t told = 0;
	json_each(event, items)
		told += json_i64(event, "count", 0);
	CHECK_INT(told, 25);
	bench_stop(&b);
}

static int64_t a_day_ago(struct loop *l)
{
	return INT64_C(1767139200) * TIME_S + loop_now(l);
}

TEST(a_clock_that_is_set_back_opens_no_flood)
{
	struct bench b;
	bench_start(&b);
	struct loop *loop = fake_server_transport(b.server)->loop;
	events_record(b.events, &web, EVENTS_WARNING, "Unhealthy", "Probe failed");
	sim_run(b.sim, TIME_S);
	const struct loop_ops *usual = loop->ops;
	struct loop_ops set_back = *usual;
	set_back.wall = a_day_ago;
	loop->ops = &set_back;
	for (int i = 0; i < 100; i++) {
		events_record(b.events, &web, EVENTS_WARNING, "Unhealthy", "Probe %d failed", i);
		sim_run(b.sim, 10 * TIME_MS);
	}
	sim_run(b.sim, TIME_S);
	int64_t told = 0;
	json_each(event, all(&b))
		told += json_i64(event, "count", 0);
	CHECK_INT(told, 25);
	loop->ops = usual;
	bench_stop(&b);
}

TEST(events_survive_faults_and_stay_bounded)
{
	struct bench b;
	bench_start(&b);
	fake_server_set_faults(b.server, (struct fake_faults){.request_lost = 300});
	for (int i = 0; i < 300; i++) {
		struct events_about about = web;
		about.name = about.uid = arena_fmt(&b.a, "p%d", i);
		events_record(b.events, &about, EVENTS_NORMAL, "Scheduled", "On node %d", i);
	}
	sim_run(b.sim, 300 * TIME_S);
	CHECK(all(&b)->count >= 295); // all but those that failed six times running
	bench_stop(&b);
}
