// SPDX-License-Identifier: Apache-2.0
#include "write.h"

#define META "'metadata':{'name':'x'}"

TEST(prepare_metadata)
{
	struct write w CLEAN_WRITE;
	write_init(&w);
	REQUIRE(!write_create(&w, "{'apiVersion':'v1','kind':'ConfigMap','metadata':{'generateName':'made-','uid':'mine',"
				  "'creationTimestamp':'2001-01-01T00:00:00Z','deletionTimestamp':'2001-01-01T00:00:00Z','generation':7,"
				  "'selfLink':'/x','managedFields':[{'manager':'m'}]}}"));
	const struct json *metadata = json_at(w.object, "metadata");
	CHECK_STR(json_str(metadata, "name"), "made-abcde");
	CHECK_STR(json_str(metadata, "namespace"), "ns");
	CHECK_STR(json_str(metadata, "uid"), "u-1");
	CHECK_STR(json_str(metadata, "creationTimestamp"), "2026-01-01T00:00:00Z");
	CHECK(!json_at(metadata, "deletionTimestamp"));
	CHECK_INT(json_i64(metadata, "generation", 0), 7); // of a kind that does not count
	CHECK(!json_at(metadata, "selfLink") && !json_at(metadata, "managedFields"));
}

TEST(prepare_names_and_namespaces)
{
	struct write w CLEAN_WRITE;
	write_init(&w);
	CHECK(write_create(&w, "{'apiVersion':'v1','kind':'ConfigMap','metadata':{'name':'x','namespace':'other'}}") < 0);
	CHECK_INT(w.e.reason, ERR_BAD_REQUEST);
	err_clear(&w.e);
	REQUIRE(!write_create(&w, "{'apiVersion':'v1','kind':'Node','metadata':{'name':'x','namespace':'other'}}"));
	CHECK(!json_at(w.object, "metadata.namespace"));
	CHECK(write_update(&w, "{'apiVersion':'v1','kind':'ConfigMap'," META "}",
			   "{'apiVersion':'v1','kind':'ConfigMap','metadata':{'name':'y'}}") < 0);
	CHECK_INT(w.e.reason, ERR_BAD_REQUEST);
}

TEST(owners_stand_there_once)
{
#define OWNER "{'apiVersion':'v1','kind':'Pod','name':'p','uid':'1'}"
	struct write w CLEAN_WRITE;
	write_init(&w);
	REQUIRE(!write_create(&w, "{'apiVersion':'v1','kind':'ConfigMap','metadata':{'name':'x','ownerReferences':[" OWNER "," OWNER "]}}"));
	CHECK_INT(json_at(w.object, "metadata.ownerReferences")->count, 1);
	CHECK_INT(w.warnings->count, 1);
}

#define DEPLOYMENT(extra, replicas, status)                                                                     \
	"{'apiVersion':'apps/v1','kind':'Deployment','metadata':{'name':'x'" extra "},'spec':{'replicas':" replicas \
	",'selector':{'matchLabels':{'a':'b'}},'template':{'metadata':{'labels':{'a':'b'}},"                        \
	"'spec':{'containers':[{'name':'c','image':'i'}]}}},'status':" status "}"

TEST(prepare_generation_and_status)
{
	static const struct {
		const char *subresource, *object;
		int generation, replicas, status;
	} cases[] = {
		{"", DEPLOYMENT("", "1", "{'replicas':5}"), 1, 1, 0},
		{"", DEPLOYMENT("", "2", "{}"), 2, 2, 0},
		{"", DEPLOYMENT(",'labels':{'k':'v'}", "1", "{}"), 1, 1, 0},
		{"", DEPLOYMENT(",'annotations':{'k':'v'}", "1", "{}"), 2, 1, 0},
		{"status", DEPLOYMENT("", "9", "{'replicas':5}"), 1, 1, 5},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct write w CLEAN_WRITE;
		write_init(&w);
		w.subresource = cases[i].subresource;
		REQUIRE(!write_update(&w, DEPLOYMENT("", "1", "{'replicas':3}"), cases[i].object));
		CHECK_INT(json_i64(w.object, "metadata.generation", 0), cases[i].generation);
		CHECK_INT(json_i64(w.object, "spec.replicas", 0), cases[i].replicas);
		CHECK_INT(json_i64(w.object, "status.replicas", 0), cases[i].status);
	}
}

TEST(prepare_secret)
{
	struct write w CLEAN_WRITE;
	write_init(&w);
	REQUIRE(!write_create(&w, "{'apiVersion':'v1','kind':'Secret'," META ",'data':{'a':'eA=='},'stringData':{'a':'1','b':'text'}}"));
	CHECK_STR(json_str(w.object, "data.a"), "MQ==");
	CHECK_STR(json_str(w.object, "data.b"), "dGV4dA==");
	CHECK(!json_at(w.object, "stringData"));
}

TEST(prepare_namespace)
{
	struct write w CLEAN_WRITE;
	write_init(&w);
	REQUIRE(!write_create(&w, "{'apiVersion':'v1','kind':'Namespace'," META ",'status':{'phase':'Terminating'}}"));
	CHECK_STR(json_str(w.object, "status.phase"), "Active");
	CHECK_STR(json_str(w.object, "spec.finalizers.0"), "kubernetes");
	CHECK_STR(json_get(json_at(w.object, "metadata.labels"), STR("kubernetes.io/metadata.name"))->text, "x");
	REQUIRE(!write_update(&w, "{'apiVersion':'v1','kind':'Namespace'," META "}",
			      "{'apiVersion':'v1','kind':'Namespace'," META ",'spec':{'finalizers':[]}}"));
	CHECK_STR(json_str(w.object, "spec.finalizers.0"), "kubernetes");
}

TEST(prepare_pod)
{
	static const struct {
		const char *resources, *qos;
	} cases[] = {
		{"{}", "BestEffort"},
		{"{'requests':{'cpu':'1'}}", "Burstable"},
		{"{'limits':{'cpu':'1','memory':'1Gi'}}", "Guaranteed"},
		{"{'limits':{'cpu':'1','memory':'1Gi'},'requests':{'cpu':'500m'}}", "Burstable"},
		{"{'limits':{'cpu':'1'}}", "Burstable"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct write w CLEAN_WRITE;
		write_init(&w);
		char text[400];
		snprintf(text, sizeof text, "{'apiVersion':'v1','kind':'Pod'," META ",'spec':{'containers':[{'name':'c','image':'i','resources':%s}]},"
			 "'status':{'phase':'Running'}}", cases[i].resources);
		REQUIRE(!write_create(&w, text));
		CHECK_STR(json_str(w.object, "status.qosClass"), cases[i].qos);
		CHECK_STR(json_str(w.object, "status.phase"), "Pending");
		CHECK_INT(json_i64(w.object, "metadata.generation", 0), 1);
	}
}

TEST(prepare_gated_pod)
{
	struct write w CLEAN_WRITE;
	write_init(&w);
	REQUIRE(!write_create(&w, "{'apiVersion':'v1','kind':'Pod'," META ",'spec':{'schedulingGates':[{'name':'a.b/c'}],'containers':[{'name':'c','image':'i'}]}}"));
	CHECK_STR(json_str(w.object, "status.conditions.0.reason"), "SchedulingGated");
	CHECK_STR(json_str(w.object, "status.conditions.0.status"), "False");
}

#define POD(image, extra) "{'apiVersion':'v1','kind':'Pod'," META ",'spec':{'containers':[{'name':'c','image':'" image "'" extra "}]}}"

TEST(prepare_pod_subresources)
{
	struct write w CLEAN_WRITE;
	write_init(&w);
	w.subresource = "resize";
	REQUIRE(!write_update(&w, POD("i", ",'resources':{'requests':{'cpu':'1'}}"), POD("j", ",'resources':{'requests':{'cpu':'2'}}")));
	CHECK_STR(json_str(w.object, "spec.containers.0.image"), "i");
	CHECK_STR(json_str(w.object, "spec.containers.0.resources.requests.cpu"), "2");
	CHECK_INT(json_i64(w.object, "metadata.generation", 0), 2);
	w.subresource = "ephemeralcontainers";
	REQUIRE(!write_update(&w, POD("i", ""), "{'apiVersion':'v1','kind':'Pod'," META ",'spec':{'nodeName':'n','containers':[{'name':'z','image':'z'}],"
					   "'ephemeralContainers':[{'name':'d','image':'e'}]}}"));
	CHECK_STR(json_str(w.object, "spec.containers.0.image"), "i");
	CHECK_STR(json_str(w.object, "spec.ephemeralContainers.0.name"), "d");
	CHECK(!json_at(w.object, "spec.nodeName"));
}

#define SERVICE(spec) "{'apiVersion':'v1','kind':'Service'," META ",'spec':{" spec "}}"

TEST(prepare_service)
{
	struct write w CLEAN_WRITE;
	write_init(&w);
	REQUIRE(!write_update(&w, SERVICE("'type':'NodePort','clusterIP':'10.0.0.9','ports':[{'name':'a','port':1,'nodePort':30001},{'name':'b','port':2,'nodePort':30002}]"),
			      SERVICE("'type':'NodePort','ports':[{'name':'b','port':3},{'name':'a','port':1}]")));
	CHECK_STR(json_str(w.object, "spec.clusterIP"), "10.0.0.9");
	CHECK_STR(json_str(w.object, "spec.clusterIPs.0"), "10.0.0.9");
	CHECK_INT(json_i64(w.object, "spec.ports.0.nodePort", 0), 30002);
	CHECK_INT(json_i64(w.object, "spec.ports.1.nodePort", 0), 30001);
	REQUIRE(!write_update(&w, SERVICE("'type':'NodePort','clusterIP':'10.0.0.9','ports':[{'port':1,'nodePort':30001}]"),
			      SERVICE("'type':'ExternalName','externalName':'db','clusterIP':'10.0.0.9','ports':[{'port':1,'nodePort':30001}]")));
	CHECK(!json_at(w.object, "spec.clusterIP") && !json_at(w.object, "spec.clusterIPs"));
	CHECK(!json_at(w.object, "spec.ports.0.nodePort"));
}
