// SPDX-License-Identifier: Apache-2.0
#include "cli/address.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

// The kernel chooses when a datagram socket is connected; nothing is sent.
bool address_of_default_route(char *out, size_t size)
{
	struct sockaddr_in elsewhere = {.sin_family = AF_INET, .sin_port = htons(9)}, self;
	socklen_t n = sizeof self;
	inet_pton(AF_INET, "198.51.100.1", &elsewhere.sin_addr); // TEST-NET-2: nobody's
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool found = s >= 0 && connect(s, (struct sockaddr *)&elsewhere, sizeof elsewhere) == 0 &&
		     getsockname(s, (struct sockaddr *)&self, &n) == 0 &&
		     inet_ntop(AF_INET, &self.sin_addr, out, (socklen_t)size);
	if (s >= 0)
		close(s);
	return found;
}

static bool leads_out(const struct ifaddrs *i)
{
	return i->ifa_addr && i->ifa_addr->sa_family == AF_INET && i->ifa_flags & IFF_UP &&
	       !(i->ifa_flags & IFF_LOOPBACK);
}

static bool of_first_interface(char *out, size_t size)
{
	struct ifaddrs *all, *i;
	if (getifaddrs(&all) < 0)
		return false;
	for (i = all; i && !leads_out(i);)
		i = i->ifa_next;
	bool found = i && inet_ntop(AF_INET, &((struct sockaddr_in *)i->ifa_addr)->sin_addr, out, (socklen_t)size);
	freeifaddrs(all);
	return found;
}

bool address_of_machine(char *out, size_t size)
{
	return address_of_default_route(out, size) || of_first_interface(out, size);
}

static bool has(const struct ifaddrs *i, struct in_addr address)
{
	return i->ifa_addr && i->ifa_addr->sa_family == AF_INET &&
	       ((struct sockaddr_in *)i->ifa_addr)->sin_addr.s_addr == address.s_addr;
}

bool address_is_here(const char *address)
{
	struct ifaddrs *all, *i;
	struct in_addr wanted;
	if (inet_pton(AF_INET, address, &wanted) != 1 || getifaddrs(&all) < 0)
		return false;
	for (i = all; i && !has(i, wanted);)
		i = i->ifa_next;
	freeifaddrs(all);
	return i != NULL;
}
