// SPDX-License-Identifier: Apache-2.0
// The names of a small cluster, asked for as a pod would.
#include <arpa/inet.h>

#include "base/times.h"
#include "canned.h"
#include "fake_server.h"
#include "network/dns/zone.h"
#include "sys/sim.h"
#include "unit.h"

static const struct canned_list cluster[] = {
	{"/api/v1/services",
	 "{\"metadata\":{\"name\":\"web\",\"namespace\":\"shop\",\"resourceVersion\":\"1\",\"uid\":\"a\"},\"spec\":{\"clusterIP\":\"10.96.0.20\","
	 "\"clusterIPs\":[\"10.96.0.20\"],\"ports\":[{\"name\":\"http\",\"port\":80,\"protocol\":\"TCP\"}]}},"
	 "{\"metadata\":{\"name\":\"db\",\"namespace\":\"shop\",\"resourceVersion\":\"2\",\"uid\":\"b\"},\"spec\":{\"clusterIP\":\"None\","
	 "\"clusterIPs\":[\"None\"],\"ports\":[{\"name\":\"sql\",\"port\":5432,\"protocol\":\"TCP\"}]}},"
	 "{\"metadata\":{\"name\":\"far\",\"namespace\":\"shop\",\"resourceVersion\":\"3\",\"uid\":\"c\"},\"spec\":{\"type\":\"ExternalName\","
	 "\"externalName\":\"example.test\"}}"},
	{"/apis/discovery.k8s.io/v1/endpointslices",
	 "{\"metadata\":{\"name\":\"db-1\",\"namespace\":\"shop\",\"resourceVersion\":\"4\",\"uid\":\"d\",\"labels\":{\"kubernetes.io/service-name\":"
	 "\"db\"}},\"addressType\":\"IPv4\",\"ports\":[{\"name\":\"sql\",\"port\":5432,\"protocol\":\"TCP\"}],\"endpoints\":["
	 "{\"addresses\":[\"10.244.0.5\"],\"hostname\":\"db-0\",\"conditions\":{\"ready\":true}},"
	 "{\"addresses\":[\"10.244.0.6\"],\"conditions\":{\"ready\":true}},"
	 "{\"addresses\":[\"10.244.0.7\"],\"hostname\":\"db-2\",\"conditions\":{\"ready\":false}}]}"},
	{0},
};

struct world {
	struct sim *sim;
	struct fake_server *server; // of a cluster that changes; else NULL
	struct transport *transport;
	struct informer *services, *slices;
	struct dns_zone *zone;
	struct arena arena;
};

static void look(struct world *w)
{
	w->services = informer_create(w->transport, str_of(cluster[0].path));
	w->slices = informer_create(w->transport, str_of(cluster[1].path));
	w->zone = dns_zone_create("cluster.local", w->services, w->slices);
	sim_run(w->sim, TIME_S);
	REQUIRE(informer_synced(w->services) && informer_synced(w->slices));
}

static void build(struct world *w)
{
	*w = (struct world){.sim = sim_create(1)};
	arena_init(&w->arena);
	w->transport = canned_create(sim_loop(w->sim, "node"), cluster);
	look(w);
}

static void build_empty(struct world *w)
{
	*w = (struct world){.sim = sim_create(1)};
	arena_init(&w->arena);
	w->server = fake_server_create(sim_loop(w->sim, "node"));
	w->transport = fake_server_transport(w->server);
	look(w);
}

static void demolish(struct world *w)
{
	informer_destroy(w->slices);
	informer_destroy(w->services);
	dns_zone_destroy(w->zone);
	if (w->server)
		fake_server_destroy(w->server);
	else
		client_destroy(w->transport);
	sim_destroy(w->sim);
	arena_finish(&w->arena);
}

// What is answered, in short: "A 10.96.0.20", "SRV 80 name", "NXDOMAIN", "" (the name is there, without such records),
// "elsewhere". Several records are joined by commas.
static struct str ask(struct world *w, const char *name, enum dns_type type)
{
	struct dns_query q = {.name = str_of(name), .type = (uint16_t)type};
	struct dns_answer x;
	struct buf out CLEAN_BUF;
	buf_init(&out);
	if (!dns_zone_answer(w->zone, &w->arena, &q, &x))
		return STR("elsewhere");
	if (x.code == DNS_NO_NAME)
		return STR("NXDOMAIN");
	for (size_t i = 0; i < x.count; i++) {
		const struct dns_record *r = &x.answers[i];
		char address[INET6_ADDRSTRLEN] = "";
		buf_add_c(&out, i ? "," : "");
		switch (r->type) {
		case DNS_A:
			buf_fmt(&out, "A %s", inet_ntop(AF_INET, r->address, address, sizeof address));
			break;
		case DNS_SRV:
			buf_fmt(&out, "SRV %u %.*s", r->port, STR_FMT(r->target));
			break;
		case DNS_TXT:
			buf_fmt(&out, "TXT %.*s", STR_FMT(r->text));
			break;
		default:
			buf_fmt(&out, "%s %.*s", r->type == DNS_CNAME ? "CNAME" : "PTR", STR_FMT(r->target));
		}
	}
	return arena_str(&w->arena, buf_str(&out));
}

TEST(names_of_services_and_endpoints)
{
	static const struct {
		const char *name;
		enum dns_type type;
		const char *want;
	} cases[] = {
		{"web.shop.svc.cluster.local", DNS_A, "A 10.96.0.20"},
		{"web.shop.svc.cluster.local", DNS_AAAA, ""},
		{"_http._tcp.web.shop.svc.cluster.local", DNS_SRV, "SRV 80 web.shop.svc.cluster.local"},
		{"_http._udp.web.shop.svc.cluster.local", DNS_SRV, "NXDOMAIN"},
		{"db.shop.svc.cluster.local", DNS_A, "A 10.244.0.5,A 10.244.0.6"},
		{"db.shop.svc.cluster.local", DNS_A, "A 10.244.0.6,A 10.244.0.5"}, // in turn
		{"db.shop.svc.cluster.local", DNS_AAAA, ""},
		{"db-0.db.shop.svc.cluster.local", DNS_A, "A 10.244.0.5"},
		{"10-244-0-6.db.shop.svc.cluster.local", DNS_A, "A 10.244.0.6"},
		{"db-2.db.shop.svc.cluster.local", DNS_A, "NXDOMAIN"},
		{"_sql._tcp.db.shop.svc.cluster.local", DNS_SRV,
		 "SRV 5432 db-0.db.shop.svc.cluster.local,SRV 5432 10-244-0-6.db.shop.svc.cluster.local"},
		{"far.shop.svc.cluster.local", DNS_A, "CNAME example.test"},
		{"10-244-0-5.shop.pod.cluster.local", DNS_A, "A 10.244.0.5"},
		{"none.shop.svc.cluster.local", DNS_A, "NXDOMAIN"},
		{"shop.svc.cluster.local", DNS_A, ""},
		{"none.svc.cluster.local", DNS_A, "NXDOMAIN"},
		{"cluster.local", DNS_A, ""},
		{"dns-version.cluster.local", DNS_TXT, "TXT 1.1.0"},
		{"20.0.96.10.in-addr.arpa", DNS_PTR, "PTR web.shop.svc.cluster.local"},
		{"5.0.244.10.in-addr.arpa", DNS_PTR, "PTR db-0.db.shop.svc.cluster.local"},
		{"7.0.244.10.in-addr.arpa", DNS_PTR, "elsewhere"}, // not ready
		{"1.2.0.192.in-addr.arpa", DNS_PTR, "elsewhere"},
		{"example.test", DNS_A, "elsewhere"},
		{"notcluster.local", DNS_A, "elsewhere"},
	};
	struct world w;
	build(&w);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct str got = ask(&w, cases[i].name, cases[i].type);
		if (!str_is(got, cases[i].want))
			unit_fail(__FILE__, __LINE__, "%s %d: \"%.*s\", not \"%s\"", cases[i].name, cases[i].type, STR_FMT(got), cases[i].want);
	}
	demolish(&w);
}

#define SERVICES "/api/v1/namespaces/shop/services"
#define SLICES "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices"

static void add_service(struct world *w, const char *name, const char *address)
{
	const char *body = arena_fmt(&w->arena,
				     "{\"metadata\":{\"name\":\"%s\",\"namespace\":\"shop\"},\"spec\":{\"clusterIP\":\"%s\","
				     "\"clusterIPs\":[\"%s\"]}}", name, address, address).p;
	CHECK_INT(fake_server_do(w->server, "POST", SERVICES, body), 201);
}

static void add_endpoint(struct world *w, const char *service, const char *address)
{
	const char *body = arena_fmt(&w->arena,
				     "{\"metadata\":{\"name\":\"%s-1\",\"namespace\":\"shop\",\"labels\":{"
				     "\"kubernetes.io/service-name\":\"%s\"}},\"addressType\":\"IPv4\",\"endpoints\":[{"
				     "\"addresses\":[\"%s\"],\"hostname\":\"h\"}]}", service, service, address).p;
	CHECK_INT(fake_server_do(w->server, "POST", SLICES, body), 201);
}

// What a list brings after the watch was lost comes before what it no longer has: an address that went to another keeps
// its name.
TEST(names_of_addresses_that_others_had)
{
	struct world w;
	build_empty(&w);
	add_service(&w, "old", "10.96.0.7");
	add_service(&w, "a", "None");
	add_service(&w, "b", "None");
	add_endpoint(&w, "a", "10.244.0.9");
	sim_run(w.sim, TIME_S);
	CHECK_STR(ask(&w, "7.0.96.10.in-addr.arpa", DNS_PTR), "PTR old.shop.svc.cluster.local");
	CHECK_STR(ask(&w, "9.0.244.10.in-addr.arpa", DNS_PTR), "PTR h.a.shop.svc.cluster.local");
	fake_server_do(w.server, "DELETE", SERVICES "/old", NULL);
	add_service(&w, "new", "10.96.0.7");
	fake_server_do(w.server, "DELETE", SLICES "/a-1", NULL);
	add_endpoint(&w, "b", "10.244.0.9");
	fake_server_compact(w.server);
	fake_server_break_watches(w.server);
	sim_run(w.sim, 60 * TIME_S);
	CHECK_STR(ask(&w, "7.0.96.10.in-addr.arpa", DNS_PTR), "PTR new.shop.svc.cluster.local");
	CHECK_STR(ask(&w, "9.0.244.10.in-addr.arpa", DNS_PTR), "PTR h.b.shop.svc.cluster.local");
	fake_server_do(w.server, "DELETE", SERVICES "/new", NULL);
	fake_server_do(w.server, "DELETE", SLICES "/b-1", NULL);
	sim_run(w.sim, TIME_S);
	CHECK_STR(ask(&w, "7.0.96.10.in-addr.arpa", DNS_PTR), "elsewhere");
	CHECK_STR(ask(&w, "9.0.244.10.in-addr.arpa", DNS_PTR), "elsewhere");
	demolish(&w);
}
