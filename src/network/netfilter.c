// SPDX-License-Identifier: Apache-2.0
#include "network/netfilter.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <sys/socket.h>

#include "network/netlink.h"

enum { ANSWER_MAX = 128 << 10, SOCKET_ROOM = 8 << 20, PATIENCE_S = 10, EDGE_SIZE = 64 };

struct netfilter {
	struct netlink kernel;
	char answer[ANSWER_MAX];
};

struct netfilter *netfilter_open(struct err *e)
{
	struct netlink kernel;
	if (netlink_open(&kernel, NETLINK_NETFILTER, e) < 0)
		return NULL;
	int fd = mnl_socket_get_fd(kernel.socket);
	int room = SOCKET_ROOM; // a transaction goes out in one message, and all of its acknowledgements come at once
	struct timeval patience = {.tv_sec = PATIENCE_S};
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	struct netfilter *n = MEM_NEW(struct netfilter);
	n->kernel = kernel;
	return n;
}

void netfilter_close(struct netfilter *n)
{
	if (!n)
		return;
	netlink_close(&n->kernel);
	free(n);
}

static struct nlmsghdr *begin(struct netfilter *n, void *at, uint16_t type, uint16_t flags, uint8_t family,
			      uint16_t resource)
{
	struct nlmsghdr *h = mnl_nlmsg_put_header(at);
	h->nlmsg_type = type;
	h->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	h->nlmsg_seq = ++n->kernel.sequence;
	struct nfgenmsg *g = mnl_nlmsg_put_extra_header(h, sizeof *g);
	g->nfgen_family = family;
	g->version = NFNETLINK_V0;
	g->res_id = htons(resource);
	return h;
}

struct nlmsghdr *netfilter_message(struct netfilter *n, void *at, uint8_t subsystem, uint8_t type, uint16_t flags,
				   uint8_t family)
{
	return begin(n, at, (uint16_t)(subsystem << 8 | type), flags, family, 0);
}

// Forgets what a question that failed has left unread.
static void drain(struct netfilter *n)
{
	while (recv(mnl_socket_get_fd(n->kernel.socket), n->answer, sizeof n->answer, MSG_DONTWAIT) > 0)
		;
}

int netfilter_ask(struct netfilter *n, struct nlmsghdr *message, mnl_cb_t each, void *arg)
{
	drain(n);
	return netlink_ask(&n->kernel, message, n->answer, sizeof n->answer, each, arg);
}

// ---- transactions

static void edge(struct netfilter_batch *b, uint16_t type)
{
	buf_reserve(&b->bytes, EDGE_SIZE);
	b->bytes.n += begin(b->netfilter, b->bytes.p + b->bytes.n, type, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES)->nlmsg_len;
}

void netfilter_batch_init(struct netfilter_batch *b, struct netfilter *n)
{
	*b = (struct netfilter_batch){.netfilter = n};
	buf_init(&b->bytes);
	edge(b, NFNL_MSG_BATCH_BEGIN);
	b->first = n->kernel.sequence;
}

void netfilter_batch_finish(struct netfilter_batch *b)
{
	buf_finish(&b->bytes);
}

struct nlmsghdr *netfilter_batch_add(struct netfilter_batch *b, uint8_t type, uint16_t flags, size_t room)
{
	buf_reserve(&b->bytes, room);
	return netfilter_message(b->netfilter, b->bytes.p + b->bytes.n, NFNL_SUBSYS_NFTABLES, type,
				 (uint16_t)(NLM_F_ACK | flags), NFPROTO_IPV4);
}

void netfilter_batch_added(struct netfilter_batch *b, const struct nlmsghdr *message)
{
	b->bytes.n += message->nlmsg_len;
	b->messages++;
}

// Each message is acknowledged, also in a transaction that fails; but one that the kernel does not even begin is
// refused as a whole, by an error for its first message alone.
static int acknowledged(struct netfilter_batch *b)
{
	struct netfilter *n = b->netfilter;
	int failed = 0;
	for (size_t left = b->messages; left;) {
		ssize_t got = mnl_socket_recvfrom(n->kernel.socket, n->answer, sizeof n->answer);
		if (got < 0)
			return errno;
		int rest = (int)got;
		struct nlmsghdr *h = (struct nlmsghdr *)n->answer;
		for (; mnl_nlmsg_ok(h, rest) && left; h = mnl_nlmsg_next(h, &rest)) {
			if (h->nlmsg_type != NLMSG_ERROR || h->nlmsg_seq < b->first)
				continue;
			int code = -((struct nlmsgerr *)mnl_nlmsg_get_payload(h))->error;
			if (code && h->nlmsg_seq == b->first)
				return code;
			failed = failed ? failed : code;
			left--;
		}
	}
	return failed;
}

int netfilter_batch_commit(struct netfilter_batch *b, struct err *e)
{
	if (b->messages == 0)
		return 0;
	edge(b, NFNL_MSG_BATCH_END);
	drain(b->netfilter);
	int failed = mnl_socket_sendto(b->netfilter->kernel.socket, b->bytes.p, b->bytes.n) < 0 ? errno : acknowledged(b);
	return failed ? err_errno(e, failed, "change the packet tables") : 0;
}
