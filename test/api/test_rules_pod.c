// SPDX-License-Identifier: Apache-2.0
#include "write.h"

#define POD(spec) "{'apiVersion':'v1','kind':'Pod','metadata':{'name':'x'},'spec':{" spec "}}"
#define WORK "'containers':[{'name':'c','image':'i'}]"
#define CONTAINER(rest) POD("'containers':[{'name':'c','image':'i'," rest "}]")
#define VOLUME(rest) POD(WORK ",'volumes':[{'name':'v'," rest "}]")
#define C0 "spec.containers[0]."
#define V0 "spec.volumes[0]."

TEST(pod_as_a_whole)
{
	CREATE(POD(WORK), "");
	CREATE(POD("'containers':[]"), "spec.containers Required");
	CREATE(POD(WORK ",'restartPolicy':'Sometimes'"), "spec.restartPolicy NotSupported");
	CREATE(POD(WORK ",'dnsPolicy':'None'"), "spec.dnsConfig Required");
	CREATE(POD(WORK ",'dnsConfig':{'nameservers':['1.1.1.1','1.1.1.2','1.1.1.3','1.1.1.4'],'searches':['a_b.c','-x'],'options':[{}]}"),
	       "spec.dnsConfig.nameservers Invalid; spec.dnsConfig.searches[1] Invalid; spec.dnsConfig.options[0] Required");
	CREATE(POD(WORK ",'hostAliases':[{'ip':'x','hostnames':['a b']}]"), "spec.hostAliases[0].ip Invalid; spec.hostAliases[0].hostnames[0] Invalid");
	CREATE(POD(WORK ",'activeDeadlineSeconds':0"), "spec.activeDeadlineSeconds Invalid");
	CREATE(POD(WORK ",'os':{'name':'hurd'}"), "spec.os NotSupported");
	CREATE(POD(WORK ",'nodeName':'n','schedulingGates':[{'name':'a.b/c'}]"), "spec.nodeName Forbidden");
	CREATE(POD(WORK ",'schedulingGates':[{'name':'a.b/c'},{'name':'a.b/c'}]"), "spec.schedulingGates[1] Duplicate");
	CREATE(POD(WORK ",'ephemeralContainers':[{'name':'d','image':'i'}]"), "spec.ephemeralContainers Forbidden");
	CREATE(POD(WORK ",'hostUsers':false,'hostNetwork':true,'hostPID':true"), "spec.hostNetwork Forbidden; spec.HostPID Forbidden");
	CREATE(POD(WORK ",'hostnameOverride':'A','hostNetwork':true"), "spec.hostnameOverride Forbidden; spec.hostnameOverride Invalid");
	CREATE(POD(WORK ",'runtimeClassName':''"), "spec.runtimeClassName Invalid");
	CREATE(POD(WORK ",'overhead':{'cpu':'-1'}"), "spec.overhead.limits[cpu] Invalid");
	CREATE(POD(WORK ",'terminationGracePeriodSeconds':-5,'schedulingGroup':{}"), "");
	CREATE(POD(WORK ",'resources':{'claims':[]}"), "spec.resources.claims Forbidden");
	CREATE(POD(WORK ",'ephemeralContainers':[{'name':'d','image':'i','ports':[],'resizePolicy':[]}]"),
	       "spec.ephemeralContainers[0].ports Forbidden; spec.ephemeralContainers[0].resizePolicy Forbidden; spec.ephemeralContainers Forbidden");
}

TEST(pod_systems)
{
#define WINDOWS(options) POD(WORK ",'os':{'name':'windows'}," options)
#define OPTIONS "spec.securityContext.windowsOptions."
	CREATE(POD(WORK ",'os':{'name':'linux'},'securityContext':{'windowsOptions':{}}"), "spec.securityContext.windowsOptions Forbidden");
	CREATE(WINDOWS("'hostPID':true,'securityContext':{'runAsUser':1}"), "spec.hostPID Forbidden; spec.securityContext.runAsUser Forbidden");
	CREATE(WINDOWS("'securityContext':{'windowsOptions':{'hostProcess':true}}"), "spec.hostNetwork Invalid");
	CREATE(WINDOWS("'resources':{'claims':[{'name':'x'}]}"), "spec.resources Forbidden");
	CREATE(WINDOWS("'securityContext':{'windowsOptions':{'runAsUserName':'NT AUTHORITY\\\\SYSTEM'}}"), "");
	CREATE(WINDOWS("'securityContext':{'windowsOptions':{'runAsUserName':'a\\\\b\\\\c','gmsaCredentialSpec':''}}"),
	       OPTIONS "gmsaCredentialSpec Invalid; " OPTIONS "runAsUserName Invalid");
	CREATE(WINDOWS("'securityContext':{'windowsOptions':{'runAsUserName':'...'}}"), OPTIONS "runAsUserName Invalid");
}

TEST(pod_restart_rules)
{
	CREATE(CONTAINER("'restartPolicyRules':[{'action':'Restart'}]"),
	       C0 "restartPolicy Required; " C0 "restartPolicyRules[0].exitCodes Required");
	CREATE(CONTAINER("'restartPolicy':'Never','restartPolicyRules':[{'action':'Stop','exitCodes':{'operator':'Is','values':[1]}}]"),
	       C0 "restartPolicyRules[0].action NotSupported; " C0 "restartPolicyRules[0].exitCodes.operator NotSupported");
	CREATE(CONTAINER("'restartPolicy':'Never','restartPolicyRules':[{'action':'RestartAllContainers','exitCodes':{'operator':'In','values':[1]}}]"), "");
	CREATE(POD(WORK ",'initContainers':[{'name':'d','image':'i','resizePolicy':[{'resourceName':'cpu','restartPolicy':'RestartContainer'}]}]"),
	       "spec.initContainers[0].resizePolicy[0].restartPolicy Invalid");
}

TEST(pod_device_claims)
{
#define CLAIMED(uses) POD("'resourceClaims':[{'name':'g','resourceClaimName':'o'}],'containers':[{'name':'c','image':'i','resources':{'claims':" uses "}}]")
	CREATE(CLAIMED("[{'name':'g','request':'a'},{'name':'g','request':'b'}]"), "");
	CREATE(CLAIMED("[{'name':'g','request':'a'},{'name':'g','request':'a'},{'name':'g'}]"),
	       C0 "resources.claims[1] Duplicate; " C0 "resources.claims[2] Duplicate");
	CREATE(CLAIMED("[{},{'name':'h'}]"), C0 "resources.claims[0] Required; " C0 "resources.claims[1] NotFound");
	CREATE(POD(WORK ",'resourceClaims':[{'name':'g'},{'name':'g','resourceClaimName':'A','resourceClaimTemplateName':'t'}]"),
	       "spec.resourceClaims[0] Invalid; spec.resourceClaims[1].name Duplicate; spec.resourceClaims[1].resourceClaimName Invalid; spec.resourceClaims[1] Invalid");
}

TEST(pod_containers)
{
	CREATE(POD("'containers':[{}]"), C0 "name Required; " C0 "image Required");
	CREATE(POD("'containers':[{'name':'c','image':'i'},{'name':'c','image':'i'}]"), "spec.containers[1].name Duplicate");
	CREATE(POD(WORK ",'initContainers':[{'name':'c','image':'i'}]"), "spec.initContainers[0].name Duplicate");
	CREATE(POD(WORK ",'initContainers':[{'name':'d','image':'i','livenessProbe':{'exec':{'command':['x']}}}]"),
	       "spec.initContainers[0].livenessProbe Forbidden");
	CREATE(POD(WORK ",'initContainers':[{'name':'d','image':'i','restartPolicy':'Always','livenessProbe':{'exec':{'command':['x']}}}]"), "");
	CREATE(CONTAINER("'ports':[{'containerPort':1,'hostPort':5},{'containerPort':2,'hostPort':5}]"), C0 "ports[1].hostPort Duplicate");
	CREATE(CONTAINER("'ports':[{'containerPort':1,'hostPort':5},{'containerPort':2,'hostPort':5,'protocol':'UDP'}]"), "");
	CREATE(CONTAINER("'ports':[{'name':'toolongtoolongtoolong','containerPort':70000}]"), C0 "ports[0].name Invalid; " C0 "ports[0].containerPort Invalid");
	CREATE(CONTAINER("'resizePolicy':[{'resourceName':'disk','restartPolicy':'NotRequired'}]"), C0 "resizePolicy NotSupported");
}

TEST(pod_environment)
{
	CREATE(CONTAINER("'env':[{'name':'A=B','value':'x'}]"), C0 "env[0].name Invalid");
	CREATE(CONTAINER("'env':[{'name':'A','value':'x','valueFrom':{'fieldRef':{'fieldPath':'metadata.name'}}}]"), C0 "env[0].valueFrom Invalid");
	CREATE(CONTAINER("'env':[{'name':'A','valueFrom':{}}]"), C0 "env[0].valueFrom Invalid");
	CREATE(CONTAINER("'env':[{'name':'A','valueFrom':{'fieldRef':{'fieldPath':'metadata.labels'}}}]"), C0 "env[0].valueFrom.fieldRef.fieldPath NotSupported");
	CREATE(POD("'containers':[{'name':'c','image':'i','env':[{'name':'A','valueFrom':{'fieldRef':{'fieldPath':'nonsense'}}}]}]"),
	       C0 "env[0].valueFrom.fieldRef.fieldPath Invalid");
	CREATE(CONTAINER("'env':[{'name':'A','valueFrom':{'resourceFieldRef':{'resource':'limits.cpu','divisor':'2'}}}]"),
	       C0 "env[0].valueFrom.resourceFieldRef.divisor Invalid");
	CREATE(CONTAINER("'env':[{'name':'A','valueFrom':{'secretKeyRef':{'name':'s','key':'..'}}}]"), C0 "env[0].valueFrom.secretKeyRef.key Invalid");
	CREATE(CONTAINER("'envFrom':[{}]"), C0 "envFrom Invalid");
	CREATE(CONTAINER("'env':[{'name':'A','valueFrom':{'fileKeyRef':{'volumeName':'v','path':'../x','key':'A=B'}}}]"),
	       C0 "env[0].valueFrom.fileKeyRef.key Invalid; " C0 "env[0].valueFrom.fileKeyRef.path Invalid; " C0 "env[0].valueFrom.fileKeyRef.volumeName NotFound");
}

TEST(pod_resources)
{
	CREATE(CONTAINER("'resources':{'requests':{'cpu':'2'},'limits':{'cpu':'1'}}"), C0 "resources.requests Invalid");
	CREATE(CONTAINER("'resources':{'requests':{'cpu':'-1'}}"), C0 "resources.requests[cpu] Invalid");
	CREATE(CONTAINER("'resources':{'limits':{'example.test/gpu':'1500m'}}"),
	       C0 "resources.limits[example.test/gpu] Invalid; " C0 "resources.requests[example.test/gpu] Invalid");
	CREATE(CONTAINER("'resources':{'requests':{'example.test/gpu':'1'}}"), C0 "resources.limits Required");
	CREATE(CONTAINER("'resources':{'limits':{'cpu':'1','hugepages-2Mi':'3Mi'}}"),
	       C0 "resources.limits[hugepages-2Mi] Invalid; " C0 "resources.requests[hugepages-2Mi] Invalid");
	CREATE(POD(WORK ",'resources':{'limits':{'bogus':'1','example.test/x':'1'}}"),
	       "spec.resources.limits[bogus] Invalid; spec.resources.limits[example.test/x] NotSupported");
	CREATE(POD("'resources':{'requests':{'cpu':'1'},'limits':{'cpu':'1'}},'initContainers':[{'name':'p','image':'i','resources':{'requests':{'cpu':'2'}}}],"
		   "'containers':[{'name':'c','image':'i','resources':{'limits':{'cpu':'3'},'requests':{'cpu':'1'}}}]"),
	       "spec.resources.requests[cpu] Invalid; spec.resources.containers[0][cpu].limits Invalid");
	CREATE(CONTAINER("'resources':{'limits':{'bogus':'1'}}"),
	       C0 "resources.limits[bogus] Invalid; " C0 "resources.limits[bogus] Invalid; " C0 "resources.requests[bogus] Invalid; " C0
		  "resources.requests[bogus] Invalid");
}

TEST(pod_probes)
{
	CREATE(CONTAINER("'livenessProbe':{}"), C0 "livenessProbe Required");
	CREATE(CONTAINER("'livenessProbe':{'exec':{'command':['x']},'tcpSocket':{'port':1}}"), C0 "livenessProbe.tcpSocket Forbidden");
	CREATE(CONTAINER("'livenessProbe':{'httpGet':{'port':'http','httpHeaders':[{'name':'a b','value':''}]},'successThreshold':2}"),
	       C0 "livenessProbe.httpGet.httpHeaders Invalid; " C0 "livenessProbe.successThreshold Invalid");
	CREATE(CONTAINER("'readinessProbe':{'tcpSocket':{'port':1},'terminationGracePeriodSeconds':3}"),
	       C0 "readinessProbe.terminationGracePeriodSeconds Invalid");
	CREATE(CONTAINER("'lifecycle':{'preStop':{'sleep':{'seconds':31}},'postStart':{}}"),
	       C0 "lifecycle.postStart Required; " C0 "lifecycle.preStop.sleep Invalid");
	CREATE(CONTAINER("'lifecycle':{'stopSignal':'SIGUSR1'}"), "");
}

TEST(pod_security)
{
	CREATE(CONTAINER("'securityContext':{'appArmorProfile':{'type':'Localhost','localhostProfile':' x'}}"),
	       C0 "securityContext.appArmorProfile.localhostProfile Invalid");
	CREATE(POD(WORK ",'securityContext':{'runAsUser':-1,'sysctls':[{'name':'Bad!','value':''}],'seccompProfile':{'type':'Localhost'}}"),
	       "spec.securityContext.runAsUser Invalid; spec.securityContext.sysctls[0].name Invalid; spec.securityContext.seccompProfile.localhostProfile Required");
	CREATE(POD(WORK ",'hostNetwork':true,'securityContext':{'sysctls':[{'name':'net.ipv4.ip_forward','value':'1'}]}"),
	       "spec.securityContext.sysctls[0].name Invalid");
	CREATE(CONTAINER("'securityContext':{'privileged':true,'allowPrivilegeEscalation':false}"), C0 "securityContext Invalid");
	CREATE(CONTAINER("'securityContext':{'procMount':'Unmasked'}"), C0 "securityContext.procMount Invalid");
	CREATE(CONTAINER("'securityContext':{'seccompProfile':{'type':'Localhost','localhostProfile':'../x'}}"),
	       C0 "securityContext.seccompProfile.localhostProfile Invalid");
}

TEST(pod_placement)
{
	CREATE(POD(WORK ",'affinity':{'nodeAffinity':{'preferredDuringSchedulingIgnoredDuringExecution':[{'weight':1,'preference':{'matchExpressions':["
		   "{'key':'k','operator':'In','values':['no label!']}]}}]}}"), "");
	CREATE("{'apiVersion':'v1','kind':'Pod','metadata':{'name':'x','labels':{'v':'1'}},'spec':{" WORK ",'topologySpreadConstraints':[{'maxSkew':1,"
	       "'topologyKey':'z','whenUnsatisfiable':'DoNotSchedule','matchLabelKeys':['v'],'labelSelector':{'matchLabels':{'v':'1'}}}]}}",
	       "spec.topologySpreadConstraints[0][0] Invalid");
	CREATE(POD(WORK ",'affinity':{'podAffinity':{'requiredDuringSchedulingIgnoredDuringExecution':[{'topologyKey':'z','matchLabelKeys':['a'],"
		   "'mismatchLabelKeys':['a'],'labelSelector':{}}]}}"),
	       "spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].matchLabelKeys[0] Invalid");
	CREATE(POD(WORK ",'tolerations':[{'operator':'Equal'},{'key':'k','operator':'Exists','value':'v'},{'key':'k','effect':'NoSchedule','tolerationSeconds':1}]"),
	       "spec.tolerations[0].operator Invalid; spec.tolerations[1].operator Invalid; spec.tolerations[2].effect Invalid");
	CREATE(POD(WORK ",'topologySpreadConstraints':[{'maxSkew':0,'topologyKey':'z','whenUnsatisfiable':'DoNotSchedule'},"
		   "{'maxSkew':1,'topologyKey':'z','whenUnsatisfiable':'DoNotSchedule'}]"),
	       "spec.topologySpreadConstraints[0].maxSkew Invalid; spec.topologySpreadConstraints[0].{topologyKey, whenUnsatisfiable} Duplicate");
	CREATE(POD(WORK ",'affinity':{'nodeAffinity':{'requiredDuringSchedulingIgnoredDuringExecution':{'nodeSelectorTerms':[{'matchExpressions':["
		   "{'key':'k','operator':'Gt','values':['1','2']}],'matchFields':[{'key':'spec.x','operator':'In','values':['y']}]}]}}}"),
	       "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[0].values Required; "
	       "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchFields[0].key Invalid");
	CREATE(POD(WORK ",'affinity':{'podAntiAffinity':{'preferredDuringSchedulingIgnoredDuringExecution':[{'weight':101,'podAffinityTerm':{'topologyKey':'z'}}]}}"),
	       "spec.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].weight Invalid");
}

TEST(pod_updates_of_metadata)
{
#define META(rest) "{'apiVersion':'v1','kind':'Pod','metadata':{'name':'x'" rest "},'spec':{" WORK "}}"
	UPDATE(META(""), META(",'finalizers':['x']"), "metadata.finalizers[0] Invalid; metadata.finalizers[0] Invalid");
	UPDATE(META(""), META(",'labels':{'k':'a b'}"), "metadata.labels Invalid; metadata.labels Invalid; metadata.labels Invalid; metadata.labels Invalid");
}

TEST(pod_updates)
{
#define NODE(terms) ",'affinity':{'nodeAffinity':{'requiredDuringSchedulingIgnoredDuringExecution':{'nodeSelectorTerms':[" terms "]}}}"
#define ASKS(key) "{'key':'" key "','operator':'Exists'}"
#define GATED(rest) POD(WORK ",'schedulingGates':[{'name':'a.b/c'}]" rest)
#define TERMS "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms"
	UPDATE(GATED(NODE("{'matchExpressions':[" ASKS("a") "]}")), GATED(NODE("{'matchExpressions':[" ASKS("a") "," ASKS("b") "]}")), "");
	UPDATE(GATED(NODE("{'matchExpressions':[" ASKS("a") "]}")), GATED(NODE("{'matchExpressions':[" ASKS("b") "]}")), TERMS "[0] Invalid");
	UPDATE(GATED(NODE("{'matchExpressions':[" ASKS("a") "]}")), GATED(""), TERMS " Invalid");
	UPDATE(GATED(""), GATED(NODE("{'matchExpressions':[" ASKS("a") "]}")), "");
	UPDATE(GATED(",'nodeSelector':{'a':'b'}"), GATED(""), "spec.nodeSelector Invalid");
	UPDATE(POD(WORK), POD("'containers':[{'name':'c','image':' i','imagePullPolicy':'Always'}]"), "spec.containers[0].image Invalid; spec.containers[0].image Invalid");
	UPDATE(CONTAINER("'env':[{'name':'A','valueFrom':{'resourceFieldRef':{'resource':'limits.cpu','divisor':'0'}}}]"),
	       CONTAINER("'env':[{'name':'A','valueFrom':{'resourceFieldRef':{'resource':'limits.cpu'}}}]"), "");
	UPDATE(CONTAINER("'command':['a']"), POD("'containers':[{'name':'c','image':'j','command':['a']}]"), "");
	UPDATE(CONTAINER("'command':['a']"), CONTAINER("'command':['b']"), "spec Forbidden");
	UPDATE(POD(WORK), POD("'containers':[{'name':'c','image':'i'},{'name':'d','image':'i'}]"), "spec.containers Forbidden");
	UPDATE(POD(WORK ",'activeDeadlineSeconds':5"), POD(WORK ",'activeDeadlineSeconds':6"), "spec.activeDeadlineSeconds Invalid");
	UPDATE(POD(WORK ",'activeDeadlineSeconds':5"), POD(WORK ",'activeDeadlineSeconds':4"), "");
	UPDATE(POD(WORK ",'tolerations':[{'key':'a','operator':'Exists'}]"), POD(WORK ",'tolerations':[{'key':'a','operator':'Exists'},{'key':'b','operator':'Exists'}]"), "");
	UPDATE(POD(WORK ",'tolerations':[{'key':'a','operator':'Exists'}]"), POD(WORK), "spec.tolerations Forbidden");
	UPDATE(POD(WORK ",'schedulingGates':[{'name':'a.b/c'}]"), POD(WORK ",'nodeSelector':{'k':'v'}"), "");
	UPDATE(POD(WORK), POD(WORK ",'nodeSelector':{'k':'v'}"), "spec Forbidden");
	UPDATE(POD(WORK), POD(WORK ",'schedulingGates':[{'name':'a.b/c'}]"), "spec.schedulingGates[0].name Forbidden");
}

TEST(pod_subresources)
{
	expect_update(__LINE__, "resize", CONTAINER("'resources':{'requests':{'cpu':'1'}}"), CONTAINER("'resources':{'requests':{'cpu':'2'}}"), "");
	expect_update(__LINE__, "resize", CONTAINER("'resources':{'requests':{'cpu':'1'}}"), CONTAINER("'resources':{}"),
		      "spec Invalid; spec.containers[0].resources.requests Forbidden");
	expect_update(__LINE__, "resize", POD(WORK), POD("'containers':[{'name':'d','image':'i'}]"), "spec.containers[0].name Forbidden");
	expect_update(__LINE__, "resize", POD(WORK), POD(WORK ",'initContainers':[{'name':'d','image':'i'}]"), "spec.initContainers Forbidden");
	expect_update(__LINE__, "resize", CONTAINER("'resources':{'requests':{'cpu':'1','ephemeral-storage':'1'}}"),
		      CONTAINER("'resources':{'requests':{'cpu':'1','ephemeral-storage':'2'}}"), "spec Forbidden");
	expect_update(__LINE__, "resize", POD(WORK ",'resources':{'limits':{'cpu':'1','memory':'1'}}"), POD(WORK ",'resources':{'limits':{'cpu':'2'}}"),
		      "spec Invalid; spec.resources.requests Forbidden; spec.resources.limits Forbidden");
	expect_update(__LINE__, "resize", POD(WORK ",'os':{'name':'windows'}"), POD(WORK ",'os':{'name':'windows'}"), " Forbidden");
	expect_update(__LINE__, "ephemeralcontainers", POD(WORK), POD(WORK ",'ephemeralContainers':[{'name':'d','image':'i','ports':[{'containerPort':1}]}]"),
		      "spec.ephemeralContainers[0].ports Forbidden");
	expect_update(__LINE__, "status", POD(WORK), "{'apiVersion':'v1','kind':'Pod','metadata':{'name':'x'},'status':{'podIPs':[{'ip':'x'}]}}",
		      "status.podIPs[0] Invalid");
}

TEST(pod_status)
{
#define STATUS(status) "{'apiVersion':'v1','kind':'Pod','metadata':{'name':'x'},'status':{" status "}}"
	static const struct {
		const char *status, *causes;
	} updates[] = {
		{"'podIPs':[{'ip':'1.1.1.1'},{'ip':'::1'}],'hostIP':'1.1.1.1','hostIPs':[{'ip':'1.1.1.1'}]", ""},
		{"'podIPs':[{'ip':'1.1.1.1'},{'ip':'1.1.1.2'}],'hostIPs':[{'ip':'1.1.1.1'}]", "status.podIPs Invalid; status.hostIPs[0].ip Invalid"},
		{"'podIPs':[{'ip':'1.1.1.1'},{'ip':'x'}]", "status.podIPs[1] Invalid; status.podIPs InternalError; status.podIPs Invalid"},
		{"'conditions':[{'type':'a b','observedGeneration':-1}]", "status.conditions[0].observedGeneration Invalid; status.conditions[0].Type Invalid"},
		{"'qosClass':'Guaranteed','nominatedNodeName':'A'", "status.nominatedNodeName Invalid; status.qosClass Invalid"},
		{"'containerStatuses':[{'name':'c','user':{'linux':{'uid':-1,'gid':1}},'allocatedResourcesStatus':[{'name':'gpu','resources':["
		 "{'resourceID':'a','health':'Fine'},{'resourceID':'a','health':'Healthy','message':''}]}]}]",
		 "status.containerStatuses[0].user.linux.uid Invalid; status.containerStatuses[0].allocatedResourcesStatus[0].name Invalid; "
		 "status.containerStatuses[0].allocatedResourcesStatus[0].resources[0].health NotSupported; "
		 "status.containerStatuses[0].allocatedResourcesStatus[0].resources[1].message Required; "
		 "status.containerStatuses[0].allocatedResourcesStatus[0].resources[1].resourceID Duplicate"},
		{"'ephemeralContainerStatuses':[{'name':'d','allocatedResourcesStatus':[{'name':'cpu'}]}]",
		 "status.ephemeralContainerStatuses[0].allocatedResourcesStatus Forbidden"},
		{"'resourceClaimStatuses':[{'name':'g'}]", "status.resourceClaimStatuses[0].name Invalid"},
		{"'extendedResourceClaimStatus':{'requestMappings':[{'containerName':'c','resourceName':'x','requestName':'r'}]}",
		 "status.extendedResourceClaimStatus.requestMappings[0].resourceName Invalid; status.extendedResourceClaimStatus.resourceClaimName Required"},
	};
	for (size_t i = 0; i < ARRAY_LEN(updates); i++) {
		char pod[800];
		snprintf(pod, sizeof pod, STATUS("%s"), updates[i].status);
		expect_update(__LINE__, "status", POD(WORK), pod, updates[i].causes);
	}
}
