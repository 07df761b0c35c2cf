// SPDX-License-Identifier: Apache-2.0
#include "store/sim/cluster.h"

#include "base/times.h"

enum { FIRST_REVISION = 1 };
static const struct store_cluster_faults no_faults = {200 * TIME_MS / 1000, 2 * TIME_MS, 0, 0, 0};

struct store_cluster *store_cluster_create(void)
{
	struct store_cluster *c = MEM_NEW(struct store_cluster);
	c->revision = FIRST_REVISION;
	c->faults = no_faults;
	history_init(&c->history, FIRST_REVISION);
	return c;
}

void store_cluster_destroy(struct store_cluster *c)
{
	if (!c)
		return;
	MUST(LIST_EMPTY(&c->members));
	history_finish(&c->history);
	tree_finish(&c->tree);
	free(c);
}

void store_cluster_set_faults(struct store_cluster *c, const struct store_cluster_faults *f)
{
	c->faults = f ? *f : no_faults;
}

void store_cluster_forget(struct store_cluster *c)
{
	history_finish(&c->history);
	history_init(&c->history, c->revision);
}

int64_t store_cluster_revision(const struct store_cluster *c)
{
	return c->revision;
}

static bool holds(struct store_cluster *c, struct txn *t)
{
	for (size_t i = 0; i < t->count; i++) {
		const struct record *now = tree_get(&c->tree, record_key(t->ops[i].record));
		if (!txn_holds(&t->ops[i], now ? now->revision : 0)) {
			txn_conflict(t, i, now ? now->revision : 0);
			return false;
		}
	}
	return true;
}

static void apply(struct store_cluster *c, const struct txn_op *op)
{
	struct change change = {.revision = c->revision};
	if (op->action == STORE_PUT) {
		change.now = record_ref(op->record);
		change.before = tree_put(&c->tree, record_ref(op->record));
	} else if (op->action == STORE_DELETE) {
		change.before = tree_remove(&c->tree, record_key(op->record));
	}
	if (change.now || change.before)
		history_add(&c->history, change, c->history.end);
}

void cluster_commit(struct store_cluster *c, struct txn *t)
{
	if (!holds(c, t))
		return;
	txn_stamp(t, ++c->revision);
	for (size_t i = 0; i < t->count; i++)
		apply(c, &t->ops[i]);
	struct cluster_member *m;
	LIST_FOREACH(m, &c->members, members)
		m->on_commit(m);
}
