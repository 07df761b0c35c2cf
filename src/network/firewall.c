// SPDX-License-Identifier: Apache-2.0
#include "network/firewall.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>

#include "base/arena.h"
#include "network/nft_rules.h"

enum { CHAINS_MAX = 64, RULES_MAX = 64 };

struct chain {
	uint8_t family;
	const char *table, *name;
};

struct chains {
	struct arena *arena;
	bool dropping; // only those whose policy it is
	struct chain list[CHAINS_MAX];
	size_t count;
};

static const char *family_name(uint8_t family)
{
	return family == NFPROTO_INET ? "inet" : "ip";
}

static uint32_t hook_of(const struct nlattr *hook)
{
	const struct nlattr *at;
	mnl_attr_for_each_nested(at, hook)
		if (mnl_attr_get_type(at) == NFTA_HOOK_HOOKNUM)
			return ntohl(mnl_attr_get_u32(at));
	return UINT32_MAX;
}

// Keeps the chain where it judges what is passed on.
static int on_chain(const struct nlmsghdr *h, void *arg)
{
	struct chains *all = arg;
	const struct nfgenmsg *g = mnl_nlmsg_get_payload(h);
	struct chain x = {.family = g->nfgen_family};
	uint32_t hook = UINT32_MAX, policy = NF_ACCEPT;
	const struct nlattr *at;
	mnl_attr_for_each(at, h, sizeof *g)
		switch (mnl_attr_get_type(at)) {
		case NFTA_CHAIN_TABLE:
			x.table = mnl_attr_get_str(at);
			break;
		case NFTA_CHAIN_NAME:
			x.name = mnl_attr_get_str(at);
			break;
		case NFTA_CHAIN_HOOK:
			hook = hook_of(at);
			break;
		case NFTA_CHAIN_POLICY:
			policy = ntohl(mnl_attr_get_u32(at));
			break;
		}
	bool fits = (x.family == NFPROTO_IPV4 || x.family == NFPROTO_INET) && hook == NF_INET_FORWARD &&
		    (policy == NF_DROP || !all->dropping);
	if (fits && x.table && x.name && all->count < CHAINS_MAX)
		all->list[all->count++] = (struct chain){
			x.family, arena_c(all->arena, str_of(x.table)), arena_c(all->arena, str_of(x.name)),
		};
	return MNL_CB_OK;
}

static int read_chains(struct netfilter *n, struct chains *out, struct err *e)
{
	char room[64];
	struct nlmsghdr *h = netfilter_message(n, room, NFNL_SUBSYS_NFTABLES, NFT_MSG_GETCHAIN, NLM_F_DUMP,
					       NFPROTO_UNSPEC);
	if (netfilter_ask(n, h, on_chain, out) < 0)
		return err_errno(e, errno, "read the chains of this machine's firewalls");
	return 0;
}

// ---- our rules among those of others

struct search {
	struct str mark; // the comment that tells ours
	uint64_t handles[RULES_MAX];
	size_t count;
};

static struct str mark_of(struct arena *a, const char *bridge)
{
	return arena_fmt(a, "pods of %s", bridge);
}

static int on_rule(const struct nlmsghdr *h, void *arg)
{
	struct search *s = arg;
	uint64_t handle = 0;
	bool ours = false;
	const struct nlattr *at;
	mnl_attr_for_each(at, h, sizeof(struct nfgenmsg)) {
		if (mnl_attr_get_type(at) == NFTA_RULE_HANDLE)
			handle = be64toh(mnl_attr_get_u64(at));
		if (mnl_attr_get_type(at) == NFTA_RULE_USERDATA)
			ours = str_contains((struct str){mnl_attr_get_payload(at), mnl_attr_get_payload_len(at)}, s->mark);
	}
	if (ours && s->count < RULES_MAX)
		s->handles[s->count++] = handle;
	return MNL_CB_OK;
}

static int find_rules(struct netfilter *n, const struct chain *c, struct search *out, struct err *e)
{
	char room[512];
	struct nlmsghdr *h = netfilter_message(n, room, NFNL_SUBSYS_NFTABLES, NFT_MSG_GETRULE, NLM_F_DUMP,
					       c->family);
	mnl_attr_put_strz(h, NFTA_RULE_TABLE, c->table);
	mnl_attr_put_strz(h, NFTA_RULE_CHAIN, c->name);
	out->count = 0;
	if (netfilter_ask(n, h, on_rule, out) < 0)
		return err_errno(e, errno, "read the firewall's chain %s %s", c->table, c->name);
	return 0;
}

static int let_through(struct arena *a, const struct chain *c, const char *bridge, struct str mark, struct err *e)
{
	static const char *const ways[] = {"oifname", "iifname"};
	struct str script = STR("");
	for (size_t i = 0; i < ARRAY_LEN(ways); i++)
		script = arena_fmt(a, "%.*sinsert rule %s %s %s %s \"%s\" counter accept comment \"%.*s\"\n",
				   STR_FMT(script), family_name(c->family), c->table, c->name, ways[i], bridge,
				   STR_FMT(mark));
	return nft_run(script, e);
}

int firewall_let_through(struct netfilter *n, const char *bridge, unsigned *opened, struct err *e)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct chains all = {.arena = &a, .dropping = true};
	struct search s = {.mark = mark_of(&a, bridge)};
	*opened = 0;
	if (read_chains(n, &all, e) < 0)
		return -1;
	for (size_t i = 0; i < all.count; i++) {
		if (find_rules(n, &all.list[i], &s, e) < 0)
			return -1;
		if (s.count)
			continue;
		if (let_through(&a, &all.list[i], bridge, s.mark, e) < 0)
			return -1;
		++*opened;
	}
	return 0;
}

int firewall_withdraw(struct netfilter *n, const char *bridge, struct err *e)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct chains all = {.arena = &a};
	struct search s = {.mark = mark_of(&a, bridge)};
	struct str script = STR("");
	if (read_chains(n, &all, e) < 0)
		return -1;
	for (size_t i = 0; i < all.count; i++) {
		const struct chain *c = &all.list[i];
		if (find_rules(n, c, &s, e) < 0)
			return -1;
		for (size_t k = 0; k < s.count; k++)
			script = arena_fmt(&a, "%.*sdelete rule %s %s %s handle %" PRIu64 "\n", STR_FMT(script),
					   family_name(c->family), c->table, c->name, s.handles[k]);
	}
	return script.n ? nft_run(script, e) : 0;
}
