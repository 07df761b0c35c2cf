// SPDX-License-Identifier: Apache-2.0
// A netlink socket of the kernel's: questions and their answers. What is asked is the business of link.h and netfilter.h.
#ifndef NETWORK_NETLINK_H
#define NETWORK_NETLINK_H

#include <libmnl/libmnl.h>

#include "base/err.h"

struct netlink {
	struct mnl_socket *socket;
	unsigned port;
	unsigned sequence; // of the last message; who makes one counts it up
};

int netlink_open(struct netlink *n, int bus, struct err *e); // bus: NETLINK_ROUTE, NETLINK_NETFILTER
void netlink_close(struct netlink *n);
// Sends the newest message and hands what comes to `each` (NULL: there is only an acknowledgement), until the last of it.
// `room` holds one answer. 0, or -1 with errno.
int netlink_ask(struct netlink *n, const struct nlmsghdr *message, char *room, size_t size, mnl_cb_t each, void *arg);

#endif
