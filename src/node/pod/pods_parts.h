// SPDX-License-Identifier: Apache-2.0
// What pods.c shows to pods_streams.c. Nobody else includes this.
#ifndef NODE_POD_PODS_PARTS_H
#define NODE_POD_PODS_PARTS_H

#include "base/map.h"
#include "node/pod/pods.h"

// uid empty: any pod of the name. NULL: none.
struct pod_worker *pods_find(const struct pods *p, struct str namespace, struct str name, struct str uid);
const struct map *pods_workers(const struct pods *p); // by uid
const struct pod_host *pods_host(const struct pods *p);

#endif
