// SPDX-License-Identifier: Apache-2.0
#include "world.h"

#include "unit.h"

#include "base/times.h"
#include "sys/real.h"
#include "sys/sim.h"

static const int64_t patience = 5 * TIME_S;

// ---- real

struct watcher { // looks every millisecond whether the test is done
	struct timer timer;
	struct loop *loop;
	const bool *done;
	int64_t until;
};

static void look(struct timer *t)
{
	struct watcher *x = CONTAINER_OF(t, struct watcher, timer);
	if (*x->done || loop_now(x->loop) > x->until)
		loop_real_stop(x->loop);
	else
		timer_start(x->loop, t, TIME_MS);
}

static void run_real(struct world *w, const bool *done)
{
	struct watcher x = {.timer = {.fire = look}, .loop = w->loop, .done = done};
	x.until = loop_now(w->loop) + patience;
	timer_start(w->loop, &x.timer, TIME_MS);
	loop_real_run(w->loop);
	if (!*done)
		unit_fail(__FILE__, __LINE__, "did not come to its end");
}

void world_run_real(void (*test)(struct world *w))
{
	struct world w = {.loop = loop_real_create(), .other = loop_real_thread("other"), .run = run_real};
	test(&w);
	loop_real_thread_destroy(w.other);
	loop_real_destroy(w.loop);
}

// ---- simulated

static void run_sim(struct world *w, const bool *done)
{
	int64_t until = sim_now(w->sim) + patience;
	while (!*done && sim_now(w->sim) < until && sim_step(w->sim))
		;
	if (!*done)
		unit_fail(__FILE__, __LINE__, "did not come to its end");
}

void world_run_sim(void (*test)(struct world *w))
{
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct sim *s = sim_create(seed);
		struct world w = {.loop = sim_loop(s, "one"), .other = sim_loop(s, "two"), .run = run_sim, .sim = s};
		test(&w);
		sim_run(s, TIME_S);
		sim_destroy(s);
	}
}
