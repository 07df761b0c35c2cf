// SPDX-License-Identifier: Apache-2.0
// Whether a pod that is new to the node may run here. The scheduler saw an older state, or was not asked, and knows
// nothing of what only the node must not do. Reasons are those of upstream's node agent. Pure.
#ifndef NODE_POD_ADMIT_H
#define NODE_POD_ADMIT_H

#include "node/pod/resources.h"

struct admit_rules {
	struct node_amounts allocatable;
	struct str unsafe_sysctls; // which pods may set besides the safe ones: "net.core.somaxconn,kernel.msg*"
};

// false: *reason ("OutOfcpu") and the message say why not.
bool pod_admit(struct arena *a, const struct pod_spec *s, const struct admit_rules *r, const struct node_amounts *used,
	       const char **reason, struct str *message);

// Whether both pods claim one and the same port of the host: then there is room for one of them.
bool pods_share_host_port(const struct pod_spec *a, const struct pod_spec *b);

// ERR_BAD_REQUEST names the one of unsafe_sysctls that is of no namespace: pods can't be allowed it.
int admit_check_sysctls(struct str unsafe_sysctls, struct err *e);

#endif
