// SPDX-License-Identifier: Apache-2.0
// A watch first sends what is there (when asked), walking a snapshot as fast as the client reads, and then follows the
// store from that snapshot's revision. A client that reads too slowly makes it stop following; it goes on from the last
// revision sent when the client has caught up, as long as the history reaches back that far.
#include "server/present.h"
#include "server/respond.h"
#include "server/select.h"
#include "server/stored.h"
#include "server/verbs/event_cache.h"
#include "server/verbs/revision.h"
#include "server/verbs/verbs.h"
#include "server/worker.h"

enum { UNSENT_MAX = 512 * 1024 };
#define BOOKMARK_NS (60 * TIME_S)
#define LIFE_MIN_S 1800

struct watch {
	struct call *call;
	struct list_options options;
	struct selection selection;
	struct presenter presenter;
	struct store_scope scope;
	struct store_snapshot *snapshot; // while what is there is being sent
	struct buf after;		 // the last key sent of it
	bool stopped;			 // its walk, because enough is unsent
	struct store_watch *following;	 // NULL: not begun, or paused
	int64_t revision;		 // everything up to here has been written
	struct timer bookmark, life;
	struct arena scratch, shown; // of the selection, of what is shown otherwise than stored
};

// ---- the end

static void watch_finish(struct watch *w)
{
	timer_stop(&w->bookmark);
	timer_stop(&w->life);
	store_watch_close(w->following);
	store_snapshot_release(w->snapshot);
	presenter_finish(&w->presenter);
	buf_finish(&w->after);
	arena_finish(&w->scratch);
	arena_finish(&w->shown);
}

static void end(struct watch *w)
{
	struct call *c = w->call;
	watch_finish(w);
	respond_stream_end(c);
}

static void cancelled(struct call *c)
{
	watch_finish(c->state);
	respond_stream_abort(c);
}

// ---- writing events

static void write_object(struct watch *w, const char *type, struct str object)
{
	struct buf shown CLEAN_BUF;
	buf_init(&shown);
	present_object(&shown, &w->presenter, object);
	w->presenter.columns_said = true;
	w->call->front->write(w->call, event_line(type, buf_str(&shown)));
}

static void write_bookmark(struct watch *w, bool initial_events_end)
{
	const struct api_resource *r = w->call->route.resource;
	struct arena *a = &w->scratch;
	arena_reset(a);
	bool partial = w->presenter.shape == SHAPE_PARTIAL;
	struct str kind = partial ? STR("PartialObjectMetadata") : r->kind;
	struct str version = partial ? str_of(w->presenter.version) : api_version_text(a, r);
	struct str note = initial_events_end ? STR(",\"annotations\":{\"k8s.io/initial-events-end\":\"true\"}")
					     : STR_NONE;
	struct str object = arena_fmt(
		a, "{\"kind\":\"%.*s\",\"apiVersion\":\"%.*s\",\"metadata\":{\"resourceVersion\":\"%lld\"%.*s}}",
		STR_FMT(kind), STR_FMT(version), (long long)w->revision, STR_FMT(note));
	w->call->front->write(w->call, event_line("BOOKMARK", object));
}

static void write_error(struct watch *w, const struct err *e)
{
	int code;
	struct str status = json_text(w->call->arena, status_error(w->call->arena, e, NULL, &code));
	w->call->front->write(w->call, event_line("ERROR", status));
}

// ---- following the store

// What a change is to this watcher; false: nothing.
static bool event_type_of(const struct watch *w, struct event_view *v, const struct store_event *e,
			  enum event_type *out)
{
	bool was = e->previous != NULL, is = e->value != NULL;
	if (!selection_is_everything(&w->selection)) {
		was = was && selection_matches(&w->selection, event_view_before(v));
		is = is && selection_matches(&w->selection, event_view_now(v));
	}
	*out = was && is ? EVENT_MODIFIED : is ? EVENT_ADDED : EVENT_DELETED;
	return was || is;
}

static void write_event(struct watch *w, const struct store_event *e)
{
	struct event_view *v = event_cache_view(w->call->worker->events, e);
	enum event_type type;
	if (!event_type_of(w, v, e, &type))
		return;
	if (w->presenter.shape == SHAPE_OBJECT)
		w->call->front->write(w->call, event_view_line(v, type));
	else
		write_object(w, event_type_name(type), event_view_object(v, type));
}

// The same of a resource that is shown otherwise than it is stored.
static void write_event_shown(struct watch *w, const struct store_event *e)
{
	const struct api_resource *r = w->call->route.resource;
	struct store_event shown = *e;
	shown.value = stored_show(r, blob_ref(e->value));
	shown.previous = stored_show(r, blob_ref(e->previous));
	write_event(w, &shown);
	blob_unref(shown.value);
	blob_unref(shown.previous);
}

static void on_changes(void *arg, const struct store_event *events, size_t count, int64_t revision)
{
	struct watch *w = arg;
	w->presenter.wall_ns = loop_wall(w->call->loop);
	bool differs = stored_differs(w->call->route.resource);
	for (size_t i = 0; i < count; i++)
		(differs ? write_event_shown : write_event)(w, &events[i]);
	w->revision = revision;
	if (w->call->front->pending(w->call) > UNSENT_MAX) { // on_drain goes on
		store_watch_close(w->following);
		w->following = NULL;
	}
}

static void on_end(void *arg, const struct err *why)
{
	struct watch *w = arg;
	struct err e CLEAN_ERR = ERR_EMPTY;
	err_set(&e, why->reason, "%s", err_text(why));
	write_error(w, &e);
	end(w);
}

static void follow(struct watch *w)
{
	static const struct store_watch_events events = {on_changes, on_end};
	w->following = store_watch(w->call->server->store, &w->scope, w->revision, w->call->loop, &events, w);
}

// ---- what is there at the beginning

static bool write_initial(void *arg, const struct store_item *item)
{
	struct watch *w = arg;
	struct str object = stored_text(&w->shown, w->call->route.resource, item->value);
	if (w->call->front->pending(w->call) > UNSENT_MAX) {
		w->stopped = true;
		return false;
	}
	buf_clear(&w->after);
	buf_add(&w->after, item->key);
	if (!selection_is_everything(&w->selection) && !selection_matches_text(&w->selection, &w->scratch, object))
		return true;
	if (w->presenter.shape == SHAPE_OBJECT)
		w->call->front->write(w->call, event_line("ADDED", object));
	else
		write_object(w, "ADDED", object);
	return true;
}

static void send_initial(struct watch *w)
{
	w->stopped = false;
	store_scan(w->snapshot, w->scope.prefix, buf_str(&w->after), write_initial, w);
	if (w->stopped)
		return;
	store_snapshot_release(w->snapshot);
	w->snapshot = NULL;
	if (w->options.initial_events && w->options.bookmarks)
		write_bookmark(w, true);
	follow(w);
}

static void on_drain(struct call *c)
{
	struct watch *w = c->state;
	if (w->snapshot)
		send_initial(w);
	else if (!w->following)
		follow(w);
}

// ---- timers

static void bookmark_due(struct timer *t)
{
	struct watch *w = CONTAINER_OF(t, struct watch, bookmark);
	if (w->following)
		write_bookmark(w, false);
	timer_start(w->call->loop, &w->bookmark, BOOKMARK_NS);
}

static void life_over(struct timer *t)
{
	struct watch *w = CONTAINER_OF(t, struct watch, life);
	if (w->options.bookmarks && w->following)
		write_bookmark(w, false);
	end(w);
}

static void start_timers(struct watch *w)
{
	struct loop *loop = w->call->loop;
	w->bookmark.fire = bookmark_due;
	w->life.fire = life_over;
	if (w->options.bookmarks)
		timer_start(loop, &w->bookmark, BOOKMARK_NS - (int64_t)loop_random_below(loop, 5 * TIME_S));
	if (w->options.timeout_s > 0)
		timer_start(loop, &w->life, w->options.timeout_s * TIME_S);
	else if (!w->call->vouched) // so that clients spread over servers and loops again
		timer_start(loop, &w->life, (LIFE_MIN_S + (int64_t)loop_random_below(loop, LIFE_MIN_S)) * TIME_S);
}

// ---- the verb

static int prepare(struct watch *w, struct err *e)
{
	struct call *c = w->call;
	if (list_options_of(&c->query, true, &w->options, e) < 0 ||
	    selection_of(c->arena, c->route.resource, &w->options, c->route.name, &w->selection, e) < 0)
		return -1;
	w->scope.prefix = collection_prefix(c->arena, c->route.resource, c->route.namespace);
	if (!str_empty(w->selection.name) && (!c->route.resource->namespaced || !str_empty(c->route.namespace)))
		w->scope.prefix = object_key(c->arena, c->route.resource, c->route.namespace, w->selection.name);
	selection_narrow(&w->selection, c->route.resource, &w->scope);
	return worker_call_watches(c, e);
}

static void begin(struct watch *w)
{
	struct call *c = w->call;
	struct store_snapshot *newest = store_snapshot(c->server->store);
	bool from_now = !w->options.has_revision || w->options.revision == 0;
	bool initial = w->options.has_initial_events ? w->options.initial_events : from_now;
	w->revision = initial || from_now ? store_snapshot_revision(newest) : w->options.revision;
	c->state = w;
	c->on_drain = on_drain;
	c->on_cancel = cancelled;
	respond_stream_begin(c, 200, "application/json");
	start_timers(w);
	if (initial) {
		w->snapshot = newest;
		send_initial(w);
	} else {
		store_snapshot_release(newest);
		follow(w);
	}
}

void verb_watch(struct call *c)
{
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct watch *w = ARENA_NEW(c->arena, struct watch);
	w->call = c;
	buf_init(&w->after);
	arena_init(&w->scratch);
	arena_init(&w->shown);
	if (presenter_init(&w->presenter, c, &e) == 0 && prepare(w, &e) == 0) {
		begin(w);
		return;
	}
	watch_finish(w);
	struct status_details d = {.present = true, .group = STR("meta.k8s.io"), .kind = STR("ListOptions")};
	respond_error(c, &e, e.reason == ERR_INVALID ? &d : NULL);
}
