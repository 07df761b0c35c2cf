// SPDX-License-Identifier: Apache-2.0
// The life of a watcher:
//
//	list page by page --> watch from the list's revision --> (stream ends) --> watch again from the last one seen
//	       ^                                                       |
//	       +---------------- 410: the revision is too old ---------+
//
// Errors wait (client/backoff.h) and go on where they were.
#include "client/watcher.h"

#include "base/encode.h"
#include "client/backoff.h"
#include "client/scan.h"

enum { PAGE = 500, WATCH_SECONDS_MIN = 300 };
static const int64_t steady_ns = 5 * TIME_S; // a stream that lived so long was worth having

struct watcher {
	struct transport *transport;
	struct str path;
	const struct watcher_events *events;
	void *arg;
	bool must_list;	      // the next step is a list, not a watch
	struct buf next_page; // continue token; empty: first page
	int64_t revision;     // everything up to here has been told
	struct client_stream *stream;
	int64_t stream_since_ns;
	struct timer retry;
	struct backoff backoff;
	bool list_open; // a list request has no answer yet
	bool dead;	// destroyed while list_open: the answer frees it
};

static void step(struct watcher *w);

static void retry_fire(struct timer *t)
{
	step(CONTAINER_OF(t, struct watcher, retry));
}

static void retry_later(struct watcher *w)
{
	timer_start(w->transport->loop, &w->retry, backoff_next(&w->backoff, w->transport->loop));
}

// ---- listing

static void take_page(struct watcher *w, struct str body)
{
	struct str metadata = scan_get(body, "metadata"), items = scan_get(body, "items"), item;
	while (scan_element(&items, &item)) {
		struct blob *line = blob_create(item);
		w->events->on_object(w->arg, line, blob_str(line), false);
		blob_unref(line);
	}
	buf_clear(&w->next_page);
	buf_add(&w->next_page, scan_get_str(metadata, "continue"));
	if (w->next_page.n > 0)
		return;
	str_to_i64(scan_get_str(metadata, "resourceVersion"), &w->revision);
	w->must_list = false;
	backoff_reset(&w->backoff);
	w->events->on_listed(w->arg);
}

static void watcher_free(struct watcher *w)
{
	buf_finish(&w->next_page);
	free((char *)w->path.p);
	free(w);
}

static void list_done(void *arg, const struct client_response *r)
{
	struct watcher *w = arg;
	w->list_open = false;
	if (w->dead) {
		watcher_free(w);
		return;
	}
	if (r->e) {
		buf_clear(&w->next_page); // a token may have expired: from the start
		retry_later(w);
		return;
	}
	take_page(w, r->body);
	step(w);
}

static void add_query(struct watcher *w, struct buf *path)
{
	buf_add(path, w->path);
	buf_add_byte(path, str_find(w->path, '?') < 0 ? '?' : '&');
}

static void list_start(struct watcher *w)
{
	struct buf path CLEAN_BUF;
	buf_init(&path);
	add_query(w, &path);
	buf_fmt(&path, "limit=%d", PAGE);
	if (w->next_page.n > 0) {
		BUF_LIT(&path, "&continue=");
		encode_url(&path, buf_str(&w->next_page));
	} else {
		w->events->on_listing(w->arg);
	}
	w->list_open = true;
	client_get(w->transport, buf_str(&path), list_done, w);
}

// ---- watching

static void watch_broken(struct watcher *w, const struct err *e)
{
	w->stream = NULL;
	if (loop_now(w->transport->loop) - w->stream_since_ns >= steady_ns)
		backoff_reset(&w->backoff);
	if (e && (e->reason == ERR_GONE || e->reason == ERR_EXPIRED))
		w->must_list = true;
	retry_later(w);
}

static void on_end(void *arg, const struct err *e)
{
	watch_broken(arg, e);
}

// An ERROR line carries a Status in place of the object.
static void on_error_line(struct watcher *w, struct str status)
{
	struct err e CLEAN_ERR = ERR_EMPTY;
	int64_t code = 0;
	str_to_i64(scan_get(status, "code"), &code);
	err_set(&e, err_reason_of(scan_get_str(status, "reason"), (int)code), "watch: %.*s",
		STR_FMT(scan_get_str(status, "message")));
	client_stream_close(w->transport, w->stream);
	watch_broken(w, &e);
}

static void on_line(void *arg, struct blob *line)
{
	struct watcher *w = arg;
	struct str type = scan_get_str(blob_str(line), "type");
	struct str object = scan_get(blob_str(line), "object");
	if (str_is(type, "ERROR")) {
		on_error_line(w, object);
		return;
	}
	str_to_i64(scan_get_str(scan_get(object, "metadata"), "resourceVersion"), &w->revision);
	if (!str_is(type, "BOOKMARK"))
		w->events->on_object(w->arg, line, object, str_is(type, "DELETED"));
}

static void watch_start(struct watcher *w)
{
	static const struct client_stream_events events = {on_line, on_end};
	struct loop *loop = w->transport->loop;
	struct buf path CLEAN_BUF;
	buf_init(&path);
	add_query(w, &path);
	unsigned seconds = WATCH_SECONDS_MIN + (unsigned)loop_random_below(loop, WATCH_SECONDS_MIN);
	buf_fmt(&path, "watch=true&allowWatchBookmarks=true&resourceVersion=%lld&timeoutSeconds=%u",
		(long long)w->revision, seconds);
	w->stream_since_ns = loop_now(loop);
	w->stream = client_watch(w->transport, buf_str(&path), &events, w);
}

static void step(struct watcher *w)
{
	if (w->must_list)
		list_start(w);
	else
		watch_start(w);
}

struct watcher *watcher_create(struct transport *t, struct str path, const struct watcher_events *ev, void *arg)
{
	struct watcher *w = MEM_NEW(struct watcher);
	char *copy = mem_alloc(path.n + 1);
	memcpy(copy, path.p, path.n);
	w->transport = t;
	w->path = (struct str){copy, path.n};
	w->events = ev;
	w->arg = arg;
	w->must_list = true;
	w->retry.fire = retry_fire;
	w->retry.loop = t->loop;
	w->backoff = (struct backoff){.first_ns = 50 * TIME_MS, .max_ns = 30 * TIME_S};
	buf_init(&w->next_page);
	step(w);
	return w;
}

void watcher_destroy(struct watcher *w)
{
	if (!w)
		return;
	timer_stop(&w->retry);
	client_stream_close(w->transport, w->stream);
	w->stream = NULL;
	if (w->list_open)
		w->dead = true;
	else
		watcher_free(w);
}

int64_t watcher_revision(const struct watcher *w)
{
	return w->revision;
}
