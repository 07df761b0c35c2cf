// SPDX-License-Identifier: Apache-2.0
// A store with loops around it, of either kind, and calls that wait for their answers.
#ifndef TEST_STORE_RIG_H
#define TEST_STORE_RIG_H

#include "unit.h"

#include "store/store.h"

struct rig {
	struct loop *core; // of the store; on a thread of its own in the real world
	struct loop *user; // where callbacks come
	struct store *store;
	struct store *other; // another server's access to the same state; the same store where there is one server
	void (*run)(struct rig *r, const bool *done); // the user's loop, until done; fails the test after a while
	void (*pause)(struct rig *r, int64_t ns);     // runs the user's loop for a while
	struct sim *sim;
	struct store_cluster *cluster;
	uint64_t chance;
	struct arena arena; // of the test
};

#define TEST_BOTH(name)                                  \
	static void both_##name(struct rig *r);          \
	TEST(name##_sqlite)                              \
	{                                                \
		rig_with_sqlite(both_##name);            \
	}                                                \
	TEST(name##_sim)                                 \
	{                                                \
		rig_with_sim(both_##name);               \
	}                                                \
	static void both_##name(struct rig *r)

#define TEST_SIM(name)                          \
	static void sim_##name(struct rig *r);  \
	TEST(name##_sim)                        \
	{                                       \
		rig_with_sim(sim_##name);       \
	}                                       \
	static void sim_##name(struct rig *r)

void rig_with_sqlite(void (*test)(struct rig *r)); // once, on a file of its own
void rig_with_sim(void (*test)(struct rig *r));	   // under several seeds

// A store in PATH with loops; NULL and e where it does not open.
struct rig *rig_open(const char *path, struct err *e);
void rig_close(struct rig *r);
const char *rig_new_path(struct arena *a); // of a database that is not there yet
void rig_remove(const char *path);

uint64_t rig_draw(struct rig *r, uint64_t below);

// The answer to a transaction, kept.
struct answer {
	bool done;
	int64_t revision;
	enum err_reason reason;
	size_t failed;
	struct blob *value; // of the first put; unref'd by the next use
};

void rig_submit(struct rig *r, struct store *s, const struct store_op *ops, size_t count, struct answer *out);
// These wait.
struct answer rig_txn(struct rig *r, const struct store_op *ops, size_t count);
int64_t rig_put(struct rig *r, const char *key, struct str value); // its revision; 0: failed
int64_t rig_delete(struct rig *r, const char *key);

struct store_op op_put(const char *key, int64_t expect, struct str value);
struct store_op op_delete(const char *key, int64_t expect);
struct store_op op_check(const char *key, int64_t expect);

#endif
