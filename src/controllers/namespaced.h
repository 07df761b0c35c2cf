// SPDX-License-Identifier: Apache-2.0
// Sees to it that every active namespace has a certain object: the shape of the serviceaccount and root-ca controllers.
#ifndef CONTROLLERS_NAMESPACED_H
#define CONTROLLERS_NAMESPACED_H

#include "controllers/cluster.h"

struct namespaced_object {
	const char *plural; // of core v1: "configmaps"
	const char *name;
	// The object as it should be, but for metadata.name and namespace. `known`, where one is there that will not
	// do: a merge patch of it.
	struct json *(*make)(struct arena *a, const struct json *known, const void *arg);
	// Whether the object that is there will do; NULL: any will.
	bool (*will_do)(const struct json *object, const void *arg);
	const void *arg;
};

struct namespaced *namespaced_start(struct cluster *c, const struct namespaced_object *what); // kept by pointer
void namespaced_stop(struct namespaced *n);

#endif
