// SPDX-License-Identifier: Apache-2.0
#include "base/map.h"
#include "base/times.h"
#include "client/client.h"
#include "client/queue.h"
#include "client/scan.h"
#include "sys/sim.h"
#include "unit.h"

TEST(paths)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	CHECK_STR(client_path(&a, STR("v1"), STR("default"), STR("pods"), STR("web"), STR("binding")),
		  "/api/v1/namespaces/default/pods/web/binding");
	CHECK_STR(client_path(&a, STR("apps/v1"), STR_NONE, STR("deployments"), STR_NONE, STR_NONE),
		  "/apis/apps/v1/deployments");
	CHECK_STR(client_path(&a, STR("v1"), STR_NONE, STR("nodes"), STR("n"), STR("status")),
		  "/api/v1/nodes/n/status");
}

TEST(scanning)
{
	struct str text = STR("{\"a\": \"x\\\"}\" , \"b\":[1,{\"c\":\"]\"}, true],\"d\":{}, \"e\":-1.5e3}");
	CHECK_STR(scan_get(text, "a"), "\"x\\\"}\"");
	CHECK_STR(scan_get(text, "b"), "[1,{\"c\":\"]\"}, true]");
	CHECK_STR(scan_get(text, "d"), "{}");
	CHECK_STR(scan_get(text, "e"), "-1.5e3");
	CHECK(scan_get(text, "f").p == NULL);
	struct str rest = scan_get(text, "b"), value;
	CHECK(scan_element(&rest, &value) && str_is(value, "1"));
	CHECK(scan_element(&rest, &value) && str_is(scan_get_str(value, "c"), "]"));
	CHECK(scan_element(&rest, &value) && str_is(value, "true"));
	CHECK(!scan_element(&rest, &value));
	rest = STR("[]");
	CHECK(!scan_element(&rest, &value));
}

TEST(scanning_cut_text_stays_inside)
{
	struct str whole = STR("{\"a\":{\"b\":[1,\"\\\\\"]},\"c\":null}");
	for (size_t n = 0; n < whole.n; n++) {
		char *copy = mem_alloc(n + 1); // exact size, for the sanitizer
		memcpy(copy, whole.p, n);
		struct str key, value, rest = {copy, n};
		while (scan_member(&rest, &key, &value))
			CHECK(value.p >= copy && value.p + value.n <= copy + n);
		free(copy);
	}
}

// ---- the queue

struct worker {
	struct loop *loop;
	struct queue *queue;
	struct timer timer; // finishes what is being handled
	struct str key;
	char memory[16];
	int handled, at_once, at_once_max, failures_left;
	int64_t last_ns;
};

static void finish_work(struct timer *t)
{
	struct worker *w = CONTAINER_OF(t, struct worker, timer);
	bool failed = w->failures_left > 0;
	w->failures_left -= failed;
	w->at_once--;
	queue_done(w->queue, w->key, failed);
}

static void work(void *arg, struct str key)
{
	struct worker *w = arg;
	w->handled++;
	w->at_once++;
	if (w->at_once > w->at_once_max)
		w->at_once_max = w->at_once;
	memcpy(w->memory, key.p, key.n);
	w->key = (struct str){w->memory, key.n};
	w->last_ns = loop_now(w->loop);
	timer_start(w->loop, &w->timer, TIME_MS);
}

static void worker_init(struct worker *w, struct sim *sim)
{
	*w = (struct worker){.loop = sim_loop(sim, "test")};
	w->timer = (struct timer){.fire = finish_work, .loop = w->loop};
	w->queue = queue_create(w->loop, 1, work, w);
}

TEST(queue_handles_a_key_once_and_again_when_it_came_meanwhile)
{
	struct sim *sim = sim_create(1);
	struct worker w;
	worker_init(&w, sim);
	queue_add(w.queue, STR("a"));
	queue_add(w.queue, STR("a"));
	CHECK_INT(queue_length(w.queue), 1);
	sim_run(sim, 100 * 1000);
	CHECK_INT(w.handled, 1);
	queue_add(w.queue, STR("a")); // while it is handled
	queue_add(w.queue, STR("a"));
	sim_run(sim, TIME_S);
	CHECK_INT(w.handled, 2);
	CHECK_INT(w.at_once_max, 1);
	queue_destroy(w.queue);
	sim_destroy(sim);
}

TEST(queue_failures_come_back_later_each_time)
{
	struct sim *sim = sim_create(1);
	struct worker w;
	worker_init(&w, sim);
	w.failures_left = 4;
	queue_add(w.queue, STR("a"));
	int64_t start_ns = sim_now(sim);
	sim_run(sim, TIME_S);
	CHECK_INT(w.handled, 5);
	// 5 rounds of work, and 5 + 10 + 20 + 40 ms between them.
	CHECK_INT((w.last_ns - start_ns) / TIME_MS, 4 + 75);
	queue_destroy(w.queue);
	sim_destroy(sim);
}

TEST(queue_delays_and_the_earlier_stands)
{
	struct sim *sim = sim_create(1);
	struct worker w;
	worker_init(&w, sim);
	queue_add_after(w.queue, STR("a"), 2 * TIME_S);
	queue_add_after(w.queue, STR("a"), TIME_S);
	queue_add_after(w.queue, STR("a"), 3 * TIME_S);
	int64_t start_ns = sim_now(sim);
	sim_run(sim, 10 * TIME_S);
	CHECK_INT(w.handled, 1);
	CHECK_INT((w.last_ns - start_ns) / TIME_S, 1);
	queue_add_after(w.queue, STR("b"), TIME_S); // left over when the queue goes
	queue_add(w.queue, STR("c"));
	queue_destroy(w.queue);
	sim_run(sim, 10 * TIME_S);
	CHECK_INT(w.handled, 1);
	sim_destroy(sim);
}
