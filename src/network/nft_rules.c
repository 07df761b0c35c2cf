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

// Runs `nft -f -` over the script.
static int run_nft(struct str script, struct err *e)
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

// The chains for `n` endpoints: by chance (n) or by the client's address (s), for addresses or for node ports (p).
static void add_chains(struct buf *b, const char *table, unsigned n)
{
	for (int way = 0; way < 4; way++) {
		bool sticky = way & 1, by_port = way & 2;
		const char *at = by_port ? "meta l4proto . th dport" : "ip daddr . meta l4proto . th dport";
		const char *map = by_port ? "node-endpoints" : "endpoints";
		char name[16], draw[48];
		snprintf(name, sizeof name, "%s%s%u", by_port ? "p" : "", sticky ? "s" : "n", n);
		if (sticky)
			snprintf(draw, sizeof draw, "jhash ip saddr mod %u seed 0x6f6e6767", n);
		else
			snprintf(draw, sizeof draw, "numgen random mod %u", n);
		buf_fmt(b, "add chain ip %s %s\nflush chain ip %s %s\n", table, name, table, name);
		buf_fmt(b, "add rule ip %s %s dnat ip to %s . %s map @%s\n", table, name, at, draw, map);
	}
}

static void add_sets(struct buf *b, const char *table)
{
	buf_fmt(b, "add table ip %s\n", table);
	buf_fmt(b, "add map ip %s services { type ipv4_addr . inet_proto . inet_service : verdict; }\n", table);
	buf_fmt(b, "add map ip %s endpoints { typeof ip daddr . meta l4proto . th dport . numgen random mod 2 "
		   ": ip daddr . th dport; }\n", table);
	buf_fmt(b, "add map ip %s nodeports { type inet_proto . inet_service : verdict; }\n", table);
	buf_fmt(b, "add map ip %s node-endpoints { typeof meta l4proto . th dport . numgen random mod 2 "
		   ": ip daddr . th dport; }\n", table);
	buf_fmt(b, "add set ip %s refused { type ipv4_addr . inet_proto . inet_service; }\n", table);
	buf_fmt(b, "add set ip %s refused-nodeports { type inet_proto . inet_service; }\n", table);
	buf_fmt(b, "add set ip %s hairpin { type ipv4_addr . ipv4_addr; }\n", table);
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

// What is known to be refused, by its own address or by a node port. Node ports are not passed on, so that the forward
// hook has no rule for them.
static void add_refusals(struct buf *b, const char *table)
{
	static const char by_address[] = "ip daddr . meta l4proto . th dport @refused";
	static const char by_port[] = "fib daddr type local meta l4proto . th dport @refused-nodeports";
	static const char *const hooks[] = {"forward", "output", "input"};
	for (int hook = 0; hook < 3; hook++) {
		char name[24];
		snprintf(name, sizeof name, "refuse-%s", hooks[hook]);
		add_hook(b, table, name, "filter", hooks[hook], -10);
		const char *which[] = {by_address, hook > 0 ? by_port : NULL};
		for (int i = 0; i < 2 && which[i]; i++) {
			buf_fmt(b, "add rule ip %s %s meta l4proto tcp %s reject with tcp reset\n", table, name, which[i]);
			buf_fmt(b, "add rule ip %s %s %s reject with icmp port-unreachable\n", table, name, which[i]);
		}
	}
}

static void add_base_chains(struct buf *b, const struct nftables_config *c)
{
	const char *t = c->table;
	buf_fmt(b, "add chain ip %s translate\nflush chain ip %s translate\n", t, t);
	add_rule(b, t, "translate", "ip daddr . meta l4proto . th dport vmap @services");
	add_rule(b, t, "translate", "fib daddr type local meta l4proto . th dport vmap @nodeports");
	add_hook(b, t, "prerouting", "nat", "prerouting", -100);
	add_rule(b, t, "prerouting", "jump translate");
	add_hook(b, t, "output", "nat", "output", -100);
	add_rule(b, t, "output", "jump translate");
	add_hook(b, t, "postrouting", "nat", "postrouting", 100);
	add_rule(b, t, "postrouting", "ip saddr . ip daddr @hairpin masquerade");
	buf_fmt(b, "add rule ip %s postrouting ip saddr 127.0.0.0/8 oifname \"%s\" masquerade\n", t, c->bridge);
	buf_fmt(b, "add rule ip %s postrouting ip saddr %s ip daddr != %s oifname != \"%s\" masquerade\n", t, c->range,
		c->range, c->bridge);
}

int nft_rules_load(const struct nftables_config *c, struct err *e)
{
	struct buf script CLEAN_BUF;
	buf_init(&script);
	add_sets(&script, c->table);
	add_base_chains(&script, c);
	add_refusals(&script, c->table);
	for (unsigned n = 1; n <= NFT_RULES_CHAINS; n++)
		add_chains(&script, c->table, n);
	if (run_nft(buf_str(&script), NULL) == 0)
		return 0;
	// a table of another version stands in the way
	struct buf afresh CLEAN_BUF;
	buf_init(&afresh);
	buf_fmt(&afresh, "add table ip %s\ndelete table ip %s\n", c->table, c->table);
	buf_add(&afresh, buf_str(&script));
	return run_nft(buf_str(&afresh), e);
}

int nft_rules_remove(const char *table, struct err *e)
{
	struct buf script CLEAN_BUF;
	buf_init(&script);
	buf_fmt(&script, "add table ip %s\ndelete table ip %s\n", table, table);
	return run_nft(buf_str(&script), e);
}

int nft_rules_add_chains(const char *table, unsigned first, unsigned last, struct err *e)
{
	struct buf script CLEAN_BUF;
	buf_init(&script);
	for (unsigned n = first; n <= last; n++)
		add_chains(&script, table, n);
	return run_nft(buf_str(&script), e);
}
