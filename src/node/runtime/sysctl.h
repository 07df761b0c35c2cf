// SPDX-License-Identifier: Apache-2.0
// Parameters of the kernel that belong to a namespace, so that a pod can have its own. Everything else below /proc/sys is
// the machine's, and who writes there from inside a pod writes for all: it is never done.
#ifndef NODE_RUNTIME_SYSCTL_H
#define NODE_RUNTIME_SYSCTL_H

#include "base/arena.h"
#include "base/err.h"

// "net/ipv4/conf/eth0.1/forwarding" as "net.ipv4.conf.eth0/1.forwarding": where '/' stands first, the two change places
// (sysctl.d(5)).
struct str sysctl_dotted(struct arena *a, struct str name);

// Whether it is one of a namespace that the pod has of its own. A name or a pattern that ends in '*'.
bool sysctl_is_own(struct str dotted, bool own_net, bool own_ipc);

// For the namespaces of the calling thread. The caller has asked sysctl_is_own.
int sysctl_write(struct arena *a, struct str dotted, struct str value, struct err *e);

#endif
