// SPDX-License-Identifier: Apache-2.0
// The Deployment that the tests of a simulated cluster watch: "web", of 20 pods at first.
#ifndef TEST_SIM_WEB_H
#define TEST_SIM_WEB_H

#include "cluster.h"

#define WEB "/apis/apps/v1/namespaces/default/deployments/web"

void web_create(struct cluster *c); // waits until pods may be made
void web_patch(struct cluster *c, const char *merge_patch);
// Runs until so many pods of the newest kind are ready, the Deployment says so, and no other runs; whether that came.
bool web_settles(struct cluster *c, int64_t limit_ns, int64_t ready);

#endif
