// SPDX-License-Identifier: Apache-2.0
// The real kernel: pods on a bridge, and Services between them, in a network namespace of the test's own.
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "network/link.h"
#include "network/nftables.h"
#include "network/places.h"
#include "network/stale.h"
#include "unit.h"
#include "world.h"

static char dir[64];

static void enter_own_world(void)
{
	world_enter();
	snprintf(dir, sizeof dir, "/tmp/onggi-test-network-%d", (int)getpid());
}

// Ends the test with the error's own words where the result is one.
static void must(int result, const struct err *e, int line)
{
	if (result == 0)
		return;
	unit_fail(__FILE__, line, "%s", err_text(e));
	unit_stop();
}
#define MUST_OK(result) must((result), &e, __LINE__)

static struct places_config config(void)
{
	return (struct places_config){.dir = dir, .bridge = "ogtest0", .range = "10.244.9.0/24", .services = "10.96.0.0/16"};
}

static void leave(struct places *p)
{
	struct places_config c = config();
	places_destroy(p);
	CHECK(places_remove_all(&c, NULL) == 0);
	rmdir(dir);
}

static int socket_in(const char *ns_path)
{
	int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC), ns = open(ns_path, O_RDONLY | O_CLOEXEC);
	int s = setns(ns, CLONE_NEWNET) == 0 ? socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) : -1;
	if (setns(home, CLONE_NEWNET) < 0)
		abort();
	close(ns);
	close(home);
	return s;
}

static struct sockaddr_in at(const char *address, int port)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	inet_pton(AF_INET, address, &in.sin_addr);
	return in;
}

static int serve(struct str ns_path, int port)
{
	struct sockaddr_in in = at("0.0.0.0", port);
	int s = socket_in(ns_path.p), on = 1;
	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	return bind(s, (struct sockaddr *)&in, sizeof in) == 0 && listen(s, 64) == 0 ? s : -1;
}

// Connects s to address:port; 0, or errno.
static int reach(int s, const char *address, int port)
{
	struct sockaddr_in in = at(address, port);
	struct timeval patience = {.tv_sec = 2};
	setsockopt(s, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
	int why = connect(s, (struct sockaddr *)&in, sizeof in) == 0 ? 0 : errno;
	close(s);
	return why;
}

// Which of two listening sockets has a connection waiting: takes it, tells 0 or 1; -1 for none.
static int taken_by(int first, int second)
{
	struct pollfd p[2] = {{.fd = first, .events = POLLIN}, {.fd = second, .events = POLLIN}};
	if (poll(p, 2, 1000) <= 0)
		return -1;
	int which = p[0].revents ? 0 : 1;
	close(accept(p[which].fd, NULL, NULL));
	return which;
}

// Two links with one range contend for its packets, and pods are reached or not as it happens.
TEST(a_range_that_another_link_has_is_refused)
{
	static const struct {
		const char *address;
		int prefix;
		bool contends;
	} others[] = {{"10.244.9.77", 32, true}, {"10.244.0.1", 16, true}, {"10.244.9.1", 24, true}, {"10.244.8.1", 24, false}};
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		enter_own_world();
		struct err e CLEAN_ERR = ERR_EMPTY;
		struct places_config c = config();
		struct places *p = NULL;
		struct in_addr address;
		inet_pton(AF_INET, others[i].address, &address);
		struct link_socket *links = link_open(&e);
		MUST_OK(link_bridge(links, "other0", address.s_addr, others[i].prefix, &e));
		CHECK((places_create(&c, &p, &e) < 0) == others[i].contends);
		if (others[i].contends)
			CHECK(str_contains(str_of(err_text(&e)), STR("other0")));
		err_clear(&e);
		places_destroy(p);
		MUST_OK(link_delete(links, "other0", &e));
		link_close(links);
	}
}

TEST(pods_get_addresses_and_keep_them)
{
	enter_own_world();
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct places_config c = config();
	struct places *p;
	struct str ns1, ip1, ns2, ip2, again;
	MUST_OK(places_create(&c, &p, &e));
	CHECK_STR(places_gateway(p), "10.244.9.1");
	MUST_OK(places_attach(p, &a, STR("uid-1"), &ns1, &ip1, &e));
	MUST_OK(places_attach(p, &a, STR("uid-2"), &ns2, &ip2, &e));
	CHECK_STR(ip1, "10.244.9.2");
	CHECK(places_attach(p, &a, STR("../x"), &ns1, &ip1, NULL) < 0);
	int server = serve(ns1, 80);
	REQUIRE(server >= 0);
	CHECK_INT(reach(socket_in(ns2.p), ip1.p, 80), 0);
	CHECK_INT(reach(socket(AF_INET, SOCK_STREAM, 0), ip1.p, 80), 0);
	close(server);

	places_destroy(p); // the agent goes and comes back
	MUST_OK(places_create(&c, &p, &e));
	struct str *uids;
	size_t count;
	CHECK(places_list(p, &a, &uids, &count, &e) == 0 && count == 2);
	CHECK(places_attach(p, &a, STR("uid-2"), &ns2, &again, &e) == 0 && str_eq(again, ip2));
	CHECK(places_detach(p, STR("uid-1"), &e) == 0);
	CHECK(places_detach(p, STR("uid-1"), &e) == 0);
	CHECK(!link_namespace_alive(ns1.p));
	leave(p);
}

// Who knew the pod that had the address before reaches the one that has it now.
TEST(an_address_is_reached_by_its_next_pod)
{
	enter_own_world();
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct places_config c = config();
	struct places *p;
	struct str ns, first, next;
	MUST_OK(places_create(&c, &p, &e));
	MUST_OK(places_attach(p, &a, STR("uid-1"), &ns, &first, &e));
	CHECK_INT(reach(socket(AF_INET, SOCK_STREAM, 0), first.p, 80), ECONNREFUSED);
	MUST_OK(places_detach(p, STR("uid-1"), &e));
	places_destroy(p);
	MUST_OK(places_create(&c, &p, &e));
	MUST_OK(places_attach(p, &a, STR("uid-2"), &ns, &next, &e));
	CHECK(str_eq(first, next));
	CHECK_INT(reach(socket(AF_INET, SOCK_STREAM, 0), next.p, 80), ECONNREFUSED);
	leave(p);
}

static void attach_until_killed(const char *prefix)
{
	struct places_config c = config();
	struct places *p;
	struct arena a;
	struct str ns, ip;
	arena_init(&a);
	if (places_create(&c, &p, NULL) < 0)
		_exit(1);
	for (int i = 0; i < 200; i++)
		places_attach(p, &a, arena_fmt(&a, "%s-%d", prefix, i), &ns, &ip, NULL);
	pause();
}

// An agent that is killed while it makes a place leaves a whole one or none.
TEST(places_are_whole_or_absent)
{
	enter_own_world();
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct places_config c = config();
	for (int i = 0; i < 24; i++) {
		struct places *p;
		struct str *uids, ns, ip;
		size_t count;
		pid_t agent = fork();
		if (agent == 0)
			attach_until_killed(arena_fmt(&a, "agent-%d", i).p);
		usleep((useconds_t)(8000 + 317 * i));
		kill(agent, SIGKILL);
		waitpid(agent, NULL, 0);
		MUST_OK(places_create(&c, &p, &e));
		REQUIRE(places_list(p, &a, &uids, &count, NULL) == 0);
		for (size_t k = 0; k < count; k++) {
			MUST_OK(places_attach(p, &a, uids[k], &ns, &ip, &e));
			CHECK_INT(reach(socket(AF_INET, SOCK_STREAM, 0), ip.p, 80), ECONNREFUSED);
			CHECK(places_detach(p, uids[k], &e) == 0);
		}
		places_destroy(p);
	}
	MUST_OK(places_remove_all(&c, &e));
	rmdir(dir);
}

static void hardware_address(const char *link, char out[6])
{
	struct ifreq of = {0};
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	snprintf(of.ifr_name, sizeof of.ifr_name, "%s", link);
	REQUIRE(ioctl(s, SIOCGIFHWADDR, &of) == 0);
	memcpy(out, of.ifr_hwaddr.sa_data, 6);
	close(s);
}

// Pods remember the hardware address of their gateway: others that come and go must not change it.
TEST(the_bridge_keeps_its_hardware_address)
{
	enter_own_world();
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct places_config c = config();
	struct places *p;
	struct str ns, ip;
	char before[6], after[6];
	MUST_OK(places_create(&c, &p, &e));
	hardware_address(c.bridge, before);
	for (int i = 0; i < 8; i++) {
		MUST_OK(places_attach(p, &a, str_of((char[]){(char)('a' + i), 0}), &ns, &ip, &e));
		hardware_address(c.bridge, after);
		CHECK(memcmp(before, after, 6) == 0);
	}
	leave(p);
}

struct world {
	struct places *pods;
	struct nftables *tables;
	struct str ns[3], ip[3];
	int server[2];
};

static void build(struct world *w, struct arena *a)
{
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct places_config c = config();
	struct nftables_config n = {.table = "ogtest", .bridge = c.bridge, .range = c.range, .services = c.services};
	MUST_OK(places_create(&c, &w->pods, &e));
	MUST_OK(nftables_open(&n, &w->tables, &e));
	for (int i = 0; i < 3; i++)
		MUST_OK(places_attach(w->pods, a, arena_fmt(a, "uid-%d", i), &w->ns[i], &w->ip[i], &e));
	for (int i = 0; i < 2; i++)
		REQUIRE((w->server[i] = serve(w->ns[i], 8080)) >= 0);
}

static void demolish(struct world *w)
{
	for (int i = 0; i < 2; i++)
		close(w->server[i]);
	nftables_close(w->tables);
	CHECK(nftables_remove("ogtest", "ogtest0", NULL) == 0);
	leave(w->pods);
}

struct planned {
	struct plan_element *list;
	size_t count;
};

// A Service at 10.96.0.20 and the node port 30080 that leads to port 8080 of those addresses, joined by blanks.
static struct planned plan_with(struct arena *a, const char *protocol, const char *more, const char *status,
				struct str addresses)
{
	struct str address, service = arena_fmt(a, "{\"spec\":{\"clusterIPs\":[\"10.96.0.20\"],%s\"ports\":[{\"port\":80,"
						   "\"protocol\":\"%s\",\"nodePort\":30080}]},\"status\":{%s}}",
						more, protocol, status);
	struct buf slice CLEAN_BUF;
	buf_init(&slice);
	buf_fmt(&slice, "{\"addressType\":\"IPv4\",\"ports\":[{\"port\":8080,\"protocol\":\"%s\"}],\"endpoints\":[", protocol);
	for (int i = 0; str_next(&addresses, ' ', &address); i++)
		buf_fmt(&slice, "%s{\"addresses\":[\"%.*s\"]}", i ? "," : "", STR_FMT(address));
	BUF_LIT(&slice, "]}");
	struct json *s, *l;
	struct planned x;
	REQUIRE(json_parse(a, service, NULL, &s, NULL) == 0);
	REQUIRE(json_parse(a, arena_str(a, buf_str(&slice)), NULL, &l, NULL) == 0);
	const struct json *slices[] = {l};
	plan_service(a, s, slices, 1, STR("here"), &x.list, &x.count);
	return x;
}

static struct planned plan_to(struct arena *a, const char *protocol, const char *more, struct str addresses)
{
	return plan_with(a, protocol, more, "", addresses);
}

static struct planned plan_balanced(struct arena *a, const char *more, struct str addresses)
{
	return plan_with(a, "TCP", more, "\"loadBalancer\":{\"ingress\":[{\"ip\":\"203.0.113.9\"}]}", addresses);
}

static void plan(struct arena *a, struct world *w, const char *affinity, int endpoints, struct plan_element **x, size_t *n)
{
	struct str more = arena_fmt(a, "\"sessionAffinity\":\"%s\",", affinity), all = STR("");
	for (int i = 0; i < endpoints; i++)
		all = arena_fmt(a, "%.*s%s%.*s", STR_FMT(all), i ? " " : "", STR_FMT(w->ip[i]));
	struct planned planned = plan_to(a, "TCP", more.p, all);
	*x = planned.list;
	*n = planned.count;
}

TEST(services_spread_stick_refuse_and_come_home)
{
	enter_own_world();
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct world w;
	build(&w, &a);
	struct plan_element *two, *one, *sticky, *none, *read;
	size_t two_n, one_n, sticky_n, none_n, read_n;
	plan(&a, &w, "None", 2, &two, &two_n);
	plan(&a, &w, "None", 1, &one, &one_n);
	plan(&a, &w, "ClientIP", 2, &sticky, &sticky_n);
	plan(&a, &w, "None", 0, &none, &none_n);

	MUST_OK(nftables_change(w.tables, NULL, 0, two, two_n, NULL, &e));
	int hits[2] = {0};
	for (int i = 0; i < 40; i++) {
		CHECK_INT(reach(socket_in(w.ns[2].p), "10.96.0.20", 80), 0);
		int which = taken_by(w.server[0], w.server[1]);
		if (which >= 0)
			hits[which]++;
	}
	CHECK(hits[0] > 0 && hits[1] > 0);
	CHECK_INT(reach(socket(AF_INET, SOCK_STREAM, 0), "10.96.0.20", 80), 0);	  // from the node
	CHECK_INT(reach(socket(AF_INET, SOCK_STREAM, 0), "10.244.9.1", 30080), 0); // a node port
	CHECK_INT(reach(socket(AF_INET, SOCK_STREAM, 0), "127.0.0.1", 30080), 0);
	while (taken_by(w.server[0], w.server[1]) >= 0)
		;

	MUST_OK(nftables_read(w.tables, &a, &read, &read_n, &e));
	CHECK_INT(read_n, two_n);
	for (size_t i = 0; i < read_n && i < two_n; i++)
		CHECK(plan_element_same(&read[i], &two[i]));

	CHECK(nftables_change(w.tables, two, two_n, one, one_n, NULL, &e) == 0);
	CHECK_INT(reach(socket_in(w.ns[0].p), "10.96.0.20", 80), 0); // to itself
	CHECK_INT(taken_by(w.server[0], w.server[1]), 0);

	CHECK(nftables_change(w.tables, one, one_n, sticky, sticky_n, NULL, &e) == 0);
	int first = -1;
	for (int i = 0; i < 10; i++) {
		CHECK_INT(reach(socket_in(w.ns[2].p), "10.96.0.20", 80), 0);
		int which = taken_by(w.server[0], w.server[1]);
		first = i ? first : which;
		CHECK_INT(which, first);
	}

	struct stale *stale;
	MUST_OK(stale_open(w.tables, &stale, &e));
	CHECK(nftables_change(w.tables, sticky, sticky_n, none, none_n, NULL, &e) == 0);
	CHECK(stale_forget(stale, sticky, sticky_n, none, none_n, &e) == 0);
	stale_close(stale);
	CHECK_INT(reach(socket_in(w.ns[2].p), "10.96.0.20", 80), ECONNREFUSED);
	CHECK_INT(reach(socket(AF_INET, SOCK_STREAM, 0), "10.96.0.20", 80), ECONNREFUSED);
	CHECK_INT(reach(socket(AF_INET, SOCK_STREAM, 0), "10.244.9.1", 30080), ECONNREFUSED);
	demolish(&w);
}

// As many as the first pass over a large cluster has: more than the kernel takes in one transaction, and their
// acknowledgements come all at once.
TEST(hundreds_of_thousands_of_elements_change)
{
	enum { MANY = 300000 };
	enter_own_world();
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct nftables_config n = {.table = "ogtest", .bridge = "ogtest0", .range = "10.244.9.0/24", .services = "10.96.0.0/16"};
	struct nftables *tables;
	struct plan_element *many = ARENA_ARRAY(&a, struct plan_element, MANY), *read;
	size_t count;
	MUST_OK(nftables_open(&n, &tables, &e));
	for (uint32_t i = 0; i < MANY; i++) {
		uint32_t address = htonl(i);
		many[i] = (struct plan_element){.set = PLAN_REFUSED, .key_len = 12, .key = {[4] = IPPROTO_TCP, [9] = 80}};
		memcpy(many[i].key, &address, sizeof address);
	}
	MUST_OK(nftables_change(tables, NULL, 0, many, MANY, NULL, &e));
	MUST_OK(nftables_read(tables, &a, &read, &count, &e));
	CHECK_INT(count, MANY);
	MUST_OK(nftables_change(tables, many, MANY, NULL, 0, NULL, &e));
	nftables_close(tables);
	CHECK(nftables_remove("ogtest", "ogtest0", NULL) == 0);
}

// As a restart of the host's firewall does.
TEST(tables_that_somebody_flushed_come_back)
{
	enter_own_world();
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct world w;
	build(&w, &a);
	struct plan_element *two, *read;
	size_t n, count;
	plan(&a, &w, "None", 2, &two, &n);
	MUST_OK(nftables_change(w.tables, NULL, 0, two, n, NULL, &e));
	REQUIRE(nftables_remove("ogtest", "ogtest0", NULL) == 0);
	CHECK(nftables_change(w.tables, two, n, NULL, 0, NULL, NULL) < 0);
	MUST_OK(nftables_restore(w.tables, &e));
	MUST_OK(nftables_read(w.tables, &a, &read, &count, &e));
	CHECK_INT(count, 0);
	MUST_OK(nftables_change(w.tables, read, count, two, n, NULL, &e));
	CHECK_INT(reach(socket_in(w.ns[2].p), "10.96.0.20", 80), 0);
	taken_by(w.server[0], w.server[1]);
	demolish(&w);
}

// There are chains for 16 endpoints at first.
TEST(a_service_has_many_endpoints)
{
	enum { MANY = 100 };
	enter_own_world();
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct world w;
	struct str all = STR("");
	build(&w, &a);
	for (int i = 0; i < MANY; i++)
		all = arena_fmt(&a, "%.*s %s10.244.9.%d", STR_FMT(all), i ? "" : "10.244.9.2 ", 50 + i);
	struct planned many = plan_to(&a, "TCP", "", str_trim(all)), one = plan_to(&a, "TCP", "", w.ip[0]);
	MUST_OK(nftables_change(w.tables, NULL, 0, many.list, many.count, NULL, &e));
	MUST_OK(nftables_change(w.tables, many.list, many.count, one.list, one.count, NULL, &e));
	CHECK_INT(reach(socket_in(w.ns[2].p), "10.96.0.20", 80), 0);
	taken_by(w.server[0], w.server[1]);
	demolish(&w);
}

// Another agent finds everything as the last one left it: nothing is cut while it learns what there should be.
TEST(another_agent_takes_the_tables_over)
{
	enter_own_world();
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct world w;
	build(&w, &a);
	struct planned two = plan_to(&a, "TCP", "\"sessionAffinity\":\"ClientIP\",", arena_fmt(&a, "%.*s %.*s", STR_FMT(w.ip[0]), STR_FMT(w.ip[1])));
	MUST_OK(nftables_change(w.tables, NULL, 0, two.list, two.count, NULL, &e));
	for (int i = 0; i < 3; i++) {
		struct nftables_config n = {.table = "ogtest", .bridge = "ogtest0", .range = "10.244.9.0/24", .services = "10.96.0.0/16"};
		struct planned read;
		nftables_close(w.tables);
		MUST_OK(nftables_open(&n, &w.tables, &e));
		CHECK_INT(reach(socket_in(w.ns[2].p), "10.96.0.20", 80), 0);
		taken_by(w.server[0], w.server[1]);
		MUST_OK(nftables_read(w.tables, &a, &read.list, &read.count, &e));
		CHECK_INT(read.count, two.count);
	}
	demolish(&w);
}

// ---- affinity

static int who_answers(struct world *w, const char *address, int port)
{
	CHECK_INT(reach(socket_in(w->ns[2].p), address, port), 0);
	return taken_by(w->server[0], w->server[1]);
}

static void go(struct world *w, struct stale *stale, struct planned *now, struct planned to)
{
	struct err e CLEAN_ERR = ERR_EMPTY;
	MUST_OK(nftables_change(w->tables, now->list, now->count, to.list, to.count, NULL, &e));
	MUST_OK(stale_forget(stale, now->list, now->count, to.list, to.count, &e));
	*now = to;
}

// A client keeps its endpoint while others come, for the Service's time and no longer; it gets another when its own goes.
TEST(clients_keep_their_endpoint_for_the_services_time)
{
	static const char sticky[] = "\"sessionAffinity\":\"ClientIP\",\"sessionAffinityConfig\":{\"clientIP\":{\"timeoutSeconds\":1}},";
	enter_own_world();
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct world w;
	struct stale *stale;
	struct planned now = {0};
	build(&w, &a);
	MUST_OK(stale_open(w.tables, &stale, &e));
	struct str both = arena_fmt(&a, "%.*s %.*s", STR_FMT(w.ip[0]), STR_FMT(w.ip[1]));
	for (int way = 0; way < 2; way++) {
		const char *address = way ? "10.244.9.1" : "10.96.0.20";
		int port = way ? 30080 : 80;
		go(&w, stale, &now, plan_to(&a, "TCP", sticky, w.ip[1]));
		CHECK_INT(who_answers(&w, address, port), 1);
		go(&w, stale, &now, plan_to(&a, "TCP", sticky, both));
		for (int i = 0; i < 12; i++)
			CHECK_INT(who_answers(&w, address, port), 1);
		go(&w, stale, &now, plan_to(&a, "TCP", sticky, w.ip[0]));
		CHECK_INT(who_answers(&w, address, port), 0);
		go(&w, stale, &now, plan_to(&a, "TCP", sticky, both));
		int hits[2] = {0};
		for (int i = 0; i < 16 && !(hits[0] && hits[1]); i++) {
			int which = who_answers(&w, address, port);
			hits[which > 0]++;
			usleep(which == who_answers(&w, address, port) ? 1300000 : 0); // until its time is over
		}
		CHECK(hits[0] && hits[1]);
		go(&w, stale, &now, plan_to(&a, "TCP", "", both)); // no affinity any more: at once
		hits[0] = hits[1] = 0;
		for (int i = 0; i < 40; i++)
			hits[who_answers(&w, address, port) > 0]++;
		CHECK(hits[0] && hits[1]);
	}
	stale_close(stale);
	demolish(&w);
}

// ---- UDP

static int udp_in(const char *ns_path, int port)
{
	int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC), ns = open(ns_path, O_RDONLY | O_CLOEXEC);
	struct sockaddr_in in = at("0.0.0.0", port);
	struct timeval patience = {.tv_sec = 1};
	REQUIRE(setns(ns, CLONE_NEWNET) == 0);
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	REQUIRE(setns(home, CLONE_NEWNET) == 0);
	setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	REQUIRE(bind(s, (struct sockaddr *)&in, sizeof in) == 0);
	close(ns);
	close(home);
	return s;
}

// Whether what `client` sends to address:port arrives at `server`, and the answer at the client.
static bool reaches_udp(int client, const char *address, int port, int server)
{
	struct sockaddr_in to = at(address, port), from;
	socklen_t n = sizeof from;
	char m[8];
	sendto(client, "ask", 3, 0, (struct sockaddr *)&to, sizeof to);
	if (recvfrom(server, m, sizeof m, 0, (struct sockaddr *)&from, &n) != 3)
		return false;
	sendto(server, "reply", 5, 0, (struct sockaddr *)&from, n);
	return recv(client, m, sizeof m, 0) == 5;
}

// One that goes on sending from one port goes on to be the same flow: it must not be led to where nobody is any more, nor
// past a Service that came only after it had begun.
TEST(udp_flows_leave_endpoints_that_are_gone)
{
	enter_own_world();
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct world w;
	struct stale *stale;
	struct planned now = {0};
	build(&w, &a);
	MUST_OK(stale_open(w.tables, &stale, &e));
	int server[2] = {udp_in(w.ns[0].p, 8080), udp_in(w.ns[1].p, 8080)}, client = udp_in(w.ns[2].p, 0);
	struct str both = arena_fmt(&a, "%.*s %.*s", STR_FMT(w.ip[0]), STR_FMT(w.ip[1]));
	for (int way = 0; way < 2; way++) {
		const char *address = way ? "10.244.9.1" : "10.96.0.20";
		int port = way ? 30080 : 80;
		CHECK(!reaches_udp(client, address, port, server[0])); // begun before there is anything
		recv(client, (char[8]){0}, 8, MSG_DONTWAIT); // ECONNREFUSED
		go(&w, stale, &now, plan_to(&a, "UDP", "", w.ip[0]));
		CHECK(reaches_udp(client, address, port, server[0]));
		go(&w, stale, &now, plan_to(&a, "UDP", "", both));
		CHECK(reaches_udp(client, address, port, server[0])); // its endpoint stands
		go(&w, stale, &now, plan_to(&a, "UDP", "", w.ip[1]));
		CHECK(reaches_udp(client, address, port, server[1]));
		go(&w, stale, &now, plan_to(&a, "UDP", "", STR_NONE));
		CHECK(!reaches_udp(client, address, port, server[1]));
		recv(client, (char[8]){0}, 8, MSG_DONTWAIT);
		go(&w, stale, &now, plan_to(&a, "UDP", "", w.ip[0]));
		CHECK(reaches_udp(client, address, port, server[0]));
		go(&w, stale, &now, (struct planned){0});
	}
	close(server[0]);
	close(server[1]);
	close(client);
	stale_close(stale);
	demolish(&w);
}

// ---- what is nobody's

// An address of a Service, or a port, that is not there is refused at once, and reached as soon as it is.
TEST(what_no_service_has_is_refused)
{
	enter_own_world();
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct world w;
	build(&w, &a);
	struct planned one = plan_to(&a, "TCP", "", w.ip[0]);
	MUST_OK(nftables_change(w.tables, NULL, 0, one.list, one.count, NULL, &e));
	CHECK_INT(reach(socket_in(w.ns[2].p), "10.96.0.20", 81), ECONNREFUSED);
	CHECK_INT(reach(socket_in(w.ns[2].p), "10.96.0.21", 80), ECONNREFUSED);
	CHECK_INT(reach(socket(AF_INET, SOCK_STREAM, 0), "10.96.0.21", 80), ECONNREFUSED);
	CHECK_INT(reach(socket_in(w.ns[2].p), "10.96.0.20", 80), 0);
	taken_by(w.server[0], w.server[1]);
	demolish(&w);
}

// spec.loadBalancerSourceRanges
TEST(a_load_balancer_is_called_only_by_those_who_may)
{
	enter_own_world();
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct world w;
	struct planned none = {0}, read, x[3];
	build(&w, &a);
	const char *ranges[] = {"\"0.0.0.0/0\"", "\"192.0.2.0/24\"", "\"192.0.2.0/24\",\"10.244.9.0/25\""};
	for (int i = 0; i < 3; i++) {
		struct str more = arena_fmt(&a, "\"loadBalancerSourceRanges\":[%s],", ranges[i]);
		x[i] = plan_balanced(&a, more.p, w.ip[0]);
	}
	struct planned before = none;
	for (int i = 0; i < 3; i++) {
		MUST_OK(nftables_change(w.tables, before.list, before.count, x[i].list, x[i].count, NULL, &e));
		before = x[i];
		CHECK_INT(reach(socket_in(w.ns[2].p), "203.0.113.9", 80), i == 1 ? EINPROGRESS : 0);
		CHECK_INT(reach(socket_in(w.ns[2].p), "10.96.0.20", 80), 0);
		MUST_OK(nftables_read(w.tables, &a, &read.list, &read.count, &e));
		REQUIRE(read.count == x[i].count);
		for (size_t k = 0; k < read.count; k++)
			CHECK(plan_element_same(&read.list[k], &x[i].list[k]));
	}
	while (taken_by(w.server[0], w.server[1]) >= 0)
		;
	demolish(&w);
}

static uint16_t checksum(const unsigned char *p, size_t n)
{
	uint32_t sum = 0;
	for (size_t i = 0; i < n; i += 2)
		sum += (uint32_t)p[i] << 8 | p[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

// Sends a datagram to 127.0.0.1:port of the machine out of a pod, which only its own hand-made frame can do.
static void send_to_loopback(struct str ns_path, const char *from, const char *gateway, int port)
{
	unsigned char f[14 + 20 + 8 + 4] = {0x0a, 0x58, 0, 0, 0, 0, 2, 0, 0, 0, 0, 1, 8, 0, // frame
					    0x45, 0, 0, 32, 0, 1, 0, 0, 64, 17};	     // IP
	int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC), ns = open(ns_path.p, O_RDONLY | O_CLOEXEC);
	inet_pton(AF_INET, gateway, f + 2);
	inet_pton(AF_INET, from, f + 26);
	inet_pton(AF_INET, "127.0.0.1", f + 30);
	uint16_t sum = htons(checksum(f + 14, 20)), ports[3] = {htons(999), htons((uint16_t)port), htons(12)};
	memcpy(f + 24, &sum, 2);
	memcpy(f + 34, ports, 6);
	REQUIRE(setns(ns, CLONE_NEWNET) == 0);
	int s = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(0x0800));
	struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex("eth0"), .sll_halen = 6};
	REQUIRE(setns(home, CLONE_NEWNET) == 0);
	CHECK(sendto(s, f, sizeof f, 0, (struct sockaddr *)&to, sizeof to) == (ssize_t)sizeof f);
	close(s);
	close(ns);
	close(home);
}

// What listens on the machine's loopback alone counts on being reached from the machine alone.
TEST(pods_do_not_reach_the_machines_loopback)
{
	enter_own_world();
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct world w;
	build(&w, &a);
	struct sockaddr_in in = at("127.0.0.1", 7777);
	struct timeval patience = {.tv_usec = 300000};
	char m[8];
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	REQUIRE(bind(s, (struct sockaddr *)&in, sizeof in) == 0);
	setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	send_to_loopback(w.ns[0], w.ip[0].p, "10.244.9.1", 7777);
	CHECK(recv(s, m, sizeof m, 0) < 0);
	close(s);
	demolish(&w);
}

// An endpoint that is not on this node would answer the client past it: it sees the node as its client.
TEST(endpoints_elsewhere_answer_to_the_node)
{
	enter_own_world();
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct world w;
	build(&w, &a);
	char other_dir[80];
	snprintf(other_dir, sizeof other_dir, "%s-elsewhere", dir);
	struct places_config c = {.dir = other_dir, .bridge = "ogtest1", .range = "10.244.8.0/24", .services = "10.97.0.0/16"};
	struct places *elsewhere;
	struct str ns[2], ip[2];
	struct sockaddr_in client;
	socklen_t n = sizeof client;
	char text[INET_ADDRSTRLEN];
	MUST_OK(places_create(&c, &elsewhere, &e));
	for (int i = 0; i < 2; i++)
		MUST_OK(places_attach(elsewhere, &a, arena_fmt(&a, "far-%d", i), &ns[i], &ip[i], &e));
	int server = serve(ns[0], 8080);
	struct planned one = plan_to(&a, "TCP", "", ip[0]);
	MUST_OK(nftables_change(w.tables, NULL, 0, one.list, one.count, NULL, &e));
	CHECK_INT(reach(socket_in(ns[1].p), "10.244.8.1", 30080), 0);
	int taken = accept(server, (struct sockaddr *)&client, &n);
	CHECK_STR(str_of(inet_ntop(AF_INET, &client.sin_addr, text, sizeof text)), "10.244.8.1");
	close(taken);
	close(server);
	places_destroy(elsewhere);
	CHECK(places_remove_all(&c, NULL) == 0);
	rmdir(other_dir);
	demolish(&w);
}

TEST(what_somebody_did_to_the_tables_is_seen)
{
	enter_own_world();
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct world w;
	build(&w, &a);
	struct planned one = plan_to(&a, "TCP", "\"sessionAffinity\":\"ClientIP\",", w.ip[0]);
	MUST_OK(nftables_change(w.tables, NULL, 0, one.list, one.count, NULL, &e));
	CHECK_INT(nftables_look(w.tables), NFTABLES_OURS);
	REQUIRE(system("nft add table ip somebodys") == 0);
	CHECK_INT(nftables_look(w.tables), NFTABLES_SOMEBODYS);
	CHECK_INT(nftables_look(w.tables), NFTABLES_OURS);
	REQUIRE(system("nft flush chain ip ogtest prerouting") == 0);
	CHECK_INT(nftables_look(w.tables), NFTABLES_BROKEN);
	MUST_OK(nftables_restore(w.tables, &e));
	CHECK_INT(nftables_look(w.tables), NFTABLES_OURS);
	CHECK_INT(reach(socket_in(w.ns[2].p), "10.96.0.20", 80), 0);
	taken_by(w.server[0], w.server[1]);
	REQUIRE(system("nft flush ruleset") == 0);
	CHECK_INT(nftables_look(w.tables), NFTABLES_BROKEN);
	MUST_OK(nftables_restore(w.tables, &e));
	demolish(&w);
}

// ---- the machine around

// Docker and ufw set the policy of their forward chain to drop: pods go on, and nothing of ours is left there afterwards.
TEST(firewalls_of_others_let_pods_through)
{
	enter_own_world();
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct world w;
	REQUIRE(system("nft 'add table ip filter; add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }; "
		       "add rule ip filter FORWARD counter'") == 0);
	build(&w, &a);
	CHECK_INT(reach(socket_in(w.ns[2].p), w.ip[0].p, 8080), 0);
	CHECK_INT(nftables_look(w.tables), NFTABLES_OURS);
	CHECK_INT(taken_by(w.server[0], w.server[1]), 0);
	REQUIRE(system("nft 'add table inet late; add chain inet late fw { type filter hook forward priority 5; policy drop; }'") == 0);
	CHECK_INT(nftables_look(w.tables), NFTABLES_SOMEBODYS);
	CHECK_INT(nftables_look(w.tables), NFTABLES_OURS);
	CHECK_INT(reach(socket_in(w.ns[2].p), w.ip[0].p, 8080), 0);
	CHECK_INT(taken_by(w.server[0], w.server[1]), 0);
	REQUIRE(system("test $(nft list ruleset | grep -c 'pods of ogtest0') = 4") == 0);
	demolish(&w);
	CHECK(system("nft list ruleset | grep -q 'pods of ogtest0'") != 0);
	CHECK(system("nft delete table ip filter; nft delete table inet late") == 0);
}

static int mtu_in(struct str ns_path, const char *link)
{
	struct ifreq of = {0};
	int s = socket_in(ns_path.p);
	snprintf(of.ifr_name, sizeof of.ifr_name, "%s", link);
	REQUIRE(ioctl(s, SIOCGIFMTU, &of) == 0);
	close(s);
	return of.ifr_mtu;
}

TEST(pods_packets_are_as_large_as_the_machines)
{
	enter_own_world();
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct places_config c = config();
	struct places *p;
	struct str ns, ip;
	MUST_OK(places_create(&c, &p, &e));
	MUST_OK(places_attach(p, &a, STR("before"), &ns, &ip, &e));
	CHECK_INT(mtu_in(ns, "eth0"), 1500);
	REQUIRE(system("ip link add up0 mtu 1400 type veth peer name up1; ip addr add 192.0.2.9/24 dev up0; ip link set up1 up;"
		       "ip link set up0 up; ip route add default via 192.0.2.1") == 0);
	MUST_OK(places_attach(p, &a, STR("after"), &ns, &ip, &e));
	CHECK_INT(mtu_in(ns, "eth0"), 1400);
	CHECK(system("ip link del up0") == 0);
	leave(p);
}

TEST(routing_is_switched_on_again)
{
	enter_own_world();
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct places_config c = config();
	struct places *p;
	MUST_OK(places_create(&c, &p, &e));
	CHECK(places_routed(p));
	MUST_OK(link_sysctl("ip_forward", "0", &e));
	CHECK(!places_routed(p));
	CHECK(places_routed(p));
	leave(p);
}

// All addresses taken is an error that says so, and one that comes back is given again.
TEST(addresses_run_out_and_come_back)
{
	enter_own_world();
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct places_config c = config();
	struct places *p;
	struct str ns, ip[6];
	c.range = "10.244.9.0/29";
	MUST_OK(places_create(&c, &p, &e));
	for (int i = 0; i < 5; i++)
		MUST_OK(places_attach(p, &a, arena_fmt(&a, "uid-%d", i), &ns, &ip[i], &e));
	CHECK(places_attach(p, &a, STR("late"), &ns, &ip[5], &e) < 0);
	CHECK(str_contains(str_of(err_text(&e)), STR("all 5 addresses")));
	err_clear(&e);
	MUST_OK(places_detach(p, STR("uid-3"), &e));
	MUST_OK(places_attach(p, &a, STR("late"), &ns, &ip[5], &e));
	CHECK(str_eq(ip[5], ip[3]));
	leave(p);
}
