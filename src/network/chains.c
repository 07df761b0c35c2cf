// SPDX-License-Identifier: Apache-2.0
#include "network/chains.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <stddef.h>
#include <stdio.h>
#include <netinet/ip.h>
#include <netinet/udp.h>

enum { MESSAGE_SIZE = 1024, NAME_SIZE = 16 };

// A rule under construction: each expression writes the next of the kernel's registers of four bytes.
struct rule {
	struct nlmsghdr *message;
	uint32_t next; // register
	struct nlattr *element, *data;
};

static void put(struct rule *r, uint16_t attribute, uint32_t value)
{
	mnl_attr_put_u32(r->message, attribute, htonl(value));
}

static void begin(struct rule *r, const char *name)
{
	r->element = mnl_attr_nest_start(r->message, NFTA_LIST_ELEM);
	mnl_attr_put_strz(r->message, NFTA_EXPR_NAME, name);
	r->data = mnl_attr_nest_start(r->message, NFTA_EXPR_DATA);
}

static void end(struct rule *r)
{
	mnl_attr_nest_end(r->message, r->data);
	mnl_attr_nest_end(r->message, r->element);
}

static void load_bytes(struct rule *r, uint32_t header, uint32_t offset, uint32_t n)
{
	begin(r, "payload");
	put(r, NFTA_PAYLOAD_DREG, r->next++);
	put(r, NFTA_PAYLOAD_BASE, header);
	put(r, NFTA_PAYLOAD_OFFSET, offset);
	put(r, NFTA_PAYLOAD_LEN, n);
	end(r);
}

static void load_protocol(struct rule *r)
{
	begin(r, "meta");
	put(r, NFTA_META_DREG, r->next++);
	put(r, NFTA_META_KEY, NFT_META_L4PROTO);
	end(r);
}

static void draw_number(struct rule *r, unsigned below)
{
	begin(r, "numgen");
	put(r, NFTA_NG_DREG, r->next++);
	put(r, NFTA_NG_MODULUS, below);
	put(r, NFTA_NG_TYPE, NFT_NG_RANDOM);
	end(r);
}

// What stands in the first registers is replaced by the map's address and port.
static void look_up(struct rule *r, const char *map)
{
	begin(r, "lookup");
	mnl_attr_put_strz(r->message, NFTA_LOOKUP_SET, map);
	put(r, NFTA_LOOKUP_SREG, NFT_REG32_00);
	put(r, NFTA_LOOKUP_DREG, NFT_REG32_00);
	end(r);
}

static void translate(struct rule *r)
{
	begin(r, "nat");
	put(r, NFTA_NAT_TYPE, NFT_NAT_DNAT);
	put(r, NFTA_NAT_FAMILY, NFPROTO_IPV4);
	put(r, NFTA_NAT_REG_ADDR_MIN, NFT_REG32_00);
	put(r, NFTA_NAT_REG_PROTO_MIN, NFT_REG32_01);
	end(r);
}

static void put_rule(struct netfilter_batch *b, const char *table, const char *chain, unsigned n, bool by_port)
{
	struct rule r = {.next = NFT_REG32_00};
	r.message = netfilter_batch_add(b, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, MESSAGE_SIZE);
	mnl_attr_put_strz(r.message, NFTA_RULE_TABLE, table);
	mnl_attr_put_strz(r.message, NFTA_RULE_CHAIN, chain);
	struct nlattr *all = mnl_attr_nest_start(r.message, NFTA_RULE_EXPRESSIONS);
	if (!by_port)
		load_bytes(&r, NFT_PAYLOAD_NETWORK_HEADER, offsetof(struct iphdr, daddr), sizeof(uint32_t));
	load_protocol(&r);
	load_bytes(&r, NFT_PAYLOAD_TRANSPORT_HEADER, offsetof(struct udphdr, uh_dport), sizeof(uint16_t));
	draw_number(&r, n);
	look_up(&r, by_port ? "node-endpoints" : "endpoints");
	translate(&r);
	mnl_attr_nest_end(r.message, all);
	netfilter_batch_added(b, r.message);
}

// Empty, whether it was there or not.
static void put_chain(struct netfilter_batch *b, const char *table, const char *chain)
{
	struct nlmsghdr *h = netfilter_batch_add(b, NFT_MSG_NEWCHAIN, NLM_F_CREATE, MESSAGE_SIZE);
	mnl_attr_put_strz(h, NFTA_CHAIN_TABLE, table);
	mnl_attr_put_strz(h, NFTA_CHAIN_NAME, chain);
	netfilter_batch_added(b, h);
	h = netfilter_batch_add(b, NFT_MSG_DELRULE, 0, MESSAGE_SIZE);
	mnl_attr_put_strz(h, NFTA_RULE_TABLE, table);
	mnl_attr_put_strz(h, NFTA_RULE_CHAIN, chain);
	netfilter_batch_added(b, h);
}

void chains_put(struct netfilter_batch *b, const char *table, unsigned first, unsigned last)
{
	for (unsigned n = first; n <= last; n++)
		for (int by_port = 0; by_port < 2; by_port++) {
			char chain[NAME_SIZE];
			snprintf(chain, sizeof chain, "%sn%u", by_port ? "p" : "", n);
			put_chain(b, table, chain);
			put_rule(b, table, chain, n, by_port);
		}
}
