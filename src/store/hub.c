// SPDX-License-Identifier: Apache-2.0
#include "store/hub.h"

#include "base/times.h"

enum { BATCH_MAX = 256, BATCH_BYTES_MAX = 1 << 20 };
static const int64_t progress_interval = 5 * TIME_S;
static const uint64_t nowhere = UINT64_MAX;

struct group { // watches of one prefix
	struct watch_list watches;
};

// The core owns a watch except for what stands under "the watcher's": that is the watcher's loop's while a batch is
// on its way, and `closed` always.
struct store_watch {
	const struct store_ops *ops; // first, see store.h
	struct hub *hub;
	struct loop *loop;
	struct store_watch_events events;
	void *arg;
	struct str prefix;
	int64_t after; // where it was to start

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
	size_t count, room;
	int64_t revision;
	struct err end;
};

// ---- finding watches

static void link_watch(struct store_watch *w)
{
	struct hub *h = w->hub;
	bool odd = w->prefix.n > 0 && !str_ends(w->prefix, STR("/"));
	if (!odd && !(w->group = map_get(&h->groups, w->prefix))) {
		w->group = MEM_NEW(struct group);
		map_set(&h->groups, w->prefix, w->group);
	}
	LIST_INSERT_HEAD(odd ? &h->odd : &w->group->watches, w, siblings);
	LIST_INSERT_HEAD(&h->all, w, all);
	w->linked = true;
}

static void unlink_watch(struct store_watch *w)
{
	if (w->is_ready)
		LIST_REMOVE(w, ready);
	if (w->linked) {
		LIST_REMOVE(w, siblings);
		LIST_REMOVE(w, all);
	}
	if (w->linked && w->group && LIST_EMPTY(&w->group->watches))
		free(map_remove(&w->hub->groups, w->prefix));
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
	w->count = 0;
}

static void take_change(struct store_watch *w, const struct change *c)
{
	if (w->count == w->room) {
		w->room = w->room ? 2 * w->room : 4;
		w->changes = mem_realloc(w->changes, w->room * sizeof *w->changes);
	}
	w->changes[w->count++] = (struct change){record_ref(c->before), record_ref(c->now), c->revision};
}

// The changes from w->place on, as many as go at once; never a part of a transaction.
static void gather(struct store_watch *w)
{
	const struct history *h = w->hub->history;
	size_t bytes = 0;
	uint64_t place = w->place;
	for (; place < h->end; place++) {
		const struct change *c = history_at(h, place);
		bool full = w->count >= BATCH_MAX || bytes >= BATCH_BYTES_MAX;
		if (full && c->revision != history_at(h, place - 1)->revision)
			break;
		if (!str_starts(change_key(c), w->prefix))
			continue;
		take_change(w, c);
		bytes += c->now && c->now->value ? c->now->value->n : 0;
	}
	bool all = place == h->end;
	w->revision = all ? w->hub->revision : history_at(h, place - 1)->revision;
	w->place = all ? nowhere : place;
}

// Sends the watcher what it has not been told.
static void send_batch(struct store_watch *w)
{
	if (w->lost || (w->place != nowhere && w->place < w->hub->history->first)) {
		err_set(&w->end, ERR_EXPIRED, "the changes since revision %lld are no longer known",
			(long long)w->told);
		unlink_watch(w);
	} else if (w->place != nowhere) {
		gather(w);
		w->told = w->revision;
	} else { // progress alone
		w->told = w->revision = w->hub->revision;
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
	free((char *)w->prefix.p);
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

struct store_watch *hub_watch(struct hub *h, struct str prefix, int64_t after, struct loop *loop,
			      const struct store_watch_events *events, void *arg)
{
	struct store_watch *w = MEM_NEW(struct store_watch);
	char *copy = mem_alloc(prefix.n + 1);
	str_to_c(prefix, copy, prefix.n + 1);
	*w = (struct store_watch){
		.ops = h->ops, .hub = h, .loop = loop, .events = *events, .arg = arg, .prefix = {copy, prefix.n},
		.after = after, .place = nowhere, .start = {.run = start}, .deliver = {.run = deliver},
		.back = {.run = come_back}, .close = {.run = close_watch},
	};
	loop_post(h->core, &w->start);
	return w;
}

// ---- publishing

// Those of the list whose prefix the key has are to be told of the change.
static void notice(struct hub *h, struct watch_list *list, uint64_t place, struct str key)
{
	struct store_watch *w;
	LIST_FOREACH(w, list, siblings) {
		bool known = w->place != nowhere || history_at(h->history, place)->revision <= w->after;
		if (known || !str_starts(key, w->prefix))
			continue;
		w->place = place;
		if (w->on_way)
			continue; // it is sent when the batch before has come back
		LIST_INSERT_HEAD(&h->ready, w, ready);
		w->is_ready = true;
	}
}

static void notice_all(struct hub *h, uint64_t place)
{
	struct str key = change_key(history_at(h->history, place));
	notice(h, &h->odd, place, key);
	for (size_t n = 0; n <= key.n; n++) {
		struct group *g = n == 0 || key.p[n - 1] == '/' ? map_get(&h->groups, str_sub(key, 0, n)) : NULL;
		if (g)
			notice(h, &g->watches, place, key);
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
	if (from < h->history->first)
		from = h->history->first;
	for (uint64_t place = from; place < h->history->end; place++)
		notice_all(h, place);
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
