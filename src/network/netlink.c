// SPDX-License-Identifier: Apache-2.0
#include "network/netlink.h"

#include <errno.h>

int netlink_open(struct netlink *n, int bus, struct err *e)
{
	struct mnl_socket *s = mnl_socket_open2(bus, SOCK_CLOEXEC);
	if (!s || mnl_socket_bind(s, 0, MNL_SOCKET_AUTOPID) < 0) {
		err_errno(e, errno, "open a netlink socket");
		if (s)
			mnl_socket_close(s);
		return -1;
	}
	*n = (struct netlink){.socket = s, .port = mnl_socket_get_portid(s)};
	return 0;
}

void netlink_close(struct netlink *n)
{
	mnl_socket_close(n->socket);
}

int netlink_ask(struct netlink *n, const struct nlmsghdr *message, char *room, size_t size, mnl_cb_t each, void *arg)
{
	if (mnl_socket_sendto(n->socket, message, message->nlmsg_len) < 0)
		return -1;
	for (;;) {
		ssize_t got = mnl_socket_recvfrom(n->socket, room, size);
		if (got < 0)
			return -1;
		int more = mnl_cb_run(room, (size_t)got, n->sequence, n->port, each, arg);
		if (more <= MNL_CB_STOP)
			return more < 0 ? -1 : 0;
	}
}
