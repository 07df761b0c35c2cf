// SPDX-License-Identifier: Apache-2.0
// A cache of all objects of one resource (or of one field selector's), kept by list and watch, with notices of
// changes. Reconnects by itself with back-off; after a gap it lists anew and tells only the differences.
#ifndef CLIENT_INFORMER_H
#define CLIENT_INFORMER_H

#include "client/client.h"

struct informer;

struct informer_object { // immutable; informer_object_ref to keep
	unsigned refs;	 // of one loop: not atomic
	struct str key;	 // "namespace/name" or "name"
	struct str text; // the object's JSON, inside `line`
	struct blob *line;
	int64_t revision; // metadata.resourceVersion
};

struct informer_events {
	// before NULL: added; now NULL: deleted. Called after the cache has changed. An object that was deleted and
	// created again is told as two changes. Both are borrowed during the call.
	void (*on_change)(void *arg, const struct informer_object *before, const struct informer_object *now);
	void (*on_synced)(void *arg); // the first list is complete; once
};

// path: the collection, with a query for selectors where wanted. Starts at once.
struct informer *informer_create(struct transport *t, struct str path);
void informer_destroy(struct informer *i); // not from one of its own notices
// At most 16 listeners. A new one hears of what is there too, during the call.
void informer_listen(struct informer *i, const struct informer_events *ev, void *arg);
bool informer_synced(const struct informer *i);
int64_t informer_revision(const struct informer *i); // the cache shows every change up to this one
size_t informer_count(const struct informer *i);
const struct informer_object *informer_get(const struct informer *i, struct str key); // borrowed until the next turn
// In no particular order, but the same in every run of a simulation. Do not keep.
void informer_each(const struct informer *i, bool (*each)(void *arg, const struct informer_object *), void *arg);
struct informer_object *informer_object_ref(const struct informer_object *o);
void informer_object_unref(struct informer_object *o);
// The tree points into o, which must stay (ref it) as long. Never fails: the server checked it.
struct json *informer_parse(struct arena *a, const struct informer_object *o);

#endif
