// SPDX-License-Identifier: Apache-2.0
// A netlink socket to the kernel's netfilter: questions with their answers, and transactions of the packet tables. A
// kernel adapter: calls block for as long as the kernel works, at most some seconds.
#ifndef NETWORK_NETFILTER_H
#define NETWORK_NETFILTER_H

#include <libmnl/libmnl.h>

#include "base/buf.h"
#include "base/err.h"

struct netfilter;

struct netfilter *netfilter_open(struct err *e);
void netfilter_close(struct netfilter *n); // NULL is fine

// Begins a message at `at` (room for it is the caller's affair). subsystem: NFNL_SUBSYS_*; family: NFPROTO_*.
struct nlmsghdr *netfilter_message(struct netfilter *n, void *at, uint8_t subsystem, uint8_t type, uint16_t flags,
				   uint8_t family);
// Sends it and hands every answer to `each` (NULL: there is only an acknowledgement). 0, or -1 with errno; EINTR: what
// was read out changed meanwhile.
int netfilter_ask(struct netfilter *n, struct nlmsghdr *message, mnl_cb_t each, void *arg);

// A transaction of the packet tables: all of its messages take effect, or none.
struct netfilter_batch {
	struct netfilter *netfilter;
	struct buf bytes;
	size_t messages;
	unsigned first; // number of the message that opens it
};
void netfilter_batch_init(struct netfilter_batch *b, struct netfilter *n);
void netfilter_batch_finish(struct netfilter_batch *b);
// Begins a message of at most `room` bytes, which netfilter_batch_added ends.
struct nlmsghdr *netfilter_batch_add(struct netfilter_batch *b, uint8_t type, uint16_t flags, size_t room);
void netfilter_batch_added(struct netfilter_batch *b, const struct nlmsghdr *message);
int netfilter_batch_commit(struct netfilter_batch *b, struct err *e); // an empty one does nothing

#endif
