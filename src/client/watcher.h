// SPDX-License-Identifier: Apache-2.0
// List, then watch, for ever: the part of an informer that talks to the server, without a cache. Connections that break
// come back with back-off and go on at the revision that was seen last; where the server no longer knows that revision
// (410) everything is listed anew, and it is for the caller to see from on_listing and on_listed what is gone.
#ifndef CLIENT_WATCHER_H
#define CLIENT_WATCHER_H

#include "client/client.h"

struct watcher;

struct watcher_events {
	// A list begins (also again from its start, after an error): what is not told between here and on_listed does
	// not exist.
	void (*on_listing)(void *arg);
	// `text` is the object's JSON and lies in `line`; both are borrowed (blob_ref to keep). Of a deleted object it
	// is the last state.
	void (*on_object)(void *arg, struct blob *line, struct str text, bool deleted);
	void (*on_listed)(void *arg);
};

// path: the collection, with a query for selectors where wanted. Starts at once.
struct watcher *watcher_create(struct transport *t, struct str path, const struct watcher_events *ev, void *arg);
void watcher_destroy(struct watcher *w); // not from one of its own callbacks
// Every change up to this resourceVersion has been told.
int64_t watcher_revision(const struct watcher *w);

#endif
