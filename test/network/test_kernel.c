// SPDX-License-Identifier: Apache-2.0
// The real kernel: pods on a bridge, and Services between them, in a network namespace of the test's own.
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
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
	struct nftables_config n = {.table = "ogtest", .bridge = c.bridge, .range = c.range};
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
	CHECK(nftables_remove("ogtest", NULL) == 0);
	leave(w->pods);
}

static void plan(struct arena *a, struct world *w, const char *affinity, int endpoints, struct plan_element **x, size_t *n)
{
	struct str service = arena_fmt(a, "{\"spec\":{\"clusterIPs\":[\"10.96.0.20\"],\"sessionAffinity\":\"%s\",\"ports\":[{\"port\":80,"
					  "\"protocol\":\"TCP\",\"nodePort\":30080}]}}", affinity);
	struct buf slice CLEAN_BUF;
	buf_init(&slice);
	BUF_LIT(&slice, "{\"addressType\":\"IPv4\",\"ports\":[{\"port\":8080,\"protocol\":\"TCP\"}],\"endpoints\":[");
	for (int i = 0; i < endpoints; i++)
		buf_fmt(&slice, "%s{\"addresses\":[\"%.*s\"]}", i ? "," : "", STR_FMT(w->ip[i]));
	BUF_LIT(&slice, "]}");
	struct json *s, *l;
	REQUIRE(json_parse(a, service, NULL, &s, NULL) == 0);
	REQUIRE(json_parse(a, arena_str(a, buf_str(&slice)), NULL, &l, NULL) == 0);
	const struct json *slices[] = {l};
	plan_service(a, s, slices, 1, STR("here"), x, n);
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

	MUST_OK(nftables_change(w.tables, NULL, 0, two, two_n, &e));
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

	CHECK(nftables_change(w.tables, two, two_n, one, one_n, &e) == 0);
	CHECK_INT(reach(socket_in(w.ns[0].p), "10.96.0.20", 80), 0); // to itself
	CHECK_INT(taken_by(w.server[0], w.server[1]), 0);

	CHECK(nftables_change(w.tables, one, one_n, sticky, sticky_n, &e) == 0);
	int first = -1;
	for (int i = 0; i < 10; i++) {
		CHECK_INT(reach(socket_in(w.ns[2].p), "10.96.0.20", 80), 0);
		int which = taken_by(w.server[0], w.server[1]);
		first = i ? first : which;
		CHECK_INT(which, first);
	}

	CHECK(nftables_change(w.tables, sticky, sticky_n, none, none_n, &e) == 0);
	CHECK_INT(reach(socket_in(w.ns[2].p), "10.96.0.20", 80), ECONNREFUSED);
	CHECK_INT(reach(socket(AF_INET, SOCK_STREAM, 0), "10.96.0.20", 80), ECONNREFUSED);
	CHECK_INT(reach(socket(AF_INET, SOCK_STREAM, 0), "10.244.9.1", 30080), ECONNREFUSED);
	demolish(&w);
}

// As many as the first pass over a large cluster has: their acknowledgements come all at once.
TEST(a_hundred_thousand_elements_change_in_one_transaction)
{
	enum { MANY = 100000 };
	enter_own_world();
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct nftables_config n = {.table = "ogtest", .bridge = "ogtest0", .range = "10.244.9.0/24"};
	struct nftables *tables;
	struct plan_element *many = ARENA_ARRAY(&a, struct plan_element, MANY), *read;
	size_t count;
	MUST_OK(nftables_open(&n, &tables, &e));
	for (uint32_t i = 0; i < MANY; i++) {
		uint32_t address = htonl(i);
		many[i] = (struct plan_element){.set = PLAN_REFUSED, .key_len = 12, .key = {[4] = IPPROTO_TCP, [9] = 80}};
		memcpy(many[i].key, &address, sizeof address);
	}
	MUST_OK(nftables_change(tables, NULL, 0, many, MANY, &e));
	MUST_OK(nftables_read(tables, &a, &read, &count, &e));
	CHECK_INT(count, MANY);
	MUST_OK(nftables_change(tables, many, MANY, NULL, 0, &e));
	nftables_close(tables);
	CHECK(nftables_remove("ogtest", NULL) == 0);
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
	MUST_OK(nftables_change(w.tables, NULL, 0, two, n, &e));
	REQUIRE(nftables_remove("ogtest", NULL) == 0);
	CHECK(nftables_change(w.tables, two, n, NULL, 0, NULL) < 0);
	MUST_OK(nftables_restore(w.tables, &e));
	MUST_OK(nftables_read(w.tables, &a, &read, &count, &e));
	CHECK_INT(count, 0);
	MUST_OK(nftables_change(w.tables, read, count, two, n, &e));
	CHECK_INT(reach(socket_in(w.ns[2].p), "10.96.0.20", 80), 0);
	taken_by(w.server[0], w.server[1]);
	demolish(&w);
}
