// SPDX-License-Identifier: Apache-2.0
// Watches pods, nodes and namespaces and binds each pod that asks for this scheduler to the node that plan.h chooses.
//
//	new pod --> queued --> decided --> binding --> bound (the watch shows it)
//	               ^          |            |
//	               |          v            v refused
//	               +-- waiting, backing off: until something changes that may help, 1 s doubled up to 10 s at least
//
// Pods are taken by priority, then by age. While a binding is under way the pod counts as placed.
#ifndef SCHEDULER_SCHEDULER_H
#define SCHEDULER_SCHEDULER_H

#include "client/client.h"

struct scheduler;

// name: of pods' spec.schedulerName; empty: "default-scheduler". The transport must outlive it.
struct scheduler *scheduler_start(struct transport *t, struct str name);
void scheduler_stop(struct scheduler *s);

#endif
