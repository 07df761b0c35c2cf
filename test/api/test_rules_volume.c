// SPDX-License-Identifier: Apache-2.0
#include "write.h"

#define POD(spec) "{'apiVersion':'v1','kind':'Pod','metadata':{'name':'x'},'spec':{" spec "}}"
#define WORK "'containers':[{'name':'c','image':'i'}]"
#define CONTAINER(rest) POD("'containers':[{'name':'c','image':'i'," rest "}]")
#define VOLUME(rest) POD(WORK ",'volumes':[{'name':'v'," rest "}]")
#define C0 "spec.containers[0]."
#define V0 "spec.volumes[0]."

TEST(pod_volumes)
{
	CREATE(VOLUME("'hostPath':{'path':'/a/../b'}"), V0 "hostPath.path Invalid");
	CREATE(VOLUME("'emptyDir':{},'configMap':{'name':'c'}"), V0 "configMap Forbidden");
	CREATE(VOLUME("'secret':{'items':[{'key':'k','path':'/abs'}],'defaultMode':512}"),
	       V0 "secret.secretName Required; " V0 "secret.defaultMode Invalid; " V0 "secret.items[0].path Invalid");
	CREATE(VOLUME("'projected':{'sources':[{'secret':{'name':'s','items':[{'key':'k','path':'p'}]}},{'configMap':{'name':'c','items':[{'key':'k','path':'p'}]}}]}"),
	       V0 "projected Invalid");
	CREATE(VOLUME("'projected':{'sources':[{'serviceAccountToken':{'path':'t','expirationSeconds':10}}]}"),
	       V0 "projected.sources[0].serviceAccountToken.expirationSeconds Invalid");
	CREATE(VOLUME("'downwardAPI':{'items':[{'path':'p','fieldRef':{'fieldPath':'spec.nodeName'}}]}"),
	       V0 "downwardAPI.fieldRef.fieldPath NotSupported");
	CREATE(POD(WORK ",'volumes':[{'name':'v'},{'name':'v'}]"), "spec.volumes[1].name Duplicate");
	CREATE(CONTAINER("'volumeMounts':[{'name':'none','mountPath':'/x'}]"), C0 "volumeMounts[0].name NotFound");
	CREATE(POD("'volumes':[{'name':'v'}],'containers':[{'name':'c','image':'i','volumeMounts':[{'name':'v','mountPath':'/x','subPath':'../y'},"
		   "{'name':'v','mountPath':'/x','mountPropagation':'Bidirectional'}]}]"),
	       C0 "volumeMounts.subPath Invalid; " C0 "volumeMounts[1].mountPath Invalid; " C0 "volumeMounts.mountPropagation Forbidden");
}

TEST(pod_projected_volumes)
{
	CREATE(VOLUME("'projected':{'sources':[{'secret':{'name':'s'},'configMap':{}}]}"),
	       V0 "projected.sources[0].configMap.name Required; " V0 "projected.sources[0] Forbidden");
	CREATE(VOLUME("'projected':{'sources':[{'podCertificate':{}},{'clusterTrustBundle':{'path':'/x'}}]}"), "");
	CREATE(VOLUME("'projected':{'sources':[{'serviceAccountToken':{'path':'..'}}]}"), V0 "projected.path Invalid; " V0 "projected.path Invalid");
}

TEST(pod_volumes_of_other_storage)
{
	static const struct {
		const char *volume, *causes;
	} volumes[] = {
		{"'gitRepo':{'directory':'../x'}", V0 "gitRepo.repository Required; " V0 "gitRepo.directory Invalid"},
		{"'gcePersistentDisk':{'partition':256}", V0 "persistentDisk.pdName Required; " V0 "persistentDisk.partition Invalid"},
		{"'emptyDir':{},'cephfs':{}", V0 "cephFS Forbidden"},
		{"'iscsi':{'targetPortal':'1.2.3.4','iqn':'iqn.2001-04.com.example:disk','lun':0}", ""},
		{"'iscsi':{'targetPortal':'1.2.3.4','iqn':'iqn.2001-04.com.example','lun':256,'chapAuthSession':true,'initiatorName':'x'}",
		 V0 "iscsi.iqn Invalid; " V0 "iscsi.lun Invalid; " V0 "iscsi.secretRef Required; " V0 "iscsi.initiatorname Invalid"},
		{"'fc':{'targetWWNs':['a'],'wwids':['b']}", V0 "fc.targetWWNs Invalid; " V0 "fc.lun Required"},
		{"'flocker':{}", V0 "flocker Required"},
		{"'quobyte':{'registry':'a:1,b'}", V0 "quobyte.volume Required; " V0 "quobyte.registry Invalid"},
		{"'flexVolume':{'driver':'d','options':{'a.k8s.io/x':'y'}}", V0 "flexVolume.options[a.k8s.io/x] Invalid"},
		{"'azureDisk':{'diskName':'d','diskURI':'x','kind':'Managed','cachingMode':'No'}",
		 V0 "azureDisk.cachingMode NotSupported; " V0 "azureDisk.diskURI NotSupported"},
		{"'storageos':{'volumeName':'A','secretRef':{}}", V0 "storageos.volumeName Invalid; " V0 "storageos.secretRef.name Required"},
		{"'scaleIO':{'gateway':'g'}", V0 "scaleIO.system Required; " V0 "scaleIO.volumeName Required"},
		{"'csi':{'driver':'Disk.Example'}", ""},
	};
	for (size_t i = 0; i < ARRAY_LEN(volumes); i++) {
		char pod[600];
		snprintf(pod, sizeof pod, VOLUME("%s"), volumes[i].volume);
		CREATE(pod, volumes[i].causes);
	}
}

TEST(pod_claims_and_devices)
{
#define CLAIM(spec) VOLUME("'ephemeral':{'volumeClaimTemplate':{'spec':{'resources':{'requests':{'storage':'1'}}," spec "}}}")
#define SPEC V0 "ephemeral.volumeClaimTemplate.spec"
	CREATE(CLAIM("'accessModes':['ReadWriteOncePod','ReadWriteOnce']"), SPEC ".accessModes Forbidden");
	CREATE(CLAIM("'accessModes':['ReadWriteOnce'],'dataSource':{'kind':'K'},'dataSourceRef':{'kind':'PersistentVolumeClaim','name':'n'}"),
	       SPEC ".dataSource.name Required; " SPEC ".dataSource Invalid; " SPEC " Invalid");
	CREATE(VOLUME("'ephemeral':{'volumeClaimTemplate':{'metadata':{'name':'n'},'spec':{'accessModes':['ReadWriteOnce'],'resources':{'requests':{'storage':'1'}}}}}"),
	       V0 "ephemeral.volumeClaimTemplate.metadata.name Forbidden");
	CREATE(POD("'volumes':[{'name':'v'},{'name':'p','persistentVolumeClaim':{'claimName':'q'}}],'containers':[{'name':'c','image':'i','volumeDevices':["
		   "{'name':'p','devicePath':'/dev/x'},{'name':'v','devicePath':'/dev/x'},{'name':'w','devicePath':'../y'}]}]"),
	       C0 "volumeDevices[1].name Invalid; " C0 "volumeDevices[1].devicePath Invalid; " C0 "volumeDevices[2].name NotFound; " C0
		  "volumeDevices[2].devicePath Invalid");
}
