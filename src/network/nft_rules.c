// SPDX-License-Identifier: Apache-2.0
#include "network/nft_rules.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"

enum { NOT_FOUND = 127 };

static int make_pipes(int in[2], int out[2], struct err *e)
{
	if (pipe2(in, O_CLOEXEC) < 0)
		return err_errno(e, errno, "pipe");
	if (pipe2(out, O_CLOEXEC) == 0)
		return 0;
	err_errno(e, errno, "pipe");
	close(in[0]);
	close(in[1]);
	return -1;
}

int nft_run(struct str script, struct err *e)
{
	int in[2], out[2];
	char said[512];
	if (make_pipes(in, out, e) < 0)
		return -1;
	pid_t pid = fork();
	if (pid == 0) {
		dup2(in[0], STDIN_FILENO);
		dup2(out[1], STDERR_FILENO);
		execlp("nft", "nft", "-f", "-", (char *)NULL);
		_exit(NOT_FOUND);
	}
	close(in[0]);
	close(out[1]);
	bool written = pid > 0 && write(in[1], script.p, script.n) == (ssize_t)script.n;
	close(in[1]);
	ssize_t n = pid > 0 ? read(out[0], said, sizeof said) : 0;
	close(out[0]);
	int status = 0;
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return err_errno(e, errno, "run nft");
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0 && written)
		return 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_FOUND)
		return err_set(e, ERR_INTERNAL, "the program nft is not installed (Debian: nftables)");
	return err_set(e, ERR_INTERNAL, "nft: %.*s", n > 0 ? (int)n : 0, said);
}

// nft knows the type of a connection's original port only once the protocol is said.
static const char *const protocols[] = {"tcp", "udp", "sctp"};

static void add_sticky_chain(struct buf *b, const char *table, uint32_t seconds)
{
	buf_fmt(b, "add chain ip %s t%u\nflush chain ip %s t%u\n", table, seconds, table, seconds);
	for (size_t i = 0; i < ARRAY_LEN(protocols); i++)
		buf_fmt(b,
			"add rule ip %s t%u meta l4proto %s update @affinity { ip saddr . ct original ip daddr . meta l4proto "
			". ct original proto-dst timeout %us : ip daddr . th dport }\n",
			table, seconds, protocols[i], seconds);
}

// The number that the chains draw (chains.h) is a "mark" here: it has that size.
static void add_sets(struct buf *b, const char *table)
{
	static const char *const all[] = {
		"map services { type ipv4_addr . inet_proto . inet_service : verdict; }",
		"map endpoints { type ipv4_addr . inet_proto . inet_service . mark : ipv4_addr . inet_service; }",
		"map nodeports { type inet_proto . inet_service : verdict; }",
		"map node-endpoints { type inet_proto . inet_service . mark : ipv4_addr . inet_service; }",
		"set refused { type ipv4_addr . inet_proto . inet_service; }",
		"set refused-nodeports { type inet_proto . inet_service; }",
		"set hairpin { type ipv4_addr . ipv4_addr; }",
		"set remote { type ipv4_addr . inet_proto . inet_service; }",
		"set guarded { type ipv4_addr . inet_proto . inet_service; }",
		"set sources { type ipv4_addr . inet_proto . inet_service . ipv4_addr; flags interval; }",
		"map sticky { type ipv4_addr . inet_proto . inet_service : verdict; }",
		"map sticky-nodeports { type inet_proto . inet_service : verdict; }",
		("map affinity { type ipv4_addr . ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; "
		 "size 65536; flags dynamic,timeout; }"),
	};
	buf_fmt(b, "add table ip %s\n", table);
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		struct str kind, rest;
		str_cut(str_of(all[i]), ' ', &kind, &rest);
		buf_fmt(b, "add %.*s ip %s %.*s\n", STR_FMT(kind), table, STR_FMT(rest));
	}
}

static void add_hook(struct buf *b, const char *table, const char *name, const char *type, const char *hook,
		     int priority)
{
	buf_fmt(b, "add chain ip %s %s { type %s hook %s priority %d; policy accept; }\n", table, name, type, hook,
		priority);
	buf_fmt(b, "flush chain ip %s %s\n", table, name);
}

static void add_rule(struct buf *b, const char *table, const char *chain, const char *rule)
{
	buf_fmt(b, "add rule ip %s %s %s\n", table, chain, rule);
}

// What is known to be refused, by its own address or by a node port (which is not passed on, so that the forward hook
// has no rule for it); and, of the Services' range, all that was not translated before it came here. Who is refused
// at once may try again, and finds a Service that has come meanwhile; what was let go would stay untranslated.
static void add_refusals(struct buf *b, const struct nftables_config *c)
{
	static const char by_address[] = "ip daddr . meta l4proto . th dport @refused";
	static const char by_port[] = "fib daddr type local meta l4proto . th dport @refused-nodeports";
	static const char *const hooks[] = {"forward", "output", "input"};
	char in_range[64];
	snprintf(in_range, sizeof in_range, "ip daddr %s", c->services);
	for (int hook = 0; hook < 3; hook++) {
		char name[24];
		snprintf(name, sizeof name, "refuse-%s", hooks[hook]);
		add_hook(b, c->table, name, "filter", hooks[hook], -10);
		const char *which[] = {by_address, hook > 0 ? by_port : in_range, hook == 1 ? in_range : NULL};
		for (int i = 0; i < 3 && which[i]; i++) {
			buf_fmt(b, "add rule ip %s %s meta l4proto tcp %s reject with tcp reset\n", c->table, name, which[i]);
			buf_fmt(b, "add rule ip %s %s %s reject with icmp port-unreachable\n", c->table, name, which[i]);
		}
	}
}

static void add_translation(struct buf *b, const char *t)
{
	buf_fmt(b, "add chain ip %s translate\nflush chain ip %s translate\n", t, t);
	add_rule(b, t, "translate", "dnat ip to ip saddr . ip daddr . meta l4proto . th dport map @affinity");
	add_rule(b, t, "translate", "ip daddr . meta l4proto . th dport vmap @services");
	add_rule(b, t, "translate", "fib daddr type local meta l4proto . th dport vmap @nodeports");
	add_hook(b, t, "prerouting", "nat", "prerouting", -100);
	add_rule(b, t, "prerouting", "jump translate");
	add_hook(b, t, "output", "nat", "output", -100);
	add_rule(b, t, "output", "jump translate");
}

// A connection has its endpoint when it leaves, or arrives here.
static void add_stickiness(struct buf *b, const char *t)
{
	buf_fmt(b, "add chain ip %s stick\nflush chain ip %s stick\n", t, t);
	for (size_t i = 0; i < ARRAY_LEN(protocols); i++) {
		buf_fmt(b, "add rule ip %s stick meta l4proto %s ct original ip daddr . meta l4proto . ct original proto-dst "
			   "vmap @sticky\n", t, protocols[i]);
		buf_fmt(b, "add rule ip %s stick meta l4proto %s meta l4proto . ct original proto-dst vmap "
			   "@sticky-nodeports\n", t, protocols[i]);
	}
	add_hook(b, t, "arriving", "nat", "input", 100);
	add_rule(b, t, "arriving", "ct status dnat jump stick");
}

// Whose answer would not come back through the translation gets this node as its client.
static void add_masquerades(struct buf *b, const struct nftables_config *c)
{
	const char *t = c->table;
	add_hook(b, t, "postrouting", "nat", "postrouting", 100);
	add_rule(b, t, "postrouting", "ct status dnat jump stick");
	add_rule(b, t, "postrouting", "ip saddr . ip daddr @hairpin masquerade");
	buf_fmt(b, "add rule ip %s postrouting ip saddr 127.0.0.0/8 oifname \"%s\" masquerade\n", t, c->bridge);
	buf_fmt(b, "add rule ip %s postrouting ip saddr %s ip daddr != %s oifname != \"%s\" masquerade\n", t, c->range,
		c->range, c->bridge);
	buf_fmt(b, "add rule ip %s postrouting ct status dnat ip saddr != %s oifname != { \"lo\", \"%s\" } "
		   "ip daddr . meta l4proto . th dport @remote masquerade\n", t, c->range, c->bridge);
}

// The bridge lets loopback addresses through, for node ports (places.c): pods may not use that to reach what listens on
// this machine's loopback alone. And what no longer belongs to a connection would reach its client with the endpoint's
// own address, which answers with a reset. A load balancer's address may be for some clients alone.
static void add_guards(struct buf *b, const struct nftables_config *c)
{
	add_hook(b, c->table, "guard", "filter", "prerouting", -300);
	buf_fmt(b, "add rule ip %s guard iifname \"%s\" ip daddr 127.0.0.0/8 drop\n", c->table, c->bridge);
	add_hook(b, c->table, "guard-balancers", "filter", "prerouting", -110);
	add_rule(b, c->table, "guard-balancers", "ip daddr . meta l4proto . th dport @guarded "
		 "ip daddr . meta l4proto . th dport . ip saddr != @sources drop");
	add_hook(b, c->table, "guard-forward", "filter", "forward", -10);
	buf_fmt(b, "add rule ip %s guard-forward iifname \"%s\" ct state invalid drop\n", c->table, c->bridge);
}

int nft_rules_load(const struct nftables_config *c, struct err *e)
{
	struct buf script CLEAN_BUF;
	buf_init(&script);
	add_sets(&script, c->table);
	add_stickiness(&script, c->table);
	add_translation(&script, c->table);
	add_masquerades(&script, c);
	add_guards(&script, c);
	add_refusals(&script, c);
	if (nft_run(buf_str(&script), NULL) == 0)
		return 0;
	// a table of another version stands in the way
	struct buf afresh CLEAN_BUF;
	buf_init(&afresh);
	buf_fmt(&afresh, "add table ip %s\ndelete table ip %s\n", c->table, c->table);
	buf_add(&afresh, buf_str(&script));
	return nft_run(buf_str(&afresh), e);
}

int nft_rules_remove(const char *table, struct err *e)
{
	struct buf script CLEAN_BUF;
	buf_init(&script);
	buf_fmt(&script, "add table ip %s\ndelete table ip %s\n", table, table);
	return nft_run(buf_str(&script), e);
}

int nft_rules_add_sticky_chain(const char *table, uint32_t seconds, struct err *e)
{
	struct buf script CLEAN_BUF;
	buf_init(&script);
	add_sticky_chain(&script, table, seconds);
	return nft_run(buf_str(&script), e);
}
