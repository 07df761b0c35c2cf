// SPDX-License-Identifier: Apache-2.0
// Where objects rest: an ordered map from keys to bytes with a revision for every change, snapshots and watches.
// One interface; store/sqlite.h keeps it in a file, store/sim.h imitates a remote store that others write too
// (commits take time, a compare may lose, others' changes arrive as a stream). Nothing above may assume that it is
// the only writer: whoever wants to change something compares the revision that it read and retries.
//
// What is promised, of every implementation (test/store/suite.c checks it):
//   * revisions rise by one a transaction; all keys of a transaction get its revision;
//   * done() of a transaction comes after it is durable, snapshots and watches show a transaction only when it is
//     durable, and a snapshot taken in or after done() shows it (read your write);
//   * a watch delivers every change after its revision exactly once, in order, until it is closed or overtaken
//     (then on_end with ERR_EXPIRED).
// Threads: every function may be called from any loop; callbacks come on the loop that was given.
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "sys/sys.h"

struct store {
	const struct store_ops *ops;
};

// ---- transactions: all or nothing

enum { STORE_ANY = -1, STORE_ABSENT = 0 }; // for `expect`; otherwise the revision that the key must have

enum store_action { STORE_PUT, STORE_DELETE, STORE_CHECK }; // STORE_CHECK only compares

struct store_op {
	enum store_action action;
	struct str key;
	int64_t expect;
	struct str value;   // of STORE_PUT
	size_t revision_at; // offset in value at which the digits of the new revision are inserted; 0: nowhere
};

// A key stands in one op of a transaction only. Deleting what is not there (with STORE_ANY) changes nothing.
enum { STORE_OPS_MAX = 64, STORE_KEY_MAX = 1024, STORE_VALUE_MAX = 3 << 20 };

struct store_result {
	int64_t revision; // of the transaction
	// NULL: durable. ERR_CONFLICT: op `failed` did not hold, nothing was changed; a snapshot taken now shows what
	// it lost against. ERR_BAD_REQUEST, ERR_TOO_LARGE: beyond the limits. ERR_UNAVAILABLE: refused (disk full,
	// shutting down). ERR_TIMEOUT: unknown whether it happened.
	const struct err *e;
	size_t failed;		    // index of the op
	struct blob *const *values; // one an op, what a PUT stored (revision filled in); borrowed during the call
};

typedef void store_done(void *arg, const struct store_result *r);

// ---- snapshots: the whole state as it was after one transaction

struct store_item {
	struct str key;
	struct blob *value; // borrowed from the snapshot: blob_ref to keep
	int64_t revision;   // when it was last changed
};

struct store_snapshot; // immutable; cheap; usable from one thread at a time

// ---- watches: every change from a revision on

struct store_event {
	struct str key;
	struct blob *value;    // as it is now; NULL: deleted
	struct blob *previous; // as it was before; NULL: created
	int64_t revision;
};

struct store_watch;

// What a watch is told of: keys that start with `prefix`, and of those, where `facet` is given, the changes from or to
// values that it reads `wanted` of. So it costs nothing that thousands watch, each what concerns one node.
struct store_scope {
	struct str prefix;
	struct str (*facet)(struct str value); // pure, from any thread; what it returns lies in the value, or for ever
	struct str wanted;
};

struct store_watch_events {
	// One call for one or more changes in order; borrowed during the call. `revision`: everything up to here has been
	// delivered; also called with count 0 now and then, so that watchers can tell progress (bookmarks).
	void (*on_changes)(void *arg, const struct store_event *events, size_t count, int64_t revision);
	void (*on_end)(void *arg, const struct err *e); // not after store_watch_close, which is due after it too
};

// ---- what an implementation has; callers use the functions below

// Snapshots and watches begin with a pointer to their ops too, so that they need no store.
struct store_ops {
	void (*txn)(struct store *, const struct store_op *ops, size_t count, struct loop *loop, store_done *done,
		    void *arg);
	struct store_snapshot *(*snapshot)(struct store *);
	int (*snapshot_at)(struct store *, int64_t revision, struct store_snapshot **out, struct err *e);
	void (*snapshot_release)(struct store_snapshot *);
	int64_t (*snapshot_revision)(struct store_snapshot *);
	bool (*snapshot_get)(struct store_snapshot *, struct str key, struct store_item *out);
	void (*snapshot_scan)(struct store_snapshot *, struct str prefix, struct str after,
			      bool (*each)(void *arg, const struct store_item *), void *arg);
	size_t (*snapshot_count)(struct store_snapshot *, struct str prefix, struct str after);
	struct store_watch *(*watch)(struct store *, const struct store_scope *, int64_t after, struct loop *loop,
				     const struct store_watch_events *, void *arg);
	void (*watch_close)(struct store_watch *);
	void (*destroy)(struct store *);
};

#define STORE_OPS_OF(p) (*(const struct store_ops *const *)(p))

// ---- what can be done with a store

// Copies what it is given; done comes on `loop`, also for failures.
static inline void store_txn(struct store *s, const struct store_op *ops, size_t count, struct loop *loop,
			     store_done *done, void *arg)
{
	s->ops->txn(s, ops, count, loop, done, arg);
}

// The newest durable state. Release it soon: it holds memory.
static inline struct store_snapshot *store_snapshot(struct store *s)
{
	return s->ops->snapshot(s);
}

// As it was at an earlier revision, while the history reaches back that far (ERR_EXPIRED otherwise); of a revision
// that is still to come: ERR_TIMEOUT.
static inline int store_snapshot_at(struct store *s, int64_t revision, struct store_snapshot **out, struct err *e)
{
	return s->ops->snapshot_at(s, revision, out, e);
}

static inline void store_snapshot_release(struct store_snapshot *p)
{
	if (p)
		STORE_OPS_OF(p)->snapshot_release(p);
}

static inline int64_t store_snapshot_revision(struct store_snapshot *p)
{
	return STORE_OPS_OF(p)->snapshot_revision(p);
}

static inline bool store_get(struct store_snapshot *p, struct str key, struct store_item *out)
{
	return STORE_OPS_OF(p)->snapshot_get(p, key, out);
}

// Keys that start with prefix and come after `after` (empty: from the start), in byte order, while each returns true.
static inline void store_scan(struct store_snapshot *p, struct str prefix, struct str after,
			      bool (*each)(void *arg, const struct store_item *), void *arg)
{
	STORE_OPS_OF(p)->snapshot_scan(p, prefix, after, each, arg);
}

static inline size_t store_count(struct store_snapshot *p, struct str prefix, struct str after)
{
	return STORE_OPS_OF(p)->snapshot_count(p, prefix, after);
}

// Changes after revision `after` within the scope, which is copied. Where the history no longer reaches back: on_end
// with ERR_EXPIRED.
static inline struct store_watch *store_watch(struct store *s, const struct store_scope *scope, int64_t after,
					      struct loop *loop, const struct store_watch_events *events, void *arg)
{
	return s->ops->watch(s, scope, after, loop, events, arg);
}

// No callback comes after this (call it on the watch's loop). Due once for every watch, also after on_end.
static inline void store_watch_close(struct store_watch *w)
{
	if (w)
		STORE_OPS_OF(w)->watch_close(w);
}

// Waits for pending transactions, then frees. On the core loop's thread, after the watches are closed; what is left to
// do (the last answers among it) is posted to the core loop.
static inline void store_destroy(struct store *s)
{
	if (s)
		s->ops->destroy(s);
}

#endif
