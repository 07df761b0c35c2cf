// SPDX-License-Identifier: Apache-2.0
#include "network/places.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/map.h"
#include "network/link.h"

enum { SLOTS_MAX = 65536, UID_MAX = 64 };

struct places {
	pthread_mutex_t lock; // guards all below: attach and detach come from pool threads
	char *dir, *bridge;
	char gateway[INET_ADDRSTRLEN];
	uint32_t base; // of the range, host byte order
	uint32_t slots; // addresses in the range
	uint32_t next;	// where the search for a free slot goes on, so that addresses are not used again at once
	struct map slot_of; // uid -> (slot as a pointer)
	bool *taken;
	struct link_socket *links;
};

static int parse_range(const char *range, uint64_t bits_min, uint32_t *base, uint32_t *size, struct err *e)
{
	struct str address, prefix;
	char text[INET_ADDRSTRLEN];
	struct in_addr in;
	uint64_t bits;
	if (!str_cut(str_of(range), '/', &address, &prefix) || !str_to_c(address, text, sizeof text) ||
	    inet_pton(AF_INET, text, &in) != 1 || str_to_u64(prefix, &bits) < 0 || bits < bits_min || bits > 29)
		return err_set(e, ERR_BAD_REQUEST, "\"%s\" is not an IPv4 range of /%d to /29", range, (int)bits_min);
	*size = 1u << (32 - bits);
	*base = ntohl(in.s_addr) & ~(*size - 1);
	return 0;
}

static void print_address(uint32_t host_order, char *out, size_t size)
{
	struct in_addr in = {htonl(host_order)};
	inet_ntop(AF_INET, &in, out, (socklen_t)size);
}

int places_gateway_of(const char *range, char *out, size_t size, struct err *e)
{
	uint32_t base, slots;
	if (parse_range(range, 16, &base, &slots, e) < 0)
		return err_wrap(e, "range of pods");
	print_address(base + 1, out, size);
	return 0;
}

static int prefix_of(uint32_t size)
{
	return __builtin_clz(size) + 1;
}

static struct str address_text(struct arena *a, uint32_t host_order)
{
	char text[INET_ADDRSTRLEN];
	print_address(host_order, text, sizeof text);
	return arena_str(a, str_of(text));
}

static char *place_path(const struct places *p, struct arena *a, uint32_t slot, struct str uid)
{
	return (char *)arena_fmt(a, "%s/%.*s@%.*s", p->dir, STR_FMT(address_text(a, p->base + slot)), STR_FMT(uid)).p;
}

// The slot that a file name tells, or 0.
static uint32_t slot_of_name(const struct places *p, struct str name, struct str *uid)
{
	struct str address;
	char text[INET_ADDRSTRLEN];
	struct in_addr in;
	if (!str_cut(name, '@', &address, uid) || !str_to_c(address, text, sizeof text) ||
	    inet_pton(AF_INET, text, &in) != 1)
		return 0;
	uint32_t slot = ntohl(in.s_addr) - p->base;
	return slot < p->slots ? slot : 0;
}

// Learns what an earlier agent attached; sweeps away what a reboot left.
static int recover(struct places *p, struct err *e)
{
	DIR *dir = opendir(p->dir);
	if (!dir)
		return err_errno(e, errno, "%s", p->dir);
	for (struct dirent *d; (d = readdir(dir));) {
		char path[4096];
		struct str uid;
		uint32_t slot = slot_of_name(p, str_of(d->d_name), &uid);
		if (d->d_name[0] == '.')
			continue;
		snprintf(path, sizeof path, "%s/%s", p->dir, d->d_name);
		if (slot && link_namespace_alive(path)) {
			p->taken[slot] = true;
			map_set(&p->slot_of, uid, (void *)(uintptr_t)slot);
			p->next = slot >= p->next && slot + 2 < p->slots ? slot + 1 : p->next;
		} else {
			link_namespace_drop(path, NULL);
		}
	}
	closedir(dir);
	return 0;
}

// The node routes between its pods and the rest; it need not tell pods that they could reach each other directly; and
// connections from its own loopback address may be translated to pods.
static int allow_routing(const struct places *p, struct err *e)
{
	char redirects[64], localnet[64];
	snprintf(redirects, sizeof redirects, "conf/%s/send_redirects", p->bridge);
	snprintf(localnet, sizeof localnet, "conf/%s/route_localnet", p->bridge);
	if (link_sysctl("ip_forward", "1", e) < 0 || link_sysctl(redirects, "0", e) < 0)
		return -1;
	return link_sysctl(localnet, "1", e);
}

static int make_bridge(struct places *p, struct err *e)
{
	char rival[IFNAMSIZ];
	if (link_contends(p->bridge, htonl(p->base), prefix_of(p->slots), rival))
		return err_set(e, ERR_CONFLICT,
			       "the link %s has addresses of the pods' range already: another --pod-range is needed, or "
			       "the link must go",
			       rival);
	return link_bridge(p->links, p->bridge, htonl(p->base + 1), prefix_of(p->slots), e);
}

int places_create(const struct places_config *config, struct places **out, struct err *e)
{
	uint32_t base = 0, slots = 0, services = 0, services_size = 0;
	if (parse_range(config->range, 16, &base, &slots, e) < 0)
		return err_wrap(e, "range of pods");
	if (parse_range(config->services, 8, &services, &services_size, e) < 0)
		return err_wrap(e, "range of Services");
	if (mkdir(config->dir, 0700) < 0 && errno != EEXIST)
		return err_errno(e, errno, "%s", config->dir);
	struct link_socket *links = link_open(e);
	if (!links)
		return -1;
	struct places *p = MEM_NEW(struct places);
	pthread_mutex_init(&p->lock, NULL);
	p->dir = mem_strdup(config->dir);
	p->bridge = mem_strdup(config->bridge);
	p->base = base;
	p->slots = slots;
	p->next = 2;
	p->taken = mem_zalloc(slots * sizeof *p->taken);
	p->links = links;
	print_address(base + 1, p->gateway, sizeof p->gateway);
	if (make_bridge(p, e) < 0 || allow_routing(p, e) < 0 ||
	    link_route(links, link_index(links, p->bridge), htonl(services), prefix_of(services_size), 0, e) < 0 ||
	    recover(p, e) < 0) {
		places_destroy(p);
		return -1;
	}
	*out = p;
	return 0;
}

void places_destroy(struct places *p)
{
	if (!p)
		return;
	link_close(p->links);
	map_finish(&p->slot_of);
	free(p->taken);
	free(p->bridge);
	free(p->dir);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

bool places_routed(const struct places *p)
{
	bool on = link_sysctl_is("ip_forward", "1");
	if (!on)
		allow_routing(p, NULL);
	return on;
}

struct str places_gateway(const struct places *p)
{
	return str_of(p->gateway);
}

// The network and broadcast addresses and the gateway are nobody's.
static uint32_t free_slot(struct places *p)
{
	for (uint32_t tried = 0; tried < p->slots; tried++) {
		uint32_t slot = p->next;
		p->next = p->next + 2 < p->slots ? p->next + 1 : 2;
		if (!p->taken[slot])
			return slot;
	}
	return 0;
}

// Names of links are at most 15 bytes: the bridge's and the slot tell them apart.
static int furnish(struct places *p, uint32_t slot, int ns, struct link_socket *inside, struct err *e)
{
	char name[16];
	snprintf(name, sizeof name, "%.9s-%u", p->bridge, slot & (SLOTS_MAX - 1));
	uint32_t gateway = htonl(p->base + 1), own = htonl(p->base + slot);
	link_delete(p->links, name, NULL); // left by a namespace that lingers
	const struct link_pair pair = {
		.name = name,
		.bridge = link_index(p->links, p->bridge),
		.peer = "eth0",
		.peer_ns = ns,
		.peer_address = own,
		.mtu = link_mtu_out(p->links),
	};
	if (link_veth(p->links, &pair, e) < 0)
		return -1;
	unsigned lo = link_index(inside, "lo"), eth0 = link_index(inside, "eth0");
	if (link_up(inside, lo, e) < 0 || link_up(inside, eth0, e) < 0 ||
	    link_address(inside, eth0, own, 32, e) < 0 ||
	    link_route(inside, eth0, gateway, 32, 0, e) < 0 || link_route(inside, eth0, 0, 0, gateway, e) < 0)
		return -1;
	return 0;
}

// Held last: what the next agent finds is whole, and what it does not find is gone with this process.
static int make(struct places *p, uint32_t slot, const char *path, struct err *e)
{
	struct link_socket *inside;
	int ns;
	if (link_namespace_create(&ns, &inside, e) < 0)
		return -1;
	int result = furnish(p, slot, ns, inside, e);
	link_close(inside);
	if (result == 0)
		result = link_namespace_hold(ns, path, e);
	close(ns);
	return result;
}

static int attach(struct places *p, struct arena *a, struct str uid, struct str *ns_path, struct str *ip, struct err *e)
{
	uint32_t slot = (uint32_t)(uintptr_t)map_get(&p->slot_of, uid);
	bool there = slot != 0;
	if (!there && (slot = free_slot(p)) == 0)
		return err_set(e, ERR_UNAVAILABLE, "all %u addresses of this node's pod range are in use",
			       p->slots - 3);
	char *path = place_path(p, a, slot, uid);
	*ns_path = str_of(path);
	*ip = address_text(a, p->base + slot);
	if (there)
		return 0;
	if (make(p, slot, path, e) < 0)
		return -1;
	p->taken[slot] = true;
	map_set(&p->slot_of, uid, (void *)(uintptr_t)slot);
	return 0;
}

int places_attach(struct places *p, struct arena *a, struct str uid, struct str *ns_path, struct str *ip, struct err *e)
{
	if (uid.n == 0 || uid.n > UID_MAX || str_find(uid, '/') >= 0)
		return err_set(e, ERR_BAD_REQUEST, "pod uid \"%.*s\" cannot name a network namespace", STR_FMT(uid));
	pthread_mutex_lock(&p->lock);
	int result = attach(p, a, uid, ns_path, ip, e);
	pthread_mutex_unlock(&p->lock);
	return result;
}

int places_detach(struct places *p, struct str uid, struct err *e)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	pthread_mutex_lock(&p->lock);
	uint32_t slot = (uint32_t)(uintptr_t)map_get(&p->slot_of, uid);
	int result = slot ? link_namespace_drop(place_path(p, &a, slot, uid), e) : 0;
	if (slot && result == 0) {
		map_remove(&p->slot_of, uid);
		p->taken[slot] = false;
	}
	pthread_mutex_unlock(&p->lock);
	return result;
}

int places_list(struct places *p, struct arena *a, struct str **uids, size_t *count, struct err *e)
{
	pthread_mutex_lock(&p->lock);
	*uids = ARENA_ARRAY(a, struct str, p->slot_of.count);
	*count = 0;
	map_each(entry, &p->slot_of)
		(*uids)[(*count)++] = arena_str(a, entry->key);
	pthread_mutex_unlock(&p->lock);
	return 0;
}

int places_remove_all(const struct places_config *config, struct err *e)
{
	DIR *dir = opendir(config->dir);
	for (struct dirent *d; dir && (d = readdir(dir));) {
		char path[4096];
		if (d->d_name[0] == '.')
			continue;
		snprintf(path, sizeof path, "%s/%s", config->dir, d->d_name);
		link_namespace_drop(path, NULL);
	}
	if (dir)
		closedir(dir);
	struct link_socket *links = link_open(e);
	int result = links ? link_delete(links, config->bridge, e) : -1;
	link_close(links);
	return result;
}
