// SPDX-License-Identifier: Apache-2.0
// The DNS server over real sockets, in a network namespace of the test's own: its zone, and an upstream resolver.
#include <arpa/inet.h>
#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/times.h"
#include "canned.h"
#include "network/dns/server.h"
#include "network/link.h"
#include "sys/real.h"
#include "unit.h"
#include "world.h"

#define ALIAS(name, target) \
	"{\"metadata\":{\"name\":\"" name "\",\"namespace\":\"shop\",\"resourceVersion\":\"1\",\"uid\":\"" name "\"}," \
	"\"spec\":{\"type\":\"ExternalName\",\"externalName\":\"" target "\"}}"

static const struct canned_list cluster[] = {
	{"/api/v1/services",
	 "{\"metadata\":{\"name\":\"web\",\"namespace\":\"shop\",\"resourceVersion\":\"1\",\"uid\":\"a\"},\"spec\":{\"clusterIP\":\"10.96.0.20\","
	 "\"clusterIPs\":[\"10.96.0.20\"],\"ports\":[{\"name\":\"http\",\"port\":80,\"protocol\":\"TCP\"}]}},"
	 ALIAS("near", "near2.shop.svc.cluster.local.") "," ALIAS("near2", "web.shop.svc.cluster.local") ","
	 ALIAS("far", "example.test") "," ALIAS("long", "cut.test") "," ALIAS("round", "round.shop.svc.cluster.local")},
	{"/apis/discovery.k8s.io/v1/endpointslices", ""},
	{0},
};

static int bound(int type, const char *address, int port)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	int s = socket(AF_INET, type | SOCK_CLOEXEC, 0), on = 1;
	struct timeval patience = {.tv_sec = 5};
	inet_pton(AF_INET, address, &in.sin_addr);
	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	REQUIRE(bind(s, (struct sockaddr *)&in, sizeof in) == 0);
	return s;
}

// The length of a message with nothing behind its question; says so in its head too.
static size_t only_question(unsigned char *m)
{
	size_t n = 12;
	while (m[n])
		n += m[n] + 1u;
	m[11] = 0;
	return n + 5;
}

// An upstream that answers each question with 192.0.2.7, after one answer to something else (which must not be taken).
static void *upstream(void *arg)
{
	int s = *(int *)arg;
	unsigned char m[512];
	struct sockaddr_in from;
	socklen_t n = sizeof from;
	for (ssize_t got; (got = recvfrom(s, m, sizeof m - 16, 0, (struct sockaddr *)&from, &n)) > 12;) {
		static const unsigned char answer[] = {0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 5, 0, 4, 192, 0, 2, 7};
		got = (ssize_t)only_question(m);
		m[2] |= 0x80;
		m[0] ^= 0xff; // another id: a forgery
		sendto(s, m, (size_t)got, 0, (struct sockaddr *)&from, n);
		m[0] ^= 0xff;
		bool cut = memcmp(m + 12, "\3cut", 4) == 0; // too long an answer
		m[2] |= cut ? 2 : 0;
		m[7] = !cut;
		memcpy(m + got, answer, sizeof answer);
		sendto(s, m, (size_t)got + (cut ? 0 : sizeof answer), 0, (struct sockaddr *)&from, n);
		n = sizeof from;
	}
	return NULL;
}

struct place {
	struct loop *loop;
	struct transport *transport;
	struct informer *services, *slices;
	struct dns_zone *zone;
	struct dns_forward *forward;
	struct dns_server *server;
	struct task task;
	bool opened;
	pthread_mutex_t lock;
	pthread_cond_t done;
	int steps;
};

static void told(struct place *p)
{
	pthread_mutex_lock(&p->lock);
	p->steps++;
	pthread_cond_signal(&p->done);
	pthread_mutex_unlock(&p->lock);
}

static void wait_for(struct place *p, int steps)
{
	pthread_mutex_lock(&p->lock);
	while (p->steps < steps)
		pthread_cond_wait(&p->done, &p->lock);
	pthread_mutex_unlock(&p->lock);
}

static void open_place(struct task *t)
{
	struct place *p = CONTAINER_OF(t, struct place, task);
	p->transport = canned_create(p->loop, cluster);
	p->services = informer_create(p->transport, str_of(cluster[0].path));
	p->slices = informer_create(p->transport, str_of(cluster[1].path));
	p->zone = dns_zone_create("cluster.local", p->services, p->slices);
	p->forward = dns_forward_create(p->loop, STR("127.0.0.53"));
	dns_forward_use(p->forward, STR("search x\nnameserver 127.0.0.53\nnameserver\t127.0.0.2 \n"));
	p->opened = dns_server_create(p->loop, "127.0.0.1", 5353, p->zone, p->forward, &p->server, NULL) == 0;
	told(p);
}

static void close_place(struct task *t)
{
	struct place *p = CONTAINER_OF(t, struct place, task);
	dns_server_destroy(p->server);
	dns_forward_destroy(p->forward);
	informer_destroy(p->slices);
	informer_destroy(p->services);
	dns_zone_destroy(p->zone);
	client_destroy(p->transport);
	told(p);
}

static size_t question_of(unsigned char *out, const char *name, unsigned char type)
{
	static const unsigned char head[] = {0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0};
	const unsigned char tail[] = {0, 0, type, 0, 1};
	size_t n = sizeof head;
	struct str rest = str_of(name), label;
	memcpy(out, head, sizeof head);
	while (str_next(&rest, '.', &label)) {
		out[n++] = (unsigned char)label.n;
		memcpy(out + n, label.p, label.n);
		n += label.n;
	}
	memcpy(out + n, tail, sizeof tail);
	return n + sizeof tail;
}

static size_t question(unsigned char *out, const char *name)
{
	return question_of(out, name, 1);
}

// The last four bytes of the answer as an address; or the code of one without; or "cut": the rest is to be had by TCP.
static struct str ask_for(struct arena *a, const char *name, unsigned char type, bool tcp)
{
	unsigned char m[514], *body = tcp ? m + 2 : m;
	char text[INET_ADDRSTRLEN];
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(5353)};
	int s = bound(tcp ? SOCK_STREAM : SOCK_DGRAM, "127.0.0.1", 0);
	inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
	REQUIRE(connect(s, (struct sockaddr *)&to, sizeof to) == 0);
	size_t n = question_of(body, name, type);
	m[0] = tcp ? (unsigned char)(n >> 8) : m[0];
	m[1] = tcp ? (unsigned char)n : m[1];
	REQUIRE(send(s, m, n + (tcp ? 2 : 0), 0) > 0);
	ssize_t got = recv(s, m, sizeof m, 0) - (tcp ? 2 : 0);
	close(s);
	REQUIRE(got >= 12);
	CHECK(body[0] == 0x12 && body[1] == 0x34);
	if (body[2] & 2)
		return STR("cut");
	if (body[3] & 15 || body[7] == 0)
		return arena_fmt(a, "code %d", body[3] & 15);
	return arena_str(a, str_of(inet_ntop(AF_INET, body + got - 4, text, sizeof text)));
}

static struct str ask(struct arena *a, const char *name, bool tcp)
{
	return ask_for(a, name, DNS_A, tcp);
}

// Asks without end and reads nothing: whether it is cut off.
static bool cut_off_for_not_reading(void)
{
	enum { QUESTIONS = 500, ROUNDS = 500 };
	unsigned char m[QUESTIONS * 64];
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(5353)};
	struct timeval patience = {.tv_sec = 5};
	int s = bound(SOCK_STREAM, "127.0.0.1", 0);
	size_t n = 0;
	for (int i = 0; i < QUESTIONS; i++) {
		size_t one = question(m + n + 2, "none.shop.svc.cluster.local");
		m[n] = 0;
		m[n + 1] = (unsigned char)one;
		n += one + 2;
	}
	inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
	setsockopt(s, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
	REQUIRE(connect(s, (struct sockaddr *)&to, sizeof to) == 0);
	bool cut = false;
	for (int i = 0; i < ROUNDS && !cut; i++)
		cut = send(s, m, n, MSG_NOSIGNAL) < 0;
	close(s);
	return cut;
}

TEST(names_over_sockets)
{
	world_enter();
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct place p = {.lock = PTHREAD_MUTEX_INITIALIZER, .done = PTHREAD_COND_INITIALIZER};
	int up = bound(SOCK_DGRAM, "127.0.0.2", 53);
	pthread_t thread;
	REQUIRE(pthread_create(&thread, NULL, upstream, &up) == 0);
	p.loop = loop_real_thread("dns-test");
	p.task.run = open_place;
	loop_post(p.loop, &p.task);
	wait_for(&p, 1);
	REQUIRE(p.opened);
	struct str first;
	do // until the caches are complete it says that it does not know
		first = ask(&a, "web.shop.svc.cluster.local", false);
	while (str_is(first, "code 2"));
	CHECK_STR(first, "10.96.0.20");
	CHECK_STR(ask(&a, "WEB.shop.SVC.cluster.local", true), "10.96.0.20");
	CHECK_STR(ask(&a, "none.shop.svc.cluster.local", false), "code 3");
	CHECK_STR(ask_for(&a, "cluster.local", DNS_AXFR, true), "code 5");
	CHECK_STR(ask_for(&a, "example.test", DNS_AXFR, true), "code 5");
	CHECK_STR(ask_for(&a, "web.shop.svc.cluster.local", DNS_AAAA, false), "code 0");
	CHECK_STR(ask(&a, "example.test", false), "192.0.2.7");
	CHECK_STR(ask(&a, "near.shop.svc.cluster.local", false), "10.96.0.20"); // aliases end at an address
	CHECK_STR(ask(&a, "far.shop.svc.cluster.local", false), "192.0.2.7");
	CHECK_STR(ask(&a, "cut.test", false), "cut");
	CHECK_STR(ask(&a, "long.shop.svc.cluster.local", false), "cut");
	CHECK_STR(ask(&a, "round.shop.svc.cluster.local", false), "code 2");
	shutdown(up, SHUT_RDWR); // wakes the upstream, which ends
	pthread_join(thread, NULL);
	close(up);
	CHECK_STR(ask(&a, "example.test", false), "192.0.2.7"); // known
	CHECK_STR(ask(&a, "other.test", true), "code 2"); // nobody takes it by TCP
	CHECK(cut_off_for_not_reading());
	p.task.run = close_place;
	loop_post(p.loop, &p.task);
	wait_for(&p, 2);
	loop_real_thread_destroy(p.loop);
}

// ---- several resolvers

struct resolver { // answers as it is told, or not at all
	int socket, code;
	bool huge;
	int asked;
	pthread_t thread;
};

static void *resolve(void *arg)
{
	struct resolver *r = arg;
	unsigned char m[8192] = {0};
	struct sockaddr_storage from;
	socklen_t n = sizeof from;
	for (ssize_t got; (got = recvfrom(r->socket, m, 512, 0, (struct sockaddr *)&from, &n)) > 12;) {
		static const unsigned char answer[] = {0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 5, 0, 4, 192, 0, 2, 7};
		got = (ssize_t)only_question(m);
		__atomic_add_fetch(&r->asked, 1, __ATOMIC_SEQ_CST);
		m[2] |= 0x80;
		m[3] = (unsigned char)(r->code < 0 ? 0 : r->code);
		m[7] = r->code == 0;
		memcpy(m + got, answer, sizeof answer);
		if (r->code >= 0)
			sendto(r->socket, m, r->huge ? sizeof m : (size_t)got + sizeof answer, 0, (struct sockaddr *)&from, n);
		n = sizeof from;
	}
	return NULL;
}

static int bound_to_loopback6(void)
{
	struct sockaddr_in6 in = {.sin6_family = AF_INET6, .sin6_port = htons(53), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	int s = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	REQUIRE(bind(s, (struct sockaddr *)&in, sizeof in) == 0);
	return s;
}

static void resolver_start(struct resolver *r, const char *address)
{
	r->socket = address ? bound(SOCK_DGRAM, address, 53) : bound_to_loopback6();
	REQUIRE(pthread_create(&r->thread, NULL, resolve, r) == 0);
}

static void resolver_stop(struct resolver *r)
{
	shutdown(r->socket, SHUT_RDWR);
	pthread_join(r->thread, NULL);
	close(r->socket);
}

struct answered {
	struct loop *loop;
	int left, good, failed, empty, cut;
	bool waiting;
};

static void on_answered(void *arg, struct str reply)
{
	struct answered *w = arg;
	w->empty += reply.n == 0;
	w->cut += reply.n && dns_truncated(reply);
	w->failed += reply.n && dns_code_of(reply) == DNS_FAILED;
	w->good += reply.n && dns_code_of(reply) == DNS_OK && !dns_truncated(reply);
	if (--w->left == 0 && w->waiting)
		loop_real_stop(w->loop);
}

// Asks so many questions at once, of one source; how they were answered, and in how many milliseconds.
static struct answered ask_many(struct loop *l, struct dns_forward *f, int n, int64_t *took_ms)
{
	struct answered w = {.loop = l, .left = n};
	unsigned char m[64];
	int64_t begun = loop_now(l);
	for (int i = 0; i < n; i++)
		dns_forward_ask(f, (struct str){(char *)m, question(m, "example.test")}, STR("a"), false, on_answered, &w);
	w.waiting = true;
	if (w.left)
		loop_real_run(l);
	*took_ms = (loop_now(l) - begun) / TIME_MS;
	return w;
}

TEST(forwarding_goes_on_with_the_next_resolver)
{
	world_enter();
	struct loop *l = loop_real_create();
	struct dns_forward *f = dns_forward_create(l, STR("127.0.0.1"));
	struct resolver silent = {.code = -1}, failing = {.code = 2}, good = {0}, six = {0};
	int64_t ms;
	resolver_start(&six, NULL);
	CHECK(dns_forward_use(f, STR("nameserver ::1\n")));
	CHECK_INT(ask_many(l, f, 1, &ms).good, 1);
	resolver_stop(&six);
	resolver_start(&silent, "127.0.0.11");
	resolver_start(&failing, "127.0.0.12");
	resolver_start(&good, "127.0.0.13");
	// nobody listens at .14, and the failing one says so: both cost nothing
	CHECK(dns_forward_use(f, STR("nameserver 127.0.0.14\nnameserver 127.0.0.12\nnameserver 127.0.0.13\nnameserver 127.0.0.11\n")));
	CHECK(!dns_forward_use(f, STR("nameserver 127.0.0.14\nnameserver 127.0.0.12\nnameserver 127.0.0.13\n# as before\n")));
	CHECK_INT(ask_many(l, f, 1, &ms).good, 1);
	CHECK(ms < 1000);
	// the silent one costs its patience once
	CHECK(dns_forward_use(f, STR("nameserver 127.0.0.11\nnameserver 127.0.0.13\n")));
	CHECK_INT(ask_many(l, f, 1, &ms).good, 1);
	CHECK(ms >= 1000);
	CHECK_INT(ask_many(l, f, 1, &ms).good, 1);
	CHECK(ms < 1000);
	// all fail: what the last one says
	CHECK(dns_forward_use(f, STR("nameserver 127.0.0.14\nnameserver 127.0.0.12\n")));
	CHECK_INT(ask_many(l, f, 1, &ms).failed, 1);
	CHECK(dns_forward_use(f, STR("nameserver 127.0.0.14\n")));
	CHECK_INT(ask_many(l, f, 1, &ms).empty, 1);
	CHECK(ms < 1000);
	CHECK(dns_forward_use(f, STR("")));
	CHECK_INT(ask_many(l, f, 1, &ms).empty, 1);
	// more than there is room for is an answer to come back for by TCP
	good.huge = true;
	CHECK(dns_forward_use(f, STR("nameserver 127.0.0.13\n")));
	CHECK_INT(ask_many(l, f, 1, &ms).cut, 1);
	resolver_stop(&silent);
	resolver_stop(&failing);
	resolver_stop(&good);
	dns_forward_destroy(f);
	loop_real_destroy(l);
}

// One source cannot take all the room: it is refused beyond its share, at once, and others are served.
TEST(forwarding_gives_each_source_its_share)
{
	enum { SHARE = 64, QUESTIONS = 512 };
	world_enter();
	struct loop *l = loop_real_create();
	struct dns_forward *f = dns_forward_create(l, STR("127.0.0.1"));
	struct resolver silent = {.code = -1};
	struct answered one = {.loop = l, .left = QUESTIONS + 1}, other = {.loop = l, .left = 1};
	unsigned char m[64];
	struct str query = {(char *)m, question(m, "example.test")};
	resolver_start(&silent, "127.0.0.11");
	dns_forward_use(f, STR("nameserver 127.0.0.11\n"));
	for (int i = 0; i < QUESTIONS; i++)
		dns_forward_ask(f, query, STR("a"), false, on_answered, &one);
	CHECK_INT(one.empty, QUESTIONS - SHARE);
	dns_forward_ask(f, query, STR("b"), false, on_answered, &other);
	CHECK_INT(other.empty, 0);
	dns_forward_destroy(f);
	resolver_stop(&silent);
	CHECK_INT(silent.asked, SHARE + 1);
	loop_real_destroy(l);
}

// ---- an upstream that takes no connection

struct waiting {
	struct loop *loop;
	int left;
};

static void on_given_up(void *arg, struct str reply)
{
	struct waiting *w = arg;
	CHECK_INT(reply.n, 0);
	if (--w->left == 0)
		loop_real_stop(w->loop);
}

static void stop_loop(struct timer *t)
{
	loop_real_stop(t->loop);
}

static int open_descriptors(void)
{
	int n = 0;
	DIR *d = opendir("/proc/self/fd");
	while (d && readdir(d))
		n++;
	closedir(d);
	return n;
}

// A question that nobody answers in time leaves no connection behind that is still being made.
TEST(forwarding_holds_no_connection_longer_than_its_question)
{
	enum { QUESTIONS = 50, FILL = 8 };
	world_enter();
	struct loop *l = loop_real_create();
	struct dns_forward *f = dns_forward_create(l, STR("127.0.0.1"));
	struct waiting w = {.loop = l, .left = QUESTIONS};
	dns_forward_use(f, STR("nameserver 127.0.0.9\n"));
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(53)};
	unsigned char m[64];
	int up = bound(SOCK_STREAM, "127.0.0.9", 53), fill[FILL];
	inet_pton(AF_INET, "127.0.0.9", &to.sin_addr);
	REQUIRE(listen(up, 0) == 0);
	for (int i = 0; i < FILL; i++) { // what it would take before it looks
		fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		connect(fill[i], (struct sockaddr *)&to, sizeof to);
	}
	int before = open_descriptors();
	for (int i = 0; i < QUESTIONS; i++)
		dns_forward_ask(f, (struct str){(char *)m, question(m, "example.test")}, STR("a"), true, on_given_up, &w);
	loop_real_run(l);
	struct timer t = {.fire = stop_loop};
	timer_start(l, &t, 10 * TIME_MS);
	loop_real_run(l);
	CHECK(open_descriptors() < before + QUESTIONS / 2);
	for (int i = 0; i < FILL; i++)
		close(fill[i]);
	close(up);
	dns_forward_destroy(f);
	loop_real_destroy(l);
}
