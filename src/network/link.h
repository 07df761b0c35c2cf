// SPDX-License-Identifier: Apache-2.0
// The kernel's links, addresses and routes (rtnetlink), and network namespaces. A kernel adapter: calls block for the
// fraction of a millisecond that the kernel takes. IPv4 addresses are in network byte order.
#ifndef NETWORK_LINK_H
#define NETWORK_LINK_H

#include "base/err.h"

struct link_socket; // a netlink socket; it speaks to the network namespace in which it was opened

struct link_socket *link_open(struct err *e);
void link_close(struct link_socket *s); // NULL is fine

unsigned link_index(struct link_socket *s, const char *name); // 0: there is none
// Makes the bridge where absent, gives it the address (kept where it is there) and sets it up. Its hardware address
// follows from the address, whatever its ports are.
int link_bridge(struct link_socket *s, const char *name, uint32_t address, int prefix, struct err *e);
// Finds another link that is up and has an address in or around the range: two links would contend for its packets. The
// name is put into `rival` (IFNAMSIZ bytes).
bool link_contends(const char *own, uint32_t range, int prefix, char *rival);
// The largest packet of the link over which packets leave for the world (the default route); 0: there is none.
unsigned link_mtu_out(struct link_socket *s);

struct link_pair {
	const char *name; // here: a port of the bridge, which may also send back to itself
	unsigned bridge;
	const char *peer; // in the namespace of peer_ns, still down
	int peer_ns;
	uint32_t peer_address; // that it is to have: its hardware address follows from it
	unsigned mtu;	       // of both; 0: the kernel's choice
};
int link_veth(struct link_socket *s, const struct link_pair *pair, struct err *e);
int link_up(struct link_socket *s, unsigned index, struct err *e);
int link_address(struct link_socket *s, unsigned index, uint32_t address, int prefix, struct err *e);
// prefix 0 is the default route; gateway 0: directly on the link.
int link_route(struct link_socket *s, unsigned index, uint32_t to, int prefix, uint32_t gateway, struct err *e);
int link_delete(struct link_socket *s, const char *name, struct err *e); // absent: fine

// Writes /proc/sys/net/ipv4/<name>: "ip_forward", "conf/onggi0/send_redirects".
int link_sysctl(const char *name, const char *value, struct err *e);
bool link_sysctl_is(const char *name, const char *value);

// Makes a network namespace, which lives as long as the descriptor (the caller's to close) or a hold, and opens a socket
// inside it. The calling thread is in its own namespace again when this returns.
int link_namespace_create(int *ns, struct link_socket **inside, struct err *e);
// Holds it beyond this process, by a bind mount at `path` (made as an empty file).
int link_namespace_hold(int ns, const char *path, struct err *e);
// Whether a namespace is mounted at path.
bool link_namespace_alive(const char *path);
// Drops the hold; the kernel frees the namespace, and its links with it, when nobody is inside. Idempotent.
int link_namespace_drop(const char *path, struct err *e);

#endif
