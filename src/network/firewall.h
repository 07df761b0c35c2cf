// SPDX-License-Identifier: Apache-2.0
// The firewalls of others. Docker, ufw and their like drop what this machine passes on unless one of their rules accepts
// it, and what one chain drops no other can save: pods would reach neither each other nor the world. So a rule that lets
// the pods' bridge through, by which it is known again, goes before all others into each forward chain that drops by its
// policy. (Not seen: what a rule of theirs drops at the end of a chain that accepts, as firewalld's, and the old
// tables of iptables-legacy.)
#ifndef NETWORK_FIREWALL_H
#define NETWORK_FIREWALL_H

#include "network/netfilter.h"

// Looks at all chains of the machine; *opened: in how many of them a rule has been put.
int firewall_let_through(struct netfilter *n, const char *bridge, unsigned *opened, struct err *e);
// Takes the rules away again.
int firewall_withdraw(struct netfilter *n, const char *bridge, struct err *e);

#endif
