// SPDX-License-Identifier: Apache-2.0
// One server's side of the imitated remote store.
//
// A transaction travels there (flight.timer), is committed, travels back, and is answered when the stream of changes
// has come at least as far as the state that decided it: so whoever was answered reads what they wrote, and whoever
// lost a compare reads what they lost against.
#include "base/times.h"
#include "store/sim/cluster.h"
#include "store/view.h"

static const int64_t patience = 5 * TIME_S;

struct flight {
	struct timer timer;
	struct sim_store *store;
	struct txn *txn;
	int64_t decided_at; // revision of the cluster that decided it
	bool arrived;	    // the answer is here
	TAILQ_ENTRY(flight) flights;
};

struct sim_store {
	struct view view;
	struct store_cluster *cluster;
	struct cluster_member member;
	struct timer stream; // brings the changes
	TAILQ_HEAD(, flight) flights;
	bool cut, closing;
};

static struct sim_store *store_of(struct store *s)
{
	return CONTAINER_OF(s, struct sim_store, view.store);
}

static int64_t delay(struct sim_store *s)
{
	const struct store_cluster_faults *f = &s->cluster->faults;
	int64_t span = f->delay_max_ns - f->delay_min_ns;
	return f->delay_min_ns + (span > 0 ? (int64_t)loop_random_below(s->view.core, (uint64_t)span + 1) : 0);
}

static bool chance(struct sim_store *s, int per_mille)
{
	return per_mille > 0 && loop_random_below(s->view.core, 1000) < (uint64_t)per_mille;
}

// ---- transactions

static void answer(struct sim_store *s, struct txn *t)
{
	txn_answer(t);
	view_unref(&s->view);
}

static void land(struct flight *f)
{
	struct sim_store *s = f->store;
	timer_stop(&f->timer);
	TAILQ_REMOVE(&s->flights, f, flights);
	answer(s, f->txn);
	free(f);
}

static void time_out(struct timer *t)
{
	struct flight *f = CONTAINER_OF(t, struct flight, timer);
	err_clear(&f->txn->e);
	err_set(&f->txn->e, ERR_TIMEOUT, "no answer from the store: it may have happened");
	land(f);
}

// Nothing more comes of it than its end.
static void lose(struct flight *f)
{
	f->timer.fire = time_out;
	timer_start(f->store->view.core, &f->timer, patience);
}

static void come_back(struct timer *t)
{
	struct flight *f = CONTAINER_OF(t, struct flight, timer);
	struct sim_store *s = f->store;
	f->arrived = true;
	if (s->cut || chance(s, s->cluster->faults.answer_lost)) {
		f->arrived = false;
		lose(f);
	} else if (s->view.revision >= f->decided_at) {
		land(f);
	}
}

static void reach_cluster(struct timer *t)
{
	struct flight *f = CONTAINER_OF(t, struct flight, timer);
	struct sim_store *s = f->store;
	const struct store_cluster_faults *faults = &s->cluster->faults;
	if (s->cut || chance(s, faults->request_lost)) {
		lose(f);
		return;
	}
	if (chance(s, faults->refused))
		err_set(&f->txn->e, ERR_UNAVAILABLE, "the store refuses");
	else
		cluster_commit(s->cluster, f->txn);
	f->decided_at = s->cluster->revision;
	f->timer.fire = come_back;
	timer_start(s->view.core, &f->timer, delay(s));
}

static void depart(struct task *task)
{
	struct txn *t = CONTAINER_OF(task, struct txn, task);
	struct sim_store *s = store_of(t->store);
	if (!t->refused && s->closing)
		err_set(&t->e, ERR_UNAVAILABLE, "the store is closing");
	if (t->e.reason != ERR_NONE) {
		answer(s, t);
		return;
	}
	struct flight *f = MEM_NEW(struct flight);
	*f = (struct flight){.timer = {.fire = reach_cluster}, .store = s, .txn = t};
	TAILQ_INSERT_TAIL(&s->flights, f, flights);
	timer_start(s->view.core, &f->timer, delay(s));
}

static void txn(struct store *base, const struct store_op *ops, size_t count, struct loop *loop, store_done *done,
		void *arg)
{
	struct sim_store *s = store_of(base);
	struct txn *t = txn_create(base, ops, count, loop, done, arg);
	view_ref(&s->view);
	t->task.run = depart;
	loop_post(s->view.core, &t->task);
}

// ---- the stream of changes

static void expect_changes(struct sim_store *s)
{
	if (!timer_running(&s->stream) && !s->cut && s->view.revision < s->cluster->revision)
		timer_start(s->view.core, &s->stream, delay(s));
}

static void on_commit(struct cluster_member *m)
{
	expect_changes(CONTAINER_OF(m, struct sim_store, member));
}

// Up to the cluster's revision, or by chance not quite so far.
static int64_t apply_changes(struct sim_store *s)
{
	const struct history *h = &s->cluster->history;
	uint64_t place = history_after(h, s->view.revision);
	bool pause = false;
	for (; place < h->end; place++) {
		const struct change *c = history_at(h, place);
		if (pause && c->revision != history_at(h, place - 1)->revision)
			return history_at(h, place - 1)->revision;
		if (c->now)
			view_put(&s->view, record_ref(c->now));
		else
			view_remove(&s->view, change_key(c), c->revision);
		pause = pause || chance(s, 100);
	}
	return s->cluster->revision;
}

static void land_what_was_waiting(struct sim_store *s)
{
	struct flight *f, *next;
	for (f = TAILQ_FIRST(&s->flights); f; f = next) {
		next = TAILQ_NEXT(f, flights);
		if (f->arrived && f->decided_at <= s->view.revision)
			land(f);
	}
}

static void take_changes(struct timer *t)
{
	struct sim_store *s = CONTAINER_OF(t, struct sim_store, stream);
	if (s->cut)
		return;
	if (s->view.revision < s->cluster->history.floor)
		view_reset(&s->view, &s->cluster->tree, s->cluster->revision);
	else
		view_publish(&s->view, apply_changes(s));
	land_what_was_waiting(s);
	expect_changes(s);
}

void store_sim_cut(struct store *base, bool cut)
{
	struct sim_store *s = store_of(base);
	s->cut = cut;
	expect_changes(s);
}

// ---- life

static void gone(struct view *v)
{
	struct sim_store *s = CONTAINER_OF(v, struct sim_store, view);
	view_finish(v);
	free(s);
}

static void destroy(struct store *base)
{
	struct sim_store *s = store_of(base);
	s->closing = true;
	timer_stop(&s->stream);
	LIST_REMOVE(&s->member, members);
	while (!TAILQ_EMPTY(&s->flights))
		time_out(&TAILQ_FIRST(&s->flights)->timer);
	view_unref(&s->view);
}

static const struct store_ops sim_ops = {.txn = txn, VIEW_OPS, .destroy = destroy};

static bool copy_record(void *arg, struct record *r)
{
	view_load(arg, record_ref(r));
	return true;
}

struct store *store_sim_open(struct store_cluster *c, struct loop *core)
{
	struct sim_store *s = MEM_NEW(struct sim_store);
	view_init(&s->view, core, &sim_ops, gone);
	tree_scan(&c->tree, STR_NONE, STR_NONE, copy_record, &s->view);
	view_loaded(&s->view, c->revision);
	s->cluster = c;
	s->member.on_commit = on_commit;
	s->stream.fire = take_changes;
	TAILQ_INIT(&s->flights);
	LIST_INSERT_HEAD(&c->members, &s->member, members);
	return &s->view.store;
}
