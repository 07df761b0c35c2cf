// SPDX-License-Identifier: Apache-2.0
// What the kernel remembers beyond the sets (nftables.h), and must forget when they change: UDP flows, which would go on
// for ever to an endpoint that is gone (or past a Service that has come meanwhile), and the endpoints of clients of
// Services with session affinity. TCP connections are left alone: they end by themselves.
#ifndef NETWORK_STALE_H
#define NETWORK_STALE_H

#include "network/nftables.h"

struct stale;

int stale_open(struct nftables *tables, struct stale **out, struct err *e); // the tables must outlive it
void stale_close(struct stale *s);

// The sets went from one list to the other, each of which has all elements of the Services concerned.
int stale_forget(struct stale *s, const struct plan_element *from, size_t from_count, const struct plan_element *to,
		 size_t to_count, struct err *e);

#endif
