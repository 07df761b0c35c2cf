// SPDX-License-Identifier: Apache-2.0
// The names a pod lives under, and the texts of its /etc/hosts and /etc/resolv.conf. Pure.
#ifndef NODE_POD_NAMES_H
#define NODE_POD_NAMES_H

#include "node/pod/spec.h"

struct names_config {
	struct str cluster_domain; // "cluster.local"
	struct str nameserver;	   // of the cluster; empty: there is none, and pods use the host's
	struct str host_resolv;	   // the host's resolv.conf
	struct str host_hosts;	   // the host's /etc/hosts
	struct str host_name;
};

// The pod's host name: its own, or its name cut to 63 bytes; with setHostnameAsFQDN the whole name.
struct str names_hostname(struct arena *a, const struct pod_spec *s, const struct names_config *c);
struct str names_hosts(struct arena *a, const struct pod_spec *s, const struct names_config *c, struct str ip);
struct str names_resolv(struct arena *a, const struct pod_spec *s, const struct names_config *c);

#endif
