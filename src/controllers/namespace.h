// SPDX-License-Identifier: Apache-2.0
// Empties namespaces that are being deleted, kind by kind, and then lets them go. What is left, and why, stands in
// their conditions.
#ifndef CONTROLLERS_NAMESPACE_H
#define CONTROLLERS_NAMESPACE_H

#include "controllers/cluster.h"

void *namespace_start(struct cluster *c);
void namespace_stop(void *controller);

#endif
