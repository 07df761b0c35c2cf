# SPDX-License-Identifier: Apache-2.0
"""The whole platform with real containers: what a restart leaves alone, Services and names from inside pods, images that
come late, limits, and that nothing is left behind."""
import json
import os
import signal
import subprocess
import sys
import time

from harness import IMAGE, Client, Platform, Skip, check, eventually, free_port, main

PODS = "/api/v1/namespaces/default/pods"
platform = client = None


def need():
    global platform, client
    if not platform:
        started = Platform(arguments=["--max-pods", "250"]).start()
        started.import_image()
        client = Client(started)
        client.await_node()
        platform = started


def pod(name, *command, labels=None, image=IMAGE, **spec):
    container = {"name": "c", "image": image, "imagePullPolicy": "IfNotPresent", "command": list(command or ("sleep", "100000"))}
    container.update(spec.pop("container", {}))
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels or {}},
            "spec": {"terminationGracePeriodSeconds": 0, "containers": [container], **spec}}


def get(name):
    return client.must("GET", f"{PODS}/{name}")


def ready(name):
    return client.ready(f"{PODS}/{name}")


def run(name, *command, **more):
    client.must("POST", PODS, pod(name, *command, **more))
    eventually(lambda: ready(name), 30, f"{name} was not ready")
    return get(name)


def remove(*names):
    for name in names:
        client.ask("DELETE", f"{PODS}/{name}?gracePeriodSeconds=0")
    for name in names:
        eventually(lambda: client.ask("GET", f"{PODS}/{name}")[0] == 404, 20, f"{name} was not removed")


def inside(name, *command):
    return platform.kubectl("exec", name, "--", *command)


def fetched(host):
    """The finished attempt of the pod `caller` to read http://host/ (the time-out of Debian's static wget itself crashes)."""
    return platform.kubectl("exec", "caller", "--", "timeout", "5", "wget", "-qO-", f"http://{host}/", ok=False)


def test_a_page_is_served_through_a_service():
    need()
    for i in range(2):
        run(f"page-{i}", "sh", "-c", f"mkdir /w; echo page-{i} > /w/index.html; exec httpd -f -p 8080 -h /w", labels={"app": "page"})
    service = client.must("POST", "/api/v1/namespaces/default/services", {
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "page"},
        "spec": {"type": "NodePort", "selector": {"app": "page"}, "ports": [{"name": "http", "port": 80, "targetPort": 8080}]}})
    run("caller")
    address, port = service["spec"]["clusterIP"], service["spec"]["ports"][0]["nodePort"]
    eventually(lambda: "page-" in platform.kubectl("exec", "caller", "--", "timeout", "5", "wget", "-qO-", f"http://{address}/", ok=False).stdout, 10)
    seen = {inside("caller", "timeout", "5", "wget", "-qO-", f"http://{address}/").strip() for _ in range(20)}
    check(seen == {"page-0", "page-1"}, f"twenty calls reached {seen}")
    check("page-" in inside("caller", "timeout", "5", "wget", "-qO-", "http://page.default.svc.cluster.local/"), "by the full name")
    check("page-" in inside("caller", "timeout", "5", "wget", "-qO-", "http://page/"), "by the short name")
    node = client.must("GET", "/api/v1/nodes/node-1")["status"]["addresses"][0]["address"]
    got = subprocess.run(["curl", "-fsS", "-m", "5", f"http://{node}:{port}/"], stdout=subprocess.PIPE, text=True).stdout
    check("page-" in got, "by the node port")
    remove("page-0")
    for _ in range(10):
        check(inside("caller", "timeout", "5", "wget", "-qO-", f"http://{address}/").strip() == "page-1", "a pod that is gone was called")
    remove("page-1")
    refused = eventually(lambda: platform.kubectl("exec", "caller", "--", "timeout", "5", "wget", "-qO-", f"http://{address}/", ok=False), 5)
    eventually(lambda: "refused" in platform.kubectl("exec", "caller", "--", "timeout", "5", "wget", "-qO-", f"http://{address}/", ok=False).stderr, 10,
               f"a Service without endpoints does not refuse: {refused.stderr}")
    client.must("DELETE", "/api/v1/namespaces/default/services/page")
    remove("caller")


def test_a_port_of_the_host_leads_to_its_pod():
    need()
    port, node = free_port(), client.must("GET", "/api/v1/nodes/node-1")["status"]["addresses"][0]["address"]

    def page(address=node):
        return subprocess.run(["curl", "-fsS", "-m", "5", f"http://{address}:{port}/"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
    served = ("sh", "-c", "mkdir /w; echo hosted > /w/index.html; exec httpd -f -p 8080 -h /w")
    run("hosted", *served, container={"ports": [{"containerPort": 8080, "hostPort": port}]})
    eventually(lambda: page() == "hosted\n", 10, "the port of the host does not answer")
    check(page("127.0.0.1") == "hosted\n", "by loopback")
    old = platform.half("node")
    os.kill(old, signal.SIGKILL)
    eventually(lambda: platform.half("node") not in (None, old), 15)
    eventually(lambda: page() == "hosted\n", 10, "not after the agent was started again")
    remove("hosted")
    eventually(lambda: page() == "", 10, "it answers without its pod")


def test_the_api_is_reached_from_inside():
    need()
    run("insider")
    reached = platform.kubectl("exec", "insider", "--", "sh", "-c", "nc -w 5 $KUBERNETES_SERVICE_HOST $KUBERNETES_SERVICE_PORT </dev/null", ok=False)
    check(reached.returncode == 0, f"by its address: {reached.stderr}")
    reached = platform.kubectl("exec", "insider", "--", "sh", "-c", "nc -w 5 kubernetes.default.svc 443 </dev/null", ok=False)
    check(reached.returncode == 0, f"by its name: {reached.stderr}")
    remove("insider")


def started_at(name):
    status = get(name)["status"]["containerStatuses"][0]
    return status["containerID"], status["restartCount"], status["state"]["running"]["startedAt"]


def test_kill_9_leaves_containers_running():
    need()
    for i in range(3):
        run(f"stays-{i}", "sh", "-c", "i=0; while true; do echo $((i=i+1)); sleep 0.2; done")
    client.must("POST", PODS, pod("ends", "sh", "-c", "sleep 4; exit 3", restartPolicy="Never"))
    eventually(lambda: ready("ends"))
    before = {f"stays-{i}": started_at(f"stays-{i}") for i in range(3)}
    platform.kill()
    time.sleep(5)
    platform.start()
    eventually(lambda: get("ends")["status"].get("phase") == "Failed", 30, "the end of a container while nobody looked was not noticed")
    check(get("ends")["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 3, "its exit code was lost")
    client.await_node()
    for name, was in before.items():
        check(started_at(name) == was, f"{name} was started again: {was} -> {started_at(name)}")
        eventually(lambda: ready(name), 15, f"{name} is not ready any more")
        eventually(lambda: platform.kubectl("logs", name, "--tail=1", ok=False).returncode == 0, 15, "the agent serves no logs")
        numbers = [int(n) for n in platform.kubectl("logs", name).split()]
        check(numbers == list(range(1, len(numbers) + 1)) and len(numbers) > 20, f"the log of {name} has a gap")
        check(inside(name, "echo", "ok").strip() == "ok", f"exec in {name} after the restart")
    remove("stays-0", "stays-1", "stays-2", "ends")


def test_the_agent_alone_is_started_again():
    need()
    run("beside")
    before, old = started_at("beside"), platform.half("node")
    os.kill(old, signal.SIGKILL)
    eventually(lambda: platform.half("node") not in (None, old), 15, "the agent was not started again")
    run("after")
    names = [open(f"/proc/{platform.half(half)}/comm").read().strip() for half in ("server", "node")]
    check(names == ["onggi server", "onggi node"], f"ps shows the halves as {names}")
    check(started_at("beside") == before, "a container was started again")
    remove("beside", "after")


def test_a_server_killed_as_soon_as_it_serves_is_started_again():
    young = Platform(name="y").start()
    old = young.half("server")
    os.kill(old, signal.SIGKILL)
    eventually(lambda: young.half("server") not in (None, old), 10, "the server was not started again")
    eventually(young.ready, 10, "the server does not serve again")
    Client(young).await_node()
    young.destroy()


def test_an_api_that_pods_cannot_reach_is_warned_of():
    deaf = Platform(name="d")
    deaf.arguments = ["--listen", f"127.0.0.1:{deaf.port}"]
    deaf.start()
    check("pods can't reach the API at 127.0.0.1:" in deaf.tail(), deaf.tail())
    deaf.destroy()


def test_pods_deleted_while_nobody_looks_are_torn_down():
    need()
    run("orphan")
    os.kill(platform.half("node"), signal.SIGSTOP)
    stopped = platform.half("node")
    client.must("DELETE", f"{PODS}/orphan?gracePeriodSeconds=0")
    os.kill(stopped, signal.SIGKILL)
    eventually(lambda: platform.half("node") not in (None, stopped), 15)
    eventually(lambda: client.ask("GET", f"{PODS}/orphan")[0] == 404, 20)
    eventually(lambda: not holders(), 20, "its container lives on")


def holders():
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            words = open(f"/proc/{pid}/cmdline").read().split("\0")
        except OSError:
            continue
        if words[0].endswith("conmon") and any(platform.data in word for word in words):
            found.append(int(pid))
    return found


def comes_late(name, image):
    """The pod waits for the image, and goes on once it is there."""
    def waiting():
        statuses = get(name)["status"].get("containerStatuses") or [{}]
        return statuses[0].get("state", {}).get("waiting", {})
    eventually(lambda: waiting().get("reason") in ("ImagePullBackOff", "ErrImagePull"), 20, f"no ImagePullBackOff: {waiting()}")
    check(image in waiting().get("message", ""), f"the message does not name the image: {waiting()}")
    platform.import_image(image)
    eventually(lambda: ready(name), 40, f"the pod did not go on once {image} was there")


def test_an_image_that_comes_late():
    need()
    client.must("POST", PODS, pod("late", image="late.example/app:1"))
    comes_late("late", "late.example/app:1")
    remove("late")


def test_an_image_as_a_volume():
    need()
    client.must("POST", PODS, pod("reader", "sh", "-c", "exec 2>&1; cat /jar/bin/busybox | cmp - /one && echo same; echo x >/jar/x; sleep 1000",
                                  volumes=[{"name": "jar", "image": {"reference": "volume.example/jar:1"}}],
                                  container={"volumeMounts": [{"name": "jar", "mountPath": "/jar"},
                                                              {"name": "jar", "mountPath": "/one", "subPath": "bin/busybox"}]}))
    comes_late("reader", "volume.example/jar:1")
    said = platform.kubectl("logs", "reader")
    check("same" in said and "Read-only file system" in said, said)
    remove("reader")


def test_limits_hold():
    need()
    client.must("POST", PODS, pod("eater", "sh", "-c", "x=a; while true; do x=$x$x; done", restartPolicy="Never",
                                  container={"resources": {"limits": {"memory": "32Mi"}}}))
    eventually(lambda: get("eater")["status"].get("phase") == "Failed", 40, "the eater lives")
    ended = get("eater")["status"]["containerStatuses"][0]["state"]["terminated"]
    check(ended["reason"] == "OOMKilled" and ended["exitCode"] == 137, ended)
    remove("eater")


def test_volumes_follow_their_config():
    need()
    maps = "/api/v1/namespaces/default/configmaps"
    client.must("POST", maps, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "live"}, "data": {"k": "one"}})
    run("reader", volumes=[{"name": "v", "configMap": {"name": "live"}}],
        container={"volumeMounts": [{"name": "v", "mountPath": "/etc/live"}]})
    check(inside("reader", "cat", "/etc/live/k") == "one", "the first value")
    client.must("PATCH", maps + "/live", {"data": {"k": "two"}}, content_type="application/merge-patch+json")
    eventually(lambda: inside("reader", "cat", "/etc/live/k") == "two", 90, "the change did not arrive")
    token = inside("reader", "cat", "/var/run/secrets/kubernetes.io/serviceaccount/token")
    code, answer = Client(platform, token=token).ask("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews",
                                                     {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"})
    check(code == 201 and answer["status"]["userInfo"]["username"] == "system:serviceaccount:default:default", answer)
    remove("reader")
    check(Client(platform, token=token).ask("GET", "/version")[0] == 401, "the token of a pod that is gone is taken")
    client.must("DELETE", maps + "/live")


def test_nothing_is_left_behind():
    need()
    for i in range(5):
        run(f"gone-{i}")
    data, address = platform.data, platform.command()[platform.command().index("--table") + 1]
    platform.destroy()
    mounts = [line for line in open("/proc/self/mounts") if data in line]
    check(not mounts, f"mounts remain: {mounts}")
    check(not holders(), "containers live on")
    tables = subprocess.run(["nft", "list", "tables"], stdout=subprocess.PIPE, text=True).stdout
    check(address not in tables, "the packet table remains")
    check(not os.path.exists(f"/sys/class/net/{platform.command()[platform.command().index('--bridge') + 1]}"), "the bridge remains")


if __name__ == "__main__":
    sys.exit(main(globals()))
