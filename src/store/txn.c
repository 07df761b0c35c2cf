// SPDX-License-Identifier: Apache-2.0
#include "store/txn.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/mem.h"

enum { DIGITS_MAX = 20 };

static int check_op(const struct store_op *op, struct err *e)
{
	if (op->key.n == 0 || op->key.n > STORE_KEY_MAX)
		return err_set(e, ERR_BAD_REQUEST, "a key of %zu bytes; 1 to %d are allowed", op->key.n, STORE_KEY_MAX);
	if (op->action == STORE_PUT && op->value.n > STORE_VALUE_MAX)
		return err_set(e, ERR_TOO_LARGE, "a value of %zu bytes; at most %d are allowed", op->value.n,
			       STORE_VALUE_MAX);
	if (op->action == STORE_PUT && op->revision_at > op->value.n)
		return err_set(e, ERR_BAD_REQUEST, "the revision's place is outside the value");
	return 0;
}

static int check(const struct store_op *ops, size_t count, struct err *e)
{
	if (count == 0 || count > STORE_OPS_MAX)
		return err_set(e, ERR_BAD_REQUEST, "a transaction of %zu operations; 1 to %d are allowed", count,
			       STORE_OPS_MAX);
	for (size_t i = 0; i < count; i++) {
		if (check_op(&ops[i], e) < 0)
			return -1;
		for (size_t j = 0; j < i; j++)
			if (str_eq(ops[i].key, ops[j].key))
				return err_set(e, ERR_BAD_REQUEST, "key %.*s stands in one transaction twice",
					       STR_FMT(ops[i].key));
	}
	return 0;
}

// The value with a gap for the digits of the revision, which txn_stamp closes.
static struct blob *copy_value(const struct store_op *op)
{
	if (op->action != STORE_PUT)
		return NULL;
	if (op->revision_at == 0)
		return blob_create(op->value);
	struct blob *b = blob_create_raw(op->value.n + DIGITS_MAX);
	memcpy(b->p, op->value.p, op->revision_at);
	memcpy(b->p + op->revision_at + DIGITS_MAX, op->value.p + op->revision_at, op->value.n - op->revision_at);
	return b;
}

struct txn *txn_create(struct store *s, const struct store_op *ops, size_t count, struct loop *loop, store_done *done,
		       void *arg)
{
	struct err e = ERR_EMPTY;
	bool refused = check(ops, count, &e) < 0;
	if (refused)
		count = 0;
	struct txn *t = mem_zalloc(sizeof *t + count * sizeof *t->ops);
	t->store = s;
	t->loop = loop;
	t->done = done;
	t->arg = arg;
	t->e = e;
	t->refused = refused;
	t->count = count;
	for (size_t i = 0; i < count; i++) {
		t->ops[i] = (struct txn_op){ops[i].action, ops[i].expect, ops[i].revision_at, ops[i].value.n,
					    record_create(ops[i].key, copy_value(&ops[i])), NULL};
		t->bytes += ops[i].key.n + ops[i].value.n;
	}
	return t;
}

void txn_destroy(struct txn *t)
{
	for (size_t i = 0; i < t->count; i++) {
		record_unref(t->ops[i].record);
		record_unref(t->ops[i].replaced);
	}
	err_clear(&t->e);
	free(t);
}

void txn_conflict(struct txn *t, size_t i, int64_t found)
{
	struct str key = record_key(t->ops[i].record);
	t->failed = i;
	if (found)
		err_set(&t->e, ERR_CONFLICT, "%.*s is at revision %" PRId64, STR_FMT(key), found);
	else
		err_set(&t->e, ERR_CONFLICT, "%.*s does not exist", STR_FMT(key));
}

void txn_stamp(struct txn *t, int64_t revision)
{
	char digits[DIGITS_MAX + 1];
	size_t n = (size_t)snprintf(digits, sizeof digits, "%" PRId64, revision);
	t->revision = revision;
	for (size_t i = 0; i < t->count; i++) {
		struct txn_op *op = &t->ops[i];
		op->record->revision = revision;
		if (op->action != STORE_PUT || op->revision_at == 0)
			continue;
		struct blob *b = op->record->value; // nobody else has seen it yet
		char *at = b->p + op->revision_at;
		memcpy(at, digits, n);
		memmove(at + n, at + DIGITS_MAX, op->value_n - op->revision_at);
		b->n = (uint32_t)(op->value_n + n);
	}
}

static void tell(struct task *task)
{
	struct txn *t = CONTAINER_OF(task, struct txn, task);
	struct blob *values[STORE_OPS_MAX];
	bool failed = t->e.reason != ERR_NONE;
	for (size_t i = 0; i < t->count; i++)
		values[i] = failed || t->ops[i].action != STORE_PUT ? NULL : t->ops[i].record->value;
	struct store_result r = {failed ? 0 : t->revision, failed ? &t->e : NULL, t->failed, values};
	t->done(t->arg, &r);
	txn_destroy(t);
}

void txn_answer(struct txn *t)
{
	t->task.run = tell;
	loop_post(t->loop, &t->task);
}
