// SPDX-License-Identifier: Apache-2.0
// A ServiceAccount "default" in every namespace that is not being deleted.
#ifndef CONTROLLERS_SERVICEACCOUNT_H
#define CONTROLLERS_SERVICEACCOUNT_H

#include "controllers/cluster.h"

void *serviceaccount_start(struct cluster *c);
void serviceaccount_stop(void *controller);

#endif
