// SPDX-License-Identifier: Apache-2.0
// EndpointSlices and Endpoints of Services.
#include "bench.h"

#define SERVICES "/api/v1/namespaces/one/services"
#define SLICES "/apis/discovery.k8s.io/v1/namespaces/one/endpointslices"
#define ENDPOINTS "/api/v1/namespaces/one/endpoints"
#define PODS "/api/v1/namespaces/one/pods"

static void add_pod(struct bench *b, int i, const char *ready, const char *more)
{
	bench_do(
		b, "POST", PODS,
		"{'metadata':{'name':'p%d','labels':{'app':'web'}},'spec':{'nodeName':'n1',%s'containers':[{'name':'c',"
		"'ports':[{'name':'http','containerPort':8080}]}]},'status':{'phase':'Running','podIP':'10.0.%d.%d',"
		"'conditions':[{'type':'Ready','status':'%s'}]}}",
		i, more, i / 250, i % 250 + 1, ready);
}

static void add_service(struct bench *b, const char *more)
{
	bench_do(b, "POST", SERVICES,
		 "{'metadata':{'name':'web','labels':{'x':'y'}},'spec':{'selector':{'app':'web'},%s'ports':[{'name':'a'"
		 ",'port':80,"
		 "'targetPort':'http','protocol':'TCP'}]}}",
		 more);
}

static size_t endpoints_in_slices(struct bench *b, const char *condition)
{
	size_t count = 0;
	json_each(slice, bench_items(b, SLICES)) {
		json_each(endpoint, json_get(slice, STR("endpoints")))
			count += !condition || json_is_true(json_get(endpoint, STR("conditions")), condition);
	}
	return count;
}

TEST(service_gets_slices_and_endpoints)
{
	struct bench b;
	bench_start(&b, 1, "endpointslice");
	b.nodes = false;
	bench_do(&b, "POST", "/api/v1/nodes",
		 "{'metadata':{'name':'n1','labels':{'topology.kubernetes.io/zone':'z1'}}}");
	add_pod(&b, 0, "True", "");
	add_pod(&b, 1, "False", "");
	add_service(&b, "");
	bench_run(&b, TIME_S);
	struct json *slices = bench_items(&b, SLICES);
	REQUIRE(slices->count == 1);
	const struct json *slice = json_first(slices);
	CHECK_STR(json_get(json_at(slice, "metadata.labels"), STR("kubernetes.io/service-name"))->text, "web");
	CHECK_STR(json_get(json_at(slice, "metadata.labels"), STR("endpointslice.kubernetes.io/managed-by"))->text,
		  "endpointslice-controller.k8s.io");
	CHECK_STR(json_str(slice, "metadata.ownerReferences.0.kind"), "Service");
	CHECK_INT(json_i64(slice, "ports.0.port", 0), 8080);
	CHECK_STR(json_str(slice, "ports.0.name"), "a");
	CHECK_INT(json_at(slice, "endpoints")->count, 2);
	CHECK_STR(json_str(slice, "endpoints.0.addresses.0"), "10.0.0.1");
	CHECK_STR(json_str(slice, "endpoints.0.zone"), "z1");
	CHECK_STR(json_str(slice, "endpoints.0.targetRef.name"), "p0");
	CHECK_INT(endpoints_in_slices(&b, "ready"), 1);
	struct json *endpoints = bench_get(&b, ENDPOINTS "/web");
	CHECK_STR(json_str(endpoints, "subsets.0.addresses.0.ip"), "10.0.0.1");
	CHECK_STR(json_str(endpoints, "subsets.0.notReadyAddresses.0.ip"), "10.0.0.2");
	CHECK_INT(json_i64(endpoints, "subsets.0.ports.0.port", 0), 8080);
	// A pod that leaves still serves, but gets nothing new.
	bench_do(&b, "DELETE", PODS "/p0", " ");
	bench_run(&b, TIME_S);
	CHECK_INT(endpoints_in_slices(&b, "ready"), 0);
	CHECK_INT(endpoints_in_slices(&b, "serving"), 1);
	CHECK_INT(endpoints_in_slices(&b, "terminating"), 1);
	bench_stop(&b);
}

TEST(service_without_pods_has_an_empty_slice)
{
	struct bench b;
	bench_start(&b, 1, "endpointslice");
	b.nodes = false;
	add_service(&b, "");
	bench_run(&b, TIME_S);
	REQUIRE(bench_items(&b, SLICES)->count == 1);
	CHECK_INT(endpoints_in_slices(&b, NULL), 0);
	add_pod(&b, 0, "True", "");
	bench_run(&b, TIME_S);
	CHECK_INT(bench_items(&b, SLICES)->count, 1);
	CHECK_INT(endpoints_in_slices(&b, "ready"), 1);
	bench_do(&b, "DELETE", PODS "/p0", "{'gracePeriodSeconds':0}");
	bench_run(&b, TIME_S);
	CHECK_INT(bench_items(&b, SLICES)->count, 1);
	CHECK_INT(endpoints_in_slices(&b, NULL), 0);
	bench_stop(&b);
}

TEST(endpoints_go_with_their_service)
{
	struct bench b;
	bench_start(&b, 1, "endpointslice");
	b.nodes = false;
	bench_do(&b, "POST", ENDPOINTS, "{'metadata':{'name':'own'}}");
	bench_do(&b, "POST", ENDPOINTS, // of a Service that went while no controller ran
		 "{'metadata':{'name':'left','labels':{'endpoints.kubernetes.io/managed-by':'endpoint-controller'}}}");
	add_service(&b, "");
	bench_run(&b, TIME_S);
	CHECK_INT(bench_items(&b, ENDPOINTS)->count, 2);
	bench_do(&b, "DELETE", SERVICES "/web", " ");
	bench_run(&b, TIME_S);
	REQUIRE(bench_items(&b, ENDPOINTS)->count == 1);
	CHECK_STR(json_str(json_first(bench_items(&b, ENDPOINTS)), "metadata.name"), "own");
	bench_stop(&b);
}

TEST(headless_service_names_its_pods)
{
	struct bench b;
	bench_start(&b, 1, "endpointslice");
	b.nodes = false;
	add_pod(&b, 0, "False", "'hostname':'h0','subdomain':'web',");
	add_service(&b, "'clusterIP':'None','publishNotReadyAddresses':true,");
	bench_run(&b, TIME_S);
	const struct json *slice = json_first(bench_items(&b, SLICES));
	REQUIRE(slice != NULL);
	CHECK_STR(json_str(slice, "endpoints.0.hostname"), "h0");
	CHECK(json_is_true(slice, "endpoints.0.conditions.ready"));
	CHECK(json_get(json_at(slice, "metadata.labels"), STR("service.kubernetes.io/headless")) != NULL);
	CHECK_STR(json_str(bench_get(&b, ENDPOINTS "/web"), "subsets.0.addresses.0.hostname"), "h0");
	bench_stop(&b);
}

TEST(many_endpoints_fill_slices_of_a_hundred)
{
	struct bench b;
	bench_start(&b, 1, "endpointslice");
	b.nodes = false;
	for (int i = 0; i < 250; i++)
		add_pod(&b, i, "True", "");
	add_service(&b, "");
	bench_run(&b, TIME_S);
	CHECK_INT(bench_items(&b, SLICES)->count, 3);
	CHECK_INT(endpoints_in_slices(&b, "ready"), 250);
	size_t before = fake_server_requests(b.server);
	bench_do(&b, "PATCH", PODS "/p7/status", "{'status':{'conditions':[{'type':'Ready','status':'False'}]}}");
	bench_run(&b, TIME_S);
	CHECK_INT(endpoints_in_slices(&b, "ready"), 249);
	CHECK_INT(fake_server_requests(b.server) - before, 2); // one slice, and the Endpoints
	bench_stop(&b);
}

TEST(slices_of_others_stay_and_those_of_a_former_family_go)
{
	struct bench b;
	bench_start(&b, 1, "endpointslice");
	b.nodes = false;
	add_service(&b, "'ipFamilies':['IPv4','IPv6'],");
	bench_run(&b, TIME_S);
	CHECK_INT(bench_items(&b, SLICES)->count, 2);
	struct str uid = json_str(bench_get(&b, SERVICES "/web"), "metadata.uid");
	bench_do(&b, "POST", SLICES,
		 "{'metadata':{'name':'other','labels':{'kubernetes.io/service-name':'web',"
		 "'endpointslice.kubernetes.io/managed-by':'other.test'},'ownerReferences':[{'apiVersion':'v1',"
		 "'kind':'Service','name':'web','controller':true,'uid':'%.*s'}]},'addressType':'IPv4',"
		 "'endpoints':[{'addresses':['10.9.9.9']}],'ports':[]}",
		 STR_FMT(uid));
	bench_do(&b, "PATCH", SERVICES "/web", "{'spec':{'ipFamilies':['IPv4']}}");
	bench_run(&b, TIME_S);
	struct json *other = bench_get(&b, SLICES "/other");
	REQUIRE(other != NULL);
	CHECK_STR(json_str(other, "endpoints.0.addresses.0"), "10.9.9.9");
	CHECK_STR(json_get(json_at(other, "metadata.labels"), STR("endpointslice.kubernetes.io/managed-by"))->text,
		  "other.test");
	CHECK_INT(bench_items(&b, SLICES)->count, 2);
	json_each(slice, bench_items(&b, SLICES))
		CHECK_STR(json_str(slice, "addressType"), "IPv4");
	bench_stop(&b);
}

TEST(endpoints_list_the_ready_ones_first)
{
	enum { UNREADY = 1000, READY = 5 };
	struct bench b;
	bench_start(&b, 1, "endpointslice");
	b.nodes = false;
	add_service(&b, "");
	bench_run(&b, TIME_S);
	bench_do(&b, "PATCH", ENDPOINTS "/web", "{'metadata':{'annotations':{'my':'own'}}}");
	for (int i = 0; i < UNREADY + READY; i++)
		add_pod(&b, i, i < UNREADY ? "False" : "True", "");
	bench_run(&b, TIME_S);
	struct json *endpoints = bench_get(&b, ENDPOINTS "/web"), *annotations = json_at(endpoints, "metadata.annotations");
	CHECK_INT(json_at(endpoints, "subsets.0.addresses")->count, READY);
	CHECK_INT(json_at(endpoints, "subsets.0.notReadyAddresses")->count, UNREADY - READY);
	CHECK(json_get(annotations, STR("endpoints.kubernetes.io/over-capacity")) != NULL);
	CHECK(json_get(annotations, STR("my")) != NULL);
	for (int i = 0; i < READY; i++)
		bench_do(&b, "DELETE", arena_fmt(&b.a, PODS "/p%d", i).p, "{'gracePeriodSeconds':0}");
	bench_run(&b, TIME_S);
	annotations = json_at(bench_get(&b, ENDPOINTS "/web"), "metadata.annotations");
	CHECK(json_get(annotations, STR("endpoints.kubernetes.io/over-capacity")) == NULL);
	CHECK(json_get(annotations, STR("my")) != NULL);
	bench_stop(&b);
}

TEST(endpoints_leave_out_pods_without_the_port)
{
	struct bench b;
	bench_start(&b, 1, "endpointslice");
	b.nodes = false;
	bench_do(&b, "POST", PODS,
		 "{'metadata':{'name':'bare','labels':{'app':'web'}},'spec':{'nodeName':'n1','containers':[{'name':'c'}]},"
		 "'status':{'phase':'Running','podIP':'10.0.9.9','conditions':[{'type':'Ready','status':'True'}]}}");
	add_pod(&b, 0, "True", "");
	add_service(&b, "");
	bench_run(&b, TIME_S);
	struct json *endpoints = bench_get(&b, ENDPOINTS "/web");
	CHECK_INT(json_at(endpoints, "subsets")->count, 1);
	CHECK_STR(json_str(endpoints, "subsets.0.addresses.0.ip"), "10.0.0.1");
	bench_stop(&b);
}

TEST(endpoints_kept_by_hand_are_mirrored)
{
	struct bench b;
	bench_start(&b, 1, "endpointslice,endpointslice-mirroring,garbage-collector");
	bench_do(&b, "POST", SERVICES, "{'metadata':{'name':'db'},'spec':{'ports':[{'port':5432}]}}");
	bench_do(&b, "POST", ENDPOINTS,
		 "{'metadata':{'name':'db'},'subsets':[{'addresses':[{'ip':'192.0.2.1'},{'ip':'2001:db8::1'}],"
		 "'notReadyAddresses':[{'ip':'192.0.2.2'}],'ports':[{'port':5432,'protocol':'TCP'}]}]}");
	bench_run(&b, TIME_S);
	CHECK_INT(bench_items(&b, SLICES)->count, 2); // one a family
	CHECK_INT(endpoints_in_slices(&b, NULL), 3);
	CHECK_INT(endpoints_in_slices(&b, "ready"), 2);
	bench_do(&b, "PATCH", ENDPOINTS "/db", "{'subsets':[{'addresses':[{'ip':'192.0.2.9'}],'ports':[{'port':1}]}]}");
	bench_run(&b, TIME_S);
	REQUIRE(bench_items(&b, SLICES)->count == 1);
	CHECK_STR(json_str(json_first(bench_items(&b, SLICES)), "endpoints.0.addresses.0"), "192.0.2.9");
	bench_do(&b, "PATCH", SERVICES "/db", "{'spec':{'selector':{'app':'db'}}}"); // now ours
	bench_run(&b, TIME_S);
	CHECK_INT(endpoints_in_slices(&b, NULL), 0);
	bench_stop(&b);
}

static void churn(uint64_t seed)
{
	struct bench b;
	bench_start(&b, seed, "endpointslice");
	b.nodes = false;
	fake_server_set_faults(
		b.server, (struct fake_faults){
			      .request_lost = 100, .answer_lost = 100, .watch_broken = 20, .delay_max_ns = 50 * TIME_MS});
	add_service(&b, "");
	bool there[130] = {false};
	for (int round = 0; round < 300; round++) {
		int i = (int)(sim_random(b.sim) % ARRAY_LEN(there));
		there[i] = !there[i];
		if (there[i])
			add_pod(&b, i, "True", "");
		else
			bench_do(&b, "DELETE", arena_fmt(&b.a, PODS "/p%d", i).p, "{'gracePeriodSeconds':0}");
		if (sim_random(b.sim) % 4 == 0)
			bench_run(&b, (int64_t)(sim_random(b.sim) % (100 * TIME_MS)));
	}
	fake_server_set_faults(b.server, (struct fake_faults){0});
	bench_run(&b, 60 * TIME_S);
	size_t wanted = 0;
	for (size_t i = 0; i < ARRAY_LEN(there); i++)
		wanted += there[i];
	CHECK_INT(endpoints_in_slices(&b, "ready"), wanted);
	struct json *addresses = json_at(bench_get(&b, ENDPOINTS "/web"), "subsets.0.addresses");
	CHECK_INT(addresses ? addresses->count : 0, wanted);
	bench_stop(&b);
}

TEST(endpoints_converge_under_faults)
{
	for (uint64_t seed = 1; seed <= 15; seed++)
		churn(seed);
}
