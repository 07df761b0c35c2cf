// SPDX-License-Identifier: Apache-2.0
// Endpoints that users keep by hand, for Services without a selector, copied into EndpointSlices, which is where the
// network looks.
#ifndef CONTROLLERS_ENDPOINTS_MIRROR_H
#define CONTROLLERS_ENDPOINTS_MIRROR_H

#include "controllers/cluster.h"

void *endpoints_mirror_start(struct cluster *c);
void endpoints_mirror_stop(void *controller);

#endif
