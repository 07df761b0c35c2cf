// SPDX-License-Identifier: Apache-2.0
// The ConfigMaps and Secrets that pods on this node use, and only those: each is fetched when a pod first wants it,
// watched while one does, and forgotten with the last. A watch is a connection: beyond a hundred, objects are asked for
// once a minute instead.
#ifndef NODE_POD_OBJECTS_H
#define NODE_POD_OBJECTS_H

#include "client/informer.h"

struct objects;

struct objects_events {
	// It was fetched, found missing, created, changed or deleted.
	void (*on_change)(void *arg, struct str namespace, bool secret, struct str name);
};

struct objects *objects_create(struct transport *t, const struct objects_events *ev, void *arg);
void objects_destroy(struct objects *o);

void objects_want(struct objects *o, struct str namespace, bool secret, struct str name); // counts
void objects_drop(struct objects *o, struct str namespace, bool secret, struct str name);
bool objects_known(const struct objects *o, struct str namespace, bool secret,
		   struct str name); // present or surely missing
// NULL: missing, or not wanted by anyone. In the arena; points into the cache until the next turn of the loop.
struct json *objects_get(const struct objects *o, struct arena *a, struct str namespace, bool secret, struct str name);

#endif
