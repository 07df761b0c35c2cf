// SPDX-License-Identifier: Apache-2.0
#include "store/view.h"

#include <inttypes.h>

struct store_snapshot {
	const struct store_ops *ops; // first, see store.h
	struct tree tree;
	int64_t revision;
};

static struct view *view_of(struct store *s)
{
	return CONTAINER_OF(s, struct view, store);
}

// ---- life

void view_ref(struct view *v)
{
	atomic_fetch_add(&v->refs, 1);
}

void view_unref(struct view *v)
{
	if (atomic_fetch_sub(&v->refs, 1) == 1)
		v->on_gone(v);
}

static void watch_gone(void *owner)
{
	view_unref(owner);
}

void view_init(struct view *v, struct loop *core, const struct store_ops *ops, void (*on_gone)(struct view *v))
{
	*v = (struct view){.store = {ops}, .core = core, .on_gone = on_gone};
	atomic_init(&v->refs, 1);
	pthread_mutex_init(&v->lock, NULL);
	history_init(&v->history, 0);
	hub_init(&v->hub, core, ops, &v->history, 0);
	v->hub.on_gone = watch_gone;
	v->hub.owner = v;
}

void view_finish(struct view *v)
{
	MUST(v->fresh_count == 0);
	hub_finish(&v->hub);
	history_finish(&v->history);
	tree_finish(&v->working);
	tree_finish(&v->shown);
	for (int i = 0; i < VIEW_EARLIER; i++)
		tree_finish(&v->earlier[i].tree);
	free(v->fresh);
	pthread_mutex_destroy(&v->lock);
}

// ---- changing

void view_load(struct view *v, struct record *r)
{
	struct record *replaced = tree_put(&v->working, r);
	MUST(!replaced);
}

void view_loaded(struct view *v, int64_t revision)
{
	tree_share(&v->working, &v->shown);
	v->revision = v->hub.revision = v->history.floor = revision;
}

struct record *view_get(const struct view *v, struct str key)
{
	return tree_get(&v->working, key);
}

static void add_fresh(struct view *v, struct change c)
{
	if (v->fresh_count == v->fresh_room) {
		v->fresh_room = v->fresh_room ? 2 * v->fresh_room : 64;
		v->fresh = mem_realloc(v->fresh, v->fresh_room * sizeof *v->fresh);
	}
	v->fresh[v->fresh_count++] = c;
}

void view_put(struct view *v, struct record *r)
{
	add_fresh(v, (struct change){tree_put(&v->working, record_ref(r)), r, r->revision});
}

void view_remove(struct view *v, struct str key, int64_t revision)
{
	struct record *removed = tree_remove(&v->working, key);
	if (removed)
		add_fresh(v, (struct change){removed, NULL, revision});
}

// With the lock held: an old state holds memory that the history has given up.
static void forget_earlier(struct view *v)
{
	for (int i = 0; i < VIEW_EARLIER; i++) {
		if (v->earlier[i].revision >= v->history.floor)
			continue;
		tree_finish(&v->earlier[i].tree);
		v->earlier[i].revision = 0;
	}
}

// After much was published at once: watches have been told, or fall behind.
static void trim_history(struct view *v)
{
	pthread_mutex_lock(&v->lock);
	history_trim(&v->history);
	forget_earlier(v);
	pthread_mutex_unlock(&v->lock);
}

void view_publish(struct view *v, int64_t revision)
{
	struct tree old;
	pthread_mutex_lock(&v->lock);
	uint64_t from = v->history.end;
	for (size_t i = 0; i < v->fresh_count; i++)
		history_add(&v->history, v->fresh[i], from);
	old = v->shown;
	tree_share(&v->working, &v->shown);
	v->revision = revision;
	forget_earlier(v);
	pthread_mutex_unlock(&v->lock);
	v->fresh_count = 0;
	tree_finish(&old);
	hub_publish(&v->hub, from, revision);
	if (history_is_beyond(&v->history))
		trim_history(v);
}

void view_reset(struct view *v, const struct tree *state, int64_t revision)
{
	MUST(v->fresh_count == 0);
	pthread_mutex_lock(&v->lock);
	tree_finish(&v->working);
	tree_finish(&v->shown);
	tree_share(state, &v->working);
	tree_share(state, &v->shown);
	history_finish(&v->history);
	history_init(&v->history, revision);
	v->revision = revision;
	forget_earlier(v);
	pthread_mutex_unlock(&v->lock);
	hub_expire(&v->hub, revision);
}

// ---- snapshots

static struct store_snapshot *create_snapshot(struct view *v)
{
	struct store_snapshot *p = MEM_NEW(struct store_snapshot);
	p->ops = v->store.ops;
	return p;
}

struct store_snapshot *view_snapshot(struct store *s)
{
	struct view *v = view_of(s);
	struct store_snapshot *p = create_snapshot(v);
	pthread_mutex_lock(&v->lock);
	tree_share(&v->shown, &p->tree);
	p->revision = v->revision;
	pthread_mutex_unlock(&v->lock);
	return p;
}

// With the lock held: puts the state of an earlier revision first.
static void find_earlier(struct view *v, int64_t revision)
{
	int i = 0;
	while (i < VIEW_EARLIER - 1 && v->earlier[i].revision != revision)
		i++;
	struct tree tree = v->earlier[i].tree;
	if (v->earlier[i].revision != revision) {
		tree_finish(&tree);
		tree_share(&v->shown, &tree);
		history_undo(&v->history, &tree, revision);
	}
	memmove(v->earlier + 1, v->earlier, (size_t)i * sizeof *v->earlier);
	v->earlier[0].tree = tree;
	v->earlier[0].revision = revision;
}

// With the lock held.
static int share_earlier(struct view *v, int64_t revision, struct tree *out, struct err *e)
{
	if (revision > v->revision)
		return err_set(e, ERR_TIMEOUT, "revision %" PRId64 " is still to come, now it is %" PRId64, revision,
			       v->revision);
	if (revision < v->history.floor)
		return err_set(e, ERR_EXPIRED, "revision %" PRId64 " is no longer known", revision);
	if (revision != v->revision)
		find_earlier(v, revision);
	tree_share(revision == v->revision ? &v->shown : &v->earlier[0].tree, out);
	return 0;
}

int view_snapshot_at(struct store *s, int64_t revision, struct store_snapshot **out, struct err *e)
{
	struct view *v = view_of(s);
	struct tree tree;
	pthread_mutex_lock(&v->lock);
	int r = share_earlier(v, revision, &tree, e);
	pthread_mutex_unlock(&v->lock);
	if (r < 0)
		return -1;
	struct store_snapshot *p = create_snapshot(v);
	p->tree = tree;
	p->revision = revision;
	*out = p;
	return 0;
}

void view_snapshot_release(struct store_snapshot *p)
{
	tree_finish(&p->tree);
	free(p);
}

int64_t view_snapshot_revision(struct store_snapshot *p)
{
	return p->revision;
}

static struct store_item item_of(const struct record *r)
{
	return (struct store_item){record_key(r), r->value, r->revision};
}

bool view_snapshot_get(struct store_snapshot *p, struct str key, struct store_item *out)
{
	const struct record *r = tree_get(&p->tree, key);
	if (r)
		*out = item_of(r);
	return r != NULL;
}

struct scan {
	bool (*each)(void *arg, const struct store_item *);
	void *arg;
};

static bool scan_record(void *arg, struct record *r)
{
	const struct scan *s = arg;
	struct store_item item = item_of(r);
	return s->each(s->arg, &item);
}

void view_snapshot_scan(struct store_snapshot *p, struct str prefix, struct str after,
			bool (*each)(void *arg, const struct store_item *), void *arg)
{
	struct scan s = {each, arg};
	tree_scan(&p->tree, prefix, after, scan_record, &s);
}

size_t view_snapshot_count(struct store_snapshot *p, struct str prefix, struct str after)
{
	return tree_count(&p->tree, prefix, after);
}

// ---- watches

struct store_watch *view_watch(struct store *s, const struct store_scope *scope, int64_t after, struct loop *loop,
			       const struct store_watch_events *events, void *arg)
{
	struct view *v = view_of(s);
	view_ref(v);
	return hub_watch(&v->hub, scope, after, loop, events, arg);
}

void view_watch_close(struct store_watch *w)
{
	hub_watch_close(w);
}
