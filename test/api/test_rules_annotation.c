// SPDX-License-Identifier: Apache-2.0
#include "write.h"

#define POD(annotations, spec)                                                                                        \
	"{'apiVersion':'v1','kind':'Pod','metadata':{'name':'x','annotations':{" annotations "}},'spec':{"                 \
	"'containers':[{'name':'c','image':'i'" spec "}]}}"
#define COST "'controller.kubernetes.io/pod-deletion-cost':"
#define SECCOMP "'container.seccomp.security.alpha.kubernetes.io/c':"
#define APP_ARMOR "'container.apparmor.security.beta.kubernetes.io/"
#define MIRROR "'kubernetes.io/config.mirror':'x'"
#define AT "metadata.annotations"
#define C0 "spec.containers[0].securityContext."

TEST(pod_annotations)
{
	CREATE(POD(COST "'-7'", ""), "");
	CREATE(POD(COST "'+7'", ""), AT "[controller.kubernetes.io/pod-deletion-cost] Invalid");
	CREATE(POD(MIRROR, ""), AT "[kubernetes.io/config.mirror] Invalid");
	CREATE(POD(SECCOMP "'x'", ""), AT ".container.seccomp.security.alpha.kubernetes.io/c Invalid");
	CREATE(POD(APP_ARMOR "d':'x'", ""),
	       AT "[container.apparmor.security.beta.kubernetes.io/d] Invalid; " AT "[container.apparmor.security.beta.kubernetes.io/d] Invalid");
}

TEST(pod_annotations_beside_fields)
{
	CREATE(POD(SECCOMP "'runtime/default'", ",'securityContext':{'seccompProfile':{'type':'RuntimeDefault'}}"), "");
	CREATE(POD(SECCOMP "'unconfined'", ",'securityContext':{'seccompProfile':{'type':'RuntimeDefault'}}"), C0 "seccompProfile.type Forbidden");
	CREATE(POD(APP_ARMOR "c':'localhost/a'", ",'securityContext':{'appArmorProfile':{'type':'Localhost','localhostProfile':'b'}}"),
	       C0 "appArmorProfile.localhostProfile Forbidden");
}
