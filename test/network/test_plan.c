// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>

#include "network/plan.h"
#include "unit.h"

static struct json *parse(struct arena *a, const char *text)
{
	struct json *v = NULL;
	struct err e CLEAN_ERR = ERR_EMPTY;
	if (json_parse(a, str_of(text), NULL, &v, &e) < 0)
		printf("    %s\n", err_text(&e));
	return v;
}

static const char web[] =
	"{\"spec\":{\"clusterIPs\":[\"10.96.0.20\"],\"ports\":[{\"name\":\"http\",\"port\":80,\"protocol\":\"TCP\",\"nodePort\":30080}]}}";
static const char slice[] =
	"{\"addressType\":\"IPv4\",\"ports\":[{\"name\":\"http\",\"port\":8080,\"protocol\":\"TCP\"}],\"endpoints\":["
	"{\"addresses\":[\"10.244.0.5\"],\"conditions\":{\"ready\":true},\"nodeName\":\"here\"},"
	"{\"addresses\":[\"10.244.0.6\"],\"conditions\":{\"ready\":false},\"nodeName\":\"here\"},"
	"{\"addresses\":[\"10.244.1.7\"],\"conditions\":{},\"nodeName\":\"there\"}]}";

static size_t count_of(const struct plan_element *x, size_t n, enum plan_set set)
{
	size_t count = 0;
	for (size_t i = 0; i < n; i++)
		count += x[i].set == set;
	return count;
}

TEST(plan_sends_only_to_ready_endpoints)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	const struct json *slices[] = {parse(&a, slice)};
	struct plan_element *x;
	size_t n;
	plan_service(&a, parse(&a, web), slices, 1, STR("here"), &x, &n);
	CHECK_INT(count_of(x, n, PLAN_SERVICES), 1);
	CHECK_INT(x[0].verdict, 2);
	CHECK_INT(count_of(x, n, PLAN_ENDPOINTS), 2);
	CHECK_INT(count_of(x, n, PLAN_NODEPORTS), 1);
	CHECK_INT(count_of(x, n, PLAN_NODE_ENDPOINTS), 2);
	CHECK_INT(count_of(x, n, PLAN_HAIRPIN), 2);
	CHECK_INT(count_of(x, n, PLAN_REFUSED), 0);
	static const unsigned char key[16] = {10, 96, 0, 20, 6, 0, 0, 0, 0, 80};
	CHECK(memcmp(x[0].key, key, 16) == 0 && x[0].key_len == 12);
}

TEST(plan_refuses_without_endpoints)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct plan_element *x;
	size_t n;
	plan_service(&a, parse(&a, web), NULL, 0, STR("here"), &x, &n);
	CHECK_INT(n, 2);
	CHECK_INT(count_of(x, n, PLAN_REFUSED), 1);
	CHECK_INT(count_of(x, n, PLAN_REFUSED_NODEPORTS), 1);
}

TEST(plan_keeps_traffic_local_where_told)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct json *service = parse(&a, web);
	const struct json *slices[] = {parse(&a, slice)};
	json_put_str(&a, json_get(service, STR("spec")), "externalTrafficPolicy", STR("Local"));
	struct plan_element *x;
	size_t n;
	plan_service(&a, service, slices, 1, STR("here"), &x, &n);
	CHECK_INT(count_of(x, n, PLAN_ENDPOINTS), 2);
	CHECK_INT(count_of(x, n, PLAN_NODE_ENDPOINTS), 1);
}

TEST(plan_leads_host_ports_to_their_pod)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	const char *pod = "{\"spec\":{\"containers\":[{\"ports\":[{\"containerPort\":80,\"hostPort\":8080},{\"containerPort\":81},"
			  "{\"containerPort\":53,\"hostPort\":5353,\"protocol\":\"UDP\",\"hostIP\":\"192.0.2.7\"}]}]}}";
	struct plan_element *x;
	size_t n;
	plan_pod(&a, parse(&a, pod), STR("10.244.0.5"), &x, &n);
	REQUIRE(n == 5);
	CHECK_INT(count_of(x, n, PLAN_HAIRPIN), 1);
	static const unsigned char at_address[16] = {192, 0, 2, 7, 17, 0, 0, 0, 5353 >> 8, 5353 & 255};
	static const unsigned char anywhere[16] = {6, 0, 0, 0, 8080 >> 8, 8080 & 255}, to[8] = {10, 244, 0, 5, 0, 80};
	CHECK(x[0].set == PLAN_SERVICES && memcmp(x[0].key, at_address, 16) == 0 && x[0].verdict == 1);
	CHECK(x[2].set == PLAN_NODEPORTS && memcmp(x[2].key, anywhere, 16) == 0);
	CHECK(x[3].set == PLAN_NODE_ENDPOINTS && memcmp(x[3].data, to, 8) == 0);
	plan_pod(&a, parse(&a, "{\"spec\":{\"containers\":[{\"ports\":[{\"containerPort\":80}]}]}}"), STR("10.244.0.5"), &x, &n);
	CHECK_INT(n, 0);
}

// more: further fields of the spec, each with a comma behind it
static void plan_web(struct arena *a, const char *more, const char *endpoints, struct plan_element **x, size_t *n)
{
	struct str service = arena_fmt(a, "{\"spec\":{%s%s", more, web + strlen("{\"spec\":{"));
	struct str text = arena_fmt(a, "{\"addressType\":\"IPv4\",\"ports\":[{\"name\":\"http\",\"port\":8080,\"protocol\":\"TCP\"}],"
				       "\"endpoints\":[%s]}", endpoints);
	const struct json *slices[] = {parse(a, text.p)};
	plan_service(a, parse(a, service.p), slices, 1, STR("here"), x, n);
}

#define ENDPOINT(address, node, ready, serving, terminating) \
	"{\"addresses\":[\"" address "\"],\"nodeName\":\"" node "\",\"conditions\":{\"ready\":" ready ",\"serving\":" serving \
	",\"terminating\":" terminating "}}"

// KEP-1669: the last pods of a Service answer while they end, unless they say that they are not ready.
TEST(plan_falls_back_to_endpoints_that_end)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct plan_element *x;
	size_t n;
	plan_web(&a, "", ENDPOINT("10.244.0.5", "here", "false", "true", "true") "," ENDPOINT("10.244.0.6", "here", "false", "false", "true"), &x, &n);
	CHECK_INT(count_of(x, n, PLAN_ENDPOINTS), 1);
	CHECK_INT(count_of(x, n, PLAN_REFUSED), 0);
	plan_web(&a, "", ENDPOINT("10.244.0.5", "here", "false", "true", "true") "," ENDPOINT("10.244.0.6", "here", "true", "true", "false"), &x, &n);
	REQUIRE(count_of(x, n, PLAN_ENDPOINTS) == 1);
	CHECK_INT(x[1].data[3], 6);
	// here all end, elsewhere one is ready: from outside it stays on this node
	plan_web(&a, "\"externalTrafficPolicy\":\"Local\",",
		 ENDPOINT("10.244.0.5", "here", "false", "true", "true") "," ENDPOINT("10.244.1.6", "there", "true", "true", "false"), &x, &n);
	CHECK_INT(count_of(x, n, PLAN_ENDPOINTS), 1);
	CHECK_INT(count_of(x, n, PLAN_NODE_ENDPOINTS), 1);
	CHECK_INT(count_of(x, n, PLAN_REMOTE), 1);
}

TEST(plan_counts_an_endpoint_in_two_slices_once)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct plan_element *x;
	size_t n;
	const struct json *slices[] = {parse(&a, slice), parse(&a, slice)};
	plan_service(&a, parse(&a, web), slices, 2, STR("here"), &x, &n);
	CHECK_INT(x[0].verdict, 2);
}

TEST(plan_remembers_clients_for_their_time)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct plan_element *x;
	size_t n, sticky = 0;
	plan_web(&a, "\"sessionAffinity\":\"ClientIP\",\"sessionAffinityConfig\":{\"clientIP\":{\"timeoutSeconds\":60}},",
		 ENDPOINT("10.244.0.5", "here", "true", "true", "false"), &x, &n);
	CHECK_INT(count_of(x, n, PLAN_STICKY), 1);
	CHECK_INT(count_of(x, n, PLAN_STICKY_NODEPORTS), 1);
	for (size_t i = 0; i < n; i++)
		sticky += x[i].set == PLAN_STICKY && x[i].verdict == 60;
	CHECK_INT(sticky, 1);
}

TEST(plan_lets_only_some_call_a_load_balancer)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct plan_element *x;
	size_t n;
	struct json *service = parse(&a, "{\"spec\":{\"clusterIPs\":[\"10.96.0.20\"],\"ports\":[{\"port\":80}],\"loadBalancerSourceRanges\":["
					 "\"10.1.0.0/16\",\" 10.0.0.0/8\",\"10.2.0.0/16\",\"192.0.2.7/32\",\"192.0.2.7/32\"]},"
					 "\"status\":{\"loadBalancer\":{\"ingress\":[{\"ip\":\"203.0.113.9\"}]}}}");
	plan_service(&a, service, NULL, 0, STR("here"), &x, &n);
	CHECK_INT(count_of(x, n, PLAN_GUARDED), 1);
	REQUIRE(count_of(x, n, PLAN_SOURCES) == 2); // those within others are left out
	static const unsigned char first[4] = {10}, last[4] = {10, 255, 255, 255};
	CHECK(memcmp(x[n - 2].key + 12, first, 4) == 0 && memcmp(x[n - 2].data, last, 4) == 0);
}

static size_t planned(const char *service_text)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	const struct json *slices[] = {parse(&a, slice)};
	struct plan_element *x;
	size_t n;
	plan_service(&a, parse(&a, service_text), slices, 1, STR("here"), &x, &n);
	return n;
}

#define PORT "\"ports\":[{\"name\":\"http\",\"port\":80}]"

// Some Services are not for packet rules: others carry their connections, or clients go to the endpoints themselves.
TEST(plan_leaves_to_others_what_is_theirs)
{
	CHECK_INT(planned("{\"metadata\":{\"labels\":{\"service.kubernetes.io/service-proxy-name\":\"other\"}},"
			  "\"spec\":{\"clusterIPs\":[\"10.96.0.20\"]," PORT "}}"), 0);
	CHECK_INT(planned("{\"metadata\":{\"labels\":{\"service.kubernetes.io/headless\":\"\"}},"
			  "\"spec\":{\"clusterIPs\":[\"10.96.0.20\"]," PORT "}}"), 0);
	CHECK_INT(planned("{\"spec\":{\"clusterIP\":\"None\",\"clusterIPs\":[\"None\"],\"externalIPs\":[\"192.0.2.9\"],"
			  PORT "}}"), 0);
	const char *balanced = "{\"spec\":{\"clusterIPs\":[\"10.96.0.20\"]," PORT "},\"status\":{\"loadBalancer\":{\"ingress\":["
			       "{\"ip\":\"192.0.2.9\",\"ipMode\":\"%s\"}]}}}";
	char direct[400], proxied[400];
	snprintf(direct, sizeof direct, balanced, "VIP");
	snprintf(proxied, sizeof proxied, balanced, "Proxy");
	CHECK_INT(planned(direct) - planned(proxied), 3); // the address, and its two endpoints
}
