// SPDX-License-Identifier: Apache-2.0
#include "controllers/event_ttl.h"

#include "base/times.h"
#include "client/scan.h"
#include "client/watcher.h"
#include "controllers/reconcile.h"

enum { PARALLEL = 16 };
static const int64_t life_ns = 3600 * TIME_S;

// Events are many: of each only the key stays, as long as its timer in the queue runs.
struct event_ttl {
	struct cluster *cluster;
	struct watcher *watcher;
	struct reconciler *reconciler;
};

static int64_t last_time(struct str event)
{
	struct str texts[] = {
		scan_get_str(event, "lastTimestamp"), scan_get_str(scan_get(event, "series"), "lastObservedTime"),
		scan_get_str(event, "eventTime"), scan_get_str(scan_get(event, "metadata"), "creationTimestamp")};
	int64_t newest_ns = 0, ns;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		if (texts[i].n && time_parse(texts[i], &ns) == 0 && ns > newest_ns)
			newest_ns = ns;
	}
	return newest_ns;
}

static struct str path_of(struct sync *s)
{
	return client_path(&s->arena, STR("v1"), s->namespace, STR("events"), s->name, STR_NONE);
}

// It may have happened again since.
static bool read_event(void *arg, struct sync *s, const struct client_response *r)
{
	struct event_ttl *c = arg;
	if (r->e)
		return r->e->reason == ERR_NOT_FOUND;
	int64_t left_ns = last_time(r->body) + life_ns - loop_wall(c->cluster->loop);
	if (left_ns > 0)
		reconciler_add_after(c->reconciler, s->key, left_ns);
	else
		sync_send(s, "DELETE", path_of(s), NULL, NULL, NULL);
	return true;
}

static void handle(void *arg, struct sync *s)
{
	sync_send(s, "GET", path_of(s), NULL, read_event, arg);
}

static void on_event(void *arg, struct blob *line, struct str text, bool deleted)
{
	struct event_ttl *c = arg;
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	if (deleted)
		return;
	struct str metadata = scan_get(text, "metadata");
	struct str key = arena_fmt(&a, "%.*s/%.*s", STR_FMT(scan_get_str(metadata, "namespace")),
				   STR_FMT(scan_get_str(metadata, "name")));
	int64_t left_ns = last_time(text) + life_ns - loop_wall(c->cluster->loop);
	reconciler_add_after(c->reconciler, key, left_ns > 0 ? left_ns : 0);
}

static void on_list(void *arg)
{
	// What went unseen meanwhile is not found when its time comes.
}

void *event_ttl_start(struct cluster *cluster)
{
	static const struct watcher_events events = {on_list, on_event, on_list};
	struct event_ttl *c = MEM_NEW(struct event_ttl);
	c->cluster = cluster;
	c->reconciler = reconciler_create(cluster->transport, PARALLEL, handle, c);
	c->watcher = watcher_create(cluster->transport, STR("/api/v1/events"), &events, c);
	return c;
}

void event_ttl_stop(void *controller)
{
	struct event_ttl *c = controller;
	watcher_destroy(c->watcher);
	reconciler_destroy(c->reconciler);
	free(c);
}
