# SPDX-License-Identifier: Apache-2.0
"""Pods that get another size while they run, by kubectl: what the kernel holds then, as seen from inside; who waits for
room; memory in use; new lives where the policy asks for them; agents that are killed meanwhile."""
import json
import os
import re
import signal
import sys

from harness import IMAGE, Client, Platform, check, eventually, main

PODS = "/api/v1/namespaces/default/pods"
VERSION_2 = os.path.exists("/sys/fs/cgroup/cgroup.controllers")
MIB = 1 << 20
platform = client = None


def need():
    global platform, client
    if not platform:
        started = Platform().start()
        started.import_image()
        client = Client(started)
        client.await_node()
        platform = started


def sizes(cpu, memory, cpu_limit=None, memory_limit=None):
    return {"requests": {"cpu": cpu, "memory": memory}, "limits": {"cpu": cpu_limit or cpu, "memory": memory_limit or memory}}


def container(name, resources, **more):
    return {"name": name, "image": IMAGE, "imagePullPolicy": "IfNotPresent", "command": ["sleep", "100000"], "resources": resources, **more}


def run(name, *containers, **spec):
    client.must("POST", PODS, {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
                               "spec": {"terminationGracePeriodSeconds": 0, "containers": list(containers), **spec}})
    eventually(lambda: client.ready(f"{PODS}/{name}"), 30, f"{name} was not ready")


def remove(*names):
    for name in names:
        client.ask("DELETE", f"{PODS}/{name}?gracePeriodSeconds=0")
    for name in names:
        eventually(lambda: client.ask("GET", f"{PODS}/{name}")[0] == 404, 20, f"{name} was not removed")


def get(name):
    return client.must("GET", f"{PODS}/{name}")


def kubectl_can():
    """Whether this machine's kubectl knows the subresource (from 1.32 on); else it is asked as kubectl would."""
    version = re.search(r"v1\.(\d+)", platform.kubectl("version", "--client", ok=False).stdout)
    return version and int(version.group(1)) >= 32


def attempt(name, resources, container="c", lists="containers"):
    """Why it was refused; empty where it was taken."""
    patch = {"spec": {lists: [{"name": container, "resources": resources}]}}
    if kubectl_can():
        done = platform.kubectl("patch", "pod", name, "--subresource", "resize", "--patch", json.dumps(patch), ok=False)
        return done.stderr if done.returncode else ""
    code, answer = client.ask("PATCH", f"{PODS}/{name}/resize", patch, content_type="application/strategic-merge-patch+json")
    return answer["message"] if code >= 300 else ""


def resize(*what):
    refused = attempt(*what)
    check(not refused, refused)


def status(name, container="c", lists="containerStatuses"):
    return next(s for s in get(name)["status"][lists] if s["name"] == container)


def condition(name, kind):
    return next((c for c in get(name)["status"]["conditions"] if c["type"] == kind), None)


def is_resized(name):
    """What the API is to show at the end of a resize: nothing but that it is over."""
    pod = get(name)
    return (pod["status"]["observedGeneration"] == pod["metadata"]["generation"] and client.ready(f"{PODS}/{name}") and
            not any(c["type"].startswith("PodResize") for c in pod["status"]["conditions"]))


def inside(name, container="c"):
    """(shares or weight, quota, bytes) as a container sees them."""
    files = (("cpu.weight", "cpu.max", "memory.max") if VERSION_2 else
             ("cpu/cpu.shares", "cpu/cpu.cfs_quota_us", "memory/memory.limit_in_bytes"))
    text = platform.kubectl("exec", name, "-c", container, "--", "cat", *(f"/sys/fs/cgroup/{file}" for file in files))
    lines = [line.split()[0] for line in text.splitlines()]
    return lines[0], *(int(line) for line in lines[1:])


def reasons(name):
    told = client.must("GET", f"/api/v1/namespaces/default/events?fieldSelector=involvedObject.name={name}")["items"]
    return [event["reason"] for event in told if event["reason"].startswith("Resize")]


def kill_agent():
    old = platform.half("node")
    os.kill(old, signal.SIGKILL)
    eventually(lambda: platform.half("node") not in (None, old), 15, "the agent was not started again")


def test_limits_change_under_a_running_container():
    need()
    run("grows", container("c", sizes("100m", "32Mi")), container("d", sizes("200m", "48Mi")))
    life, weight = status("grows")["containerID"], inside("grows")[0]
    check(inside("grows")[1:] == (10000, 32 * MIB), f"at first {inside('grows')}")
    resize("grows", sizes("300m", "64Mi"))
    eventually(lambda: is_resized("grows"), 20, "it was not resized")
    check(inside("grows")[1:] == (30000, 64 * MIB) and int(inside("grows")[0]) > int(weight), f"grown: {inside('grows')}")
    check(inside("grows", "d")[1:] == (20000, 48 * MIB), "the other one changed too")
    shown = status("grows")
    check(shown["resources"] == sizes("300m", "64Mi") and shown["allocatedResources"] == {"cpu": "300m", "memory": "64Mi"}, f"{shown}")
    resize("grows", sizes("100m", "32Mi"))
    eventually(lambda: is_resized("grows"), 20, "it was not resized back")
    check(inside("grows")[1:] == (10000, 32 * MIB) and inside("grows")[0] == weight, f"shrunk: {inside('grows')}")
    check(status("grows")["containerID"] == life and status("grows")["restartCount"] == 0, "it was started anew")
    eventually(lambda: sorted(reasons("grows")) == ["ResizeCompleted"] * 2 + ["ResizeStarted"] * 2, 10, f"events: {reasons('grows')}")
    remove("grows")


def test_sidecars_and_added_limits():
    need()
    run("beside", container("c", {"requests": {"cpu": "50m"}}),
        initContainers=[container("s", sizes("50m", "16Mi"), restartPolicy="Always")])
    resize("beside", sizes("80m", "24Mi"), "s", "initContainers")
    resize("beside", {"requests": {"cpu": "60m"}, "limits": {"cpu": "90m", "memory": "40Mi"}})
    eventually(lambda: is_resized("beside"), 20, "it was not resized")
    check(inside("beside", "s")[1:] == (8000, 24 * MIB), f"the sidecar: {inside('beside', 's')}")
    check(inside("beside")[1:] == (9000, 40 * MIB), f"added: {inside('beside')}")
    check(status("beside", "s", "initContainerStatuses")["restartCount"] == 0, "the sidecar was started anew")
    remove("beside")


def test_a_policy_that_asks_for_a_new_life():
    need()
    policy = [{"resourceName": "memory", "restartPolicy": "RestartContainer"}]
    run("anew", container("c", sizes("100m", "32Mi"), resizePolicy=policy))
    resize("anew", sizes("200m", "32Mi"))
    eventually(lambda: is_resized("anew"), 20)
    check(status("anew")["restartCount"] == 0, "cpu needs no new life")
    for times, memory in ((1, 64), (2, 32)):
        resize("anew", sizes("200m", f"{memory}Mi"))
        eventually(lambda: is_resized("anew") and status("anew")["restartCount"] == times, 30, "it was not started anew")
        check(inside("anew")[1:] == (20000, memory * MIB), f"{inside('anew')}")
    remove("anew")


def test_memory_in_use_is_not_taken_away():
    need()
    run("holds", container("c", sizes("100m", "64Mi")))
    platform.kubectl("exec", "holds", "--", "dd", "if=/dev/zero", "of=/dev/shm/held", "bs=1M", "count=30")
    resize("holds", sizes("100m", "16Mi"))
    shown = eventually(lambda: (condition("holds", "PodResizeInProgress") or {}).get("reason") == "Error" and condition("holds", "PodResizeInProgress"), 20, "no error")
    check("memory limit (16777216) below current usage" in shown["message"], shown["message"])
    check(shown["observedGeneration"] == 2, f"{shown}")
    check(status("holds")["resources"]["limits"]["memory"] == "64Mi" and status("holds")["allocatedResources"]["memory"] == "16Mi", "the status is another")
    check(inside("holds")[2] == 64 * MIB and status("holds")["restartCount"] == 0, "it was changed all the same")
    kill_agent()  # which must go on with it
    eventually(lambda: platform.kubectl("exec", "holds", "--", "rm", "/dev/shm/held", ok=False).returncode == 0, 20)
    eventually(lambda: is_resized("holds"), 40, "it did not go on when the memory was free")
    check(inside("holds")[2] == 16 * MIB and status("holds")["restartCount"] == 0, f"{inside('holds')}")
    remove("holds")


def test_who_waits_for_room():
    need()
    room = client.must("GET", "/api/v1/nodes/node-1")["status"]["allocatable"]["cpu"]
    room = int(room[:-1]) if room.endswith("m") else int(room) * 1000
    taken, wanted = f"{room // 2}m", f"{room * 3 // 4}m"
    run("first", container("c", {"requests": {"cpu": taken}}))
    run("second", container("c", sizes("100m", "32Mi", "200m")))
    resize("second", {"requests": {"cpu": wanted}, "limits": {"cpu": f"{room}m"}})
    eventually(lambda: (condition("second", "PodResizePending") or {}).get("reason") == "Deferred", 20, "it does not wait")
    check(status("second")["resources"]["requests"]["cpu"] == "100m" and inside("second")[1] == 20000, "it was given what there is no room for")
    kill_agent()
    eventually(lambda: platform.kubectl("exec", "second", "--", "true", ok=False).returncode == 0, 20, "the agent does not answer")
    check(condition("second", "PodResizePending")["reason"] == "Deferred", "the new agent knows nothing of it")
    check(status("second")["allocatedResources"]["cpu"] == "100m" and inside("second")[1] == 20000, "the new agent gave it")
    client.must("POST", PODS, {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "third"}, "spec": {
        "terminationGracePeriodSeconds": 0, "containers": [container("c", {"requests": {"cpu": "1m"}})]}})
    eventually(lambda: any(c["type"] == "PodScheduled" and c["status"] == "False" for c in get("third")["status"].get("conditions", [])), 20,
               "the scheduler does not count what is asked for")
    remove("first")
    eventually(lambda: is_resized("second"), 20, "it was not given what became free")
    check(inside("second")[1] == room * 100, f"{inside('second')}")
    check(reasons("second").count("ResizeDeferred") == 1, f"told more than once: {reasons('second')}")
    eventually(lambda: client.ready(f"{PODS}/third"), 30, "there is room for it, too")
    remove("second", "third")


def test_what_is_refused():
    need()
    run("fixed", container("c", sizes("100m", "32Mi", "200m")))
    for resources, why in (({"requests": {"cpu": "200m", "memory": "32Mi"}, "limits": {"cpu": "200m"}}, "Pod QOS Class may not change"),
                           ({"limits": {"memory": None}}, "resource limits cannot be removed"),
                           ({"requests": {"ephemeral-storage": "1Gi"}}, "only cpu and memory resources are mutable"),
                           ({"requests": {"cpu": "1000"}, "limits": {"cpu": "1000"}}, "node didn't have enough allocatable resources: cpu")):
        refused = attempt("fixed", resources)
        check(why in refused, f"{resources}: {refused}")
    check(get("fixed")["metadata"]["generation"] == 1, "something was changed")
    remove("fixed")


if __name__ == "__main__":
    sys.exit(main(globals()))
