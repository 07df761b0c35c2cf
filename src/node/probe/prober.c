// SPDX-License-Identifier: Apache-2.0
#include "node/probe/prober.h"

enum { EAGER_FIRST_MS = 15 };

struct probe {
	struct prober *all;
	enum probe_type type;
	const struct probe_spec *spec;
	struct probe_counter counter;
	struct timer timer;
	struct action *action; // under way
	int64_t first_at;      // monotonic: answers before it count only when good
	int64_t next_at;       // of the tries that count
	int64_t eager_ns;      // the next eager try comes after this; 0: there are none
	bool counts;	       // the one under way
	bool active;
};

struct prober {
	struct loop *loop;
	struct runtime *runtime;
	char *container_id, *ip;
	int64_t begun; // monotonic: when the container started
	struct probe probes[PROBE_TYPES];
	const struct prober_events *events;
	void *arg;
	unsigned busy; // inside events
	bool dead;
};

static void try_now(struct probe *p);

static char *copy(struct str s)
{
	char *out = mem_zalloc(s.n + 1);
	if (s.n)
		memcpy(out, s.p, s.n);
	return out;
}

static void on_timer(struct timer *t)
{
	try_now(CONTAINER_OF(t, struct probe, timer));
}

static void plan_next(struct probe *p)
{
	int64_t now = loop_now(p->all->loop), wait = p->next_at - now;
	if (p->eager_ns && now + p->eager_ns < p->first_at) {
		wait = p->eager_ns;
		p->eager_ns *= 2;
	}
	timer_start(p->all->loop, &p->timer, wait > 0 ? wait : 0);
}

static void begin(struct probe *p)
{
	int64_t now = loop_now(p->all->loop), first = probe_first_ns(p->spec), since_ns = now - p->all->begun;
	bool network = p->spec->action.kind == ACTION_HTTP || p->spec->action.kind == ACTION_TCP;
	bool early = !p->spec->initial_delay_ns && network && p->type != PROBE_LIVENESS && since_ns < first;
	p->active = true;
	p->eager_ns = early ? EAGER_FIRST_MS * TIME_MS : 0;
	p->first_at = now + (since_ns < first ? first - since_ns : 0);
	p->next_at = p->first_at;
	plan_next(p);
}

static void begin_rest(struct prober *a)
{
	for (int type = PROBE_READINESS; type < PROBE_TYPES; type++) {
		struct probe *p = &a->probes[type];
		if (p->spec->action.kind != ACTION_NONE && !p->active)
			begin(p);
	}
}

static void leave(struct prober *a)
{
	if (--a->busy == 0 && a->dead) {
		free(a->container_id);
		free(a->ip);
		free(a);
	}
}

static void end_probe(struct probe *p)
{
	timer_stop(&p->timer);
	action_cancel(p->action);
	p->action = NULL;
	p->active = false;
}

static void judge(struct probe *p, bool good)
{
	struct prober *a = p->all;
	if (!probe_count(&p->counter, p->spec, good))
		return;
	if (p->type == PROBE_STARTUP && good) {
		end_probe(p);
		begin_rest(a);
	}
	a->events->on_verdict(a->arg, p->type, p->counter.verdict);
}

static void on_done(void *arg, enum action_result result, struct str said)
{
	struct probe *p = arg;
	bool good = result != ACTION_BAD;
	struct prober *a = p->all;
	p->action = NULL;
	a->busy++;
	if (p->counts)
		p->next_at += p->spec->period_ns;
	if (p->next_at < loop_now(a->loop))
		p->next_at = loop_now(a->loop);
	if (good)
		p->eager_ns = 0;
	if (p->active)
		plan_next(p);
	if (result != ACTION_GOOD && p->counts)
		a->events->on_remark(a->arg, p->type, result, said);
	if (!a->dead && (good || p->counts))
		judge(p, good);
	leave(a);
}

static void try_now(struct probe *p)
{
	struct action_context x = {
		.loop = p->all->loop,
		.runtime = p->all->runtime,
		.container_id = str_of(p->all->container_id),
		.ip = str_of(p->all->ip),
	};
	p->counts = loop_now(p->all->loop) >= p->first_at;
	p->action = action_start(&x, &p->spec->action, p->spec->timeout_ns, on_done, p);
}

struct prober *prober_create(const struct action_context *x, const struct container_spec *c, bool started,
			     int64_t since_ns, const struct prober_events *ev, void *arg)
{
	struct prober *a = MEM_NEW(struct prober);
	*a = (struct prober){.loop = x->loop, .runtime = x->runtime, .events = ev, .arg = arg};
	a->container_id = copy(x->container_id);
	a->ip = copy(x->ip);
	a->begun = loop_now(x->loop) - since_ns;
	for (int type = 0; type < PROBE_TYPES; type++) {
		a->probes[type] = (struct probe){.all = a, .type = type, .spec = &c->probes[type]};
		a->probes[type].timer.fire = on_timer;
	}
	if (c->probes[PROBE_STARTUP].action.kind != ACTION_NONE && !started)
		begin(&a->probes[PROBE_STARTUP]);
	else
		begin_rest(a);
	return a;
}

void prober_only_readiness(struct prober *p)
{
	if (!p)
		return;
	end_probe(&p->probes[PROBE_STARTUP]);
	end_probe(&p->probes[PROBE_LIVENESS]);
}

void prober_destroy(struct prober *p)
{
	if (!p)
		return;
	for (int type = 0; type < PROBE_TYPES; type++)
		end_probe(&p->probes[type]);
	p->dead = true;
	p->busy++;
	leave(p);
}
