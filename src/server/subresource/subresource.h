// SPDX-License-Identifier: Apache-2.0
// Subresources with a body or an effect of their own.
#ifndef SERVER_SUBRESOURCE_H
#define SERVER_SUBRESOURCE_H

#include "server/call.h"

void scale_get(struct call *c); // autoscaling/v1 Scale of Deployments, ReplicaSets...
void scale_update(struct call *c);
void scale_patch(struct call *c);
void binding_create(struct call *c);  // the scheduler's verdict
void eviction_create(struct call *c); // a deletion that asks the disruption budgets first
void token_create(struct call *c);    // TokenRequest of a ServiceAccount
void finalize_update(struct call *c); // a namespace's finalizers; the last one gone, the namespace goes

#endif
