// SPDX-License-Identifier: Apache-2.0
// A list without a limit is streamed: the snapshot is walked as far as the client has taken what came before, so that
// no list is ever in memory whole. A page (limit=) is gathered first, because its head says whether there is more.
#include "server/present.h"
#include "server/respond.h"
#include "server/select.h"
#include "server/stored.h"
#include "server/verbs/revision.h"
#include "server/verbs/verbs.h"

enum { CHUNK = 256 * 1024, UNSENT_MAX = 2 * CHUNK };
enum { PAGE_BYTES = 16 << 20 }; // a page of large objects ends early, with a continue token

// Who asks for tables in pages of kubectl's size gets larger ones: kubectl holds itself back to 5 requests a second
// after the first ten, so that small pages cost its user seconds (31,000 objects: 11 s instead of 1). A server is free
// to give more than `limit` (ListOptions); smaller limits are kept to the letter.
enum { TABLE_LIMIT = 500, TABLE_PAGE = 8000 };

struct listing {
	struct call *c;
	struct list_options options;
	struct selection selection;
	struct presenter presenter;
	struct store_snapshot *snapshot;
	struct str prefix;
	struct buf after; // the last key looked at
	struct buf out;
	struct arena scratch, shown; // of the selection, of what is shown otherwise than stored
	size_t given;		     // items written
	size_t chunk;		     // stop when out is that long
	bool stopped;		     // before the end
	uint64_t hash;		     // of the query, for the continue token
};

static void listing_finish(struct listing *l)
{
	store_snapshot_release(l->snapshot);
	presenter_finish(&l->presenter);
	buf_finish(&l->after);
	buf_finish(&l->out);
	arena_finish(&l->scratch);
	arena_finish(&l->shown);
}

static bool add_item(void *arg, const struct store_item *item)
{
	struct listing *l = arg;
	struct str object;
	bool page_is_full = l->options.limit && l->given >= (size_t)l->options.limit;
	if (page_is_full || l->out.n >= l->chunk) {
		l->stopped = true;
		return false;
	}
	buf_clear(&l->after);
	buf_add(&l->after, item->key);
	object = stored_text(&l->shown, l->c->route.resource, item->value);
	if (!selection_is_everything(&l->selection) && !selection_matches_text(&l->selection, &l->scratch, object))
		return true;
	present_list_item(&l->out, &l->presenter, object, l->given == 0);
	l->given++;
	return true;
}

static void walk(struct listing *l)
{
	l->stopped = false;
	struct str name = l->selection.name;
	const struct api_resource *r = l->c->route.resource;
	struct str namespace = l->c->route.namespace;
	if (!str_empty(name) && (!r->namespaced || !str_empty(namespace))) { // one key is enough
		struct store_item item;
		if (store_get(l->snapshot, object_key(l->c->arena, r, namespace, name), &item))
			add_item(l, &item);
		return;
	}
	store_scan(l->snapshot, l->prefix, buf_str(&l->after), add_item, l);
}

// ---- pages

static int64_t remaining(struct listing *l)
{
	if (!selection_is_everything(&l->selection))
		return -1;
	return (int64_t)store_count(l->snapshot, l->prefix, buf_str(&l->after));
}

static void answer_page(struct listing *l)
{
	struct call *c = l->c;
	l->chunk = PAGE_BYTES;
	walk(l);
	struct str next = STR_NONE;
	int64_t rest = -1;
	int64_t revision = store_snapshot_revision(l->snapshot);
	if (l->stopped) {
		struct page p = {.revision = revision, .after = buf_str(&l->after)};
		next = page_write(c->arena, &p, l->hash);
		rest = remaining(l);
	}
	struct buf whole CLEAN_BUF;
	buf_init(&whole);
	buf_reserve(&whole, l->out.n + 1024);
	present_list_begin(&whole, &l->presenter, revision, next, rest);
	buf_add(&whole, buf_str(&l->out));
	present_list_end(&whole);
	listing_finish(l);
	respond_buf(c, 200, &whole);
}

// ---- streams

static void send_chunk(struct listing *l)
{
	l->c->front->write(l->c, blob_create(buf_str(&l->out)));
	buf_clear(&l->out);
}

static void stream_on(struct call *c)
{
	struct listing *l = c->state;
	while (l->stopped && c->front->pending(c) < UNSENT_MAX) {
		walk(l);
		if (!l->stopped)
			present_list_end(&l->out);
		send_chunk(l);
	}
	if (l->stopped)
		return;
	listing_finish(l);
	respond_stream_end(c);
}

static void stream_cancelled(struct call *c)
{
	listing_finish(c->state);
	respond_stream_abort(c);
}

static void answer_whole(struct listing *l)
{
	struct call *c = l->c;
	l->chunk = CHUNK;
	present_list_begin(&l->out, &l->presenter, store_snapshot_revision(l->snapshot), STR_NONE, -1);
	walk(l);
	if (!l->stopped) {
		present_list_end(&l->out);
		struct blob *body = blob_create(buf_str(&l->out));
		listing_finish(l);
		respond_blob(c, 200, body);
		return;
	}
	c->state = l;
	c->on_drain = stream_on;
	c->on_cancel = stream_cancelled;
	respond_stream_begin(c, 200, "application/json");
	send_chunk(l);
	stream_on(c);
}

// ---- the verb

// What makes a query the same query for its continue token.
static uint64_t query_hash(struct call *c, const struct list_options *o)
{
	return str_hash(arena_fmt(c->arena, "%.*s\n%.*s\n%.*s", STR_FMT(c->path), STR_FMT(o->label_selector),
				  STR_FMT(o->field_selector)));
}

static int find_page(struct listing *l, struct page *p, struct err *e)
{
	if (page_read(l->c->arena, l->options.next, l->hash, p, e) < 0)
		return -1;
	if (l->options.has_revision && l->options.revision > 0)
		return err_set(e, ERR_BAD_REQUEST, "specifying resource version is not allowed when using continue");
	if (!str_starts(p->after, l->prefix))
		return err_set(e, ERR_BAD_REQUEST, "invalid continue token");
	buf_add(&l->after, p->after);
	return 0;
}

static int prepare(struct listing *l, struct page **page, struct err *e)
{
	struct call *c = l->c;
	if (list_options_of(&c->query, false, &l->options, e) < 0 ||
	    selection_of(c->arena, c->route.resource, &l->options, STR_NONE, &l->selection, e) < 0)
		return -1;
	if (l->presenter.shape == SHAPE_TABLE && l->presenter.include != INCLUDE_OBJECT && l->options.limit >= TABLE_LIMIT &&
	    l->options.limit < TABLE_PAGE)
		l->options.limit = TABLE_PAGE;
	l->hash = query_hash(c, &l->options);
	l->prefix = collection_prefix(c->arena, c->route.resource, c->route.namespace);
	if (!str_empty(l->options.next)) {
		*page = ARENA_NEW(c->arena, struct page);
		if (find_page(l, *page, e) < 0)
			return -1;
	}
	return revision_snapshot(c->server->store, &l->options, *page, &l->snapshot, e);
}

// The 410 of a page that is too old carries a token with which the rest can be had, at the newest state.
static void respond_expired(struct call *c, struct listing *l, struct page *page, struct err *e)
{
	int code;
	struct json *status = status_error(c->arena, e, NULL, &code);
	struct page rest = {.revision = -1, .after = page->after};
	json_put_str(c->arena, json_get(status, STR("metadata")), "continue", page_write(c->arena, &rest, l->hash));
	listing_finish(l);
	respond_json(c, code, status);
}

static void respond_list_error(struct call *c, struct err *e)
{
	struct status_details d = {.present = true, .group = STR("meta.k8s.io"), .kind = STR("ListOptions")};
	respond_error(c, e, e->reason == ERR_INVALID ? &d : NULL);
}

void verb_list(struct call *c)
{
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct listing *l = ARENA_NEW(c->arena, struct listing);
	struct page *page = NULL;
	l->c = c;
	buf_init(&l->after);
	buf_init(&l->out);
	arena_init(&l->scratch);
	arena_init(&l->shown);
	if (presenter_init(&l->presenter, c, &e) < 0 || prepare(l, &page, &e) < 0) {
		if (e.reason == ERR_EXPIRED && page) {
			respond_expired(c, l, page, &e);
			return;
		}
		listing_finish(l);
		respond_list_error(c, &e);
		return;
	}
	if (l->options.limit)
		answer_page(l);
	else
		answer_whole(l);
}
