// SPDX-License-Identifier: Apache-2.0
// Rules of the small kinds and of metadata. Those of pods are in test_rules_pod.c; test-api-answers compares thousands
// of cases with what Kubernetes answered.
#include "write.h"

#define META "'metadata':{'name':'x'}"
#define CONFIG(metadata, rest) "{'apiVersion':'v1','kind':'ConfigMap','metadata':{" metadata "}" rest "}"

TEST(rules_metadata)
{
	CREATE(CONFIG("", ""), "metadata.name Required");
	CREATE(CONFIG("'name':'Not_Valid'", ""), "metadata.name Invalid");
	CREATE(CONFIG("'generateName':'ok-'", ""), "");
	CREATE(CONFIG("'generateName':'Bad-'", ""), "metadata.generateName Invalid; metadata.name Invalid");
	CREATE(CONFIG("'name':'x','labels':{'bad key!':'v'}", ""), "metadata.labels Invalid");
	CREATE(CONFIG("'name':'x','labels':{'k':'bad value!'}", ""), "metadata.labels Invalid");
	CREATE(CONFIG("'name':'x','annotations':{'Ok/Key':'any text!'}", ""), "");
	CREATE(CONFIG("'name':'x','annotations':{'a b':''}", ""), "metadata.annotations Invalid");
	CREATE(CONFIG("'name':'x','generation':-1", ""), "metadata.generation Invalid");
	CREATE(CONFIG("'name':'x','finalizers':['nodomain']", ""), "metadata.finalizers[0] Invalid");
	CREATE(CONFIG("'name':'x','finalizers':['orphan','foregroundDeletion']", ""), "metadata.finalizers Invalid");
	CREATE(CONFIG("'name':'x','ownerReferences':[{'apiVersion':'v1','kind':'Pod','name':'p'}]", ""),
	       "metadata.ownerReferences.uid Invalid");
	CREATE(CONFIG("'name':'x','ownerReferences':[{'apiVersion':'v1','kind':'Pod','name':'p','uid':'1','controller':true},"
		      "{'apiVersion':'v1','kind':'Pod','name':'q','uid':'2','controller':true}]", ""),
	       "metadata.ownerReferences Invalid");
}

#define LEASE(metadata) "{'apiVersion':'coordination.k8s.io/v1','kind':'Lease','metadata':{" metadata "},'spec':{'leaseDurationSeconds':1}}"

TEST(rules_metadata_update)
{
	UPDATE(CONFIG("'name':'x'", ""), CONFIG("'name':'x','uid':'other'", ""), "metadata.uid Invalid; metadata.uid Invalid");
	UPDATE(CONFIG("'name':'x'", ""), CONFIG("'name':'x','deletionTimestamp':'2001-01-01T00:00:00Z'", ""),
	       "metadata.deletionTimestamp Invalid; metadata.deletionTimestamp Invalid");
	// Some kinds check the metadata of an update as that of a new object, too.
	UPDATE(CONFIG("'name':'x'", ""), CONFIG("'name':'x','labels':{'k':'bad value!'}", ""),
	       "metadata.labels Invalid; metadata.labels Invalid; metadata.labels Invalid; metadata.labels Invalid");
	UPDATE(LEASE("'name':'x'"), LEASE("'name':'x','resourceVersion':'1','labels':{'k':'bad value!'}"),
	       "metadata.labels Invalid; metadata.labels Invalid; metadata.labels Invalid");
	UPDATE(CONFIG("'name':'x'", ""), CONFIG("'name':'x','generateName':'Bad!'", ""),
	       "metadata.generateName Invalid");
	UPDATE(CONFIG("'name':'x'", ""), CONFIG("'name':'x','generation':9,'creationTimestamp':'2001-01-01T00:00:00Z'", ""), "");
}

TEST(rules_config)
{
	CREATE(CONFIG("'name':'x'", ",'data':{'bad/key':'v'}"), "data[bad/key] Invalid");
	CREATE(CONFIG("'name':'x'", ",'data':{'k':'v'},'binaryData':{'k':'AA=='}"), "data[k] Invalid");
	UPDATE(CONFIG("'name':'x'", ",'immutable':true,'data':{'k':'v'}"), CONFIG("'name':'x'", ",'immutable':true,'data':{'k':'w'}"),
	       "data Forbidden");
	UPDATE(CONFIG("'name':'x'", ",'immutable':true"), CONFIG("'name':'x'", ""), "immutable Forbidden");
	UPDATE(CONFIG("'name':'x'", ",'immutable':true"), CONFIG("'name':'x'", ",'immutable':true,'binaryData':{}"), "binaryData Forbidden");
}

TEST(rules_size_is_bounded)
{
	enum { MEGABYTE = 1024 * 1024 };
	struct write w CLEAN_WRITE;
	write_init(&w);
	char *text = arena_alloc(&w.arena, MEGABYTE + 200);
	int n = snprintf(text, 200, "{'apiVersion':'v1','kind':'ConfigMap'," META ",'data':{'k':'");
	memset(text + n, 'a', MEGABYTE + 1);
	memcpy(text + n + MEGABYTE + 1, "'}}", 4);
	CHECK(write_create(&w, text) < 0);
	CHECK_INT(w.e.cause_count, 1);
	CHECK_STR(str_of(w.e.causes[0].reason), "FieldValueTooLong");
}

#define SECRET(rest) "{'apiVersion':'v1','kind':'Secret'," META rest "}"

TEST(rules_secret)
{
	CREATE(SECRET(",'type':'kubernetes.io/tls','data':{'tls.crt':''}"), "data[tls.key] Required");
	CREATE(SECRET(",'type':'kubernetes.io/dockerconfigjson','stringData':{'.dockerconfigjson':'nonsense'}"),
	       "data[.dockerconfigjson] Invalid");
	CREATE(SECRET(",'type':'kubernetes.io/basic-auth'"), "data[username] Required; data[password] Required");
	CREATE(SECRET(",'type':'kubernetes.io/ssh-auth'"), "data[ssh-privatekey] Required");
	CREATE(SECRET(",'type':'kubernetes.io/service-account-token'"),
	       "metadata.annotations[kubernetes.io/service-account.name] Required");
	CREATE(SECRET(",'type':'any'"), "");
	UPDATE(SECRET(",'type':'any'"), SECRET(",'type':'other'"), "type Invalid");
}

TEST(rules_secret_is_not_told)
{
	struct write w CLEAN_WRITE;
	write_init(&w);
	CHECK(write_create(&w, SECRET(",'type':'kubernetes.io/dockerconfigjson','stringData':{'.dockerconfigjson':'hunter2'}")) < 0);
	CHECK(!strstr(err_text(&w.e), "hunter2") && !strstr(w.e.causes[0].message, "hunter2"));
}

#define SERVICE(spec) "{'apiVersion':'v1','kind':'Service'," META ",'spec':{" spec "}}"

#define BALANCER "'type':'LoadBalancer','ports':[{'port':1}]"

TEST(rules_service)
{
	CREATE(SERVICE(""), "spec.ports Required");
	CREATE(SERVICE("'clusterIP':'None'"), "");
	CREATE(SERVICE("'type':'ExternalName'"), "spec.externalName Required");
	CREATE(SERVICE("'ports':[{'port':0}]"), "spec.ports[0].port Invalid; spec.ports[0].targetPort Invalid");
	CREATE(SERVICE("'ports':[{'port':1},{'port':1}]"),
	       "spec.ports[0].name Required; spec.ports[1].name Required; spec.ports[1] Duplicate");
	CREATE(SERVICE("'ports':[{'port':1,'nodePort':30000}]"), "spec.ports[0].nodePort Forbidden");
	CREATE(SERVICE("'ports':[{'port':1,'targetPort':'bad name'}]"), "spec.ports[0].targetPort Invalid");
	CREATE(SERVICE("'clusterIP':'none','ports':[{'port':1}]"), "spec.clusterIPs[0] Invalid");
	CREATE(SERVICE("'ports':[{'port':1}],'externalIPs':['127.0.0.1']"), "spec.externalIPs[0] Invalid");
	CREATE(SERVICE("'ports':[{'port':1}],'sessionAffinity':'ClientIP','sessionAffinityConfig':{'clientIP':{'timeoutSeconds':100000}}"),
	       "spec.sessionAffinityConfig.clientIP.timeoutSeconds Invalid");
	CREATE(SERVICE("'type':'LoadBalancer','ports':[{'port':1}],'loadBalancerSourceRanges':['x']"),
	       "spec.LoadBalancerSourceRanges[0] Invalid");
	CREATE(SERVICE("'ports':[{'port':1}],'loadBalancerSourceRanges':['10.0.0.0/8']"), "spec.LoadBalancerSourceRanges Forbidden");
	UPDATE(SERVICE("'clusterIP':'10.0.0.1','ports':[{'port':1}]"), SERVICE("'clusterIP':'10.0.0.2','ports':[{'port':1}]"),
	       "spec.clusterIPs[0] Invalid");
	CREATE(SERVICE("'clusterIPs':[''],'ports':[{'port':1}]"), "spec.clusterIPs Invalid; spec.clusterIPs[0] Invalid");
	CREATE(SERVICE("'type':'ExternalName','externalName':'x.y','ports':[{'targetPort':''}]"),
	       "spec.ports[0].port Invalid; spec.ports[0].targetPort Invalid");
	UPDATE(SERVICE(BALANCER ",'loadBalancerClass':'a/b'"), SERVICE(BALANCER ",'loadBalancerClass':''"),
	       "spec.loadBalancerClass Invalid; spec.loadBalancerClass Invalid; spec.loadBalancerClass Invalid; "
	       "spec.loadBalancerClass Invalid; spec.loadBalancerClass Invalid");
	UPDATE(SERVICE(BALANCER ",'externalTrafficPolicy':'Local','healthCheckNodePort':31000"),
	       SERVICE(BALANCER ",'externalTrafficPolicy':'Local','healthCheckNodePort':31001"), "spec.healthCheckNodePort Forbidden");
}

TEST(rules_service_status)
{
#define INGRESS(rest) "{'apiVersion':'v1','kind':'Service'," META ",'status':{'loadBalancer':{'ingress':[{" rest "}]}}}"
	static const struct {
		const char *ingress, *causes;
	} cases[] = {
		{INGRESS("'ip':'x','ipMode':'VIP'"), "status.loadBalancer.ingress[0].ip Invalid"},
		{INGRESS("'ip':'10.0.0.1'"), "status.loadBalancer.ingress[0].ipMode Required"},
		{INGRESS("'ipMode':'Other'"), "status.loadBalancer.ingress[0].ipMode Forbidden"},
		{INGRESS("'ip':'10.0.0.1','ipMode':'Other'"), "status.loadBalancer.ingress[0].ipMode NotSupported"},
		{INGRESS("'hostname':'10.0.0.1'"), "status.loadBalancer.ingress[0].hostname Invalid"},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		expect_update(__LINE__, "status", SERVICE(BALANCER), cases[i].ingress, cases[i].causes);
	expect_update(__LINE__, "status", SERVICE("'ports':[{'port':1}]"), INGRESS("'ip':'x'"), "status.loadBalancer.ingress Forbidden");
}

#define PORTS "'ports':[{'port':1}]"

TEST(rules_service_addresses)
{
	static const struct {
		const char *spec, *causes;
	} cases[] = {
		{"'clusterIPs':['10.0.0.1','10.0.0.2']", "spec.clusterIPs Invalid; spec.clusterIPs Invalid"}, // no clusterIP
		{"'clusterIP':'10.0.0.1','clusterIPs':['10.0.0.1','10.0.0.2','10.0.0.3']",
		 "spec.clusterIPs Invalid; spec.clusterIPs Invalid"},
		{"'clusterIP':'10.0.0.1','clusterIPs':['10.0.0.1','::1','10.0.0.3']", "spec.clusterIPs Invalid"},
		{"'clusterIP':'10.0.0.1','clusterIPs':['10.0.0.1','::1'],'ipFamilyPolicy':'PreferDualStack'",
		 "spec.clusterIPs[1] Invalid"},
		{"'clusterIP':'10.0.0.1','clusterIPs':['10.0.0.1','::1']",
		 "spec.ipFamilyPolicy Invalid; spec.clusterIPs[1] Invalid"},
		{"'clusterIP':'::1'", "spec.clusterIPs[0] Invalid"},
		{"'ipFamilyPolicy':'PreferDualStack'", ""},
		{"'ipFamilyPolicy':'RequireDualStack'", "spec.ipFamilyPolicy Invalid"},
		{"'ipFamilies':['IPv6']", "spec.ipFamilies[0] Invalid"},
		{"'ipFamilies':['IPv4','IPv6']", "spec.ipFamilyPolicy Invalid"},
		{"'ipFamilies':['IPv4','IPv6'],'ipFamilyPolicy':'PreferDualStack'", "spec.ipFamilies[1] Invalid"},
		{"'ipFamilies':['IPv4','IPv4']", "spec.ipFamilies[1] Duplicate"},
		{"'clusterIP':'None','ipFamilies':['IPv6']", ""},
		{"'clusterIP':'None','ipFamilies':['IPv4','IPv6'],'ipFamilyPolicy':'SingleStack'",
		 "spec.ipFamilyPolicy Invalid"},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char text[400];
		snprintf(text, sizeof text, SERVICE("%s," PORTS), cases[i].spec);
		expect_create(__LINE__, text, cases[i].causes);
	}
	UPDATE(SERVICE("'clusterIP':'None'," PORTS), SERVICE("'clusterIP':'None','ipFamilies':['IPv4']," PORTS),
	       "spec.ipFamilyPolicy Invalid");
	UPDATE(SERVICE("'clusterIP':'None'," PORTS), SERVICE("'clusterIP':'None','ipFamilyPolicy':'SingleStack'," PORTS), "");
}

static void check_families(int line, const char *spec, const char *want)
{
	struct write w CLEAN_WRITE;
	char text[400];
	write_init(&w);
	snprintf(text, sizeof text, SERVICE("%s," PORTS), spec);
	if (write_create(&w, text) < 0)
		unit_fail(__FILE__, line, "%s", err_text(&w.e));
	CHECK_STR(json_text(&w.arena, json_at(w.object, "spec.ipFamilies")), want);
}

TEST(service_families)
{
	check_families(__LINE__, "'clusterIP':'10.0.0.1'", "[\"IPv4\"]");
	check_families(__LINE__, "'clusterIP':'None'", "[\"IPv4\",\"IPv6\"]");
	check_families(__LINE__, "'clusterIP':'None','ipFamilies':['IPv6']", "[\"IPv6\",\"IPv4\"]");
	check_families(__LINE__, "'clusterIP':'None','ipFamilyPolicy':'SingleStack'", "[\"IPv4\"]");
	check_families(__LINE__, "'clusterIP':'None','selector':{'a':'b'}", "[\"IPv4\"]");
	check_families(__LINE__, "'ipFamilyPolicy':'PreferDualStack'", "[\"IPv4\"]");
}

#define DEPLOYMENT(spec)                                                                                          \
	"{'apiVersion':'apps/v1','kind':'Deployment'," META ",'spec':{" spec "'template':{'metadata':{'labels':{'a':'b'}}," \
	"'spec':{'containers':[{'name':'c','image':'i'}]}}}}"
#define SELECTOR "'selector':{'matchLabels':{'a':'b'}},"

TEST(rules_deployment)
{
	CREATE(DEPLOYMENT(SELECTOR), "");
	CREATE(DEPLOYMENT("'selector':{'matchLabels':{'a':'c'}},"), "spec.template.metadata.labels Invalid");
	CREATE(DEPLOYMENT("'selector':{},"), "spec.selector Invalid");
	CREATE(DEPLOYMENT(SELECTOR "'replicas':-1,"), "spec.replicas Invalid");
	CREATE(DEPLOYMENT(SELECTOR "'minReadySeconds':700,"), "spec.progressDeadlineSeconds Invalid");
	CREATE(DEPLOYMENT(SELECTOR "'strategy':{'type':'Recreate','rollingUpdate':{}},"), "spec.strategy.rollingUpdate Forbidden");
	CREATE(DEPLOYMENT(SELECTOR "'strategy':{'rollingUpdate':{'maxSurge':0,'maxUnavailable':'0%'}},"),
	       "spec.strategy.rollingUpdate.maxUnavailable Invalid");
	CREATE(DEPLOYMENT(SELECTOR "'strategy':{'rollingUpdate':{'maxUnavailable':'101%'}},"),
	       "spec.strategy.rollingUpdate.maxUnavailable Invalid");
	CREATE("{'apiVersion':'apps/v1','kind':'ReplicaSet'," META ",'spec':{" SELECTOR "'template':{'metadata':{'labels':{'a':'b'}},"
	       "'spec':{'restartPolicy':'Never','containers':[{'name':'c','image':'i'}]}}}}",
	       "spec.template.spec.restartPolicy NotSupported");
	UPDATE(DEPLOYMENT(SELECTOR), DEPLOYMENT("'selector':{'matchExpressions':[{'key':'a','operator':'Exists'}]},"),
	       "spec.selector Invalid");
	expect_update(__LINE__, "status", DEPLOYMENT(SELECTOR),
		      "{'apiVersion':'apps/v1','kind':'Deployment'," META ",'status':{'replicas':1,'readyReplicas':2}}",
		      "status.readyReplicas Invalid");
}

#define NODE(rest) "{'apiVersion':'v1','kind':'Node'," META rest "}"

TEST(rules_node)
{
	CREATE(NODE(",'spec':{'taints':[{'key':'a','effect':'NoSchedule'},{'key':'a','effect':'NoSchedule'}]}"),
	       "metadata.taints[1] Duplicate");
	CREATE(NODE(",'spec':{'podCIDRs':['10.0.0.0/24','10.0.1.0/24']}"), "spec.podCIDRs Invalid");
	CREATE(NODE(",'spec':{'podCIDRs':['10.0.0.0/24','fd00::/64']}"), "");
	CREATE(NODE(",'spec':{'podCIDRs':['10.0.0.0/24','fd00::/64','fd01::/64']}"), "spec.podCIDRs Invalid");
	CREATE(NODE(",'spec':{'podCIDRs':['10.0.0.0/24','x']}"),
	       "spec.podCIDRs[1] Invalid; spec.podCIDRs InternalError; spec.podCIDRs Invalid");
	CREATE(NODE(",'status':{'capacity':{'pods':'1500m','example.com/gpu':'0.5','cpu':'1500m','memory':'-1'},'allocatable':{'cpu':'1'}}"),
	       "status.capacity.pods Invalid; status.capacity.example.com/gpu Invalid; status.capacity.memory Invalid");
	UPDATE(NODE(",'spec':{'podCIDRs':['10.0.0.0/24','fd00::/64']}"), NODE(",'spec':{'podCIDRs':['10.1.0.0/24','fd01::/64']}"),
	       "spec.podCIDRs Forbidden; spec.podCIDRs Forbidden");
	UPDATE(NODE(",'spec':{'podCIDRs':['10.0.0.0/24','fd00::/64']}"), NODE(""), "spec.podCIDRs Forbidden");
	expect_update(__LINE__, "status", NODE(""),
		      NODE(",'status':{'capacity':{'cpu':'-1'},'allocatable':{'cpu':'1'},'addresses':["
			   "{'type':'Hostname','address':'a'},{'type':'Hostname','address':'a'}]}"),
		      "status.capacity.cpu Invalid; status.addresses[1] Duplicate");
}

#define REVIEW(selectors) \
	"{'apiVersion':'authorization.k8s.io/v1','kind':'SelfSubjectAccessReview','metadata':{}," \
	"'spec':{'resourceAttributes':{" selectors "}}}"
#define OF_REVIEW "spec.resourceAttributes."

TEST(rules_review_selectors)
{
	CREATE(REVIEW("'fieldSelector':{}"), OF_REVIEW "fieldSelector.requirements Required");
	CREATE(REVIEW("'labelSelector':{'rawSelector':'a','requirements':[{'key':'a','operator':'Exists'}]}"),
	       OF_REVIEW "labelSelector.rawSelector Invalid");
	CREATE(REVIEW("'fieldSelector':{'requirements':[{'operator':'In'}]}"),
	       OF_REVIEW "fieldSelector.requirements[0].key Required; " OF_REVIEW "fieldSelector.requirements[0].values Required");
	CREATE(REVIEW("'labelSelector':{'requirements':[{'key':'a b','operator':'Exists','values':['x']}]}"),
	       OF_REVIEW "labelSelector.requirements[0].values Forbidden; " OF_REVIEW "labelSelector.requirements[0].key Invalid");
	CREATE(REVIEW("'labelSelector':{'requirements':[{'key':'a','operator':'Later'}]}"), "");
}

#define NAMESPACE(rest) "{'apiVersion':'v1','kind':'Namespace','metadata':{'name':'x'}" rest "}"

TEST(rules_namespace)
{
	CREATE(NAMESPACE(",'spec':{'finalizers':['nodomain']}"), "spec.finalizers Invalid");
	expect_update(__LINE__, "finalize", NAMESPACE(""), NAMESPACE(",'spec':{'finalizers':['nodomain']}"),
		      "spec.finalizers[0] Invalid");
	expect_update(__LINE__, "status", NAMESPACE(""), NAMESPACE(",'status':{'phase':'Terminating'}"), "status.Phase Invalid");
}

TEST(what_is_kept_of_small_kinds)
{
	static const struct {
		const char *object, *at, *want;
	} cases[] = {
		{"{'apiVersion':'v1','kind':'ServiceAccount'," META ",'secrets':[{'name':'s','namespace':'n','kind':'Secret'},{}]}",
		 "secrets", "[{\"name\":\"s\"},{}]"},
		{"{'apiVersion':'discovery.k8s.io/v1','kind':'EndpointSlice'," META ",'addressType':'IPv4','endpoints':"
		 "[{'addresses':['10.0.0.1'],'deprecatedTopology':{'a':'not good!'}}]}",
		 "endpoints.0", "{\"addresses\":[\"10.0.0.1\"],\"conditions\":{}}"},
		{"{'apiVersion':'coordination.k8s.io/v1','kind':'Lease'," META ",'spec':{'strategy':'Any','preferredHolder':'a'}}",
		 "spec", "{}"}, // coordinated election is switched off
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct write w CLEAN_WRITE;
		write_init(&w);
		CHECK_INT(write_create(&w, cases[i].object), 0);
		CHECK_STR(json_text(&w.arena, json_at(w.object, cases[i].at)), cases[i].want);
	}
}

TEST(labels_with_the_status)
{
	static const struct {
		const char *object, *status;
		bool written;
	} cases[] = {
		{SERVICE("'ports':[{'port':1}]"), "{'apiVersion':'v1','kind':'Service','metadata':{'name':'x','labels':{'a':'b'}}}", true},
		{NODE(""), "{'apiVersion':'v1','kind':'Node','metadata':{'name':'x','labels':{'a':'b'}}}", true},
		{DEPLOYMENT(SELECTOR), "{'apiVersion':'apps/v1','kind':'Deployment','metadata':{'name':'x','labels':{'a':'b'}}}", false},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct write w CLEAN_WRITE;
		write_init(&w);
		w.subresource = "status";
		CHECK_INT(write_update(&w, cases[i].object, cases[i].status), 0);
		CHECK((json_at(w.object, "metadata.labels.a") != NULL) == cases[i].written);
	}
}

TEST(what_is_dropped_counts_as_a_change)
{
#define SLICE(endpoint) \
	"{'apiVersion':'discovery.k8s.io/v1','kind':'EndpointSlice'," META ",'addressType':'IPv4','endpoints':[{'addresses':['10.0.0.1']" endpoint "}]}"
	struct write w CLEAN_WRITE;
	write_init(&w);
	REQUIRE(!write_update(&w, SLICE(""), SLICE(",'deprecatedTopology':{'k':'v'}")));
	CHECK_INT(json_i64(w.object, "metadata.generation", 0), 2);
	CHECK(!json_at(w.object, "endpoints.0.deprecatedTopology"));
}

TEST(rules_of_others)
{
	CREATE("{'apiVersion':'v1','kind':'Endpoints'," META ",'subsets':[{}]}", "subsets[0] Required");
	CREATE("{'apiVersion':'v1','kind':'Endpoints'," META ",'subsets':[{'addresses':[{'ip':'127.0.0.1'}]}]}",
	       "subsets[0].addresses[0].ip Invalid");
	CREATE("{'apiVersion':'discovery.k8s.io/v1','kind':'EndpointSlice'," META ",'addressType':'IPv4','endpoints':[{'addresses':['::1']}]}",
	       "endpoints[0].addresses Invalid; endpoints[0].addresses[0] Invalid");
	CREATE("{'apiVersion':'discovery.k8s.io/v1','kind':'EndpointSlice'," META ",'addressType':'IPv6','endpoints':[{'addresses':['2001:DB8::1']}]}",
	       "endpoints[0].addresses[0] Invalid");
	CREATE("{'apiVersion':'discovery.k8s.io/v1','kind':'EndpointSlice'," META ",'endpoints':[]}", "addressType Required");
	CREATE("{'apiVersion':'v1','kind':'Event'," META ",'involvedObject':{'namespace':'other'}}", "involvedObject.namespace Invalid");
	CREATE("{'apiVersion':'coordination.k8s.io/v1','kind':'Lease'," META ",'spec':{'leaseDurationSeconds':0}}",
	       "spec.leaseDurationSeconds Invalid");
	CREATE("{'apiVersion':'authorization.k8s.io/v1','kind':'SelfSubjectAccessReview','metadata':{},'spec':{}}",
	       "spec.resourceAttributes Invalid");
	CREATE("{'apiVersion':'authorization.k8s.io/v1','kind':'LocalSubjectAccessReview','metadata':{},'spec':{'user':'u','resourceAttributes':{'namespace':'other'}}}",
	       "spec.resourceAttributes.namespace Invalid");
}
