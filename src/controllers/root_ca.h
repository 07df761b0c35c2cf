// SPDX-License-Identifier: Apache-2.0
// A ConfigMap "kube-root-ca.crt" in every namespace that is not being deleted, with the certificate that pods check the
// server by.
#ifndef CONTROLLERS_ROOT_CA_H
#define CONTROLLERS_ROOT_CA_H

#include "controllers/cluster.h"

void *root_ca_start(struct cluster *c);
void root_ca_stop(void *controller);

#endif
