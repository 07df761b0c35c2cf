// SPDX-License-Identifier: Apache-2.0
#include "sys/sim/world.h"

#include <inttypes.h>

#include "base/times.h"

static const int64_t wall_start = INT64_C(1767225600) * TIME_S; // 2026-01-01T00:00:00Z
static const struct sim_faults no_faults = {50000, 500000, 0, 0, 0};

// ---- chance: xoshiro256** seeded by splitmix64 (Blackman and Vigna)

static uint64_t splitmix(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static uint64_t rotate(uint64_t x, int by)
{
	return x << by | x >> (64 - by);
}

uint64_t sim_random(struct sim *sim)
{
	uint64_t *s = sim->random, result = rotate(s[1] * 5, 7) * 9, t = s[1] << 17;
	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotate(s[3], 45);
	return result;
}

uint64_t sim_random_below(struct sim *s, uint64_t bound)
{
	return (uint64_t)(((unsigned __int128)sim_random(s) * bound) >> 64); // bias below 2^-32 for what is asked here
}

bool sim_chance(struct sim *s, int per_mille)
{
	return per_mille > 0 && sim_random_below(s, 1000) < (uint64_t)per_mille;
}

static void random_bytes(struct loop *l, void *out, size_t n)
{
	for (size_t at = 0; at < n; at += 8) {
		uint64_t drawn = sim_random(sim_of(l));
		memcpy((char *)out + at, &drawn, n - at < 8 ? n - at : 8);
	}
}

// ---- what happens

void sim_mix(struct sim *s, struct str bytes)
{
	s->digest = (s->digest ^ str_hash(bytes)) * 0x9e3779b97f4a7c15u;
}

static void happen(struct timer *t)
{
	struct event *ev = CONTAINER_OF(t, struct event, timer);
	ev->happen(ev);
	free(ev);
}

void sim_expect(struct sim *s, int64_t delay_ns, void (*what)(struct event *), void (*drop)(struct event *),
		void *subject)
{
	struct event *ev = MEM_NEW(struct event);
	*ev = (struct event){.timer = {.fire = happen}, .happen = what, .drop = drop, .subject = subject};
	timers_set(&s->queue, &ev->timer, s->now + delay_ns);
}

bool sim_step(struct sim *s)
{
	if (s->queue.count == 0)
		return false;
	s->now = timers_due(&s->queue);
	s->digest = (s->digest ^ (uint64_t)s->now) * 0x9e3779b97f4a7c15u;
	struct timer *t = timers_take(&s->queue);
	t->fire(t);
	return true;
}

void sim_run(struct sim *s, int64_t duration_ns)
{
	int64_t until = s->now + duration_ns;
	while (timers_due(&s->queue) <= until)
		sim_step(s);
	s->now = until;
}

static void run_task(struct event *ev)
{
	struct task *t = ev->subject;
	t->run(t);
}

static void post(struct loop *l, struct task *t)
{
	sim_expect(sim_of(l), 0, run_task, NULL, t);
}

static void finish_work(struct event *ev)
{
	struct work *w = ev->subject;
	w->run(w);
	w->done(w);
}

static void work(struct loop *l, struct work *w)
{
	struct sim *s = sim_of(l);
	w->loop = l;
	sim_expect(s, 20000 + (int64_t)sim_random_below(s, 2 * TIME_MS), finish_work, NULL, w);
}

static void start_timer(struct loop *l, struct timer *t, int64_t delay_ns)
{
	struct sim *s = sim_of(l);
	t->loop = l;
	timers_set(&s->queue, t, s->now + (delay_ns > 0 ? delay_ns : 0));
}

static void stop_timer(struct loop *l, struct timer *t)
{
	timers_unset(&sim_of(l)->queue, t);
}

static int64_t now(struct loop *l)
{
	return sim_of(l)->now;
}

static int64_t wall(struct loop *l)
{
	return wall_start + sim_of(l)->now;
}

int64_t sim_now(struct sim *s)
{
	return s->now;
}

uint64_t sim_digest(struct sim *s)
{
	return s->digest;
}

// ---- the trace

void sim_log(struct sim *s, const char *format, ...)
{
	buf_fmt(&s->trace, "%" PRId64 ".%06" PRId64 " ", s->now / TIME_S, s->now % TIME_S / 1000);
	va_list args;
	va_start(args, format);
	buf_vfmt(&s->trace, format, args);
	va_end(args);
	buf_add_byte(&s->trace, '\n');
}

struct str sim_trace(struct sim *s)
{
	return buf_str(&s->trace);
}

// ---- life

static const struct loop_ops sim_ops = {
	.now = now,
	.wall = wall,
	.random = random_bytes,
	.post = post,
	.timer_start = start_timer,
	.timer_stop = stop_timer,
	.work = work,
	.listen = sim_listen,
	.listener_close = sim_listener_close,
	.listener_port = sim_listener_port,
	.connect = sim_connect,
	.stream_move = sim_stream_move,
	.stream_start = sim_stream_start,
	.stream_read = sim_stream_read,
	.stream_write = sim_stream_write,
	.stream_pending = sim_stream_pending,
	.stream_shutdown = sim_stream_shutdown,
	.stream_close = sim_stream_close,
	.stream_peer = sim_stream_peer,
	.file_read = sim_file_read,
	.file_write = sim_file_write,
	.file_remove = sim_file_remove,
	.dir_make = sim_dir_make,
};

struct sim *sim_create(uint64_t seed)
{
	struct sim *s = MEM_NEW(struct sim);
	for (int i = 0; i < 4; i++)
		s->random[i] = splitmix(&seed);
	s->faults = no_faults;
	s->next_port = 20000;
	map_init(&s->listeners);
	buf_init(&s->trace);
	sim_files_init(s);
	return s;
}

void sim_set_faults(struct sim *s, const struct sim_faults *f)
{
	s->faults = f ? *f : no_faults;
}

struct loop *sim_loop(struct sim *s, const char *name)
{
	struct sim_loop *l = MEM_NEW(struct sim_loop);
	l->base.ops = &sim_ops;
	l->sim = s;
	l->next = s->loops;
	s->loops = l;
	str_to_c(str_of(name), l->name, sizeof l->name);
	return &l->base;
}

void sim_isolate(struct loop *l, bool isolated)
{
	sim_loop_of(l)->isolated = isolated;
}

void sim_destroy(struct sim *s)
{
	if (!s)
		return;
	while (s->queue.count) {
		struct timer *t = timers_take(&s->queue);
		if (t->fire != happen)
			continue;
		struct event *ev = CONTAINER_OF(t, struct event, timer);
		if (ev->happen == run_task)
			run_task(ev); // among them the last steps of what others have destroyed
		else if (ev->drop)
			ev->drop(ev);
		free(ev);
	}
	timers_finish(&s->queue);
	sim_files_finish(s);
	sim_net_finish(s);
	buf_finish(&s->trace);
	while (s->loops) {
		struct sim_loop *l = s->loops;
		s->loops = l->next;
		free(l);
	}
	free(s);
}
