// SPDX-License-Identifier: Apache-2.0
// What pods.c shows to pods_streams.c and pods_resizes.c. Nobody else includes this.
#ifndef NODE_POD_PODS_PARTS_H
#define NODE_POD_PODS_PARTS_H

#include "base/map.h"
#include "node/pod/pods.h"

// uid empty: any pod of the name. NULL: none.
struct pod_worker *pods_find(const struct pods *p, struct str namespace, struct str name, struct str uid);
const struct map *pods_workers(const struct pods *p); // by uid
const struct pod_host *pods_host(const struct pods *p);
struct node_amounts pods_used(const struct pods *p, const struct pod_worker *except); // NULL: all of them

void pods_resize(struct pods *p); // takes on the resizes for which there is room

#endif
