// SPDX-License-Identifier: Apache-2.0
#include "network/link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/if_link.h>
#include <linux/magic.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/mem.h"
#include "network/netlink.h"

struct link_socket {
	struct netlink kernel;
	char room[4096];
};

struct link_socket *link_open(struct err *e)
{
	struct netlink kernel;
	if (netlink_open(&kernel, NETLINK_ROUTE, e) < 0)
		return NULL;
	struct link_socket *s = MEM_NEW(struct link_socket);
	s->kernel = kernel;
	return s;
}

void link_close(struct link_socket *s)
{
	if (!s)
		return;
	netlink_close(&s->kernel);
	free(s);
}

static struct nlmsghdr *request(struct link_socket *s, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *h = mnl_nlmsg_put_header(s->room);
	h->nlmsg_type = type;
	h->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
	h->nlmsg_seq = ++s->kernel.sequence;
	return h;
}

// Sends and reads up to the acknowledgement; `each` sees what else comes. 0, or -1 with errno.
static int ask(struct link_socket *s, struct nlmsghdr *h, mnl_cb_t each, void *arg)
{
	char answer[8192];
	return netlink_ask(&s->kernel, h, answer, sizeof answer, each, arg);
}

static int talk(struct link_socket *s, struct nlmsghdr *h)
{
	return ask(s, h, NULL, NULL);
}

static struct ifinfomsg *link_message(struct nlmsghdr *h, unsigned index)
{
	struct ifinfomsg *i = mnl_nlmsg_put_extra_header(h, sizeof *i);
	i->ifi_family = AF_UNSPEC;
	i->ifi_index = (int)index;
	return i;
}

static int take_index(const struct nlmsghdr *h, void *index)
{
	*(unsigned *)index = (unsigned)((struct ifinfomsg *)mnl_nlmsg_get_payload(h))->ifi_index;
	return MNL_CB_OK;
}

unsigned link_index(struct link_socket *s, const char *name)
{
	struct nlmsghdr *h = request(s, RTM_GETLINK, 0);
	unsigned index = 0;
	link_message(h, 0);
	mnl_attr_put_strz(h, IFLA_IFNAME, name);
	return ask(s, h, take_index, &index) < 0 ? 0 : index;
}

int link_up(struct link_socket *s, unsigned index, struct err *e)
{
	struct nlmsghdr *h = request(s, RTM_NEWLINK, 0);
	struct ifinfomsg *i = link_message(h, index);
	i->ifi_flags = i->ifi_change = IFF_UP;
	if (talk(s, h) < 0)
		return err_errno(e, errno, "set link %u up", index);
	return 0;
}

int link_address(struct link_socket *s, unsigned index, uint32_t address, int prefix, struct err *e)
{
	struct nlmsghdr *h = request(s, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE);
	struct ifaddrmsg *m = mnl_nlmsg_put_extra_header(h, sizeof *m);
	m->ifa_family = AF_INET;
	m->ifa_prefixlen = (uint8_t)prefix;
	m->ifa_index = index;
	mnl_attr_put_u32(h, IFA_LOCAL, address);
	mnl_attr_put_u32(h, IFA_ADDRESS, address);
	if (talk(s, h) < 0 && errno != EEXIST)
		return err_errno(e, errno, "add an address");
	return 0;
}

int link_route(struct link_socket *s, unsigned index, uint32_t to, int prefix, uint32_t gateway, struct err *e)
{
	struct nlmsghdr *h = request(s, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE);
	struct rtmsg *m = mnl_nlmsg_put_extra_header(h, sizeof *m);
	m->rtm_family = AF_INET;
	m->rtm_dst_len = (uint8_t)prefix;
	m->rtm_table = RT_TABLE_MAIN;
	m->rtm_protocol = RTPROT_STATIC;
	m->rtm_scope = gateway ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
	m->rtm_type = RTN_UNICAST;
	if (prefix)
		mnl_attr_put_u32(h, RTA_DST, to);
	if (gateway)
		mnl_attr_put_u32(h, RTA_GATEWAY, gateway);
	mnl_attr_put_u32(h, RTA_OIF, index);
	if (talk(s, h) < 0)
		return err_errno(e, errno, "add a route");
	return 0;
}

// Who remembers a hardware address that is no more sends into the void: each follows from its IPv4 address, and so stays
// right when another link gets that.
static void put_hardware_address(struct nlmsghdr *h, uint32_t address)
{
	uint8_t hardware[6] = {0x0a, 0x58};
	memcpy(hardware + 2, &address, sizeof address);
	mnl_attr_put(h, IFLA_ADDRESS, sizeof hardware, hardware);
}

int link_bridge(struct link_socket *s, const char *name, uint32_t address, int prefix, struct err *e)
{
	struct nlmsghdr *h = request(s, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
	link_message(h, 0);
	mnl_attr_put_strz(h, IFLA_IFNAME, name);
	// Of its own, else a bridge takes the lowest of its ports': it would change as pods come and go.
	put_hardware_address(h, address);
	struct nlattr *info = mnl_attr_nest_start(h, IFLA_LINKINFO);
	mnl_attr_put_strz(h, IFLA_INFO_KIND, "bridge");
	mnl_attr_nest_end(h, info);
	if (talk(s, h) < 0 && errno != EEXIST)
		return err_errno(e, errno, "make the bridge %s", name);
	unsigned index = link_index(s, name);
	if (link_address(s, index, address, prefix, e) < 0 || link_up(s, index, e) < 0)
		return err_wrap(e, "bridge %s", name);
	return 0;
}

bool link_contends(const char *own, uint32_t range, int prefix, char *rival)
{
	uint32_t mask = prefix ? htonl(UINT32_MAX << (32 - prefix)) : 0;
	struct ifaddrs *all;
	bool found = false;
	if (getifaddrs(&all) < 0)
		return false;
	for (struct ifaddrs *a = all; a && !found; a = a->ifa_next) {
		if (!a->ifa_addr || !a->ifa_netmask || a->ifa_addr->sa_family != AF_INET || !(a->ifa_flags & IFF_UP) ||
		    strcmp(a->ifa_name, own) == 0)
			continue;
		uint32_t address = ((struct sockaddr_in *)a->ifa_addr)->sin_addr.s_addr;
		uint32_t common = mask & ((struct sockaddr_in *)a->ifa_netmask)->sin_addr.s_addr;
		found = (address & common) == (range & common);
		if (found)
			snprintf(rival, IFNAMSIZ, "%s", a->ifa_name);
	}
	freeifaddrs(all);
	return found;
}

// Lets a port of a bridge send a frame back to where it came from: a pod that reaches itself through a Service, on
// hosts whose bridges translate addresses (br_netfilter).
static int allow_hairpin(struct link_socket *s, const char *port, struct err *e)
{
	struct nlmsghdr *h = request(s, RTM_NEWLINK, 0);
	link_message(h, 0);
	mnl_attr_put_strz(h, IFLA_IFNAME, port);
	struct nlattr *info = mnl_attr_nest_start(h, IFLA_LINKINFO);
	mnl_attr_put_strz(h, IFLA_INFO_SLAVE_KIND, "bridge");
	struct nlattr *data = mnl_attr_nest_start(h, IFLA_INFO_SLAVE_DATA);
	mnl_attr_put_u8(h, IFLA_BRPORT_MODE, 1);
	mnl_attr_nest_end(h, data);
	mnl_attr_nest_end(h, info);
	return talk(s, h) < 0 ? err_errno(e, errno, "set up the bridge port %s", port) : 0;
}

static void put_peer(struct nlmsghdr *h, const struct link_pair *pair)
{
	struct nlattr *other = mnl_attr_nest_start(h, VETH_INFO_PEER);
	struct ifinfomsg *o = mnl_nlmsg_put_extra_header(h, sizeof *o);
	o->ifi_family = AF_UNSPEC;
	mnl_attr_put_strz(h, IFLA_IFNAME, pair->peer);
	put_hardware_address(h, pair->peer_address);
	mnl_attr_put_u32(h, IFLA_NET_NS_FD, (uint32_t)pair->peer_ns);
	if (pair->mtu)
		mnl_attr_put_u32(h, IFLA_MTU, pair->mtu);
	mnl_attr_nest_end(h, other);
}

int link_veth(struct link_socket *s, const struct link_pair *pair, struct err *e)
{
	struct nlmsghdr *h = request(s, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
	struct ifinfomsg *i = link_message(h, 0);
	i->ifi_flags = i->ifi_change = IFF_UP;
	mnl_attr_put_strz(h, IFLA_IFNAME, pair->name);
	mnl_attr_put_u32(h, IFLA_MASTER, pair->bridge);
	if (pair->mtu)
		mnl_attr_put_u32(h, IFLA_MTU, pair->mtu);
	struct nlattr *info = mnl_attr_nest_start(h, IFLA_LINKINFO);
	mnl_attr_put_strz(h, IFLA_INFO_KIND, "veth");
	struct nlattr *data = mnl_attr_nest_start(h, IFLA_INFO_DATA);
	put_peer(h, pair);
	mnl_attr_nest_end(h, data);
	mnl_attr_nest_end(h, info);
	if (talk(s, h) < 0)
		return err_errno(e, errno, "make the link %s", pair->name);
	return allow_hairpin(s, pair->name, e);
}

// ---- the way out

static int take_link_out(const struct nlmsghdr *h, void *index)
{
	const struct nlattr *at;
	mnl_attr_for_each(at, h, sizeof(struct rtmsg))
		if (mnl_attr_get_type(at) == RTA_OIF)
			*(unsigned *)index = mnl_attr_get_u32(at);
	return MNL_CB_OK;
}

static int take_mtu(const struct nlmsghdr *h, void *mtu)
{
	const struct nlattr *at;
	mnl_attr_for_each(at, h, sizeof(struct ifinfomsg))
		if (mnl_attr_get_type(at) == IFLA_MTU)
			*(unsigned *)mtu = mnl_attr_get_u32(at);
	return MNL_CB_OK;
}

unsigned link_mtu_out(struct link_socket *s)
{
	unsigned index = 0, mtu = 0;
	struct in_addr elsewhere;
	inet_pton(AF_INET, "198.51.100.1", &elsewhere); // TEST-NET-2: nobody's
	struct nlmsghdr *h = request(s, RTM_GETROUTE, 0);
	struct rtmsg *m = mnl_nlmsg_put_extra_header(h, sizeof *m);
	m->rtm_family = AF_INET;
	m->rtm_dst_len = 32;
	mnl_attr_put_u32(h, RTA_DST, elsewhere.s_addr);
	if (ask(s, h, take_link_out, &index) < 0 || !index)
		return 0;
	h = request(s, RTM_GETLINK, 0);
	link_message(h, index);
	return ask(s, h, take_mtu, &mtu) < 0 ? 0 : mtu;
}

int link_delete(struct link_socket *s, const char *name, struct err *e)
{
	struct nlmsghdr *h = request(s, RTM_DELLINK, 0);
	link_message(h, 0);
	mnl_attr_put_strz(h, IFLA_IFNAME, name);
	if (talk(s, h) < 0 && errno != ENODEV)
		return err_errno(e, errno, "delete the link %s", name);
	return 0;
}

static int open_sysctl(const char *name, int flags, char path[256])
{
	snprintf(path, 256, "/proc/sys/net/ipv4/%s", name);
	return open(path, flags | O_CLOEXEC);
}

int link_sysctl(const char *name, const char *value, struct err *e)
{
	char path[256];
	int file = open_sysctl(name, O_WRONLY, path);
	ssize_t n = file < 0 ? -1 : write(file, value, strlen(value));
	int why = errno;
	if (file >= 0)
		close(file);
	return n < 0 ? err_errno(e, why, "set %s to %s", path, value) : 0;
}

bool link_sysctl_is(const char *name, const char *value)
{
	char path[256], is[64];
	int file = open_sysctl(name, O_RDONLY, path);
	ssize_t n = file < 0 ? -1 : read(file, is, sizeof is);
	if (file >= 0)
		close(file);
	return n > 0 && str_is(str_trim((struct str){is, (size_t)n}), value);
}

int link_namespace_create(int *ns, struct link_socket **inside, struct err *e)
{
	int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	if (home < 0)
		return err_errno(e, errno, "open this network namespace");
	int result = unshare(CLONE_NEWNET) < 0 ? err_errno(e, errno, "make a network namespace") : 0;
	*ns = result < 0 ? -1 : open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	if (result == 0 && *ns < 0)
		result = err_errno(e, errno, "open the new network namespace");
	*inside = result < 0 ? NULL : link_open(e);
	MUST(setns(home, CLONE_NEWNET) == 0); // a thread in the wrong namespace would harm others
	close(home);
	if (*inside)
		return 0;
	if (*ns >= 0)
		close(*ns);
	return -1;
}

int link_namespace_hold(int ns, const char *path, struct err *e)
{
	char source[64];
	int file = open(path, O_CREAT | O_RDONLY | O_CLOEXEC, 0600);
	if (file < 0)
		return err_errno(e, errno, "%s", path);
	close(file);
	snprintf(source, sizeof source, "/proc/self/fd/%d", ns);
	if (mount(source, path, NULL, MS_BIND, NULL) == 0)
		return 0;
	err_errno(e, errno, "hold a network namespace at %s", path);
	unlink(path);
	return -1;
}

bool link_namespace_alive(const char *path)
{
	struct statfs fs;
	return statfs(path, &fs) == 0 && fs.f_type == NSFS_MAGIC;
}

int link_namespace_drop(const char *path, struct err *e)
{
	if (umount2(path, MNT_DETACH) < 0 && errno != EINVAL && errno != ENOENT)
		return err_errno(e, errno, "let go of %s", path);
	if (unlink(path) < 0 && errno != ENOENT)
		return err_errno(e, errno, "remove %s", path);
	return 0;
}
