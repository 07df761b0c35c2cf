// SPDX-License-Identifier: Apache-2.0
// What is taken with a warning.
#include "write.h"

#define POD(metadata, spec) "{'apiVersion':'v1','kind':'Pod','metadata':{'name':'x'" metadata "},'spec':{" spec "}}"
#define WORK "'containers':[{'name':'c','image':'i'}]"
#define SPEC(rest) POD("", WORK "," rest)
#define CONTAINER(rest) POD("", "'containers':[{'name':'c','image':'i'," rest "}]")
#define NOTES(annotations, rest) POD(",'annotations':{" annotations "}", WORK rest)
#define C0 "spec.containers[0]."

TEST(warnings_about_places)
{
	WARNS(SPEC("'nodeSelector':{'beta.kubernetes.io/os':'linux'}"), "spec.nodeSelector[beta.kubernetes.io/os]");
	WARNS(SPEC("'affinity':{'nodeAffinity':{'preferredDuringSchedulingIgnoredDuringExecution':[{'weight':1,'preference':"
		   "{'matchExpressions':[{'key':'node-role.kubernetes.io/master','operator':'In','values':['no value!']}]}}]}}"),
	      "spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].preference.matchExpressions[0].key; "
	      "spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].preference.matchExpressions[0].values[0]");
	WARNS(SPEC("'affinity':{'podAntiAffinity':{'requiredDuringSchedulingIgnoredDuringExecution':[{'topologyKey':'k'}]}}"),
	      "spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].labelSelector");
	WARNS(SPEC("'topologySpreadConstraints':[{'maxSkew':1,'topologyKey':'k','whenUnsatisfiable':'DoNotSchedule'}]"),
	      "spec.topologySpreadConstraints[0].labelSelector");
}

TEST(warnings_about_annotations)
{
#define ARMOR "container.apparmor.security.beta.kubernetes.io/c"
	WARNS(NOTES("'security.alpha.kubernetes.io/sysctls':'x'", ""), "metadata.annotations[security.alpha.kubernetes.io/sysctls]");
	WARNS(NOTES("'seccomp.security.alpha.kubernetes.io/pod':'unconfined'", ""),
	      "metadata.annotations[seccomp.security.alpha.kubernetes.io/pod]");
	WARNS(NOTES("'" ARMOR "':'runtime/default'", ""), "metadata.annotations[" ARMOR "]");
	WARNS(NOTES("'" ARMOR "':'runtime/default'", ",'securityContext':{'appArmorProfile':{'type':'RuntimeDefault'}}"), "");
}

TEST(an_annotation_becomes_a_field)
{
	struct write w CLEAN_WRITE;
	write_init(&w);
	REQUIRE(!write_create(&w, NOTES("'" ARMOR "':'localhost/mine'", "")));
	CHECK_STR(json_text(&w.arena, json_at(w.object, "spec.containers.0.securityContext.appArmorProfile")),
		  "{\"type\":\"Localhost\",\"localhostProfile\":\"mine\"}");
}

TEST(warnings_about_lists)
{
	WARNS(SPEC("'hostAliases':[{'ip':'10.0.0.1'},{'ip':'10.0.0.1'}]"), "spec.hostAliases[1].ip");
	WARNS(SPEC("'imagePullSecrets':[{'name':'a'},{'name':'a'},{}]"), "spec.imagePullSecrets[1].name; spec.imagePullSecrets[2].name");
	WARNS(SPEC("'dnsConfig':{'nameservers':['2001:DB8::1','2001:db8::1','2001:db8:0:0:1::1']}"),
	      "spec.dnsConfig.nameservers[0]; spec.dnsConfig.nameservers[2]");
	WARNS(SPEC("'volumes':[{'name':'v','gitRepo':{'repository':'r'}}]"), "spec.volumes[0].gitRepo");
}

TEST(warnings_about_overlaps)
{
#define ITEMS(a, b) "'volumes':[{'name':'v','configMap':{'name':'m','items':[{'key':'a','path':'" a "'},{'key':'b','path':'" b "'}]}}]"
	WARNS(SPEC(ITEMS("p", "p/q")), "volume \"v\"");
	WARNS(SPEC(ITEMS("p/", "p")), "volume \"v\"");
	WARNS(SPEC(ITEMS("p", "pq")), "");
	WARNS(SPEC("'volumes':[{'name':'v','projected':{'sources':[{}]}}]"), "volume \"v\"");
}

TEST(warnings_about_containers)
{
	WARNS(CONTAINER("'resources':{'limits':{'memory':'1500m'}}"), C0 "resources.limits[memory]; " C0 "resources.requests[memory]");
	WARNS(CONTAINER("'env':[{'name':'A','value':'1'},{'name':'A','value':'2'}]"), C0 "env[1]");
	WARNS(CONTAINER("'env':[{'name':'A','value':'1'},{'name':'A','value':'$(A)2'}]"), "");
	WARNS(CONTAINER("'ports':[{'containerPort':80,'hostIP':'10.0.0.1'}]"), C0 "ports[0]");
	WARNS(CONTAINER("'ports':[{'containerPort':80},{'containerPort':80,'hostPort':81},{'containerPort':80,'protocol':'UDP'}]"), C0 "ports[1]");
	WARNS(POD("", "'initContainers':[{'name':'a','image':'i','restartPolicy':'Always','ports':[{'containerPort':1,'name':'web'}]}],"
		      "'containers':[{'name':'c','image':'i','ports':[{'containerPort':2,'name':'web'}]}]"), C0 "ports[0]");
}

TEST(warnings_about_names)
{
	WARNS("{'apiVersion':'v1','kind':'Pod','metadata':{'name':'a.b'},'spec':{" WORK "}}", "metadata.name");
}

#define TEMPLATE(spec) "'template':{'metadata':{'labels':{'a':'b'}},'spec':{" WORK spec "}}"
#define DEPLOYMENT(replicas, spec) \
	"{'apiVersion':'apps/v1','kind':'Deployment','metadata':{'name':'x'},'spec':{'replicas':" replicas ",'selector':{'matchLabels':{'a':'b'}}," TEMPLATE(spec) "}}"

TEST(warnings_about_templates)
{
#define OLD ",'terminationGracePeriodSeconds':-1"
	WARNS(DEPLOYMENT("1", OLD), "spec.template.spec.terminationGracePeriodSeconds");
	expect_warnings(__LINE__, "", DEPLOYMENT("1", OLD), DEPLOYMENT("1", OLD), ""); // nothing new
	expect_warnings(__LINE__, "", DEPLOYMENT("1", OLD), DEPLOYMENT("2", OLD), "spec.template.spec.terminationGracePeriodSeconds");
}

#define SERVICE(spec) "{'apiVersion':'v1','kind':'Service','metadata':{'name':'x'},'spec':{" spec "}}"

TEST(warnings_about_others)
{
	WARNS(SERVICE("'ports':[{'port':1}],'externalIPs':['2001:DB8::1']"), "spec.externalIPs[0]; spec.externalIPs");
	WARNS(SERVICE("'clusterIP':'None','loadBalancerIP':'10.0.0.1','sessionAffinity':'ClientIP'"), "spec.loadBalancerIP; spec.sessionAffinity");
	WARNS(SERVICE("'ports':[{'port':1}],'trafficDistribution':'PreferClose','externalName':'x.y'"), "spec.externalName; spec.trafficDistribution");
	WARNS("{'apiVersion':'v1','kind':'Node','metadata':{'name':'x'},'spec':{'externalID':'x'}}", "spec.externalID");
	WARNS("{'apiVersion':'discovery.k8s.io/v1','kind':'EndpointSlice','metadata':{'name':'x'},'addressType':'FQDN','endpoints':[]}", "addressType");
	WARNS("{'apiVersion':'v1','kind':'ServiceAccount','metadata':{'name':'x','annotations':{'kubernetes.io/enforce-mountable-secrets':'true'}}}",
	      "metadata.annotations[kubernetes.io/enforce-mountable-secrets]");
}
