// SPDX-License-Identifier: Apache-2.0
// Deletes Events an hour after they last happened.
#ifndef CONTROLLERS_EVENT_TTL_H
#define CONTROLLERS_EVENT_TTL_H

#include "controllers/cluster.h"

void *event_ttl_start(struct cluster *c);
void event_ttl_stop(void *controller);

#endif
