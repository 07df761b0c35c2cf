#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures what users feel and prints a table beside the goals.

usage: bench/run.py [NAME]      only the figures whose name holds NAME

Everything runs on this machine against a platform of its own, the clients on the same processors. The peer's column was
measured once on a machine with 2 cores (Kubernetes 1.36 with etcd 3.4, containerd 1.6, crun); it is printed for
comparison, not measured here.
"""
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "test", "scenario"))
from harness import IMAGE, ONGGI, Client, Platform, check, eventually  # noqa: E402

MAPS = "/api/v1/namespaces/default/configmaps"
PODS = "/api/v1/namespaces/default/pods"
rows = []


def row(name, value, goal, peer):
    rows.append((name, value, goal, peer))
    print(f"{name}: {value} (goal {goal}; peer {peer})", flush=True)


def memory(pids):
    """Resident and proportional memory in MB."""
    rss = pss = 0
    for pid in pids:
        try:
            for line in open(f"/proc/{pid}/smaps_rollup"):
                rss += int(line.split()[1]) if line.startswith("Rss:") else 0
                pss += int(line.split()[1]) if line.startswith("Pss:") else 0
        except OSError:
            pass
    return rss / 1024, pss / 1024


def cpu_seconds(pids):
    ticks = os.sysconf("SC_CLK_TCK")
    total = 0
    for pid in pids:
        fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / ticks


def holders(platform):
    """The processes that hold containers: conmon, of this platform's own data dir."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            line = open(f"/proc/{pid}/cmdline").read()
        except OSError:
            continue
        if "conmon" in line.split("\0")[0] and platform.data in line:
            found.append(int(pid))
    return found


def config_map(name):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"text": "x" * 1000}}


def pod(name):
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"bench": "pod"}}, "spec": {
        "terminationGracePeriodSeconds": 0, "automountServiceAccountToken": False,
        "containers": [{"name": "c", "image": IMAGE, "imagePullPolicy": "Never", "command": ["sleep", "100000"]}]}}


def deployment(name, replicas):
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": {
        "replicas": replicas, "selector": {"matchLabels": {"app": name}},
        "template": {"metadata": {"labels": {"app": name}}, "spec": pod("x")["spec"]}}}


def is_ready(object):
    return any(c["type"] == "Ready" and c["status"] == "True" for c in object.get("status", {}).get("conditions", []))


# ---- the server alone

def bench_start():
    times = []
    for _ in range(5):
        platform = Platform(node=False, name="b")
        begun = time.monotonic()
        platform.process = subprocess.Popen(platform.command(), stdout=platform.log, stderr=platform.log)
        while not platform.ready():
            time.sleep(0.002)
        times.append(time.monotonic() - begun)
        platform.destroy()
    row("server start to /readyz, empty data dir", f"{statistics.median(times):.2f} s", "<= 0.25 s", "2.3 s")


def fill(platform, count, namespace_path=MAPS):
    """`count` ConfigMaps of 1 KB by 8 connections."""
    def some(first):
        client = Client(platform)
        for i in range(first, count, 8):
            code, answer = client.ask("POST", namespace_path, config_map(f"map-{i:05}"))
            check(code in (201, 409), answer)
    threads = [threading.Thread(target=some, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def watch_node(client, i):
    """A connection on which the pods of node-I are watched."""
    connection = client.context.wrap_socket(socket.create_connection(("127.0.0.1", client.platform.port)), server_hostname="127.0.0.1")
    connection.sendall(f"GET /api/v1/pods?watch=true&fieldSelector=spec.nodeName%3Dnode-{i} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    check(b" 200 " in connection.recv(4096), "the watch was refused")
    return connection


def bench_watches():
    platform = Platform(node=False, name="b", arguments=["--controllers", "none"]).start()
    client, nodes, updates = Client(platform), 500, 2000
    eventually(lambda: client.ask("GET", "/api/v1/namespaces/default")[0] == 200)
    client.ask("POST", PODS.replace("/pods", "/serviceaccounts"), {"metadata": {"name": "default"}})
    for i in range(nodes):
        some = pod(f"pod-{i}")
        some["spec"]["nodeName"] = f"node-{i}"
        check(client.ask("POST", PODS, some)[0] == 201, "no pod")
    watches = [watch_node(client, i) for i in range(nodes)]
    before = cpu_seconds([platform.process.pid])
    for k in range(updates):
        code, answer = client.ask("PATCH", f"{PODS}/pod-{k % nodes}/status", {"status": {"message": str(k)}}, "application/merge-patch+json")
        check(code == 200, answer)
    time.sleep(0.5)
    row("CPU of 2,000 pod updates, 500 agents watching", f"{cpu_seconds([platform.process.pid]) - before:.2f} s", "<= 1 s", "")
    for connection in watches:
        connection.close()
    platform.destroy()


def bench_lists():
    platform = Platform(node=False, name="b").start()
    fill(platform, 10000)
    client, times = Client(platform), []
    for _ in range(11):
        begun = time.monotonic()
        code, _, data = client.raw("GET", MAPS)
        times.append(time.monotonic() - begun)
        check(code == 200 and len(data) > 10_000_000, "the list is short")
    row("LIST of 10,000 ConfigMaps of 1 KB, to the last byte", f"{statistics.median(times) * 1000:.0f} ms", "<= 40 ms", "339 ms")
    fill(platform, 31000)
    times = []
    for _ in range(3):
        begun = time.monotonic()
        out = platform.kubectl("get", "configmaps", "--no-headers", timeout=120)
        times.append(time.monotonic() - begun)
        check(len(out.splitlines()) >= 31000, "kubectl printed too few")
    row("kubectl get of 31,000 ConfigMaps", f"{statistics.median(times):.2f} s", "<= 2.3 s", "11.4 s")
    rss, pss = memory([platform.process.pid])
    row("memory of the server holding 31,000 ConfigMaps", f"{rss:.0f} MB", "<= 100 MB", "711 MB")
    platform.destroy()


WRK = r"""
local n, id = 0, 0
function setup(thread) id = id + 1; thread:set("id", id) end
function init(args) n = 0; math.randomseed(os.time() + id) ; tag = string.format("%%x%%x", os.time(), math.random(1e9)) end
local filler = string.rep("x", 1000)
function request()
  n = n + 1
  local name = "w" .. id .. "-" .. tag .. "-" .. n
  return wrk.format("POST", "%s", {["Content-Type"] = "application/json", ["Authorization"] = "Bearer %s"},
    '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"' .. name .. '"},"data":{"text":"' .. filler .. '"}}')
end
function done(summary, latency, requests)
  io.write(string.format("RESULT %%f %%f %%d\n", summary.requests / (summary.duration / 1e6), latency:percentile(99) / 1000,
    summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout))
end
"""


def bench_creates():
    tokens = tempfile.NamedTemporaryFile("w", suffix=".csv")
    tokens.write('bench-token,bench,1,"system:masters"\n')
    tokens.flush()
    platform = Platform(node=False, name="b", arguments=["--token-auth-file", tokens.name]).start()
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(WRK % (MAPS, "bench-token"))
        script.flush()
        best = None
        for _ in range(3):
            done = subprocess.run(["wrk", "-t", "1", "-c", "64", "-d", "5s", "-s", script.name, f"https://127.0.0.1:{platform.port}"],
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            result = [line.split()[1:] for line in done.stdout.splitlines() if line.startswith("RESULT")]
            check(result, done.stdout)
            rate, p99, errors = map(float, result[0])
            check(errors == 0, done.stdout)
            best = max(best or (0, 0), (rate, p99))
    row("durable creates of 1 KB over HTTPS, 64 connections", f"{best[0]:,.0f}/s, p99 {best[1]:.1f} ms", ">= 15,000/s, p99 <= 15 ms",
        "3,110/s, p99 61 ms")
    platform.destroy()


# ---- the whole platform

class Watch:
    """Notes when each pod was first seen ready, and when it was gone."""

    def __init__(self, platform):
        self.ready, self.gone = {}, {}
        self.answer = Client(platform).open("GET", PODS + "?watch=true&timeoutSeconds=600")
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in iter(self.answer.readline, b""):
            now, event = time.monotonic(), json.loads(line)
            name = event["object"]["metadata"]["name"]
            if event["type"] == "DELETED":
                self.gone[name] = now
            elif is_ready(event["object"]):
                self.ready.setdefault(name, now)


def bench_platform():
    platform = Platform(name="b").start()
    platform.import_image()
    client = Client(platform)
    client.await_node()
    client.must("POST", "/apis/apps/v1/namespaces/default/deployments", deployment("idle", 3))
    eventually(lambda: client.must("GET", "/apis/apps/v1/namespaces/default/deployments/idle")["status"].get("readyReplicas") == 3)
    time.sleep(5)
    pids = platform.pids() + holders(platform)
    rss, pss = memory(pids)
    row("memory, whole platform idle with 3 pods", f"{rss:.1f} MB (proportional {pss:.1f})", "<= 40 MB", "753 MB")
    before = cpu_seconds(pids)
    time.sleep(60)
    row("idle CPU over a minute, 3 pods", f"{(cpu_seconds(pids) - before) / 60 * 100:.2f} %", "<= 0.4 %", "3.7 %")

    watch = Watch(platform)
    path = "/apis/apps/v1/namespaces/default/deployments/idle"
    begun = time.monotonic()
    client.must("PATCH", path, {"spec": {"replicas": 103}}, content_type="application/merge-patch+json")
    eventually(lambda: client.must("GET", path)["status"].get("readyReplicas") == 103, 60)
    row("Deployment from 3 to 103 replicas, all ready", f"{time.monotonic() - begun:.2f} s", "<= 1.5 s", "11.0 s")

    execs(platform, client)

    client.must("DELETE", path + "?propagationPolicy=Background")
    eventually(lambda: not client.must("GET", PODS)["items"], 60)

    times = []
    for i in range(100):
        name = f"one-{i}"
        begun = time.monotonic()
        client.must("POST", PODS, pod(name))
        while name not in watch.ready:
            time.sleep(0.0005)
        times.append(watch.ready[name] - begun)
        client.must("DELETE", f"{PODS}/{name}?gracePeriodSeconds=0")
        while name not in watch.gone:
            time.sleep(0.001)
        time.sleep(0.02)
    times.sort()
    row("pod created to Ready, 100 one after another", f"p50 {times[50] * 1000:.0f}, p99 {times[98] * 1000:.0f} ms", "<= 40 / 80 ms",
        "417 / 434 ms")

    for i in range(60):
        client.must("POST", PODS, pod(f"many-{i}"))
    eventually(lambda: all(f"many-{i}" in watch.ready for i in range(60)), 60)
    begun = time.monotonic()
    client.must("DELETE", PODS + "?gracePeriodSeconds=0&labelSelector=bench%3Dpod")
    eventually(lambda: not client.must("GET", PODS)["items"] and not holders(platform), 60)
    row("60 pods deleted with no grace, until gone", f"{time.monotonic() - begun:.2f} s, their processes too", "<= 0.6 s", "0.6 s")
    platform.destroy()


def execs(platform, client):
    name = client.must("GET", PODS)["items"][0]["metadata"]["name"]

    def timed(*arguments):
        begun = time.monotonic()
        platform.kubectl(*arguments)
        return time.monotonic() - begun
    with_exec = statistics.median(timed("exec", name, "--", "true") for _ in range(15))
    # the client's own start, and what it asks before it comes to the point: one GET of the pod
    without = statistics.median(timed("get", "--raw", f"{PODS}/{name}") for _ in range(15))
    row("kubectl exec POD -- true, beyond the client's start", f"{(with_exec - without) * 1000:.0f} ms", "<= 30 ms", "")


def bench_size():
    with tempfile.NamedTemporaryFile() as stripped:
        subprocess.run(["strip", "-s", "-o", stripped.name, ONGGI], check=True)
        row("stripped executable", f"{os.path.getsize(stripped.name) / 1e6:.2f} MB", "<= 5 MB", "API server alone 115 MB")


def main():
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    for name, bench in list(globals().items()):
        if name.startswith("bench_") and wanted in name:
            bench()
    widths = [max(len(str(line[i])) for line in rows + [("figure", "measured", "goal", "peer")]) for i in range(4)]
    for line in [("figure", "measured", "goal", "peer"), *rows]:
        print("  ".join(str(cell).ljust(width) for cell, width in zip(line, widths)))


if __name__ == "__main__":
    main()
