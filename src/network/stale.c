// SPDX-License-Identifier: Apache-2.0
#include "network/stale.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>

#include "base/map.h"
#include "network/netfilter.h"

enum { ADDRESS = 4, FRONT = 12, NODE_FRONT = 8, ENDPOINT = 8, TRIES = 5 };

struct stale {
	struct nftables *tables;
	struct netfilter *netfilter;
};

int stale_open(struct nftables *tables, struct stale **out, struct err *e)
{
	struct netfilter *netfilter = netfilter_open(e);
	if (!netfilter)
		return -1;
	*out = MEM_NEW(struct stale);
	**out = (struct stale){tables, netfilter};
	return 0;
}

void stale_close(struct stale *s)
{
	if (!s)
		return;
	netfilter_close(s->netfilter);
	free(s);
}

// ---- what the sets say

// A front is what clients call: address, protocol and port, or of a node port the last two; a pair has an endpoint
// behind that. All as bytes of plan.h's keys.
struct fronts {
	struct map all;	   // the fronts that have changed
	struct map sticky; // those that have affinity now
	struct map pairs;  // front and endpoint, as they are now
	bool udp, any_sticky;
};

static struct str bytes_of(const void *p, size_t n)
{
	return (struct str){p, n};
}

static struct str pair_of(char room[FRONT + ENDPOINT], struct str front, const unsigned char endpoint[ENDPOINT])
{
	memcpy(room, front.p, front.n);
	memcpy(room + front.n, endpoint, ENDPOINT);
	return bytes_of(room, front.n + ENDPOINT);
}

static void add_front(struct fronts *f, const struct plan_element *x, bool now)
{
	bool sticky = x->set == PLAN_STICKY || x->set == PLAN_STICKY_NODEPORTS;
	bool leads = x->set == PLAN_ENDPOINTS || x->set == PLAN_NODE_ENDPOINTS;
	bool refused = x->set == PLAN_REFUSED || x->set == PLAN_REFUSED_NODEPORTS;
	bool by_port = x->set == PLAN_STICKY_NODEPORTS || x->set == PLAN_NODE_ENDPOINTS ||
		       x->set == PLAN_REFUSED_NODEPORTS;
	char room[FRONT + ENDPOINT];
	struct str front = bytes_of(x->key, by_port ? NODE_FRONT : FRONT);
	if (!sticky && !leads && !refused)
		return;
	map_set(&f->all, front, f);
	f->udp |= x->key[by_port ? 0 : ADDRESS] == IPPROTO_UDP;
	f->any_sticky |= sticky;
	if (now && sticky)
		map_set(&f->sticky, front, f);
	if (now && leads)
		map_set(&f->pairs, pair_of(room, front, x->data), f);
}

static void finish_fronts(struct fronts *f)
{
	map_finish(&f->all);
	map_finish(&f->sticky);
	map_finish(&f->pairs);
}

// The changed front that leads a packet to `key` (address, protocol, port), or none.
static struct str find_front(const struct fronts *f, const unsigned char key[FRONT])
{
	struct str at_address = bytes_of(key, FRONT), at_port = bytes_of(key + ADDRESS, NODE_FRONT);
	if (map_has(&f->all, at_address))
		return at_address;
	return map_has(&f->all, at_port) ? at_port : STR_NONE;
}

static bool leads_to(const struct fronts *f, struct str front, const unsigned char endpoint[ENDPOINT])
{
	char room[FRONT + ENDPOINT];
	return map_has(&f->pairs, pair_of(room, front, endpoint));
}

// ---- affinities

static size_t stale_affinities(const struct fronts *f, const struct plan_element *list, size_t count,
			       const struct plan_element **out)
{
	size_t n = 0;
	for (size_t i = 0; i < count; i++) {
		struct str front = find_front(f, list[i].key + ADDRESS); // behind the client's address
		if (front.n && !(map_has(&f->sticky, front) && leads_to(f, front, list[i].data)))
			out[n++] = &list[i];
	}
	return n;
}

// One that ends by itself meanwhile fails the transaction, which is then made anew.
static int forget_affinities(struct stale *s, const struct fronts *f, struct err *e)
{
	for (int i = 0; i < TRIES; i++) {
		struct arena a CLEAN_ARENA;
		struct plan_element *list;
		size_t count;
		arena_init(&a);
		if (nftables_read_affinities(s->tables, &a, &list, &count, e) < 0)
			return -1;
		const struct plan_element **gone = ARENA_ARRAY(&a, const struct plan_element *, count + 1);
		size_t n = stale_affinities(f, list, count, gone);
		if (nftables_drop_affinities(s->tables, gone, n, e) == 0) {
			err_clear(e);
			return 0;
		}
	}
	return -1;
}

// ---- flows

struct flow_end {
	uint32_t from, to; // network byte order, as all here
	uint16_t from_port, to_port;
	uint8_t protocol;
};

struct search {
	const struct fronts *fronts;
	struct buf *found; // the CTA_TUPLE_ORIG of each, as they stood in the answer
};

static void read_end(const struct nlattr *tuple, struct flow_end *out)
{
	const struct nlattr *part, *x;
	mnl_attr_for_each_nested(part, tuple)
		mnl_attr_for_each_nested(x, part) {
			bool ip = mnl_attr_get_type(part) == CTA_TUPLE_IP;
			switch (mnl_attr_get_type(x) + (ip ? 0 : 16)) {
			case CTA_IP_V4_SRC:
				out->from = mnl_attr_get_u32(x);
				break;
			case CTA_IP_V4_DST:
				out->to = mnl_attr_get_u32(x);
				break;
			case CTA_PROTO_NUM + 16:
				out->protocol = mnl_attr_get_u8(x);
				break;
			case CTA_PROTO_SRC_PORT + 16:
				out->from_port = mnl_attr_get_u16(x);
				break;
			case CTA_PROTO_DST_PORT + 16:
				out->to_port = mnl_attr_get_u16(x);
				break;
			}
		}
}

// there: as the client sent; back: as answers come.
static bool is_stale(const struct fronts *f, const struct flow_end *there, const struct flow_end *back)
{
	unsigned char key[FRONT] = {[ADDRESS] = there->protocol}, endpoint[ENDPOINT] = {0};
	memcpy(key, &there->to, sizeof there->to);
	memcpy(key + 2 * ADDRESS, &there->to_port, sizeof there->to_port);
	memcpy(endpoint, &back->from, sizeof back->from);
	memcpy(endpoint + ADDRESS, &back->from_port, sizeof back->from_port);
	struct str front = find_front(f, key);
	if (!front.n || leads_to(f, front, endpoint))
		return false;
	bool translated = back->from != there->to || back->from_port != there->to_port;
	bool masqueraded = back->to != there->from || back->to_port != there->from_port;
	// only by its port: it may be meant for somebody far away
	return front.n == FRONT || translated || !masqueraded;
}

static int on_flow(const struct nlmsghdr *h, void *arg)
{
	struct search *s = arg;
	struct flow_end there = {0}, back = {0};
	const struct nlattr *at, *there_attribute = NULL;
	mnl_attr_for_each(at, h, sizeof(struct nfgenmsg)) {
		if (mnl_attr_get_type(at) == CTA_TUPLE_ORIG) {
			there_attribute = at;
			read_end(at, &there);
		} else if (mnl_attr_get_type(at) == CTA_TUPLE_REPLY) {
			read_end(at, &back);
		}
	}
	if (there_attribute && there.protocol == IPPROTO_UDP && is_stale(s->fronts, &there, &back))
		buf_add(s->found, bytes_of(there_attribute, MNL_ALIGN(there_attribute->nla_len)));
	return MNL_CB_OK;
}

static int delete_flow(struct netfilter *n, const struct nlattr *there)
{
	char room[1024];
	struct nlmsghdr *h = netfilter_message(n, room, NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_DELETE, NLM_F_ACK,
					       NFPROTO_IPV4);
	mnl_attr_put(h, CTA_TUPLE_ORIG | NLA_F_NESTED, mnl_attr_get_payload_len(there), mnl_attr_get_payload(there));
	return netfilter_ask(n, h, NULL, NULL) < 0 && errno != ENOENT ? -1 : 0;
}

static int forget_flows(struct stale *s, const struct fronts *f, struct err *e)
{
	char room[256];
	struct buf found CLEAN_BUF;
	buf_init(&found);
	struct search search = {f, &found};
	struct nlmsghdr *h = netfilter_message(s->netfilter, room, NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_GET, NLM_F_DUMP,
					       NFPROTO_IPV4);
	if (netfilter_ask(s->netfilter, h, on_flow, &search) < 0)
		return err_errno(e, errno, "read the connections that the kernel tracks");
	for (size_t at = 0; at < found.n;) {
		const struct nlattr *there = (const struct nlattr *)(found.p + at);
		if (delete_flow(s->netfilter, there) < 0)
			return err_errno(e, errno, "end a UDP flow to an endpoint that is gone");
		at += MNL_ALIGN(there->nla_len);
	}
	return 0;
}

int stale_forget(struct stale *s, const struct plan_element *from, size_t from_count, const struct plan_element *to,
		 size_t to_count, struct err *e)
{
	struct fronts f = {0};
	map_init(&f.all);
	map_init(&f.sticky);
	map_init(&f.pairs);
	for (size_t i = 0; i < from_count; i++)
		add_front(&f, &from[i], false);
	for (size_t i = 0; i < to_count; i++)
		add_front(&f, &to[i], true);
	int result = f.any_sticky ? forget_affinities(s, &f, e) : 0;
	if (f.udp && forget_flows(s, &f, e) < 0)
		result = -1;
	finish_fronts(&f);
	return result;
}
