// SPDX-License-Identifier: Apache-2.0
// The life of an informer:
//
//	list page by page --> watch from the list's revision --> (stream ends) --> watch again from the last revision seen
//	       ^                                                     |
//	       +-------------- 410: the revision is too old ---------+
//
// Each list is a round. Objects that the list shows are marked with it; when the list is complete, those of an earlier
// round are gone. So a relist tells only what differs. Errors wait (client/backoff.h) and go on where they were.
#include "client/informer.h"

#include "base/encode.h"
#include "base/map.h"
#include "client/backoff.h"
#include "client/scan.h"

enum { PAGE = 500, LISTENERS_MAX = 16, WATCH_SECONDS_MIN = 300 };
static const int64_t steady_ns = 5 * TIME_S; // a stream that lived so long was worth having

struct cached {
	struct informer_object object;
	struct str uid; // inside object.line
	uint32_t round; // of the last list that showed it
};

struct listener_slot {
	const struct informer_events *events;
	void *arg;
};

struct informer {
	struct transport *transport;
	struct str path;
	struct map objects; // key -> struct cached
	struct listener_slot listeners[LISTENERS_MAX];
	size_t listener_count;
	bool synced;
	bool must_list;	      // the next step is a list, not a watch
	uint32_t round;
	struct buf next_page; // continue token; empty: first page
	int64_t revision;     // everything up to here is in the cache
	struct client_stream *stream;
	int64_t stream_since_ns;
	struct timer retry;
	struct backoff backoff;
	bool list_open; // a list request has no answer yet
	bool dead;	// destroyed while list_open: the answer frees it
};

static void step(struct informer *i);

// ---- the cache

static void notify(struct informer *i, const struct cached *before, const struct cached *now)
{
	for (size_t n = 0; n < i->listener_count; n++) {
		struct listener_slot *l = &i->listeners[n];
		if (l->events->on_change)
			l->events->on_change(l->arg, before ? &before->object : NULL, now ? &now->object : NULL);
	}
}

struct informer_object *informer_object_ref(const struct informer_object *o)
{
	struct informer_object *object = (struct informer_object *)o;
	object->refs++;
	return object;
}

void informer_object_unref(struct informer_object *o)
{
	if (!o || --o->refs > 0)
		return;
	blob_unref(o->line);
	free(CONTAINER_OF(o, struct cached, object));
}

// An object of the cache from its text, which lies in `line`; NULL where it has no name.
static struct cached *cached_create(struct blob *line, struct str text)
{
	struct str metadata = scan_get(text, "metadata");
	struct str name = scan_get_str(metadata, "name");
	struct str namespace = scan_get_str(metadata, "namespace");
	if (str_empty(name))
		return NULL;
	size_t key_length = name.n + (namespace.n ? namespace.n + 1 : 0);
	struct cached *c = mem_zalloc(sizeof *c + key_length);
	char *key = (char *)(c + 1);
	if (namespace.n) {
		memcpy(key, namespace.p, namespace.n);
		key[namespace.n] = '/';
	}
	memcpy(key + key_length - name.n, name.p, name.n);
	c->object = (struct informer_object){
		.refs = 1, .key = {key, key_length}, .text = text, .line = blob_ref(line)};
	str_to_i64(scan_get_str(metadata, "resourceVersion"), &c->object.revision);
	c->uid = scan_get_str(metadata, "uid");
	return c;
}

static void forget(struct informer *i, struct cached *c)
{
	map_remove(&i->objects, c->object.key);
	notify(i, c, NULL);
	informer_object_unref(&c->object);
}

// Takes over `now`. An object of another uid under the same name is a deletion and a new one.
static void remember(struct informer *i, struct cached *now)
{
	struct cached *before = map_get(&i->objects, now->object.key);
	now->round = i->round;
	if (before && before->object.revision == now->object.revision) {
		before->round = i->round;
		informer_object_unref(&now->object);
		return;
	}
	if (before && !str_eq(before->uid, now->uid)) {
		forget(i, before);
		before = NULL;
	}
	map_set(&i->objects, now->object.key, now);
	notify(i, before, now);
	if (before)
		informer_object_unref(&before->object);
}

// ---- waiting

static void retry_fire(struct timer *t)
{
	step(CONTAINER_OF(t, struct informer, retry));
}

static void retry_later(struct informer *i)
{
	timer_start(i->transport->loop, &i->retry, backoff_next(&i->backoff, i->transport->loop));
}

// ---- listing

static void list_complete(struct informer *i)
{
	for (size_t n = i->objects.count; n-- > 0;) {
		struct cached *c = i->objects.entries[n].value;
		if (c->round != i->round)
			forget(i, c);
	}
	i->must_list = false;
	backoff_reset(&i->backoff);
	if (i->synced)
		return;
	i->synced = true;
	for (size_t n = 0; n < i->listener_count; n++) {
		struct listener_slot *l = &i->listeners[n];
		if (l->events->on_synced)
			l->events->on_synced(l->arg);
	}
}

static void take_page(struct informer *i, struct str body)
{
	struct str metadata = scan_get(body, "metadata"), items = scan_get(body, "items"), item;
	while (scan_element(&items, &item)) {
		struct blob *line = blob_create(item);
		struct cached *c = cached_create(line, blob_str(line));
		if (c)
			remember(i, c);
		blob_unref(line);
	}
	buf_clear(&i->next_page);
	buf_add(&i->next_page, scan_get_str(metadata, "continue"));
	if (i->next_page.n > 0)
		return;
	str_to_i64(scan_get_str(metadata, "resourceVersion"), &i->revision);
	list_complete(i);
}

static void informer_free(struct informer *i)
{
	map_each(slot, &i->objects)
		informer_object_unref(&((struct cached *)slot->value)->object);
	map_finish(&i->objects);
	buf_finish(&i->next_page);
	free((char *)i->path.p);
	free(i);
}

static void list_done(void *arg, const struct client_response *r)
{
	struct informer *i = arg;
	i->list_open = false;
	if (i->dead) {
		informer_free(i);
		return;
	}
	if (r->e) {
		buf_clear(&i->next_page); // a token may have expired: from the start
		retry_later(i);
		return;
	}
	take_page(i, r->body);
	step(i);
}

static void add_query(struct informer *i, struct buf *path)
{
	buf_add(path, i->path);
	buf_add_byte(path, str_find(i->path, '?') < 0 ? '?' : '&');
}

static void list_start(struct informer *i)
{
	struct buf path CLEAN_BUF;
	buf_init(&path);
	add_query(i, &path);
	buf_fmt(&path, "limit=%d", PAGE);
	if (i->next_page.n > 0) {
		BUF_LIT(&path, "&continue=");
		encode_url(&path, buf_str(&i->next_page));
	} else {
		i->round++;
	}
	i->list_open = true;
	client_get(i->transport, buf_str(&path), list_done, i);
}

// ---- watching

static void watch_broken(struct informer *i, const struct err *e)
{
	i->stream = NULL;
	if (loop_now(i->transport->loop) - i->stream_since_ns >= steady_ns)
		backoff_reset(&i->backoff);
	if (e && (e->reason == ERR_GONE || e->reason == ERR_EXPIRED))
		i->must_list = true;
	retry_later(i);
}

static void on_end(void *arg, const struct err *e)
{
	watch_broken(arg, e);
}

// An ERROR line carries a Status in place of the object.
static void on_error_line(struct informer *i, struct str status)
{
	struct err e CLEAN_ERR = ERR_EMPTY;
	int64_t code = 0;
	str_to_i64(scan_get(status, "code"), &code);
	err_set(&e, err_reason_of(scan_get_str(status, "reason"), (int)code), "watch: %.*s",
		STR_FMT(scan_get_str(status, "message")));
	client_stream_close(i->transport, i->stream);
	watch_broken(i, &e);
}

static void on_line(void *arg, struct blob *line)
{
	struct informer *i = arg;
	struct str type = scan_get_str(blob_str(line), "type");
	struct str text = scan_get(blob_str(line), "object");
	if (str_is(type, "ERROR")) {
		on_error_line(i, text);
		return;
	}
	if (str_is(type, "BOOKMARK")) {
		str_to_i64(scan_get_str(scan_get(text, "metadata"), "resourceVersion"), &i->revision);
		return;
	}
	struct cached *c = cached_create(line, text);
	if (!c)
		return;
	i->revision = c->object.revision;
	if (!str_is(type, "DELETED")) {
		remember(i, c);
		return;
	}
	struct cached *known = map_get(&i->objects, c->object.key);
	if (known)
		forget(i, known);
	informer_object_unref(&c->object);
}

static void watch_start(struct informer *i)
{
	static const struct client_stream_events events = {on_line, on_end};
	struct loop *loop = i->transport->loop;
	struct buf path CLEAN_BUF;
	buf_init(&path);
	add_query(i, &path);
	unsigned seconds = WATCH_SECONDS_MIN + (unsigned)loop_random_below(loop, WATCH_SECONDS_MIN);
	buf_fmt(&path, "watch=true&allowWatchBookmarks=true&resourceVersion=%lld&timeoutSeconds=%u",
		(long long)i->revision, seconds);
	i->stream_since_ns = loop_now(loop);
	i->stream = client_watch(i->transport, buf_str(&path), &events, i);
}

static void step(struct informer *i)
{
	if (i->must_list)
		list_start(i);
	else
		watch_start(i);
}

// ---- the outside

struct informer *informer_create(struct transport *t, struct str path)
{
	struct informer *i = MEM_NEW(struct informer);
	char *copy = mem_alloc(path.n + 1);
	memcpy(copy, path.p, path.n);
	i->transport = t;
	i->path = (struct str){copy, path.n};
	i->must_list = true;
	i->retry.fire = retry_fire;
	i->retry.loop = t->loop;
	i->backoff = (struct backoff){.first_ns = 50 * TIME_MS, .max_ns = 30 * TIME_S};
	map_init(&i->objects);
	buf_init(&i->next_page);
	step(i);
	return i;
}

void informer_destroy(struct informer *i)
{
	if (!i)
		return;
	timer_stop(&i->retry);
	client_stream_close(i->transport, i->stream);
	i->stream = NULL;
	if (i->list_open)
		i->dead = true;
	else
		informer_free(i);
}

void informer_listen(struct informer *i, const struct informer_events *ev, void *arg)
{
	MUST(i->listener_count < LISTENERS_MAX);
	i->listeners[i->listener_count++] = (struct listener_slot){ev, arg};
	if (ev->on_change) {
		map_each(slot, &i->objects)
			ev->on_change(arg, NULL, &((struct cached *)slot->value)->object);
	}
	if (i->synced && ev->on_synced)
		ev->on_synced(arg);
}

bool informer_synced(const struct informer *i)
{
	return i->synced;
}

size_t informer_count(const struct informer *i)
{
	return i->objects.count;
}

const struct informer_object *informer_get(const struct informer *i, struct str key)
{
	struct cached *c = map_get(&i->objects, key);
	return c ? &c->object : NULL;
}

void informer_each(const struct informer *i, bool (*each)(void *arg, const struct informer_object *), void *arg)
{
	map_each(slot, &i->objects) {
		if (!each(arg, &((struct cached *)slot->value)->object))
			return;
	}
}

struct json *informer_parse(struct arena *a, const struct informer_object *o)
{
	struct json *object;
	if (json_parse(a, o->text, NULL, &object, NULL) < 0)
		return json_object(a);
	return object;
}
