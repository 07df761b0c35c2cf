# SPDX-License-Identifier: Apache-2.0
"""The network of a machine of its own (a network namespace of this test): without any address at first, then with a way
out and clients beyond it; firewalls of others come, flush the packet tables, and leave."""
import atexit
import ctypes
import os
import subprocess
import sys
import time

from harness import IMAGE, Client, Platform, Skip, check, eventually, main

PODS = "/api/v1/namespaces/default/pods"
SERVICES = "/api/v1/namespaces/default/services"
CLONE_NEWNET = 0x40000000
OUTSIDE = "192.0.2.1" # a neighbour, which is the default gateway too
platform = client = outside = None


class Machine(Platform):
    """One that has to find its own address."""

    def command(self):
        command = super().command()
        at = command.index("--address")
        command = command[:at] + command[at + 2:]
        command[command.index("--node-listen") + 1] = f"0.0.0.0:{self.node_port}"
        return command


def shell(script):
    subprocess.run(["sh", "-ec", script], check=True)


def need():
    """The platform on a machine without any address."""
    global platform, client
    if platform:
        return
    if os.geteuid() != 0 or ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
        raise Skip("may not make a network namespace")
    shell("ip link set lo up")
    started = Machine().start()
    started.import_image()
    client = Client(started)
    client.await_node()
    platform = started


def run(name, *command, labels=None, **spec):
    container = {"name": "c", "image": IMAGE, "imagePullPolicy": "IfNotPresent", "command": list(command or ("sleep", "100000"))}
    client.must("POST", PODS, {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels or {}},
                               "spec": {"terminationGracePeriodSeconds": 0, "containers": [container], **spec}})
    eventually(lambda: client.ready(f"{PODS}/{name}"), 30, f"{name} was not ready")


def serve(name, port=8080, **spec):
    run(name, "sh", "-c", f"mkdir -p /w; echo {name} > /w/index.html; exec httpd -f -p {port} -h /w", labels={"app": name}, **spec)


def service(name, **spec):
    return client.must("POST", SERVICES, {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec})


def page(caller, url):
    """What the pod reads at the URL; "" when nothing."""
    return platform.kubectl("exec", caller, "--", "timeout", "5", "wget", "-qO-", url, ok=False).stdout.strip()


def page_from(where, url):
    """The same for a process of the machine ([]) or of the neighbour."""
    return subprocess.run([*where, "curl", "-fsS", "-m", "3", url], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout.strip()


def address():
    found = client.must("GET", "/api/v1/nodes/node-1")["status"]["addresses"]
    return next(a["address"] for a in found if a["type"] == "InternalIP")


def test_pods_reach_the_api_without_any_network():
    need()
    bridge = f"10.244.{platform.slot.number}.1"
    check(address() == bridge, f"the node goes by {address()}")
    check("no IPv4 address" in platform.tail(), "nothing is said of it")
    run("caller")
    for host in ("$KUBERNETES_SERVICE_HOST", "kubernetes.default"):
        reached = platform.kubectl("exec", "caller", "--", "sh", "-c", f"nc -w 5 {host} $KUBERNETES_SERVICE_PORT </dev/null", ok=False)
        check(reached.returncode == 0, f"{host}: {reached.stderr}")


def test_the_node_follows_the_machines_address():
    need()
    global outside
    neighbour = subprocess.Popen(["unshare", "-n", "sleep", "1000"])
    atexit.register(neighbour.kill)
    outside = ["nsenter", f"--net=/proc/{neighbour.pid}/ns/net"]
    eventually(lambda: os.readlink(f"/proc/{neighbour.pid}/ns/net") != os.readlink("/proc/self/ns/net"), 5)
    shell(f"ip link add up0 type veth peer name up1 netns {neighbour.pid}; ip addr add 192.0.2.9/24 dev up0; ip link set up0 up;"
          f"{' '.join(outside)} sh -c 'ip link set lo up; ip addr add {OUTSIDE}/24 dev up1; ip link set up1 up';"
          f"ip route add default via {OUTSIDE}")
    eventually(lambda: address() == "192.0.2.9", 15, "the node does not take up its first address")
    shell(f"ip addr del 192.0.2.9/24 dev up0; ip addr add 192.0.2.10/24 dev up0; ip route replace default via {OUTSIDE}")
    eventually(lambda: address() == "192.0.2.10", 15, "the node does not follow its address")
    check(platform.kubectl("exec", "caller", "--", "echo", "reached").strip() == "reached", "the server does not reach the node")


def test_services_are_reached_from_everywhere():
    need()
    serve("web")
    serve("own", 8090, hostNetwork=True)
    web = service("web", type="NodePort", selector={"app": "web"}, externalIPs=["203.0.113.7"],
                  ports=[{"name": "http", "port": 80, "targetPort": 8080}])
    own = service("own", type="NodePort", selector={"app": "own"}, ports=[{"port": 80, "targetPort": 8090}])
    service("alias", type="ExternalName", externalName="web.default.svc.cluster.local")
    for name, made in (("web", web), ("own", own)):
        ip, port = made["spec"]["clusterIP"], made["spec"]["ports"][0]["nodePort"]
        eventually(lambda: page("caller", f"http://{ip}/") == name, 10, f"{name}: not reached")
        check(page("caller", f"http://{name}/") == name, f"{name}: by its name")
        check(page("caller", f"http://192.0.2.10:{port}/") == name, f"{name}: a node port from a pod")
        check(page(name, f"http://{ip}/") == name, f"{name}: from its own pod")
        check(page_from([], f"http://{ip}/") == name, f"{name}: from the machine")
        check(page_from([], f"http://127.0.0.1:{port}/") == name, f"{name}: a node port by loopback")
        check(page_from(outside, f"http://192.0.2.10:{port}/") == name, f"{name}: a node port from outside")
    shell(f"{' '.join(outside)} ip route add 203.0.113.0/24 via 192.0.2.10")
    check(page_from(outside, "http://203.0.113.7/") == "web", "an external address from outside")
    check(page("caller", "http://203.0.113.7/") == "web", "an external address from a pod")
    check(page("caller", "http://alias/") == "web", "an ExternalName")
    check(page("caller", "http://alias.default.svc.cluster.local./") == "web", "an ExternalName by its full name")


def test_an_endpoint_outside_answers_through_the_node():
    need()
    server = subprocess.Popen([*outside, sys.executable, "-m", "http.server", "8000", "--bind", OUTSIDE], cwd=platform.data,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        made = service("far", type="NodePort", ports=[{"port": 80, "targetPort": 8000}])
        client.must("POST", "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices", {
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": {"name": "far-1", "labels": {"kubernetes.io/service-name": "far"}},
            "ports": [{"port": 8000}], "endpoints": [{"addresses": [OUTSIDE]}]})
        port = made["spec"]["ports"][0]["nodePort"]
        eventually(lambda: page("caller", "http://far/"), 10, "not from a pod")
        check(page_from([], f"http://{made['spec']['clusterIP']}/"), "not from the machine")
        check(page_from(outside, f"http://192.0.2.10:{port}/"), "not from where the endpoint is itself")
    finally:
        server.terminate()
        server.wait()


def test_the_server_follows_the_machines_address():
    """On a machine that had an address when it was started: it moves to another network."""
    need()
    moved = Machine(name="m").start()
    here = Client(moved)
    here.await_node()
    check("192.0.2.10" in open(moved.kubeconfig).read(), "the server is not reached by the machine's address")
    shell(f"ip addr del 192.0.2.10/24 dev up0; ip addr add 192.0.2.11/24 dev up0; ip route replace default via {OUTSIDE}")

    def slices():
        code, found = here.ask("GET", "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices")
        return code == 200 and "192.0.2.11" in str(found)
    eventually(lambda: "192.0.2.11" in open(moved.kubeconfig).read(), 20, "the server does not follow")
    eventually(slices, 20, "the Service kubernetes does not follow")
    lease = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/node-1"
    before = here.must("GET", lease)["spec"]["renewTime"]
    eventually(lambda: here.must("GET", lease)["spec"]["renewTime"] > before, 30, "the agent does not reach the server")
    shell(f"ip addr del 192.0.2.11/24 dev up0; ip addr add 192.0.2.10/24 dev up0; ip route replace default via {OUTSIDE}")
    moved.destroy()
    eventually(lambda: address() == "192.0.2.10", 15)


def test_firewalls_come_and_flush_and_go():
    need()
    shell("nft 'add table ip filter; add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }'")
    eventually(lambda: page("caller", "http://web/") == "web", 15, "pods do not pass a firewall that drops")
    web = client.must("GET", f"{SERVICES}/web")["spec"]
    check(page_from(outside, f"http://192.0.2.10:{web['ports'][0]['nodePort']}/") == "web", "nor do clients from outside")
    shell("nft flush ruleset")
    eventually(lambda: page("caller", f"http://{web['clusterIP']}/") == "web", 15, "the packet tables do not come back")
    check("somebody else had changed" in platform.tail(), "nothing is said of it")
    shell("echo 0 > /proc/sys/net/ipv4/ip_forward")
    eventually(lambda: page("caller", "http://web/") == "web", 20, "routing is not switched on again")


def test_the_tables_serve_on_without_the_agent():
    need()
    ip = client.must("GET", f"{SERVICES}/web")["spec"]["clusterIP"]
    for _ in range(3):
        os.kill(platform.half("node"), 9)
        end = time.monotonic() + 2
        while time.monotonic() < end:
            check(page_from([], f"http://{ip}/") == "web", "a Service is cut while the agent comes back")
    client.await_node()


if __name__ == "__main__":
    sys.exit(main(globals()))
