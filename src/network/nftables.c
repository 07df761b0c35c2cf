// SPDX-License-Identifier: Apache-2.0
#include "network/nftables.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>

#include "base/log.h"
#include "network/chains.h"
#include "network/firewall.h"
#include "network/netfilter.h"
#include "network/nft_rules.h"

enum {
	AFFINITIES = PLAN_SETS, // the map that only the kernel fills
	CLIENT = 12,		// where the client stands in keys of PLAN_SOURCES
	ELEMENTS_A_MESSAGE = 256, ELEMENTS_A_TRANSACTION = 50000,
	CHAINS_AT_ONCE = 16, STICKY_CHAINS_MAX = 32, READ_TRIES = 5,
};

static const char *const set_names[PLAN_SETS + 1] = {
	[PLAN_SERVICES] = "services",
	[PLAN_ENDPOINTS] = "endpoints",
	[PLAN_NODEPORTS] = "nodeports",
	[PLAN_NODE_ENDPOINTS] = "node-endpoints",
	[PLAN_REFUSED] = "refused",
	[PLAN_REFUSED_NODEPORTS] = "refused-nodeports",
	[PLAN_HAIRPIN] = "hairpin",
	[PLAN_REMOTE] = "remote",
	[PLAN_STICKY] = "sticky",
	[PLAN_STICKY_NODEPORTS] = "sticky-nodeports",
	[PLAN_GUARDED] = "guarded",
	[PLAN_SOURCES] = "sources",
	[AFFINITIES] = "affinity",
};

// What stands before the number in the name of the chain that a verdict leads to.
static const char *const chain_prefixes[PLAN_SETS] = {
	[PLAN_SERVICES] = "n", [PLAN_NODEPORTS] = "pn", [PLAN_STICKY] = "t", [PLAN_STICKY_NODEPORTS] = "t",
};

struct nftables {
	struct netfilter *netfilter;
	char *table, *bridge, *range, *services;
	unsigned chains; // there are chains for 1 to this many endpoints
	uint32_t sticky_chains[STICKY_CHAINS_MAX]; // and for affinities of so many seconds
	size_t sticky_count;
	uint32_t generation; // of the kernel's tables: how often anybody has changed them
	uint64_t rules;	     // a hash of ours
};

// ---- rules

static int take_number(const struct nlmsghdr *h, void *arg)
{
	const struct nlattr *at;
	mnl_attr_for_each(at, h, sizeof(struct nfgenmsg))
		if (mnl_attr_get_type(at) == NFTA_GEN_ID)
			*(uint32_t *)arg = ntohl(mnl_attr_get_u32(at));
	return MNL_CB_OK;
}

// How often anybody has changed any packet table; 0: it cannot be read.
static uint32_t generation(struct nftables *t)
{
	char room[64];
	uint32_t number = 0;
	struct nlmsghdr *h = netfilter_message(t->netfilter, room, NFNL_SUBSYS_NFTABLES, NFT_MSG_GETGEN, NLM_F_ACK, 0);
	return netfilter_ask(t->netfilter, h, take_number, &number) < 0 ? 0 : number;
}

static int add_hash(const struct nlmsghdr *h, void *arg)
{
	uint64_t *hash = arg;
	const char *rule = mnl_nlmsg_get_payload_offset(h, sizeof(struct nfgenmsg));
	size_t n = mnl_nlmsg_get_payload_len(h) - sizeof(struct nfgenmsg);
	*hash = *hash * 31 + str_hash((struct str){rule, n});
	return MNL_CB_OK;
}

static uint64_t hash_of_rules(struct nftables *t)
{
	char room[256];
	uint64_t hash = 0;
	for (int i = 0; i < READ_TRIES; i++) {
		struct nlmsghdr *h = netfilter_message(t->netfilter, room, NFNL_SUBSYS_NFTABLES, NFT_MSG_GETRULE,
						       NLM_F_DUMP, NFPROTO_IPV4);
		mnl_attr_put_strz(h, NFTA_RULE_TABLE, t->table);
		hash = 0;
		if (netfilter_ask(t->netfilter, h, add_hash, &hash) == 0)
			return hash;
	}
	return 0;
}

static void remember_rules(struct nftables *t)
{
	t->generation = generation(t);
	t->rules = hash_of_rules(t);
}

static void pass_firewalls(struct nftables *t)
{
	struct err e CLEAN_ERR = ERR_EMPTY;
	unsigned opened;
	if (firewall_let_through(t->netfilter, t->bridge, &opened, &e) < 0)
		log_warn("pods may not be let through a firewall: %s", err_text(&e));
	else if (opened)
		log_info("a firewall drops what this machine passes on: it lets pods through now (%s)", t->bridge);
}

enum nftables_state nftables_look(struct nftables *t)
{
	uint32_t now = generation(t);
	if (now && now == t->generation)
		return NFTABLES_OURS;
	pass_firewalls(t);
	t->generation = generation(t);
	return hash_of_rules(t) == t->rules ? NFTABLES_SOMEBODYS : NFTABLES_BROKEN;
}

static int need_endpoint_chains(struct nftables *t, unsigned n, struct err *e)
{
	if (n <= t->chains)
		return 0;
	unsigned last = (n + CHAINS_AT_ONCE - 1) / CHAINS_AT_ONCE * CHAINS_AT_ONCE;
	struct netfilter_batch b;
	netfilter_batch_init(&b, t->netfilter);
	chains_put(&b, t->table, t->chains + 1, last);
	int result = netfilter_batch_commit(&b, e);
	netfilter_batch_finish(&b);
	if (result == 0)
		t->chains = last;
	remember_rules(t);
	return result;
}

static int need_sticky_chain(struct nftables *t, uint32_t seconds, struct err *e)
{
	for (size_t i = 0; i < t->sticky_count; i++)
		if (t->sticky_chains[i] == seconds)
			return 0;
	if (nft_rules_add_sticky_chain(t->table, seconds, e) < 0)
		return -1;
	t->sticky_count = t->sticky_count == STICKY_CHAINS_MAX ? 0 : t->sticky_count;
	t->sticky_chains[t->sticky_count++] = seconds; // one that is forgotten is made once more, which is fine
	remember_rules(t);
	return 0;
}

int nftables_restore(struct nftables *t, struct err *e)
{
	struct nftables_config config = {
		.table = t->table, .bridge = t->bridge, .range = t->range, .services = t->services,
	};
	t->chains = 0;
	t->sticky_count = 0;
	if (nft_rules_load(&config, e) < 0)
		return -1;
	pass_firewalls(t);
	return need_endpoint_chains(t, CHAINS_AT_ONCE, e);
}

// Verdicts can only lead to chains that are there.
static int need_chain(struct nftables *t, const struct plan_element *x, struct err *e)
{
	if (!x->verdict)
		return 0;
	bool sticky = x->set == PLAN_STICKY || x->set == PLAN_STICKY_NODEPORTS;
	return sticky ? need_sticky_chain(t, x->verdict, e) : need_endpoint_chains(t, x->verdict, e);
}

int nftables_open(const struct nftables_config *config, struct nftables **out, struct err *e)
{
	struct netfilter *netfilter = netfilter_open(e);
	if (!netfilter)
		return -1;
	struct nftables *t = MEM_NEW(struct nftables);
	*t = (struct nftables){
		.netfilter = netfilter,
		.table = mem_strdup(config->table),
		.bridge = mem_strdup(config->bridge),
		.range = mem_strdup(config->range),
		.services = mem_strdup(config->services),
	};
	if (nftables_restore(t, e) < 0) {
		nftables_close(t);
		return -1;
	}
	*out = t;
	return 0;
}

void nftables_close(struct nftables *t)
{
	if (!t)
		return;
	netfilter_close(t->netfilter);
	free(t->table);
	free(t->bridge);
	free(t->range);
	free(t->services);
	free(t);
}

int nftables_remove(const char *table, const char *bridge, struct err *e)
{
	struct netfilter *n = netfilter_open(e);
	int result = n ? firewall_withdraw(n, bridge, e) : -1;
	netfilter_close(n);
	return nft_rules_remove(table, e) < 0 ? -1 : result;
}

// ---- changing elements

static void put_data(struct nlmsghdr *h, const struct plan_element *x)
{
	if (!x->data_len && !x->verdict)
		return;
	struct nlattr *data = mnl_attr_nest_start(h, NFTA_SET_ELEM_DATA);
	if (x->verdict) {
		char chain[16];
		snprintf(chain, sizeof chain, "%s%u", chain_prefixes[x->set], x->verdict);
		struct nlattr *verdict = mnl_attr_nest_start(h, NFTA_DATA_VERDICT);
		mnl_attr_put_u32(h, NFTA_VERDICT_CODE, htonl((uint32_t)NFT_GOTO));
		mnl_attr_put_strz(h, NFTA_VERDICT_CHAIN, chain);
		mnl_attr_nest_end(h, verdict);
	} else {
		mnl_attr_put(h, NFTA_DATA_VALUE, x->data_len, x->data);
	}
	mnl_attr_nest_end(h, data);
}

static void put_key(struct nlmsghdr *h, uint16_t attribute, const unsigned char *bytes, size_t n)
{
	struct nlattr *key = mnl_attr_nest_start(h, attribute);
	mnl_attr_put(h, NFTA_DATA_VALUE, n, bytes);
	mnl_attr_nest_end(h, key);
}

static void put_element(struct nlmsghdr *h, const struct plan_element *x, bool with_data)
{
	struct nlattr *element = mnl_attr_nest_start(h, NFTA_LIST_ELEM);
	put_key(h, NFTA_SET_ELEM_KEY, x->key, x->key_len);
	if (x->set == PLAN_SOURCES) {
		unsigned char last[sizeof x->key];
		memcpy(last, x->key, sizeof last);
		memcpy(last + CLIENT, x->data, sizeof last - CLIENT);
		put_key(h, NFTA_SET_ELEM_KEY_END, last, sizeof last);
	}
	if (with_data)
		put_data(h, x);
	mnl_attr_nest_end(h, element);
}

// One message: up to ELEMENTS_A_MESSAGE elements of one set, all added or all deleted.
static size_t put_message(struct nftables *t, struct netfilter_batch *b, const struct plan_element *const *list,
			  size_t n, bool deleting)
{
	enum { ELEMENT_SIZE = 128, MESSAGE_SIZE = 512 + ELEMENTS_A_MESSAGE * ELEMENT_SIZE };
	struct nlmsghdr *h = netfilter_batch_add(b, deleting ? NFT_MSG_DELSETELEM : NFT_MSG_NEWSETELEM,
						 deleting ? 0 : NLM_F_CREATE, MESSAGE_SIZE);
	mnl_attr_put_strz(h, NFTA_SET_ELEM_LIST_TABLE, t->table);
	mnl_attr_put_strz(h, NFTA_SET_ELEM_LIST_SET, set_names[list[0]->set]);
	struct nlattr *elements = mnl_attr_nest_start(h, NFTA_SET_ELEM_LIST_ELEMENTS);
	size_t taken = 0;
	while (taken < n && taken < ELEMENTS_A_MESSAGE && list[taken]->set == list[0]->set)
		put_element(h, list[taken++], !deleting);
	mnl_attr_nest_end(h, elements);
	netfilter_batch_added(b, h);
	return taken;
}

struct difference {
	const struct plan_element **gone, **fresh;
	size_t gone_count, fresh_count;
};

static int send_difference(struct nftables *t, const struct difference *d, struct err *e)
{
	struct netfilter_batch b;
	netfilter_batch_init(&b, t->netfilter);
	for (size_t i = 0; i < d->gone_count;)
		i += put_message(t, &b, d->gone + i, d->gone_count - i, true);
	for (size_t i = 0; i < d->fresh_count;)
		i += put_message(t, &b, d->fresh + i, d->fresh_count - i, false);
	int result = netfilter_batch_commit(&b, e);
	netfilter_batch_finish(&b);
	t->generation += result == 0;
	return result;
}

static struct difference compare(struct arena *a, const struct plan_element *from, size_t from_count,
				 const struct plan_element *to, size_t to_count)
{
	struct difference d = {
		.gone = ARENA_ARRAY(a, const struct plan_element *, from_count + 1),
		.fresh = ARENA_ARRAY(a, const struct plan_element *, to_count + 1),
	};
	size_t i = 0, j = 0;
	while (i < from_count || j < to_count) {
		int c = i == from_count ? 1 : j == to_count ? -1 : plan_element_cmp(&from[i], &to[j]);
		bool same = c == 0 && plan_element_same(&from[i], &to[j]);
		if (c <= 0 && !same)
			d.gone[d.gone_count++] = &from[i];
		if (c >= 0 && !same)
			d.fresh[d.fresh_count++] = &to[j];
		i += c <= 0;
		j += c >= 0;
	}
	return d;
}

// Cuts so much off the end of *d as one transaction takes. Endpoints stand behind what leads to them, so they go first;
// an element that changes goes and comes in the same transaction.
static struct difference cut(struct difference *d)
{
	size_t g = d->gone_count, f = d->fresh_count;
	while (g + f && d->gone_count - g + d->fresh_count - f < ELEMENTS_A_TRANSACTION) {
		int c = g == 0 ? -1 : f == 0 ? 1 : plan_element_cmp(d->gone[g - 1], d->fresh[f - 1]);
		g -= c >= 0;
		f -= c <= 0;
	}
	struct difference piece = {d->gone + g, d->fresh + f, d->gone_count - g, d->fresh_count - f};
	d->gone_count = g;
	d->fresh_count = f;
	return piece;
}

int nftables_change(struct nftables *t, const struct plan_element *from, size_t from_count,
		    const struct plan_element *to, size_t to_count, bool *changed, struct err *e)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct difference d = compare(&a, from, from_count, to, to_count);
	if (changed)
		*changed = d.gone_count + d.fresh_count > 0;
	for (size_t i = 0; i < d.fresh_count; i++)
		if (need_chain(t, d.fresh[i], e) < 0)
			return -1;
	while (d.gone_count + d.fresh_count) {
		struct difference piece = cut(&d);
		if (send_difference(t, &piece, e) < 0)
			return -1;
	}
	return 0;
}

int nftables_drop_affinities(struct nftables *t, const struct plan_element *const *list, size_t count, struct err *e)
{
	struct difference all = {.gone = (const struct plan_element **)list, .gone_count = count};
	return send_difference(t, &all, e);
}

// ---- reading back

struct reader {
	struct arena *arena;
	int set;
	struct plan_element *elements;
	size_t count, room;
};

// A chain that is not named as ours leaves the verdict empty, so that it differs from what is wanted.
static void read_verdict(const struct nlattr *data, struct plan_element *x)
{
	const struct nlattr *at;
	mnl_attr_for_each_nested(at, data) {
		struct str name = STR_NONE, prefix = str_of(chain_prefixes[x->set] ? chain_prefixes[x->set] : "?");
		uint64_t n = 0;
		if (mnl_attr_get_type(at) == NFTA_VERDICT_CHAIN)
			name = str_of(mnl_attr_get_str(at));
		if (str_starts(name, prefix) && str_to_u64(str_from(name, prefix.n), &n) == 0)
			x->verdict = (uint32_t)n;
	}
}

static void read_element(const struct nlattr *element, struct plan_element *x)
{
	const struct nlattr *at, *in;
	mnl_attr_for_each_nested(at, element) {
		uint16_t type = mnl_attr_get_type(at);
		mnl_attr_for_each_nested(in, at) {
			uint16_t n = mnl_attr_get_payload_len(in);
			if (type == NFTA_SET_ELEM_KEY && n <= sizeof x->key) {
				memcpy(x->key, mnl_attr_get_payload(in), n);
				x->key_len = (uint8_t)n;
			} else if (type == NFTA_SET_ELEM_KEY_END && n == sizeof x->key) {
				memcpy(x->data, (const char *)mnl_attr_get_payload(in) + CLIENT, sizeof x->key - CLIENT);
			} else if (type == NFTA_SET_ELEM_DATA && mnl_attr_get_type(in) == NFTA_DATA_VERDICT) {
				read_verdict(in, x);
			} else if (type == NFTA_SET_ELEM_DATA && n <= sizeof x->data) {
				memcpy(x->data, mnl_attr_get_payload(in), n);
				x->data_len = (uint8_t)n;
			}
		}
	}
}

static int on_message(const struct nlmsghdr *h, void *arg)
{
	struct reader *r = arg;
	const struct nlattr *at, *element;
	mnl_attr_for_each(at, h, sizeof(struct nfgenmsg)) {
		if (mnl_attr_get_type(at) != NFTA_SET_ELEM_LIST_ELEMENTS)
			continue;
		mnl_attr_for_each_nested(element, at) {
			if (r->count == r->room) {
				r->room = r->room ? r->room * 2 : 64;
				struct plan_element *more = ARENA_ARRAY(r->arena, struct plan_element, r->room);
				if (r->count)
					memcpy(more, r->elements, r->count * sizeof *more);
				r->elements = more;
			}
			struct plan_element *x = &r->elements[r->count++];
			*x = (struct plan_element){.set = (uint8_t)r->set};
			read_element(element, x);
		}
	}
	return MNL_CB_OK;
}

// Somebody may change the tables meanwhile: then the kernel says so, and it is read once more.
static int read_set(struct nftables *t, struct reader *r, struct err *e)
{
	char room[512];
	size_t before = r->count;
	for (int i = 0; i < READ_TRIES; i++) {
		struct nlmsghdr *h = netfilter_message(t->netfilter, room, NFNL_SUBSYS_NFTABLES, NFT_MSG_GETSETELEM,
						       NLM_F_DUMP, NFPROTO_IPV4);
		mnl_attr_put_strz(h, NFTA_SET_ELEM_LIST_TABLE, t->table);
		mnl_attr_put_strz(h, NFTA_SET_ELEM_LIST_SET, set_names[r->set]);
		r->count = before;
		if (netfilter_ask(t->netfilter, h, on_message, r) == 0)
			return 0;
		if (errno != EINTR)
			break;
	}
	return err_errno(e, errno, "read the set %s", set_names[r->set]);
}

static int by_set_and_key(const void *x, const void *y)
{
	return plan_element_cmp(x, y);
}

int nftables_read(struct nftables *t, struct arena *a, struct plan_element **elements, size_t *count, struct err *e)
{
	struct reader r = {.arena = a};
	for (r.set = 0; r.set < PLAN_SETS; r.set++)
		if (read_set(t, &r, e) < 0)
			return -1;
	if (r.count)
		qsort(r.elements, r.count, sizeof *r.elements, by_set_and_key);
	for (size_t i = 0; i < r.count; i++) // what an earlier agent made is asked for again
		if (need_chain(t, &r.elements[i], e) < 0)
			return -1;
	*elements = r.elements;
	*count = r.count;
	return 0;
}

int nftables_read_affinities(struct nftables *t, struct arena *a, struct plan_element **list, size_t *count,
			     struct err *e)
{
	struct reader r = {.arena = a, .set = AFFINITIES};
	if (read_set(t, &r, e) < 0)
		return -1;
	*list = r.elements;
	*count = r.count;
	return 0;
}
