# SPDX-License-Identifier: Apache-2.0
"""The real kubectl, every version on this machine, over a whole platform with real containers."""
import json
import os
import pty
import re
import select
import subprocess
import sys
import threading
import time
import urllib.request

from harness import IMAGE, Client, Platform, Skip, check, eventually, free_port, kubectls, main

WEB = f"""
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web, labels: {{app: web}}}}
spec:
  replicas: 2
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - name: web
        image: {IMAGE}
        imagePullPolicy: IfNotPresent
        command: [sh, -c, "mkdir -p /tmp/w; hostname > /tmp/w/index.html; echo started; exec httpd -f -p 8080 -h /tmp/w"]
        ports: [{{containerPort: 8080, name: http}}]
        readinessProbe: {{httpGet: {{path: /, port: http}}, periodSeconds: 1}}
---
apiVersion: v1
kind: Service
metadata: {{name: web}}
spec:
  type: NodePort
  selector: {{app: web}}
  ports: [{{port: 80, targetPort: http}}]
"""

platform = None
versions = []


def new_enough(version, minor):
    return int(version.split(".")[1]) >= minor


def each(test):
    """Runs the test with every kubectl; the message of a failure names the version."""
    def run():
        need_platform()
        for version, binary in versions:
            namespace = "v" + re.sub(r"[^0-9]+", "-", version).strip("-") + "-" + test.__name__[5:].replace("_", "-")[:30]
            def k(*arguments, **more):
                return platform.kubectl("-n", namespace, *arguments, binary=binary, **more)
            try:
                platform.kubectl("create", "namespace", namespace, binary=binary)
                test(k, version)
            except Skip as why:
                print(f"    kubectl {version}: {why}")
            except AssertionError as error:
                raise AssertionError(f"kubectl {version}: {error}")
            platform.kubectl("delete", "namespace", namespace, "--wait=false", binary=binary)
    return run


def need_platform():
    global platform, versions
    if platform:
        return
    versions = kubectls()
    if not versions:
        raise Skip("no kubectl")
    if os.environ.get("KUBECTL"):  # only those whose version begins so
        versions = [v for v in versions if v[0].startswith(os.environ["KUBECTL"])]
    started = Platform(arguments=["--max-pods", "250"]).start()
    started.import_image()
    eventually(lambda: "Ready" in started.kubectl("get", "nodes", ok=False).stdout.split(), 30, "the node was not ready")
    platform = started


def deploy(k):
    k("apply", "-f", "-", stdin=WEB)
    k("rollout", "status", "deployment/web", "--timeout=60s")


@each
def test_version_and_resources(k, version):
    check("Server Version" in k("version"), "no server version")
    names = k("api-resources", "-o", "name").split()
    check({"pods", "services", "deployments.apps", "endpointslices.discovery.k8s.io"} <= set(names), names)
    check("replicas" in k("explain", "deployment.spec"), "explain tells nothing of replicas")
    check("<string>" in k("explain", "pod.spec.containers.image"), "explain tells nothing of image")


@each
def test_create_and_print(k, version):
    k("create", "configmap", "cm", "--from-literal=a=1")
    k("create", "secret", "generic", "s", "--from-literal=p=q")
    k("create", "serviceaccount", "robot")
    k("create", "deployment", "d", f"--image={IMAGE}", "--replicas=0")
    check(k("get", "configmap", "cm", "-o", "jsonpath={.data.a}") == "1", "jsonpath")
    check(json.loads(k("get", "secret", "s", "-o", "json"))["data"]["p"] == "cQ==", "json")
    check("kind: ServiceAccount" in k("get", "sa", "robot", "-o", "yaml"), "yaml")
    check("SELECTOR" in k("get", "deployments", "-o", "wide"), "wide columns")
    check("d" in k("get", "deploy,cm,secret").split("deployment.apps/")[1][:2], "several kinds")
    refused = k("create", "configmap", "cm", "--from-literal=a=1", ok=False)
    check(refused.returncode != 0 and "already exists" in refused.stderr, refused.stderr)
    missing = k("get", "configmap", "none", ok=False)
    check("NotFound" in missing.stderr, missing.stderr)
    wrong = k("apply", "-f", "-", stdin="apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\nbogus: 1\n", ok=False)
    check(wrong.returncode != 0 and "bogus" in wrong.stderr, wrong.stderr)


@each
def test_deployment_lives(k, version):
    deploy(k)
    check(k("get", "deploy", "web", "-o", "jsonpath={.status.readyReplicas}") == "2", "ready replicas")
    k("scale", "deploy/web", "--replicas=4")
    k("rollout", "status", "deploy/web", "--timeout=60s")
    check(len(k("get", "pods", "-o", "name").split()) == 4, "four pods")
    k("set", "env", "deploy/web", "COLOR=green")
    k("rollout", "status", "deploy/web", "--timeout=60s")
    check(len(k("rollout", "history", "deploy/web").strip().splitlines()) == 4, "history has two revisions")
    k("rollout", "undo", "deploy/web")
    k("rollout", "status", "deploy/web", "--timeout=60s")
    check("COLOR" not in k("get", "deploy", "web", "-o", "yaml").split("annotations", 1)[1].split("status:")[0].split("template:")[1], "undo")
    k("rollout", "restart", "deploy/web")
    k("rollout", "status", "deploy/web", "--timeout=60s")
    k("wait", "--for=condition=Available", "deploy/web", "--timeout=30s")
    described = k("describe", "deploy", "web")
    check("ScalingReplicaSet" in described, described)
    check("Scheduled" in k("describe", "pod", "-l", "app=web"), "describe pod shows no events")
    k("delete", "deploy", "web")
    eventually(lambda: not k("get", "pods", "-o", "name").strip(), 30, "pods remain after their deployment")


@each
def test_edits(k, version):
    k("create", "configmap", "cm", "--from-literal=a=1")
    k("patch", "cm", "cm", "-p", '{"data":{"b":"2"}}')
    k("patch", "cm", "cm", "--type=merge", "-p", '{"data":{"a":null}}')
    k("patch", "cm", "cm", "--type=json", "-p", '[{"op":"add","path":"/data/c","value":"3"}]')
    k("label", "cm", "cm", "color=blue")
    k("annotate", "cm", "cm", "note=hello")
    got = json.loads(k("get", "cm", "cm", "-o", "json"))
    check(got["data"] == {"b": "2", "c": "3"}, got["data"])
    check(got["metadata"]["labels"] == {"color": "blue"}, "label")
    done = subprocess.run([dict(versions)[version], "--kubeconfig", platform.kubeconfig, "-n", got["metadata"]["namespace"], "edit", "cm", "cm"],
                          env={**os.environ, "KUBE_EDITOR": "sed -i s/blue/red/"}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    check(done.returncode == 0, done.stdout)
    check(k("get", "cm", "-l", "color=red", "-o", "name").strip() == "configmap/cm", "edit")
    k("replace", "-f", "-", stdin="apiVersion: v1\nkind: ConfigMap\nmetadata: {name: cm}\ndata: {z: y}\n")
    check(json.loads(k("get", "cm", "cm", "-o", "json"))["data"] == {"z": "y"}, "replace")


@each
def test_watch_sees_changes(k, version):
    binary = dict(versions)[version]
    k("create", "configmap", "one", "--from-literal=a=1")
    namespace = json.loads(k("get", "cm", "one", "-o", "json"))["metadata"]["namespace"]
    watch = subprocess.Popen([binary, "--kubeconfig", platform.kubeconfig, "-n", namespace, "get", "cm", "-w", "-o", "name"],
                             stdout=subprocess.PIPE, text=True)
    try:
        lines = []
        threading.Thread(target=lambda: [lines.append(line.strip()) for line in watch.stdout], daemon=True).start()
        eventually(lambda: "configmap/one" in lines, 10)
        k("create", "configmap", "two", "--from-literal=a=1")
        eventually(lambda: "configmap/two" in lines, 10, "the watch did not show the second")
    finally:
        watch.kill()
        watch.wait()


@each
def test_logs_and_exec(k, version):
    deploy(k)
    pod = k("get", "pods", "-o", "name").split()[0]
    check("started" in k("logs", pod), "logs")
    check("started" in k("logs", "deploy/web", "--tail=1"), "logs of a deployment")
    check(k("exec", pod, "--", "echo", "hi") == "hi\n", "exec")
    check(k("exec", "-i", pod, "--", "cat", stdin="through\n") == "through\n", "exec with stdin")
    failed = k("exec", pod, "--", "sh", "-c", "echo bad >&2; exit 7", ok=False)
    check(failed.returncode == 7 and "bad" in failed.stderr, f"exit code {failed.returncode}: {failed.stderr}")
    missing = k("exec", pod, "--", "/no/such", ok=False)
    check(missing.returncode in (126, 127, 1), f"a missing command ended with {missing.returncode}")
    binary = dict(versions)[version]
    namespace = json.loads(k("get", pod, "-o", "json"))["metadata"]["namespace"]
    follow = subprocess.Popen([binary, "--kubeconfig", platform.kubeconfig, "-n", namespace, "logs", "-f", pod], stdout=subprocess.PIPE, text=True)
    try:
        lines = []
        threading.Thread(target=lambda: [lines.append(line) for line in follow.stdout], daemon=True).start()
        eventually(lambda: lines, 10, "nothing was followed")
        k("exec", pod, "--", "sh", "-c", "echo later > /proc/1/fd/1")
        eventually(lambda: any("later" in line for line in lines), 10, "the follower saw nothing new")
    finally:
        follow.kill()
        follow.wait()


def with_terminal(command, script, seconds=15):
    """Runs the command on a terminal; script: [(wait for this, then send that)]. Returns all output and the exit code."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvp(command[0], command)
    seen, end, step = "", time.monotonic() + seconds, 0
    while time.monotonic() < end:
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                data = os.read(terminal, 4096)
            except OSError:
                break
            if not data:
                break
            seen += data.decode("utf-8", "replace")
        if step < len(script) and script[step][0] in seen:
            os.write(terminal, script[step][1].encode())
            seen += "|"
            step += 1
    os.close(terminal)
    try:
        os.kill(pid, 15)
    except ProcessLookupError:
        pass
    return seen, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@each
def test_terminal(k, version):
    deploy(k)
    pod = k("get", "pods", "-o", "name").split()[0]
    namespace = json.loads(k("get", pod, "-o", "json"))["metadata"]["namespace"]
    command = [dict(versions)[version], "--kubeconfig", platform.kubeconfig, "-n", namespace, "exec", "-it", pod, "--", "sh"]
    seen, code = with_terminal(command, [("#", "tty && echo $((40+2)) && exit 5\n")])
    check("42" in seen and "/dev/" in seen, seen)
    check(code == 5, f"the terminal ended with {code}: {seen}")


@each
def test_copies(k, version):
    deploy(k)
    pod = k("get", "pods", "-o", "name").split()[0].split("/")[1]
    local = os.path.join(platform.data, f"copied-{version}")
    content = os.urandom(300_000)
    with open(local, "wb") as out:
        out.write(content)
    k("cp", local, f"{pod}:/tmp/file")
    k("cp", f"{pod}:/tmp/file", local + ".back")
    check(open(local + ".back", "rb").read() == content, "the copy differs")


@each
def test_forwards_ports(k, version):
    deploy(k)
    port = free_port()
    namespace = json.loads(k("get", "deploy", "web", "-o", "json"))["metadata"]["namespace"]
    forward = subprocess.Popen([dict(versions)[version], "--kubeconfig", platform.kubeconfig, "-n", namespace, "port-forward", "deploy/web",
                                f"{port}:8080"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        check("Forwarding" in forward.stdout.readline(), "no forwarding")
        for _ in range(5):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as answer:
                check(answer.read().startswith(b"web-"), "another page")
    finally:
        forward.kill()
        forward.wait()


@each
def test_previous_logs(k, version):
    k("run", "again", f"--image={IMAGE}", "--image-pull-policy=IfNotPresent", "--restart=Always", "--command", "--", "sh", "-c",
      "echo life; sleep 1; exit 1")
    eventually(lambda: k("get", "pod", "again", "-o", "jsonpath={.status.containerStatuses[0].restartCount}") not in ("", "0"), 30)
    check("life" in k("logs", "again", "--previous"), "no previous log")
    k("delete", "pod", "again", "--grace-period=0", "--force")
    eventually(lambda: k("get", "pod", "again", ok=False).returncode != 0, 10)


@each
def test_events_and_rights(k, version):
    deploy(k)
    check("Scheduled" in k("get", "events"), "no events")
    if new_enough(version, 26):
        check("Scheduled" in k("events"), "kubectl events")
    check(k("auth", "can-i", "create", "pods").strip() == "yes", "can-i")
    if new_enough(version, 28):
        check("kubernetes-admin" in k("auth", "whoami") or "system:masters" in k("auth", "whoami"), "whoami")
    check(k("get", "--raw", "/readyz").strip() == "ok", "readyz")


@each
def test_deletes_with_grace(k, version):
    k("run", "slow", f"--image={IMAGE}", "--image-pull-policy=IfNotPresent", "--restart=Never", "--command", "--", "sh", "-c",
      "trap 'echo bye; sleep 1; exit 0' TERM; while true; do sleep 0.1; done")
    k("wait", "--for=condition=Ready", "pod/slow", "--timeout=30s")
    begun = time.monotonic()
    k("delete", "pod", "slow", "--grace-period=10")
    took = time.monotonic() - begun
    check(0.9 < took < 9, f"the pod took {took:.1f} s to end by itself")


@each
def test_drain_and_cordon(k, version):
    k("cordon", "node-1")
    check("SchedulingDisabled" in k("get", "nodes"), "cordon")
    k("uncordon", "node-1")
    k("taint", "node", "node-1", "a=b:PreferNoSchedule")
    k("taint", "node", "node-1", "a-")


if __name__ == "__main__":
    sys.exit(main(globals()))
