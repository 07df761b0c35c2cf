// SPDX-License-Identifier: Apache-2.0
// Passes questions that are not ours to the node's own resolvers, byte for byte but for the id. Each question goes out
// from fresh sockets (so from ports that cannot be guessed), with a random id, and only what the asked resolver sends
// back with the same id and question is taken. A resolver that is silent for one and a half seconds, or says that it
// fails, is followed by the next; one that was silent is asked last from then on.
#ifndef NETWORK_DNS_FORWARD_H
#define NETWORK_DNS_FORWARD_H

#include "sys/sys.h"

struct dns_forward;

// self: our own address, which is never asked.
struct dns_forward *dns_forward_create(struct loop *l, struct str self);
void dns_forward_destroy(struct dns_forward *f); // drops what is open, without answers

// resolv_conf: the text of /etc/resolv.conf, whose first three nameservers (IPv4 or IPv6) are asked from now on. Whether
// they are others than before.
bool dns_forward_use(struct dns_forward *f, struct str resolv_conf);

// answer empty: nobody answered. At most 512 questions are open at a time, 64 of one source; beyond that the answer is
// empty at once.
typedef void dns_forward_done(void *arg, struct str answer);
// A query as it came (12 bytes at least). source: who asks. tcp: by TCP, for answers that do not fit a datagram.
void dns_forward_ask(struct dns_forward *f, struct str query, struct str source, bool tcp, dns_forward_done *done,
		     void *arg);

#endif
