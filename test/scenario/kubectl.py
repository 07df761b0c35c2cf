# SPDX-License-Identifier: Apache-2.0
"""The real kubectl, every version on this machine: objects made, printed, changed, awaited and deleted; rights and tokens.
What it does inside pods is in kubectl_pods.py."""
import json
import sys
import threading
import time

from every_kubectl import WEB, deploy, each, need_platform
from harness import IMAGE, Client, Skip, check, eventually, main

MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s, labels: {app: it}}\ndata: %s\n"
LEASE = "apiVersion: coordination.k8s.io/v1\nkind: Lease\nmetadata: {name: lease}\nspec: {holderIdentity: me, leaseDurationSeconds: 15}\n"


@each
def test_version_and_resources(k):
    check("Server Version" in k("version"), "no server version")
    names = k("api-resources", "-o", "name").split()
    check({"pods", "services", "deployments.apps", "endpointslices.discovery.k8s.io"} <= set(names), names)
    check({"v1", "apps/v1", "events.k8s.io/v1"} <= set(k("api-versions").split()), "api-versions")
    check("is running at" in k("cluster-info"), "cluster-info")
    check("replicas" in k("explain", "deployment.spec"), "explain tells nothing of replicas")
    check("<string>" in k("explain", "pod.spec.containers.image"), "explain tells nothing of image")
    check("matchExpressions" in k("explain", "deployment.spec", "--recursive"), "explain --recursive")
    check(k("get", "--raw", "/readyz").strip() == "ok", "readyz")


@each
def test_create_and_print(k):
    k("create", "configmap", "cm", "--from-literal=a=1")
    k("create", "secret", "generic", "s", "--from-literal=p=q")
    k("create", "serviceaccount", "robot")
    k("create", "deployment", "d", f"--image={IMAGE}", "--replicas=0")
    check(k("get", "configmap", "cm", "-o", "jsonpath={.data.a}") == "1", "jsonpath")
    check(k.json("get", "secret", "s")["data"]["p"] == "cQ==", "json")
    check("kind: ServiceAccount" in k("get", "sa", "robot", "-o", "yaml"), "yaml")
    check("SELECTOR" in k("get", "deployments", "-o", "wide"), "wide columns")
    check("d" in k("get", "deploy,cm,secret").split("deployment.apps/")[1][:2], "several kinds")
    check("already exists" in k.refused("create", "configmap", "cm", "--from-literal=a=1"), "twice")
    check("NotFound" in k.refused("get", "configmap", "none"), "missing")
    check("bogus" in k.refused("apply", "-f", "-", stdin=MAP % ("x", "{}") + "bogus: 1\n"), "unknown field")


@each
def test_prints_in_every_way(k):
    for name, size in (("first", 2), ("second", 1)):
        k("create", "-f", "-", stdin=MAP % (name, f'{{size: "{size}"}}'))
    ours = ("get", "cm", "-l", "app=it")
    check(k(*ours, "-o", "custom-columns=N:.metadata.name,S:.data.size").split() == ["N", "S", "first", "2", "second", "1"], "custom-columns")
    check(k(*ours, "-o", r'jsonpath={range .items[*]}{.metadata.name}={.data.size}{"\n"}{end}').split() == ["first=2", "second=1"], "range")
    check(k(*ours, "-o", "go-template={{len .items}}") == "2", "go-template")
    check(k(*ours, "--sort-by={.data.size}", "-o", "name").split() == ["configmap/second", "configmap/first"], "sort-by")
    check("app=it" in k(*ours, "--show-labels") and "APP" in k(*ours, "-L", "app"), "labels as columns")
    check(k("get", "cm", "--field-selector=metadata.name=second", "-o", "name").split() == ["configmap/second"], "field selector")
    check(len(k("get", "cm", "--chunk-size=1", "-o", "name").split()) == 3, "pages of one, with kube-root-ca.crt")
    check("first" in k("get", "cm", "-A", "--no-headers"), "all namespaces")
    check(k("get", "cm", "first", "-o", "jsonpath={.metadata.annotations}") == "", "created without an annotation")


@each
def test_describes_every_kind(k):
    pod = deploy(k)
    k("create", "secret", "generic", "secret", "--from-literal=password=hidden")
    k("apply", "-f", "-", stdin=LEASE)
    eventually(lambda: "web" in k("get", "endpointslices"), 10, "no EndpointSlice")
    for what, words in {
            f"pod/{pod}": ("Container started", "Successfully assigned", "Readiness:", "QoS Class"),
            "deploy/web": ("ScalingReplicaSet", "RollingUpdateStrategy", "2 available"),
            "replicaset": ("SuccessfulCreate", "Controlled By"), "svc/web": ("NodePort", ":8080"), "endpoints/web": ("8080",),
            **({"endpointslice": ("AddressType", "Ready:")} if k.minor >= 21 else {}), "cm/kube-root-ca.crt": ("BEGIN CERTIFICATE",),
            "secret/secret": ("password", "6 bytes"), "sa/default": ("Name:", "default"), "lease/lease": ("Holder Identity",),
            f"ns/{k.namespace}": ("Active",), "node/node-1": ("Allocated resources", "Non-terminated Pods", pod, "KubeletReady"),
            "events": ("Scheduled",)}.items():
        described = k("describe", *what.split("/"))
        for word in words:
            check(word in described, f"describe {what} does not say {word!r}:\n{described}")
        check("hidden" not in described, "a secret is printed")


@each
def test_edits(k):
    k("create", "configmap", "cm", "--from-literal=a=1")
    k("patch", "cm", "cm", "-p", '{"data":{"b":"2"}}')
    k("patch", "cm", "cm", "--type=merge", "-p", '{"data":{"a":null}}')
    k("patch", "cm", "cm", "--type=json", "-p", '[{"op":"add","path":"/data/c","value":"3"}]')
    k("label", "cm", "cm", "color=blue")
    k("annotate", "cm", "cm", "note=hello")
    got = k.json("get", "cm", "cm")
    check(got["data"] == {"b": "2", "c": "3"}, got["data"])
    check(got["metadata"]["labels"] == {"color": "blue"}, "label")
    check("overwrite" in k.refused("label", "cm", "cm", "color=green"), "a label is changed without --overwrite")
    k("edit", "cm", "cm", environment={"KUBE_EDITOR": "sed -i s/blue/red/"})
    check(k("get", "cm", "-l", "color=red", "-o", "name").strip() == "configmap/cm", "edit")
    k("label", "cm", "cm", "color-")
    check(k("get", "cm", "-l", "!color", "--field-selector=metadata.name=cm", "-o", "name").strip(), "a label taken away")
    k("replace", "-f", "-", stdin=MAP % ("cm", "{z: last}"))
    check(k.json("get", "cm", "cm")["data"] == {"z": "last"}, "replace")
    before = k("get", "cm", "cm", "-o", "jsonpath={.metadata.uid}")
    k("replace", "--force", "-f", "-", stdin=MAP % ("cm", "{z: new}"))
    check(k("get", "cm", "cm", "-o", "jsonpath={.metadata.uid}") != before, "replace --force is another object")


@each
def test_applies_again(k):
    def apply(data):
        return k("apply", "-f", "-", stdin=MAP % ("cm", data)).split()[-1]
    check(apply('{a: one, b: two}') == "created", "created")
    check(apply('{a: one, b: two}') == "unchanged", "unchanged")
    k("patch", "cm", "cm", "-p", '{"data":{"other": "theirs"}}')
    check(apply('{a: three}') == "configured", "configured")
    check(k.json("get", "cm", "cm")["data"] == {"a": "three", "other": "theirs"}, "what was not applied stays, what is applied no more goes")
    deploy(k)
    k("scale", "deploy/web", "--replicas=1")
    changed = WEB.replace("  replicas: 2\n", "").replace("containers:", "containers:\n      - {name: more, image: '%s', command: [sleep, '1000']}" % IMAGE)
    k("apply", "-f", "-", stdin=changed)
    spec = k.json("get", "deploy", "web")["spec"]
    check({c["name"] for c in spec["template"]["spec"]["containers"]} == {"web", "more"}, "a container was added")
    check(spec["replicas"] == 1, "who no longer applies the replicas leaves them to their default")
    moved = WEB.replace("matchLabels: {app: web}", "matchLabels: {app: w}").replace("metadata: {labels: {app: web}}", "metadata: {labels: {app: w}}")
    said = k.refused("apply", "-f", "-", stdin=moved)
    check("spec.selector: Invalid value" in said, f"a selector was changed: {said}")


@each
def test_dry_runs_change_nothing(k):
    check("dry run" in k("create", "cm", "cm", "--from-literal=a=1", "--dry-run=server"), "create")
    check("NotFound" in k.refused("get", "cm", "cm"), "a dry run created")
    check("kind: ConfigMap" in k("create", "cm", "cm", "--dry-run=client", "-o", "yaml"), "only the client")
    k("create", "cm", "cm", "--from-literal=a=1")
    before = k.json("get", "cm", "cm")
    applied = k("apply", "--dry-run=server", "-o", "yaml", "-f", "-", stdin=MAP % ("cm", "{a: changed}"))
    check("a: changed" in applied, f"what would be is not shown: {applied}")
    k("patch", "cm", "cm", "--dry-run=server", "-p", '{"data":{"b":"2"}}')
    k("delete", "cm", "cm", "--dry-run=server")
    check(k.json("get", "cm", "cm") == before, "a dry run changed something")
    check("Invalid" in k.refused("create", "cm", "Not_Valid", "--dry-run=server"), "a dry run validates")


@each
def test_deployment_lives(k):
    deploy(k)
    check(k("get", "deploy", "web", "-o", "jsonpath={.status.readyReplicas}") == "2", "ready replicas")
    k("scale", "deploy/web", "--replicas=4")
    k("rollout", "status", "deploy/web", "--timeout=60s")
    check(len(k("get", "pods", "-o", "name").split()) == 4, "four pods")
    check("expected replicas" in k.refused("scale", "deploy/web", "--current-replicas=7", "--replicas=1").lower(), "a precondition of scale")
    k("set", "env", "deploy/web", "COLOR=green")
    k("rollout", "status", "deploy/web", "--timeout=60s")
    check(len(k("rollout", "history", "deploy/web").strip().splitlines()) == 4, "history has two revisions")
    check("green" in k("rollout", "history", "deploy/web", "--revision=2"), "the second revision")
    k("rollout", "undo", "deploy/web")
    k("rollout", "status", "deploy/web", "--timeout=60s")
    check("COLOR" not in json.dumps(k.json("get", "deploy", "web")["spec"]), "undo")
    k("rollout", "undo", "deploy/web", "--to-revision=2")
    k("rollout", "restart", "deploy/web")
    k("rollout", "status", "deploy/web", "--timeout=60s")
    check("COLOR" in json.dumps(k.json("get", "deploy", "web")["spec"]), "undo to a revision")
    k("wait", "--for=condition=Available", "deploy/web", "--timeout=30s")
    k("delete", "deploy", "web")
    eventually(lambda: not k("get", "pods", "-o", "name").strip(), 30, "pods remain after their deployment")
    check(not k("get", "rs", "-o", "name").strip(), "ReplicaSets remain after their deployment")


@each
def test_rollouts_pause(k):
    deploy(k)
    k("rollout", "pause", "deploy/web")
    k("set", "env", "deploy/web", "COLOR=green")
    k("scale", "deploy/web", "--replicas=3")
    eventually(lambda: k("get", "deploy", "web", "-o", "jsonpath={.status.readyReplicas}") == "3", 20, "a paused deployment does not scale")
    check(len(k("get", "rs", "-o", "name").split()) == 1, "a paused deployment rolled out")
    check("paused" in k.refused("rollout", "restart", "deploy/web"), "restart of a paused deployment")
    k("rollout", "resume", "deploy/web")
    k("rollout", "status", "deploy/web", "--timeout=60s")
    check(len(k("get", "rs", "-o", "name").split()) == 2, "nothing rolled out after the pause")
    pods = k("get", "pods", "-o", "jsonpath={range .items[?(@.spec.containers[0].env)]}{.metadata.name} {end}").split()
    check(len(pods) == 3, f"three pods have the new environment: {pods}")


@each
def test_scales_a_replicaset(k):
    k("apply", "-f", "-", stdin=WEB.split("---")[0].replace("Deployment", "ReplicaSet"))
    k("scale", "rs/web", "--replicas=3")
    eventually(lambda: k("get", "rs", "web", "-o", "jsonpath={.status.readyReplicas}") == "3", 30, "no three replicas")
    if k.minor >= 24:
        check(k("get", "rs", "web", "--subresource=scale", "-o", "jsonpath={.spec.replicas} {.status.selector}") == "3 app=web", "scale")
        k("patch", "rs", "web", "--subresource=scale", "--type=merge", "-p", '{"spec":{"replicas":1}}')
        eventually(lambda: len(k("get", "pods", "-o", "name").split()) == 1, 20, "a patch of the scale")
    k("delete", "rs", "web", "--cascade=orphan")
    pods = k("get", "pods", "-o", "name").split()
    check(pods, "the orphans were deleted")
    eventually(lambda: not k("get", *pods, "-o", "jsonpath={..ownerReferences}").strip(), 10, "the orphans have an owner")


@each
def test_watch_sees_changes(k):
    k("create", "configmap", "one", "--from-literal=a=1")
    watch, lines = k.start("get", "cm", "-w", "-o", "name"), []
    try:
        threading.Thread(target=lambda: [lines.append(line.strip()) for line in watch.stdout], daemon=True).start()
        eventually(lambda: "configmap/one" in lines, 10)
        k("create", "configmap", "two", "--from-literal=a=1")
        eventually(lambda: "configmap/two" in lines, 10, "the watch did not show the second")
    finally:
        watch.kill()
        watch.wait()


@each
def test_waits(k):
    k("create", "configmap", "cm", "--from-literal=a=1")
    k("create", "-f", "-", stdin=f"apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec: {{terminationGracePeriodSeconds: 0, "
      f"containers: [{{name: c, image: '{IMAGE}', imagePullPolicy: IfNotPresent, command: [sleep, '1000']}}]}}\n")
    k("wait", "--for=condition=Ready", "pod/p", "--timeout=30s")
    if k.minor >= 23:
        k("wait", "--for=jsonpath={.status.phase}=Running", "pod/p", "--timeout=10s")
    check("timed out" in k.refused("wait", "--for=delete", "pod/p", "--timeout=1s"), "wait ended before its time")
    waiting = k.start("wait", "--for=delete", "pod/p", "--timeout=20s")
    time.sleep(0.3)
    k("delete", "pod", "p", "--wait=false")
    check(waiting.wait(20) == 0, waiting.stdout.read())
    waiting.stdout.close()
    check("NotFound" in k.refused("get", "pod", "p"), "wait ended before the deletion")


@each
def test_deletes(k):
    for name in "abcd":
        k("create", "-f", "-", stdin=MAP % (name, "{}"))
    k("delete", "cm", "a", "b")
    k("delete", "cm", "-l", "app=it")
    check("app=it" not in k("get", "cm", "--show-labels"), "what was selected remains")
    k("delete", "cm", "missing", "--ignore-not-found")
    k("create", "-f", "-", stdin=MAP % ("held", "{}"))
    k("patch", "cm", "held", "-p", '{"metadata":{"finalizers":["example.com/hold"]}}')
    k("delete", "cm", "held", "--wait=false")
    check(k("get", "cm", "held", "-o", "jsonpath={.metadata.deletionTimestamp}"), "a finalizer did not hold")
    k("patch", "cm", "held", "--type=json", "-p", '[{"op":"remove","path":"/metadata/finalizers"}]')
    check("NotFound" in k.refused("get", "cm", "held"), "it remained without finalizers")
    k("create", "secret", "generic", "s")
    k("delete", "secret", "--all")
    other = k.namespace + "-x"
    k("create", "namespace", other)
    k("-n", other, "create", "cm", "inside")
    k("delete", "namespace", other, "--timeout=30s")
    check("NotFound" in k.refused("get", "namespace", other), "the namespace remained")


@each
def test_exposes(k):
    deploy(k)
    k("expose", "deploy/web", "--name=more", "--port=81", "--target-port=8080")
    check(k("get", "svc", "more", "-o", "jsonpath={.spec.clusterIP}").startswith("10."), "no address")
    eventually(lambda: len(k("get", "endpoints", "more", "-o", "jsonpath={.subsets[0].addresses[*].ip}").split()) == 2, 10, "endpoints")
    k("delete", "svc", "more")
    eventually(lambda: "more" not in k("get", "endpoints,endpointslices", "-o", "name"), 10, "endpoints outlive their Service")
    k("create", "service", "nodeport", "port", "--tcp=80:8080")
    check(int(k("get", "svc", "port", "-o", "jsonpath={.spec.ports[0].nodePort}")) >= 30000, "no node port")
    k("patch", "svc", "port", "-p", '{"spec":{"type":"ClusterIP"}}')
    check(k("get", "svc", "port", "-o", "jsonpath={.spec.ports[0].nodePort}") == "", "the node port remained")
    k("create", "service", "externalname", "far", "--external-name=far.example")
    check("far.example" in k("get", "svc", "far"), "external name")


@each
def test_events(k):
    pod = deploy(k)
    check("Scheduled" in k("get", "events"), "no events")
    check("Started" in k("get", "events", f"--field-selector=involvedObject.name={pod}", "-o", "jsonpath={.items[*].reason}"), "of one pod")
    check("Scheduled" in k("get", "events.v1.events.k8s.io"), "events of the other group")
    newer = k.minor >= 26
    if newer:
        check("Scheduled" in k("events"), "kubectl events")
        check("Scheduled" in k("events", "--for", f"pod/{pod}", "--types=Normal"), "kubectl events --for")
    watch, lines = k.start(*(("events", "--watch") if newer else ("get", "events", "-w"))), []
    try:
        threading.Thread(target=lambda: [lines.append(line) for line in watch.stdout], daemon=True).start()
        eventually(lambda: lines, 10, "no event was shown")
        k("scale", "deploy/web", "--replicas=3")
        eventually(lambda: any("to 3" in line for line in lines), 10, "the watch shows no new event")
    finally:
        watch.kill()
        watch.wait()


@each
def test_rights(k):
    check(k("auth", "can-i", "create", "pods").strip() == "yes", "can-i")
    check(k("auth", "can-i", "get", "pods", "--subresource=log").strip() == "yes", "can-i of a subresource")
    check("*.*" in k("auth", "can-i", "--list"), "can-i --list")
    if k.minor >= 28:
        said = k("auth", "whoami")
        check("kubernetes-admin" in said or "system:masters" in said, f"whoami: {said}")


@each
def test_tokens_of_service_accounts(k):
    if k.minor < 24:
        raise Skip("it has no create token")
    k("create", "serviceaccount", "robot")
    token = k("create", "token", "robot", "--duration=20m").strip()
    robot = Client(need_platform(), token=token)
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    user = robot.must("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", review)["status"]["userInfo"]
    check(user["username"] == f"system:serviceaccount:{k.namespace}:robot", user)
    check(f"system:serviceaccounts:{k.namespace}" in user["groups"], user)
    check(robot.ask("GET", f"/api/v1/namespaces/{k.namespace}/secrets")[0] == 403, "a ServiceAccount without rights reads secrets")
    k("create", "secret", "generic", "bound")
    bound = Client(need_platform(), token=k("create", "token", "robot", "--bound-object-kind=Secret", "--bound-object-name=bound").strip())
    bound.must("GET", "/version")
    k("delete", "secret", "bound")
    eventually(lambda: bound.ask("GET", "/version")[0] == 401, 10, "a token outlives what it is bound to")
    k("delete", "serviceaccount", "robot")
    eventually(lambda: robot.ask("GET", "/version")[0] == 401, 10, "a token outlives its account")


if __name__ == "__main__":
    sys.exit(main(globals()))
