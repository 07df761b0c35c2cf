// SPDX-License-Identifier: Apache-2.0
// What pods left behind that vanished while no agent was there: containers, networks, directories. Each is taken away.
#ifndef NODE_POD_PODS_SWEEP_H
#define NODE_POD_PODS_SWEEP_H

#include "node/pod/host.h"

struct survey;

// `known` says whether a uid is that of a pod that still is; asked now and once more on the loop before anything is
// taken away, until pods_sweep_abandon. Returns at once; the work goes on by itself, and ends with `done`.
struct survey *pods_sweep(struct pod_host *h, bool (*known)(void *arg, struct str uid), void (*done)(void *arg),
			  void *arg);
void pods_sweep_abandon(struct survey *s); // NULL is fine

#endif
