# SPDX-License-Identifier: Apache-2.0
"""What pods may use: requests and limits as the kernel holds them, with either version of control groups."""
import os
import resource
import sys
import time

from harness import IMAGE, Client, Platform, Skip, check, eventually, main

PODS = "/api/v1/namespaces/default/pods"
GROUPS = "/sys/fs/cgroup"
VERSION_2 = os.path.exists(GROUPS + "/cgroup.controllers")
SPIN = "while true; do :; done"
platform = client = None


def need():
    """A platform whose agent was started as from a shell: with 1024 descriptors at first."""
    global platform, client
    if not platform:
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (1024, before[1]))
        started = Platform(arguments=["--pod-max-pids", "20", "--allowed-unsafe-sysctls", "kernel.msg*"]).start()
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
        started.import_image()
        client = Client(started)
        client.await_node()
        platform = started


def run(name, *containers, **spec):
    """Creates the pod and waits until all its containers run; its object then."""
    client.must("POST", PODS, {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
                               "spec": {"terminationGracePeriodSeconds": 0, "containers": list(containers), **spec}})

    def running():
        pod = client.must("GET", f"{PODS}/{name}")
        statuses = pod["status"].get("containerStatuses", [])
        return pod if len(statuses) == len(containers) and all("running" in s["state"] for s in statuses) else None
    return eventually(running, 30, f"{name} does not run")


def container(name, *command, **resources):
    return {"name": name, "image": IMAGE, "imagePullPolicy": "IfNotPresent", "command": list(command or ("sleep", "100000")),
            "resources": resources}


def remove(name):
    client.must("DELETE", f"{PODS}/{name}?gracePeriodSeconds=0")
    eventually(lambda: client.ask("GET", f"{PODS}/{name}")[0] == 404, 20, f"{name} was not removed")


def ended(name):
    def look():
        statuses = client.must("GET", f"{PODS}/{name}")["status"].get("containerStatuses") or [{}]
        return statuses[0].get("state", {}).get("terminated") or statuses[0].get("lastState", {}).get("terminated")
    return eventually(look, 60, f"{name} did not end")


def group_of(pod, number=None):
    """The pod's control group, or that of one of its containers, relative to the tree."""
    command = platform.command()
    group = f"{command[command.index('--cgroup-parent') + 1]}/pod{pod['metadata']['uid']}"
    if number is None:
        return group
    status = next(s for s in pod["status"]["containerStatuses"] if s["name"] == pod["spec"]["containers"][number]["name"])
    return group + "/" + status["containerID"].split("//")[1]


def held(group, name):
    """What the kernel holds, as version 2 names it; of version 1 translated back. None: no limit."""
    if VERSION_2:
        text = open(f"{GROUPS}{group}/{name}").read().strip()
        return None if text.split()[0] == "max" else text
    files = {"cpu.max": ("cpu/cpu.cfs_quota_us",), "cpu.weight": ("cpu/cpu.shares",), "pids.max": ("pids/pids.max",),
             "memory.max": ("memory/memory.limit_in_bytes",), "cgroup.procs": ("pids/cgroup.procs",)}
    tree, file = files[name][0].split("/")
    text = open(f"{GROUPS}/{tree}{group}/{file}").read().strip()
    if text in ("-1", "max") or (name == "memory.max" and int(text) > 1 << 60):
        return None
    return text + " 100000" if name == "cpu.max" else text


def pids_of(pod, number=0):
    return [int(pid) for pid in held(group_of(pod, number), "cgroup.procs").split()]


def test_the_kernel_holds_what_pods_ask_for():
    need()
    pod = run("asks", container("a", requests={"cpu": "250m", "memory": "16Mi"}, limits={"cpu": "500m", "memory": "32Mi"}),
              container("b", requests={"cpu": "750m"}, limits={"cpu": "1", "memory": "64Mi"}))
    expected = {  # of the pod, of a, of b: shares are weights in version 2
        "cpu.max": ("150000 100000", "50000 100000", "100000 100000"),
        "cpu.weight": ("100", "35", "80") if VERSION_2 else ("1024", "256", "768"),
        "memory.max": (str(96 << 20), str(32 << 20), str(64 << 20)),
        "pids.max": ("20", None, None),
    }
    for file, values in expected.items():
        found = tuple(held(group_of(pod, number), file) for number in (None, 0, 1))
        check(found == values, f"{file}: {found}, not {values}")
    if VERSION_2:
        check(held(group_of(pod, 0), "memory.swap.max") == "0", "it may swap")
        shown = platform.kubectl("exec", "asks", "-c", "a", "--", "cat", "/sys/fs/cgroup/memory.max").strip()
        check(shown == str(32 << 20), f"a container sees another control group than its own: {shown}")
    remove("asks")
    uid = pod["metadata"]["uid"]
    eventually(lambda: not any(uid in directory for directory, _, _ in os.walk(GROUPS)), 10, "control groups remain")


def test_nothing_asked_is_no_limit():
    need()
    pod = run("humble", container("c"))
    for file in ("cpu.max", "memory.max"):
        found = held(group_of(pod, 0), file), held(group_of(pod), file)
        check(found == (None, None), f"{file}: {found}")
    check(held(group_of(pod, 0), "cpu.weight") == ("1" if VERSION_2 else "2"), "the least share")
    remove("humble")


def cpu_seconds(pod):
    ticks = sum(sum(map(int, open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[11:13])) for pid in pids_of(pod))
    return ticks / os.sysconf("SC_CLK_TCK")


def test_a_spinner_gets_its_share():
    need()
    pod = run("spins", container("c", "sh", "-c", SPIN, limits={"cpu": "200m"}))
    begun, used = time.monotonic(), cpu_seconds(pod)
    time.sleep(5)
    share = (cpu_seconds(pod) - used) / (time.monotonic() - begun)
    check(0.02 < share < 0.3, f"it used {share:.2f} of a processor, 0.2 are its limit")
    remove("spins")


def test_what_eats_too_much_is_killed():
    need()
    eater = container("c", "sh", "-c", "x=a; while true; do x=$x$x; done", limits={"memory": "32Mi"})
    client.must("POST", PODS, {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "eats"},
                               "spec": {"restartPolicy": "Never", "containers": [eater]}})
    end = ended("eats")
    check(end["reason"] == "OOMKilled" and end["exitCode"] == 137, end)
    check(client.must("GET", f"{PODS}/eats")["status"]["phase"] == "Failed", "its phase")
    remove("eats")


def test_a_container_dies_whole():
    need()
    if not VERSION_2:
        raise Skip("version 1 kills single processes")
    parent = container("c", "sh", "-c", "sh -c 'x=a; while true; do x=$x$x; done'; sleep 100000", limits={"memory": "32Mi"})
    client.must("POST", PODS, {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "whole"},
                               "spec": {"containers": [parent]}})
    end = ended("whole")
    check(end["reason"] == "OOMKilled" and end["exitCode"] == 137, end)
    eventually(lambda: client.must("GET", f"{PODS}/whole")["status"]["containerStatuses"][0]["restartCount"] >= 1, 30,
               "it was not started again")
    remove("whole")


def test_forks_end_at_the_limit():
    need()
    bomb = container("c", "sh", "-c", "for i in $(seq 40); do sleep 1000 & done; echo forty")
    client.must("POST", PODS, {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "forks"},
                               "spec": {"restartPolicy": "Never", "containers": [bomb]}})
    ended("forks")
    said = platform.kubectl("logs", "forks")
    check("can't fork" in said and "forty" not in said, f"forty processes fit into twenty: {said}")
    remove("forks")


def oom_score(pid):
    return int(open(f"/proc/{pid}/oom_score_adj").read())


def test_who_is_killed_first():
    need()
    if not effective_capability(24):
        raise Skip("needs CAP_SYS_RESOURCE")
    both = {"cpu": "10m", "memory": "16Mi"}
    scores = {half: oom_score(platform.half(half)) for half in ("server", "node")}
    check(scores == {"server": -999, "node": -999}, scores)
    kinds = {"guaranteed": {"requests": both, "limits": both}, "burstable": {"requests": both}, "besteffort": {}}
    for name, resources in kinds.items():
        pod = run(name, container("c", **resources))
        scores[name] = oom_score(pids_of(pod)[0])
        inside = platform.kubectl("exec", name, "--", "cat", "/proc/self/oom_score_adj").strip()
        check(inside == str(scores[name]), f"an exec in {name}: {inside}")
        remove(name)
    check(scores["guaranteed"] == -997 and scores["besteffort"] == 1000 and 2 < scores["burstable"] < 1000, scores)


def effective_capability(number):
    status = dict(line.split(":", 1) for line in open("/proc/self/status") if ":" in line)
    return int(status["CapEff"], 16) >> number & 1


def test_descriptors():
    need()
    hard = min(resource.getrlimit(resource.RLIMIT_NOFILE)[1], 1 << 20)
    pod = run("opens", container("c"))
    all_pids = {"the server": platform.half("server"), "the agent": platform.half("node"), "a container": pids_of(pod)[0]}
    for who, pid in all_pids.items():
        found = resource.prlimit(pid, resource.RLIMIT_NOFILE)[0]
        check(found == hard, f"{who} may open {found} descriptors, not {hard}")
    remove("opens")


def test_commands_count_to_their_container():
    need()
    pod = run("hosts", container("c", limits={"memory": "32Mi"}))
    before = set(pids_of(pod))
    done = platform.kubectl("exec", "hosts", "--", "sh", "-c", "sleep 3 & cat /proc/self/cgroup; wait")
    check(set(pids_of(pod)) == before, "what an exec started is left")
    check("/" in done, done)
    killed = platform.kubectl("exec", "hosts", "--", "sh", "-c", "x=a; while true; do x=$x$x; done", ok=False)
    check(killed.returncode == 137, f"an exec that eats too much: {killed.returncode} {killed.stderr}")
    remove("hosts")


def test_devices_of_the_host_are_refused():
    need()
    run("opener", container("c"))
    opened = platform.kubectl("exec", "opener", "--", "sh", "-c", "mknod /tmp/mem c 1 1 && head -c 1 /tmp/mem", ok=False)
    check(opened.returncode != 0 and "not permitted" in opened.stderr, f"/dev/mem: {opened.stdout} {opened.stderr}")
    check(platform.kubectl("exec", "opener", "--", "head", "-c", "1", "/dev/zero") == "\0", "/dev/zero")
    remove("opener")
    run("privileged", {**container("c"), "securityContext": {"privileged": True}})
    opened = platform.kubectl("exec", "privileged", "--", "sh", "-c", "mknod /tmp/kmsg c 1 11 && head -c 1 /tmp/kmsg", ok=False)
    check("not permitted" not in opened.stderr, f"a privileged container: {opened.stderr}")
    remove("privileged")


def rejected(name, sysctl, value):
    client.must("POST", PODS, {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {
        "containers": [container("c")], "securityContext": {"sysctls": [{"name": sysctl, "value": value}]}}})
    status = eventually(lambda: (lambda s: s if s.get("phase") == "Failed" else None)(
        client.must("GET", f"{PODS}/{name}")["status"]), 20, f"{sysctl} was not refused")
    check(status.get("reason") == "SysctlForbidden", f"{sysctl}: {status}")
    remove(name)


def test_parameters_of_the_kernel():
    """A pod has its own of what belongs to a namespace; what is the machine's it cannot reach."""
    need()
    asked = [{"name": "kernel.shm_rmid_forced", "value": "1"}, {"name": "net/ipv4/ip_unprivileged_port_start", "value": "81"},
             {"name": "kernel.msgmax", "value": "4321"}]
    run("tuned", container("c"), securityContext={"sysctls": asked})
    for name, value in (("kernel/shm_rmid_forced", "1"), ("net/ipv4/ip_unprivileged_port_start", "81"), ("kernel/msgmax", "4321")):
        inside = platform.kubectl("exec", "tuned", "--", "cat", f"/proc/sys/{name}").strip()
        check(inside == value and open(f"/proc/sys/{name}").read().strip() != value, f"{name}: {inside}")
    remove("tuned")
    pattern = open("/proc/sys/kernel/core_pattern").read()
    rejected("greedy", "kernel.core_pattern", "|/bin/true")
    rejected("unsafe", "net.core.somaxconn", "1")
    check(open("/proc/sys/kernel/core_pattern").read() == pattern, "a pod has changed the machine's core_pattern")


def test_figures_are_the_kernels():
    need()
    script = "x=$(head -c 8000000 /dev/zero | tr '\\0' a); " + SPIN
    pod = run("figures", container("c", "sh", "-c", script, limits={"cpu": "300m", "memory": "64Mi"}))

    def figures():
        all_of_them = client.must("GET", "/api/v1/nodes/node-1/proxy/stats/summary")
        one = next((p for p in all_of_them["pods"] if p["podRef"]["name"] == "figures"), {"containers": []})
        return next((c for c in one["containers"] if c["memory"]["workingSetBytes"] > 8 << 20), None)
    found = eventually(figures, 20, "eight megabytes are not seen")
    memory, cpu = found["memory"], found["cpu"]
    check(memory["workingSetBytes"] < 64 << 20 and memory["usageBytes"] <= 64 << 20, memory)
    check(abs(cpu_seconds(pod) - cpu["usageCoreNanoSeconds"] / 1e9) < 5, f"{cpu} and {cpu_seconds(pod)} s")
    remove("figures")


if __name__ == "__main__":
    sys.exit(main(globals()))
