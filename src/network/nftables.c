// SPDX-License-Identifier: Apache-2.0
#include "network/nftables.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "network/nft_rules.h"

enum { ELEMENTS_A_MESSAGE = 256 };

static const char *const set_names[PLAN_SETS] = {
	[PLAN_SERVICES] = "services",
	[PLAN_ENDPOINTS] = "endpoints",
	[PLAN_NODEPORTS] = "nodeports",
	[PLAN_NODE_ENDPOINTS] = "node-endpoints",
	[PLAN_REFUSED] = "refused",
	[PLAN_REFUSED_NODEPORTS] = "refused-nodeports",
	[PLAN_HAIRPIN] = "hairpin",
};

struct nftables {
	struct mnl_socket *nl;
	unsigned port, sequence;
	char *table, *bridge, *range;
	unsigned chains; // there are chains for 1 to this many endpoints
};

static int need_chains(struct nftables *t, unsigned n, struct err *e)
{
	if (n <= t->chains)
		return 0;
	unsigned last = (n + NFT_RULES_CHAINS - 1) / NFT_RULES_CHAINS * NFT_RULES_CHAINS;
	if (nft_rules_add_chains(t->table, t->chains + 1, last, e) < 0)
		return -1;
	t->chains = last;
	return 0;
}

int nftables_open(const struct nftables_config *config, struct nftables **out, struct err *e)
{
	if (nft_rules_load(config, e) < 0)
		return -1;
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	if (!nl || mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0) {
		if (nl)
			mnl_socket_close(nl);
		return err_errno(e, errno, "open a netfilter socket");
	}
	int room = 8 << 20; // a transaction goes out in one message, and all of its acknowledgements come at once
	setsockopt(mnl_socket_get_fd(nl), SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room);
	setsockopt(mnl_socket_get_fd(nl), SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
	struct nftables *t = MEM_NEW(struct nftables);
	*t = (struct nftables){
		.nl = nl,
		.port = mnl_socket_get_portid(nl),
		.table = mem_strdup(config->table),
		.bridge = mem_strdup(config->bridge),
		.range = mem_strdup(config->range),
		.chains = NFT_RULES_CHAINS,
	};
	*out = t;
	return 0;
}

int nftables_restore(struct nftables *t, struct err *e)
{
	struct nftables_config config = {.table = t->table, .bridge = t->bridge, .range = t->range};
	t->chains = NFT_RULES_CHAINS;
	return nft_rules_load(&config, e);
}

void nftables_close(struct nftables *t)
{
	if (!t)
		return;
	mnl_socket_close(t->nl);
	free(t->table);
	free(t->bridge);
	free(t->range);
	free(t);
}

int nftables_remove(const char *table, struct err *e)
{
	return nft_rules_remove(table, e);
}

// ---- elements, over netlink

static struct nlmsghdr *header(struct nftables *t, void *at, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *h = mnl_nlmsg_put_header(at);
	bool batch = type == NFNL_MSG_BATCH_BEGIN || type == NFNL_MSG_BATCH_END;
	h->nlmsg_type = batch ? type : (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type);
	h->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	h->nlmsg_seq = ++t->sequence;
	struct nfgenmsg *g = mnl_nlmsg_put_extra_header(h, sizeof *g);
	g->nfgen_family = batch ? AF_UNSPEC : NFPROTO_IPV4;
	g->version = NFNETLINK_V0;
	g->res_id = htons(batch ? NFNL_SUBSYS_NFTABLES : 0);
	return h;
}

static void put_data(struct nlmsghdr *h, const struct plan_element *x)
{
	if (!x->data_len && !x->numbers)
		return;
	struct nlattr *data = mnl_attr_nest_start(h, NFTA_SET_ELEM_DATA);
	if (x->numbers) {
		char chain[16];
		bool by_port = x->set == PLAN_NODEPORTS;
		snprintf(chain, sizeof chain, "%s%s%u", by_port ? "p" : "", x->sticky ? "s" : "n", x->numbers);
		struct nlattr *verdict = mnl_attr_nest_start(h, NFTA_DATA_VERDICT);
		mnl_attr_put_u32(h, NFTA_VERDICT_CODE, htonl((uint32_t)NFT_GOTO));
		mnl_attr_put_strz(h, NFTA_VERDICT_CHAIN, chain);
		mnl_attr_nest_end(h, verdict);
	} else {
		mnl_attr_put(h, NFTA_DATA_VALUE, x->data_len, x->data);
	}
	mnl_attr_nest_end(h, data);
}

static void put_element(struct nlmsghdr *h, const struct plan_element *x, bool with_data)
{
	struct nlattr *element = mnl_attr_nest_start(h, NFTA_LIST_ELEM);
	struct nlattr *key = mnl_attr_nest_start(h, NFTA_SET_ELEM_KEY);
	mnl_attr_put(h, NFTA_DATA_VALUE, x->key_len, x->key);
	mnl_attr_nest_end(h, key);
	if (with_data)
		put_data(h, x);
	mnl_attr_nest_end(h, element);
}

// One message: up to ELEMENTS_A_MESSAGE elements of one set, all added or all deleted.
static size_t put_message(struct nftables *t, struct buf *b, const struct plan_element *const *list, size_t n,
			  bool deleting)
{
	enum { ELEMENT_SIZE = 128, MESSAGE_SIZE = 512 + ELEMENTS_A_MESSAGE * ELEMENT_SIZE };
	buf_reserve(b, MESSAGE_SIZE);
	struct nlmsghdr *h = header(t, b->p + b->n, deleting ? NFT_MSG_DELSETELEM : NFT_MSG_NEWSETELEM,
				    (uint16_t)(NLM_F_ACK | (deleting ? 0 : NLM_F_CREATE)));
	mnl_attr_put_strz(h, NFTA_SET_ELEM_LIST_TABLE, t->table);
	mnl_attr_put_strz(h, NFTA_SET_ELEM_LIST_SET, set_names[list[0]->set]);
	struct nlattr *elements = mnl_attr_nest_start(h, NFTA_SET_ELEM_LIST_ELEMENTS);
	size_t taken = 0;
	while (taken < n && taken < ELEMENTS_A_MESSAGE && list[taken]->set == list[0]->set)
		put_element(h, list[taken++], !deleting);
	mnl_attr_nest_end(h, elements);
	b->n += h->nlmsg_len;
	return taken;
}

static size_t put_all(struct nftables *t, struct buf *b, const struct plan_element *const *list, size_t n,
		      bool deleting)
{
	size_t messages = 0;
	for (size_t done = 0; done < n; messages++)
		done += put_message(t, b, list + done, n - done, deleting);
	return messages;
}

// Waits for as many acknowledgements as there were messages. The kernel answers a failed batch with errors.
static int acknowledged(struct nftables *t, size_t messages, struct err *e)
{
	char *answer CLEAN_FREE = mem_alloc(1 << 16);
	int failed = 0;
	while (messages) {
		ssize_t n = mnl_socket_recvfrom(t->nl, answer, 1 << 16);
		if (n < 0)
			return err_errno(e, errno, "read from netfilter");
		int left = (int)n;
		struct nlmsghdr *h = (struct nlmsghdr *)answer;
		for (; mnl_nlmsg_ok(h, left) && messages; h = mnl_nlmsg_next(h, &left)) {
			if (h->nlmsg_type != NLMSG_ERROR)
				continue;
			int code = ((struct nlmsgerr *)mnl_nlmsg_get_payload(h))->error;
			failed = code && !failed ? -code : failed;
			messages--;
		}
	}
	return failed ? err_errno(e, failed, "change the packet tables") : 0;
}

static void drain(struct nftables *t)
{
	char rest[4096];
	while (recv(mnl_socket_get_fd(t->nl), rest, sizeof rest, MSG_DONTWAIT) > 0)
		;
}

struct difference {
	const struct plan_element **gone, **fresh;
	size_t gone_count, fresh_count;
	unsigned numbers; // the most endpoints that a fresh element leads to
};

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
		if (c >= 0 && !same) {
			d.fresh[d.fresh_count++] = &to[j];
			d.numbers = to[j].numbers > d.numbers ? to[j].numbers : d.numbers;
		}
		i += c <= 0;
		j += c >= 0;
	}
	return d;
}

static int send_difference(struct nftables *t, const struct difference *d, struct err *e)
{
	struct buf batch CLEAN_BUF;
	buf_init(&batch);
	buf_reserve(&batch, 64);
	batch.n += header(t, batch.p, NFNL_MSG_BATCH_BEGIN, 0)->nlmsg_len;
	size_t messages = put_all(t, &batch, d->gone, d->gone_count, true);
	messages += put_all(t, &batch, d->fresh, d->fresh_count, false);
	buf_reserve(&batch, 64);
	batch.n += header(t, batch.p + batch.n, NFNL_MSG_BATCH_END, 0)->nlmsg_len;
	drain(t);
	if (mnl_socket_sendto(t->nl, batch.p, batch.n) < 0)
		return err_errno(e, errno, "send to netfilter");
	return acknowledged(t, messages, e);
}

int nftables_change(struct nftables *t, const struct plan_element *from, size_t from_count,
		    const struct plan_element *to, size_t to_count, struct err *e)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct difference d = compare(&a, from, from_count, to, to_count);
	if (d.gone_count + d.fresh_count == 0)
		return 0;
	return need_chains(t, d.numbers, e) < 0 ? -1 : send_difference(t, &d, e);
}

// ---- reading back

struct reader {
	struct arena *arena;
	enum plan_set set;
	struct plan_element *elements;
	size_t count, room;
};

static void read_verdict(const struct nlattr *data, struct plan_element *x)
{
	const struct nlattr *at;
	mnl_attr_for_each_nested(at, data) {
		if (mnl_attr_get_type(at) != NFTA_VERDICT_CHAIN)
			continue;
		const char *name = mnl_attr_get_str(at);
		name += *name == 'p';
		x->sticky = *name == 's';
		uint64_t n = 0;
		str_to_u64(str_of(name + 1), &n);
		x->numbers = (uint16_t)n;
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

static int read_set(struct nftables *t, struct reader *r, struct err *e)
{
	char room[512], *answer CLEAN_FREE = mem_alloc(1 << 17);
	struct nlmsghdr *h = header(t, room, NFT_MSG_GETSETELEM, NLM_F_DUMP);
	mnl_attr_put_strz(h, NFTA_SET_ELEM_LIST_TABLE, t->table);
	mnl_attr_put_strz(h, NFTA_SET_ELEM_LIST_SET, set_names[r->set]);
	drain(t);
	if (mnl_socket_sendto(t->nl, h, h->nlmsg_len) < 0)
		return err_errno(e, errno, "send to netfilter");
	for (;;) {
		ssize_t n = mnl_socket_recvfrom(t->nl, answer, 1 << 17);
		int done = n < 0 ? -1 : mnl_cb_run(answer, (size_t)n, h->nlmsg_seq, t->port, on_message, r);
		if (done <= MNL_CB_STOP)
			return done < 0 ? err_errno(e, errno, "read the set %s", set_names[r->set]) : 0;
	}
}

static int by_set_and_key(const void *x, const void *y)
{
	return plan_element_cmp(x, y);
}

int nftables_read(struct nftables *t, struct arena *a, struct plan_element **elements, size_t *count, struct err *e)
{
	struct reader r = {.arena = a};
	for (int set = 0; set < PLAN_SETS; set++) {
		r.set = (enum plan_set)set;
		if (read_set(t, &r, e) < 0)
			return -1;
	}
	if (r.count)
		qsort(r.elements, r.count, sizeof *r.elements, by_set_and_key);
	for (size_t i = 0; i < r.count; i++) // a chain may be asked for again that an earlier agent made
		if (r.elements[i].numbers > t->chains && need_chains(t, r.elements[i].numbers, e) < 0)
			return -1;
	*elements = r.elements;
	*count = r.count;
	return 0;
}
