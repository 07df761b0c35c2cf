// SPDX-License-Identifier: Apache-2.0
// What watchers of one loop share about a change: the encoded lines of its event, and the trees that selectors look at.
// Each is made when the first watcher asks and kept for the others, who ask soon after.
#ifndef SERVER_EVENT_CACHE_H
#define SERVER_EVENT_CACHE_H

#include "base/json.h"
#include "store/store.h"

enum event_type { EVENT_ADDED, EVENT_MODIFIED, EVENT_DELETED, EVENT_TYPES };

struct event_cache;
struct event_view; // valid until the next event_cache_view

struct event_cache *event_cache_create(void);
void event_cache_destroy(struct event_cache *c);

struct event_view *event_cache_view(struct event_cache *c, const struct store_event *e);
const struct json *event_view_now(struct event_view *v);    // NULL: deleted
const struct json *event_view_before(struct event_view *v); // NULL: created
// {"type":"ADDED","object":{...}}\n; the caller's reference. DELETED shows the state before with the new revision.
struct blob *event_view_line(struct event_view *v, enum event_type type);
// The object of such an event.
struct str event_view_object(struct event_view *v, enum event_type type);

const char *event_type_name(enum event_type t);
struct blob *event_line(const char *type, struct str object);

#endif
