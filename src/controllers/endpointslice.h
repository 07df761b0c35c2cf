// SPDX-License-Identifier: Apache-2.0
// Keeps the EndpointSlices, and the older Endpoints, of every Service with a selector. The decisions are in
// endpointslice_plan.h.
#ifndef CONTROLLERS_ENDPOINTSLICE_H
#define CONTROLLERS_ENDPOINTSLICE_H

#include "controllers/cluster.h"

void *endpointslice_start(struct cluster *c);
void endpointslice_stop(void *controller);

#endif
