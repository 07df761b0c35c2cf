// SPDX-License-Identifier: Apache-2.0
// What is particular to the simulated world: the same seed gives the same run, and faults come as ordered.
#include "unit.h"

#include "base/mem.h"
#include "base/times.h"
#include "sys/sim.h"

struct end { // of a connection that sends random amounts back and forth
	struct sim *sim;
	struct loop *loop;
	struct stream *stream;
	struct timer timer;
	size_t got;
	bool closed, broken, refused, timed_out;
};

static void chat_read(void *arg, struct str data, const struct err *e)
{
	struct end *x = arg;
	x->got += data.n;
	x->broken |= e != NULL;
	if (!e && data.n)
		return;
	timer_stop(&x->timer);
	stream_close(x->stream);
	x->stream = NULL;
	x->closed = true;
}

static void chat(struct timer *t)
{
	struct end *x = CONTAINER_OF(t, struct end, timer);
	size_t n = 1 + sim_random_below(x->sim, 5000);
	struct blob *b = blob_create_raw(n);
	memset(b->p, (int)n, n);
	stream_write(x->stream, b);
	timer_start(x->loop, t, (int64_t)sim_random_below(x->sim, 10 * TIME_MS));
}

static const struct stream_events chat_events = {chat_read, NULL};

static void start_chat(struct end *x, struct stream *s)
{
	x->stream = s;
	x->timer.fire = chat;
	stream_start(s, &chat_events, x);
	timer_start(x->loop, &x->timer, 0);
}

static void accept_chat(void *arg, struct stream *s)
{
	start_chat(arg, s);
}

static void connected(void *arg, struct stream *s, const struct err *e)
{
	struct end *x = arg;
	x->refused = e != NULL;
	x->timed_out = e && e->reason == ERR_TIMEOUT;
	if (s)
		start_chat(x, s);
}

struct pair {
	struct sim *sim;
	struct end server, client;
	struct listener *listener;
};

static void start_pair(struct pair *p, uint64_t seed)
{
	struct sim *s = sim_create(seed);
	*p = (struct pair){.sim = s, .server = {.sim = s, .loop = sim_loop(s, "server")},
			   .client = {.sim = s, .loop = sim_loop(s, "client")}};
	CHECK(net_listen(p->server.loop, "0.0.0.0:80", accept_chat, &p->server, &p->listener, NULL) == 0);
	net_connect(p->client.loop, "10.0.0.1:80", connected, &p->client);
}

static uint64_t run_chat(uint64_t seed, const struct sim_faults *f)
{
	struct pair p;
	start_pair(&p, seed);
	sim_set_faults(p.sim, f);
	sim_run(p.sim, 2 * TIME_S);
	sim_log(p.sim, "%zu %zu", p.server.got, p.client.got);
	uint64_t digest = sim_digest(p.sim) ^ str_hash(sim_trace(p.sim));
	CHECK(p.client.refused || p.client.closed || p.server.got > 100000);
	sim_destroy(p.sim);
	return digest;
}

TEST(a_seed_gives_the_same_run)
{
	struct sim_faults f = {100000, 30000000, 50, 2, 0};
	for (uint64_t seed = 1; seed < 30; seed++) {
		CHECK(run_chat(seed, NULL) == run_chat(seed, NULL));
		CHECK(run_chat(seed, &f) == run_chat(seed, &f));
		CHECK(run_chat(seed, &f) != run_chat(seed + 1, &f));
	}
}

TEST(the_isolated_hear_nothing_until_they_are_back)
{
	struct pair p;
	start_pair(&p, 7);
	sim_run(p.sim, TIME_S);
	CHECK(p.server.got > 0 && p.client.got > 0);
	sim_isolate(p.client.loop, true);
	sim_run(p.sim, 50 * TIME_MS);
	size_t got = p.client.got;
	sim_run(p.sim, TIME_S);
	CHECK_INT(p.client.got, got);
	sim_isolate(p.client.loop, false);
	sim_run(p.sim, TIME_S);
	CHECK(p.client.got > got && !p.client.broken);
	sim_destroy(p.sim);
}

TEST(connecting_to_the_isolated_times_out)
{
	struct pair p;
	start_pair(&p, 7);
	sim_isolate(p.server.loop, true);
	sim_run(p.sim, 9 * TIME_S);
	CHECK(!p.client.refused);
	sim_run(p.sim, 2 * TIME_S);
	CHECK(p.client.timed_out);
	sim_destroy(p.sim);
}

TEST(streams_break_and_connections_are_refused_as_ordered)
{
	int refused = 0, broken = 0;
	struct sim_faults f = {100000, 1000000, 300, 5, 0};
	for (uint64_t seed = 1; seed <= 100; seed++) {
		struct pair p;
		start_pair(&p, seed);
		sim_set_faults(p.sim, &f);
		sim_run(p.sim, 2 * TIME_S);
		refused += p.client.refused;
		broken += p.client.broken;
		CHECK(p.client.broken == p.server.broken);
		sim_destroy(p.sim);
	}
	CHECK(refused > 10 && refused < 60);
	CHECK(broken > 20);
}

TEST(virtual_time_passes_without_waiting)
{
	struct sim *s = sim_create(1);
	struct loop *l = sim_loop(s, "one");
	int64_t wall = loop_wall(l);
	sim_run(s, 86400 * TIME_S);
	CHECK_INT(loop_now(l), 86400 * TIME_S);
	CHECK_INT(loop_wall(l) - wall, 86400 * TIME_S);
	CHECK(!sim_step(s));
	sim_log(s, "a day later");
	CHECK_STR(sim_trace(s), "86400.000000 a day later\n");
	sim_destroy(s);
}
