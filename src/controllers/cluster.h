// SPDX-License-Identifier: Apache-2.0
// What the controllers share: one transport, one cache a resource (made when the first of them asks), one cache of
// pods.
#ifndef CONTROLLERS_CLUSTER_H
#define CONTROLLERS_CLUSTER_H

#include "base/map.h"
#include "client/informer.h"

struct pod_cache;

struct cluster {
	struct transport *transport;
	struct loop *loop;
	struct map informers; // path -> struct informer
	struct pod_cache *pods;
	struct str root_ca; // controllers_options; its owner keeps it
};

void cluster_init(struct cluster *c, struct transport *t);
void cluster_finish(struct cluster *c); // after all that uses it has stopped
// path: "/apis/apps/v1/replicasets"
struct informer *cluster_informer(struct cluster *c, const char *path);
struct pod_cache *cluster_pods(struct cluster *c);

// The object of a cache as a tree in the arena that stays valid as long as the arena; NULL: not there.
struct json *cluster_object(struct arena *a, const struct informer *i, struct str key);

#endif
