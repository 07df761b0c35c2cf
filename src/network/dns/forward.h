// SPDX-License-Identifier: Apache-2.0
// Passes questions that are not ours to the node's own resolvers, byte for byte but for the id. Each question goes out
// from a fresh socket (so from a port that cannot be guessed) and with a random id; the resolvers are tried in turn.
#ifndef NETWORK_DNS_FORWARD_H
#define NETWORK_DNS_FORWARD_H

#include "sys/sys.h"

struct dns_forward;

// resolv_conf: the text of /etc/resolv.conf; its nameservers, but for `self`, are asked. At most three.
struct dns_forward *dns_forward_create(struct loop *l, struct str resolv_conf, struct str self);
void dns_forward_destroy(struct dns_forward *f); // drops what is open, without answers

// answer empty: nobody answered. At most 512 are open at a time; beyond that the answer is empty at once.
typedef void dns_forward_done(void *arg, struct str answer);
// A query as it came (12 bytes at least). tcp: by TCP, for answers that do not fit a datagram.
void dns_forward_ask(struct dns_forward *f, struct str query, bool tcp, dns_forward_done *done, void *arg);

#endif
