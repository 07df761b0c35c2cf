// SPDX-License-Identifier: Apache-2.0
// What a store shows: its durable state as snapshots, the history behind it, and watches. Implementations begin with
// a view, feed it what has become durable, and take their snapshot and watch operations from here.
//
// Changes are made on the core loop: view_put and view_remove, then view_publish shows them all at once. Snapshots
// are taken on any thread.
#ifndef STORE_VIEW_H
#define STORE_VIEW_H

#include <pthread.h>

#include "store/hub.h"

enum { VIEW_EARLIER = 4 };

struct view {
	struct store store; // first: a view's store is its implementation's
	struct loop *core;
	struct tree working; // of the core: with changes not yet published
	struct change *fresh; // those changes
	size_t fresh_count, fresh_room;
	struct hub hub;

	pthread_mutex_t lock;	 // over what follows; the core alone writes it, so it reads without
	struct tree shown;
	struct {
		struct tree tree;
		int64_t revision; // 0: none
	} earlier[VIEW_EARLIER]; // the last answers of snapshot_at, newest first: a paged reading asks again
	struct history history;
	int64_t revision;

	atomic_uint refs; // of the owner, of each watch, and of whatever else the implementation has under way
	void (*on_gone)(struct view *v);
};

// One reference is the caller's. `on_gone` runs when the last is given back: finish and free there.
void view_init(struct view *v, struct loop *core, const struct store_ops *ops, void (*on_gone)(struct view *v));
void view_finish(struct view *v);
void view_ref(struct view *v);
void view_unref(struct view *v); // on the core loop

// Before anything is published or read: the state at the start.
void view_load(struct view *v, struct record *r); // takes over the reference; a key comes once
void view_loaded(struct view *v, int64_t revision);
// The whole state anew (shared with `state`), where an implementation has lost touch: all watches end.
void view_reset(struct view *v, const struct tree *state, int64_t revision);

struct record *view_get(const struct view *v, struct str key); // of the working tree; borrowed
void view_put(struct view *v, struct record *r);		// takes over the reference; with its revision
void view_remove(struct view *v, struct str key, int64_t revision); // does nothing to an absent key
void view_publish(struct view *v, int64_t revision);

// For the implementation's struct store_ops.
struct store_snapshot *view_snapshot(struct store *s);
int view_snapshot_at(struct store *s, int64_t revision, struct store_snapshot **out, struct err *e);
void view_snapshot_release(struct store_snapshot *p);
int64_t view_snapshot_revision(struct store_snapshot *p);
bool view_snapshot_get(struct store_snapshot *p, struct str key, struct store_item *out);
void view_snapshot_scan(struct store_snapshot *p, struct str prefix, struct str after,
			bool (*each)(void *arg, const struct store_item *), void *arg);
size_t view_snapshot_count(struct store_snapshot *p, struct str prefix, struct str after);
struct store_watch *view_watch(struct store *s, const struct store_scope *scope, int64_t after, struct loop *loop,
			       const struct store_watch_events *events, void *arg);
void view_watch_close(struct store_watch *w);

#define VIEW_OPS                                                                                              \
	.snapshot = view_snapshot, .snapshot_at = view_snapshot_at, .snapshot_release = view_snapshot_release, \
	.snapshot_revision = view_snapshot_revision, .snapshot_get = view_snapshot_get,                       \
	.snapshot_scan = view_snapshot_scan, .snapshot_count = view_snapshot_count, .watch = view_watch,      \
	.watch_close = view_watch_close

#endif
