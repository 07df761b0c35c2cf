// SPDX-License-Identifier: Apache-2.0
// From a transaction to its answer:
//
//   any loop      txn_create ---post---> core: decide: compare with what was accepted, give revision and rows
//   core          ---post---> writer: join the open group
//   writer        one task later: commit the group, fsync ---post---> core: settle
//   core          view_put..., view_publish (snapshots and watches see it) ---post---> any loop: done
//
// While a group is being written the next one gathers in the writer's queue, at the price of no system call.
//
// What was accepted but is not yet durable stands in `tentative`. Where a group fails, all of that is refused: every
// decision carries the term in which it was made, a failure begins a new term, and the writer refuses what was
// decided in a term that has failed.
#include <inttypes.h>

#include "store/sqlite.h"
#include "store/sqlite/database.h"
#include "store/txn.h"
#include "store/view.h"
#include "sys/real.h"

enum {
	WAITING_MAX = 20000,	       // transactions on their way
	WAITING_BYTES_MAX = 64 << 20,  // and their size; beyond, they are refused
	GROUP_MAX = 2000,	       // transactions in one commit
	GROUP_BYTES_MAX = 8 << 20,
};

struct group {
	struct task task;
	struct sqlite_store *store;
	struct txn *first, **last;
	size_t count, bytes;
	uint64_t term;
	struct err e; // why it was not committed
};

struct sqlite_store {
	struct view view;

	// the core's
	struct map tentative; // key -> struct txn_op, the last accepted
	int64_t revision;     // last given
	int64_t next_row;
	uint64_t term;
	size_t waiting, waiting_bytes;
	bool closing;

	// the writer's
	struct loop *writer;
	struct database *db;
	struct group *open;
	struct task commit;
	bool commit_posted;
	uint64_t failed_term; // 0: none
};

static struct sqlite_store *store_of(struct store *s)
{
	return CONTAINER_OF(s, struct sqlite_store, view.store);
}

static void write_txn(struct task *task);

// ---- deciding, on the core loop

// The record that the key has after all that was accepted; NULL: absent.
static struct record *latest(struct sqlite_store *s, struct str key)
{
	const struct txn_op *op = map_get(&s->tentative, key);
	if (!op)
		return view_get(&s->view, key);
	return op->action == STORE_PUT ? op->record : NULL;
}

static bool holds(struct sqlite_store *s, struct txn *t)
{
	for (size_t i = 0; i < t->count; i++) {
		const struct record *now = latest(s, record_key(t->ops[i].record));
		int64_t revision = now ? now->revision : 0;
		if (!txn_holds(&t->ops[i], revision)) {
			txn_conflict(t, i, revision);
			return false;
		}
	}
	return true;
}

static void accept(struct sqlite_store *s, struct txn *t)
{
	txn_stamp(t, ++s->revision);
	for (size_t i = 0; i < t->count; i++) {
		struct txn_op *op = &t->ops[i];
		if (op->action == STORE_CHECK)
			continue;
		op->replaced = record_ref(latest(s, record_key(op->record)));
		if (op->action == STORE_PUT)
			op->record->row = op->replaced ? op->replaced->row : s->next_row++;
		map_set(&s->tentative, record_key(op->record), op);
	}
}

static bool overloaded(const struct sqlite_store *s)
{
	return s->waiting >= WAITING_MAX || s->waiting_bytes >= WAITING_BYTES_MAX;
}

static void answer(struct sqlite_store *s, struct txn *t)
{
	txn_answer(t);
	view_unref(&s->view);
}

// Whether it needs the writer. One that lost may have lost against what is not durable yet: then its answer, too,
// has to wait until that is.
static bool admit(struct sqlite_store *s, struct txn *t)
{
	if (t->refused)
		return false;
	if (s->closing || overloaded(s)) {
		err_set(&t->e, ERR_UNAVAILABLE, s->closing ? "the store is closing" : "the disk does not keep up");
		return false;
	}
	if (!holds(s, t))
		return s->waiting > 0;
	accept(s, t);
	return true;
}

static void decide(struct task *task)
{
	struct txn *t = CONTAINER_OF(task, struct txn, task);
	struct sqlite_store *s = store_of(t->store);
	if (!admit(s, t)) {
		answer(s, t);
		return;
	}
	s->waiting++;
	s->waiting_bytes += t->bytes;
	t->term = s->term;
	t->task.run = write_txn;
	loop_post(s->writer, &t->task);
}

static void txn(struct store *base, const struct store_op *ops, size_t count, struct loop *loop, store_done *done,
		void *arg)
{
	struct txn *t = txn_create(base, ops, count, loop, done, arg);
	view_ref(&store_of(base)->view);
	t->task.run = decide;
	loop_post(store_of(base)->view.core, &t->task);
}

// ---- writing, on the writer's thread

static int write_ops(struct sqlite_store *s, const struct txn *t, struct err *e)
{
	if (t->revision == 0) // it only waits for its answer
		return 0;
	for (size_t i = 0; i < t->count; i++) {
		const struct txn_op *op = &t->ops[i];
		if (op->action == STORE_PUT && database_put(s->db, op->record, op->replaced, e) < 0)
			return -1;
		if (op->action == STORE_DELETE && op->replaced && database_delete(s->db, op->replaced, e) < 0)
			return -1;
	}
	return 0;
}

static int write_group(struct sqlite_store *s, struct group *g)
{
	int64_t revision = 0;
	if (g->term == s->failed_term)
		return err_set(&g->e, ERR_UNAVAILABLE, "what it was decided after could not be written");
	for (struct txn *t = g->first; t; t = t->next)
		revision = t->revision ? t->revision : revision;
	if (revision == 0)
		return 0;
	if (database_begin(s->db, &g->e) < 0)
		return -1;
	for (struct txn *t = g->first; t; t = t->next)
		if (write_ops(s, t, &g->e) < 0)
			return -1;
	return database_commit(s->db, revision, &g->e);
}

static void settle(struct task *task);

static void commit_open(struct sqlite_store *s)
{
	struct group *g = s->open;
	s->open = NULL;
	if (write_group(s, g) < 0) {
		s->failed_term = g->term;
		database_roll_back(s->db);
	}
	g->task.run = settle;
	loop_post(s->view.core, &g->task);
	database_checkpoint(s->db);
}

// Comes after all that had been posted when the group was opened has joined it.
static void commit(struct task *task)
{
	struct sqlite_store *s = CONTAINER_OF(task, struct sqlite_store, commit);
	s->commit_posted = false;
	if (s->open)
		commit_open(s);
}

static void open_group(struct sqlite_store *s, uint64_t term)
{
	struct group *g = s->open = MEM_NEW(struct group);
	g->store = s;
	g->last = &g->first;
	g->term = term;
	if (s->commit_posted)
		return;
	s->commit_posted = true;
	loop_post(s->writer, &s->commit);
}

static void write_txn(struct task *task)
{
	struct txn *t = CONTAINER_OF(task, struct txn, task);
	struct sqlite_store *s = store_of(t->store);
	struct group *g = s->open;
	if (g && (g->term != t->term || g->count >= GROUP_MAX || g->bytes >= GROUP_BYTES_MAX))
		commit_open(s);
	if (!s->open)
		open_group(s, t->term);
	g = s->open;
	*g->last = t;
	g->last = &t->next;
	g->count++;
	g->bytes += t->bytes;
}

// ---- settling, on the core loop

static void publish(struct sqlite_store *s, struct txn *t)
{
	for (size_t i = 0; i < t->count; i++) {
		struct txn_op *op = &t->ops[i];
		struct str key = record_key(op->record);
		if (op->action == STORE_CHECK)
			continue;
		if (map_get(&s->tentative, key) == op)
			map_remove(&s->tentative, key);
		if (op->action == STORE_PUT)
			view_put(&s->view, record_ref(op->record));
		else
			view_remove(&s->view, key, t->revision);
	}
}

// What was decided in this term is void; the next begins with what is durable.
static void begin_term(struct sqlite_store *s)
{
	s->term++;
	map_clear(&s->tentative);
	s->revision = s->view.revision;
}

// Shows what the group has changed.
static void publish_group(struct sqlite_store *s, struct group *g)
{
	int64_t revision = 0;
	for (struct txn *t = g->first; t; t = t->next) {
		if (t->revision == 0)
			continue;
		publish(s, t);
		revision = t->revision;
	}
	if (revision)
		view_publish(&s->view, revision);
}

static void settle(struct task *task)
{
	struct group *g = CONTAINER_OF(task, struct group, task);
	struct sqlite_store *s = g->store;
	bool failed = g->e.reason != ERR_NONE;
	if (!failed)
		publish_group(s, g);
	else if (g->term == s->term)
		begin_term(s);
	for (struct txn *t = g->first, *next; t; t = next) {
		next = t->next;
		s->waiting--;
		s->waiting_bytes -= t->bytes;
		if (failed)
			err_set(&t->e, ERR_UNAVAILABLE, "%s", err_text(&g->e));
		answer(s, t);
	}
	err_clear(&g->e);
	free(g);
}

// ---- life

static void gone(struct view *v)
{
	struct sqlite_store *s = CONTAINER_OF(v, struct sqlite_store, view);
	map_finish(&s->tentative);
	view_finish(v);
	free(s);
}

static void destroy(struct store *base)
{
	struct sqlite_store *s = store_of(base);
	s->closing = true;
	loop_real_thread_destroy(s->writer); // after all that it has been given
	database_close(s->db);
	view_unref(&s->view);
}

static const struct store_ops sqlite_ops = {.txn = txn, VIEW_OPS, .destroy = destroy};

static void load(void *arg, struct record *r)
{
	view_load(arg, r);
}

int store_sqlite_open(struct loop *core, const char *path, struct store **out, struct err *e)
{
	struct sqlite_store *s = MEM_NEW(struct sqlite_store);
	view_init(&s->view, core, &sqlite_ops, gone);
	map_init(&s->tentative);
	s->term = 1;
	s->commit.run = commit;
	if (database_open(path, &s->db, e) < 0 ||
	    database_load(s->db, load, &s->view, &s->revision, &s->next_row, e) < 0) {
		database_close(s->db);
		gone(&s->view);
		return -1;
	}
	view_loaded(&s->view, s->revision);
	s->writer = loop_real_thread("store");
	*out = &s->view.store;
	return 0;
}
