// SPDX-License-Identifier: Apache-2.0
#include "store/hub.h"

#include "base/times.h"

enum { BATCH_MAX = 256, BATCH_BYTES_MAX = 1 << 20 };
static const int64_t progress_interval = 5 * TIME_S;
static const uint64_t nowhere = UINT64_MAX;

typedef struct str facet_fn(struct str value);

// Watches of one prefix that look at one facet, by what they want of it: each list is a map's value.
struct faceted {
	facet_fn *facet;
	struct map wanted; // text -> struct watch_list
	struct faceted *next;
};

struct group { // watches of one prefix
	struct watch_list watches; // those without a facet
	struct faceted *faceted;
};

// The core owns a watch except for what stands under "the watcher's": that is the watcher's loop's while a batch is
// on its way, and `closed` always.
struct store_watch {
	const struct store_ops *ops; // first, see store.h
	struct hub *hub;
	struct loop *loop;
	struct store_watch_events events;
	void *arg;
	struct store_scope scope; // its texts are the watch's own
	int64_t after;		  // where it was to start

	LIST_ENTRY(store_watch) all, siblings, ready;
	struct group *group; // NULL: among the odd
	bool linked, is_ready;
	uint64_t place;	  // in the history: the first change it has to be told of and that is not on its way
	int64_t told;	  // everything up to here is on its way or was told
	bool on_way, closing;
	bool lost;	  // changes have passed that it can no longer be told of

	// the watcher's
	bool closed;
	struct task start, deliver, back, close;
	struct change *changes; // on their way, with references
	size_t count, room, bytes;
	int64_t revision;
	struct err end;
};

// ---- finding watches

static struct faceted *faceted_of(const struct group *g, facet_fn *facet)
{
	struct faceted *f = g ? g->faceted : NULL;
	while (f && f->facet != facet)
		f = f->next;
	return f;
}

// The list of a group that a watch of this scope belongs into.
static struct watch_list *list_for(struct group *g, const struct store_scope *scope)
{
	if (!scope->facet)
		return &g->watches;
	struct faceted *f = faceted_of(g, scope->facet);
	if (!f) {
		f = MEM_NEW(struct faceted);
		*f = (struct faceted){.facet = scope->facet, .next = g->faceted};
		map_init(&f->wanted);
		g->faceted = f;
	}
	struct watch_list *list = map_get(&f->wanted, scope->wanted);
	if (!list) {
		list = MEM_NEW(struct watch_list);
		map_set(&f->wanted, scope->wanted, list);
	}
	return list;
}

static void link_watch(struct store_watch *w)
{
	struct hub *h = w->hub;
	struct str prefix = w->scope.prefix;
	bool odd = prefix.n > 0 && !str_ends(prefix, STR("/"));
	if (!odd && !(w->group = map_get(&h->groups, prefix))) {
		w->group = MEM_NEW(struct group);
		map_set(&h->groups, prefix, w->group);
	}
	LIST_INSERT_HEAD(odd ? &h->odd : list_for(w->group, &w->scope), w, siblings);
	LIST_INSERT_HEAD(&h->all, w, all);
	w->linked = true;
}

static void drop_if_empty(struct group *g, struct faceted *gone)
{
	struct faceted **at = &g->faceted;
	if (gone->wanted.count)
		return;
	while (*at != gone)
		at = &(*at)->next;
	*at = gone->next;
	map_finish(&gone->wanted);
	free(gone);
}

// After one of its watches has left: what is empty goes.
static void tidy_group(struct hub *h, struct group *g, const struct store_scope *left)
{
	struct faceted *f = left->facet ? faceted_of(g, left->facet) : NULL;
	struct watch_list *list = f ? map_get(&f->wanted, left->wanted) : NULL;
	if (list && LIST_EMPTY(list)) {
		free(map_remove(&f->wanted, left->wanted));
		drop_if_empty(g, f);
	}
	if (LIST_EMPTY(&g->watches) && !g->faceted)
		free(map_remove(&h->groups, left->prefix));
}

static void unlink_watch(struct store_watch *w)
{
	if (w->is_ready)
		LIST_REMOVE(w, ready);
	if (w->linked) {
		LIST_REMOVE(w, siblings);
		LIST_REMOVE(w, all);
	}
	if (w->linked && w->group)
		tidy_group(w->hub, w->group, &w->scope);
	w->is_ready = w->linked = w->lost = false;
	w->place = nowhere;
}

// ---- one batch

static void forget_changes(struct store_watch *w)
{
	for (size_t i = 0; i < w->count; i++) {
		record_unref(w->changes[i].before);
		record_unref(w->changes[i].now);
	}
	w->count = w->bytes = 0;
}

// Into the batch; false: that is full. A transaction is never told in parts.
static bool take_change(struct store_watch *w, const struct change *c)
{
	bool full = w->count >= BATCH_MAX || w->bytes >= BATCH_BYTES_MAX;
	if (full && c->revision != w->changes[w->count - 1].revision)
		return false;
	if (w->count == w->room) {
		w->room = w->room ? 2 * w->room : 4;
		w->changes = mem_realloc(w->changes, w->room * sizeof *w->changes);
	}
	w->changes[w->count++] = (struct change){record_ref(c->before), record_ref(c->now), c->revision};
	w->bytes += c->now && c->now->value ? c->now->value->n : 0;
	return true;
}

static bool reads(const struct store_scope *scope, const struct record *r)
{
	return r && r->value && str_eq(scope->facet(blob_str(r->value)), scope->wanted);
}

static bool concerns(const struct store_watch *w, const struct change *c)
{
	const struct store_scope *scope = &w->scope;
	return str_starts(change_key(c), scope->prefix) &&
	       (!scope->facet || reads(scope, c->before) || reads(scope, c->now));
}

// The changes from w->place on, as many as go at once.
static void gather(struct store_watch *w)
{
	const struct history *h = w->hub->history;
	uint64_t place = w->place;
	while (place < h->end && (!concerns(w, history_at(h, place)) || take_change(w, history_at(h, place))))
		place++;
	w->place = place < h->end ? place : nowhere;
}

// Sends the watcher what it has not been told.
static void send_batch(struct store_watch *w)
{
	if (w->lost || (w->place != nowhere && w->place < w->hub->history->first)) {
		err_set(&w->end, ERR_EXPIRED, "the changes since revision %lld are no longer known",
			(long long)w->told);
		unlink_watch(w);
	} else {
		if (w->count == 0 && w->place != nowhere) // else it was given them while they were published
			gather(w);
		bool all = w->place == nowhere;
		w->told = w->revision =
			all ? w->hub->revision : history_at(w->hub->history, w->place - 1)->revision;
	}
	w->on_way = true;
	loop_post(w->loop, &w->deliver);
}

static void deliver(struct task *t)
{
	struct store_watch *w = CONTAINER_OF(t, struct store_watch, deliver);
	struct store_event *events = w->count ? mem_alloc(w->count * sizeof *events) : NULL;
	for (size_t i = 0; i < w->count; i++) {
		const struct change *c = &w->changes[i];
		events[i] = (struct store_event){change_key(c), c->now ? c->now->value : NULL,
						 c->before ? c->before->value : NULL, c->revision};
	}
	if (!w->closed && w->end.reason != ERR_NONE)
		w->events.on_end(w->arg, &w->end);
	else if (!w->closed)
		w->events.on_changes(w->arg, events, w->count, w->revision);
	free(events);
	forget_changes(w);
	loop_post(w->hub->core, &w->back);
}

// ---- life of a watch

static void destroy(struct store_watch *w)
{
	struct hub *h = w->hub;
	unlink_watch(w);
	err_clear(&w->end);
	free(w->changes);
	free((char *)w->scope.prefix.p);
	free((char *)w->scope.wanted.p);
	free(w);
	h->on_gone(h->owner);
}

static void come_back(struct task *t)
{
	struct store_watch *w = CONTAINER_OF(t, struct store_watch, back);
	w->on_way = false;
	if (w->closing)
		destroy(w);
	else if (w->place != nowhere || w->lost)
		send_batch(w);
}

static void close_watch(struct task *t)
{
	struct store_watch *w = CONTAINER_OF(t, struct store_watch, close);
	w->closing = true;
	unlink_watch(w);
	if (!w->on_way)
		destroy(w);
}

void hub_watch_close(struct store_watch *w)
{
	w->closed = true;
	loop_post(w->hub->core, &w->close);
}

static void await_progress(struct hub *h)
{
	if (!timer_running(&h->progress))
		timer_start(h->core, &h->progress, progress_interval);
}

static void start(struct task *t)
{
	struct store_watch *w = CONTAINER_OF(t, struct store_watch, start);
	struct hub *h = w->hub;
	w->told = w->after;
	if (w->after < h->history->floor) {
		w->lost = true;
		send_batch(w);
		return;
	}
	link_watch(w);
	uint64_t place = history_after(h->history, w->after);
	w->place = place < h->history->end ? place : nowhere;
	if (w->place != nowhere)
		send_batch(w);
	await_progress(h);
}

static struct str copy_of(struct str text)
{
	char *copy = mem_alloc(text.n + 1);
	str_to_c(text, copy, text.n + 1);
	return (struct str){copy, text.n};
}

struct store_watch *hub_watch(struct hub *h, const struct store_scope *scope, int64_t after, struct loop *loop,
			      const struct store_watch_events *events, void *arg)
{
	struct store_watch *w = MEM_NEW(struct store_watch);
	*w = (struct store_watch){
		.ops = h->ops,
		.hub = h,
		.loop = loop,
		.events = *events,
		.arg = arg,
		.scope = {copy_of(scope->prefix), scope->facet, copy_of(scope->wanted)},
		.after = after,
		.place = nowhere,
		.start = {.run = start},
		.deliver = {.run = deliver},
		.back = {.run = come_back},
		.close = {.run = close_watch},
	};
	loop_post(h->core, &w->start);
	return w;
}

// ---- publishing

// The change at this place is for the watch. It takes it along at once, or comes back to the place: when a batch is on
// its way, or this one is full.
static void give(struct hub *h, struct store_watch *w, uint64_t place)
{
	const struct change *c = history_at(h->history, place);
	if (w->place != nowhere || c->revision <= w->after)
		return;
	if (w->on_way || !take_change(w, c))
		w->place = place;
	if (w->on_way || w->is_ready)
		return;
	LIST_INSERT_HEAD(&h->ready, w, ready);
	w->is_ready = true;
}

static void give_all(struct hub *h, const struct watch_list *list, uint64_t place)
{
	struct store_watch *w;
	if (list)
		LIST_FOREACH(w, list, siblings)
			give(h, w, place);
}

static void give_faceted(struct hub *h, const struct faceted *f, uint64_t place)
{
	const struct change *c = history_at(h->history, place);
	struct watch_list *was = NULL, *is = NULL;
	if (c->before && c->before->value)
		was = map_get(&f->wanted, f->facet(blob_str(c->before->value)));
	if (c->now && c->now->value)
		is = map_get(&f->wanted, f->facet(blob_str(c->now->value)));
	give_all(h, was, place);
	if (is != was)
		give_all(h, is, place);
}

static void notice(struct hub *h, uint64_t place)
{
	const struct change *c = history_at(h->history, place);
	struct str key = change_key(c);
	struct store_watch *w;
	LIST_FOREACH(w, &h->odd, siblings)
		if (concerns(w, c))
			give(h, w, place);
	for (size_t n = 0; n <= key.n; n++) {
		struct group *g = n == 0 || key.p[n - 1] == '/' ? map_get(&h->groups, str_sub(key, 0, n)) : NULL;
		if (!g)
			continue;
		give_all(h, &g->watches, place);
		for (const struct faceted *f = g->faceted; f; f = f->next)
			give_faceted(h, f, place);
	}
}

static void on_progress(struct timer *t)
{
	struct hub *h = CONTAINER_OF(t, struct hub, progress);
	struct store_watch *w;
	bool again = false;
	LIST_FOREACH(w, &h->all, all) {
		if (w->on_way)
			again = true;
		else if (w->told < h->revision)
			send_batch(w);
	}
	if (again)
		timer_start(h->core, t, progress_interval);
}

void hub_publish(struct hub *h, uint64_t from, int64_t revision)
{
	h->revision = revision;
	if (LIST_EMPTY(&h->all))
		return;
	for (uint64_t place = from; place < h->history->end; place++)
		notice(h, place);
	while (!LIST_EMPTY(&h->ready)) {
		struct store_watch *w = LIST_FIRST(&h->ready);
		LIST_REMOVE(w, ready);
		w->is_ready = false;
		send_batch(w);
	}
	await_progress(h);
}

void hub_expire(struct hub *h, int64_t revision)
{
	struct store_watch *w, *next;
	h->revision = revision;
	for (w = LIST_FIRST(&h->all); w; w = next) {
		next = LIST_NEXT(w, all);
		w->lost = true;
		if (!w->on_way)
			send_batch(w);
	}
}

void hub_init(struct hub *h, struct loop *core, const struct store_ops *ops, const struct history *history,
	      int64_t revision)
{
	*h = (struct hub){.core = core, .ops = ops, .history = history, .revision = revision,
			  .progress = {.fire = on_progress}};
	map_init(&h->groups);
}

void hub_finish(struct hub *h)
{
	timer_stop(&h->progress);
	MUST(LIST_EMPTY(&h->all));
	map_finish(&h->groups);
}
