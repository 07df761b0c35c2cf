// SPDX-License-Identifier: Apache-2.0
#include "controllers/reconcile.h"

#include "base/map.h"
#include "base/times.h"
#include "client/queue.h"
#include "client/scan.h"

enum { CACHES_MAX = 8, CACHE_POLL_MS = 10, WRITE_POLL_MS = 1 };
static const int64_t write_patience_ns = 5 * TIME_S;

struct reconciler {
	struct transport *transport;
	struct queue *queue;
	reconcile *handle;
	void *arg;
	const struct informer *caches[CACHES_MAX];
	size_t cache_count;
	struct open_sync *open; // those being handled
	struct map unseen;	// key -> struct written, a list: what the caches do not show yet
};

struct written {
	struct written *next;
	const struct informer *cache;
	int64_t revision, deadline_ns;
};

struct open_sync {
	struct sync sync;
	struct reconciler *reconciler; // NULL once it is gone
	struct open_sync *previous, *next;
	size_t pending; // answers to come, and one while the handler runs
	bool failed;
};

struct request {
	struct open_sync *owner;
	sync_answer *answer;
	void *arg;
	const struct informer *cache; // NULL: not looked at again
	bool is_delete;
};

// ---- what was written and is to be seen

static void note_written(struct reconciler *r, struct str sync_key, const struct informer *cache, struct str body)
{
	struct written *w = MEM_NEW(struct written);
	w->cache = cache;
	w->deadline_ns = loop_now(r->transport->loop) + write_patience_ns;
	str_to_i64(scan_get_str(scan_get(body, "metadata"), "resourceVersion"), &w->revision);
	w->next = map_get(&r->unseen, sync_key);
	map_set(&r->unseen, sync_key, w);
}

static bool is_seen(const struct reconciler *r, const struct written *w)
{
	return informer_revision(w->cache) >= w->revision || w->deadline_ns <= loop_now(r->transport->loop);
}

// Whether the caches show all that was written for the key.
static bool writes_seen(struct reconciler *r, struct str sync_key)
{
	struct written *first = map_get(&r->unseen, sync_key);
	while (first && is_seen(r, first)) {
		struct written *seen = first;
		first = seen->next;
		free(seen);
		if (first)
			map_set(&r->unseen, sync_key, first);
		else
			map_remove(&r->unseen, sync_key);
	}
	return !first;
}

// ---- handling

static bool caches_ready(const struct reconciler *r)
{
	for (size_t i = 0; i < r->cache_count; i++) {
		if (!informer_synced(r->caches[i]))
			return false;
	}
	return true;
}

static void unlink_sync(struct open_sync *o)
{
	if (o->previous)
		o->previous->next = o->next;
	else
		o->reconciler->open = o->next;
	if (o->next)
		o->next->previous = o->previous;
}

static void release(struct open_sync *o)
{
	if (--o->pending > 0)
		return;
	struct reconciler *r = o->reconciler;
	if (r) {
		unlink_sync(o);
		queue_done(r->queue, o->sync.key, o->failed);
	}
	arena_finish(&o->sync.arena);
	free(o);
}

static void handle_key(void *arg, struct str key)
{
	struct reconciler *r = arg;
	bool ready = caches_ready(r);
	if (!ready || !writes_seen(r, key)) {
		queue_add_after(r->queue, key, (ready ? WRITE_POLL_MS : CACHE_POLL_MS) * TIME_MS);
		queue_done(r->queue, key, false);
		return;
	}
	struct open_sync *o = MEM_NEW(struct open_sync);
	struct sync *s = &o->sync;
	arena_init(&s->arena);
	s->key = arena_str(&s->arena, key);
	if (!str_cut(s->key, '/', &s->namespace, &s->name)) {
		s->name = s->key;
		s->namespace = STR_NONE;
	}
	o->reconciler = r;
	o->pending = 1;
	o->next = r->open;
	if (r->open)
		r->open->previous = o;
	r->open = o;
	r->handle(r->arg, s);
	release(o);
}

static void request_done(void *arg, const struct client_response *response)
{
	struct request *q = arg;
	struct open_sync *o = q->owner;
	if (o->reconciler) {
		bool fine = !response->e || (q->is_delete && response->e->reason == ERR_NOT_FOUND);
		if (q->answer)
			fine = q->answer(q->arg, &o->sync, response);
		if (!fine)
			o->failed = true;
		if (q->cache && !response->e)
			note_written(o->reconciler, o->sync.key, q->cache, response->body);
	}
	release(o);
}

void sync_write(struct sync *s, const struct informer *cache, const char *method, struct str path,
		const struct json *body, sync_answer *answer, void *arg)
{
	struct open_sync *o = CONTAINER_OF(s, struct open_sync, sync);
	struct request *q = ARENA_NEW(&s->arena, struct request);
	*q = (struct request){o, answer, arg, cache, strcmp(method, "DELETE") == 0};
	o->pending++;
	struct buf text CLEAN_BUF;
	buf_init(&text);
	if (body)
		json_write(&text, body);
	bool is_patch = strcmp(method, "PATCH") == 0;
	struct client_request r = {method, path, is_patch ? "application/merge-patch+json" : NULL, buf_str(&text)};
	client_send(o->reconciler->transport, &r, request_done, q);
}

void sync_send(struct sync *s, const char *method, struct str path, const struct json *body, sync_answer *answer,
	       void *arg)
{
	sync_write(s, NULL, method, path, body, answer, arg);
}

struct reconciler *reconciler_create(struct transport *t, size_t parallel, reconcile *handle, void *arg)
{
	struct reconciler *r = MEM_NEW(struct reconciler);
	r->transport = t;
	r->handle = handle;
	r->arg = arg;
	map_init(&r->unseen);
	r->queue = queue_create(t->loop, parallel, handle_key, r);
	return r;
}

void reconciler_destroy(struct reconciler *r)
{
	if (!r)
		return;
	for (struct open_sync *o = r->open; o; o = o->next)
		o->reconciler = NULL;
	queue_destroy(r->queue);
	map_each(slot, &r->unseen) {
		for (struct written *w = slot->value, *next; w; w = next) {
			next = w->next;
			free(w);
		}
	}
	map_finish(&r->unseen);
	free(r);
}

void reconciler_await(struct reconciler *r, const struct informer *i)
{
	MUST(r->cache_count < CACHES_MAX);
	r->caches[r->cache_count++] = i;
}

void reconciler_add(struct reconciler *r, struct str key)
{
	queue_add(r->queue, key);
}

void reconciler_add_after(struct reconciler *r, struct str key, int64_t delay_ns)
{
	queue_add_after(r->queue, key, delay_ns);
}
