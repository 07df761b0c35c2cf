// SPDX-License-Identifier: Apache-2.0
// A transaction on its way: a copy of what the caller asked for, and in the end the answer. What implementations of
// the store have in common of it.
#ifndef STORE_TXN_H
#define STORE_TXN_H

#include "store/record.h"
#include "store/store.h"

struct txn_op {
	enum store_action action;
	int64_t expect;
	size_t revision_at;
	size_t value_n;		 // of STORE_PUT, without the digits of the revision
	struct record *record;	 // the key; of STORE_PUT the value too
	struct record *replaced; // for the implementation; released with the transaction
};

struct txn {
	struct task task; // free for the implementation until the answer
	struct txn *next;
	struct store *store;
	struct loop *loop;
	store_done *done;
	void *arg;
	int64_t revision;
	struct err e;
	size_t failed;
	size_t bytes;  // of keys and values
	uint64_t term; // for the implementation
	bool refused; // its form is wrong: e says why
	size_t count;
	struct txn_op ops[];
};

// Checks the form and copies; a wrong form makes a refused transaction.
struct txn *txn_create(struct store *s, const struct store_op *ops, size_t count, struct loop *loop, store_done *done,
		       void *arg);
void txn_destroy(struct txn *t);

// Whether op may happen to a key that now has this revision (0: absent).
static inline bool txn_holds(const struct txn_op *op, int64_t revision)
{
	return op->expect == STORE_ANY || op->expect == revision;
}
// ERR_CONFLICT because of op i, which found the key at `found`.
void txn_conflict(struct txn *t, size_t i, int64_t found);
// Gives it its revision and writes that into the values.
void txn_stamp(struct txn *t, int64_t revision);
// Calls done on the caller's loop and destroys t.
void txn_answer(struct txn *t);

#endif
