// SPDX-License-Identifier: Apache-2.0
// The garbage collector: follows every resource that can be listed, watched and deleted, and deletes what has lost its
// owners. The picture is in gc_graph.h, the decisions are in gc_plan.h. Nothing is judged before every resource has
// been listed, and no owner is held for gone that was not seen to go or looked for in vain.
#ifndef CONTROLLERS_GC_H
#define CONTROLLERS_GC_H

#include "controllers/cluster.h"

void *gc_start(struct cluster *c);
void gc_stop(void *controller);

#endif
