# SPDX-License-Identifier: Apache-2.0
"""The life of a platform on a machine of its own, as ./dev starts it: with all its default names. Half of it before the
machine crashes, half of it after; only for test/vm/inside.py."""
import json
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "scenario"))
from harness import ROOT, check, command_line, eventually, main  # noqa: E402

DATA, GROUPS = "/var/lib/onggi", "/sys/fs/cgroup"
CONTROLLERS = {"cpu", "memory", "pids"}
KNOWN = "/var/tmp/pods"  # that ran when the machine crashed


def told(*command):
    """Standard output of a command that must succeed."""
    done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True)
    check(done.returncode == 0, f"{' '.join(command)}: {done.returncode}\n{done.stdout[-3000:]}")
    return done.stdout


def kubectl(*arguments):
    return told("kubectl", "--kubeconfig", DATA + "/admin.kubeconfig", *arguments)


def pods():
    """Of each running pod of the sample, what a restart of its container would change."""
    found = {}
    for pod in json.loads(kubectl("get", "pods", "-l", "app=hello", "-o", "json"))["items"]:
        for status in pod["status"].get("containerStatuses", []):
            if status["ready"]:
                found[pod["metadata"]["name"]] = (status["containerID"], status["restartCount"])
    return found


def up():
    said = told("./dev", "up")
    check(re.search(r"^Hello from hello-\S+ on fresh$", said, re.M), f"the sample does not answer:\n{said}")
    return said


def groups():
    """The control group of each container, as directories."""
    return [directory for directory, below, _ in os.walk(GROUPS + "/onggi") if "/pod" in directory and not below]


def limits():
    return {group: open(group + "/memory.max").read().strip() for group in groups()}


def test_before_the_crash_1_groups_are_of_version_2():
    kinds = [line.split()[2] for line in open("/proc/self/mounts")]
    check("cgroup2" in kinds and "cgroup" not in kinds, kinds)


def test_before_the_crash_2_up_on_a_fresh_machine():
    up()
    check(len(pods()) == 3, f"ready: {pods()}")
    check(set(limits().values()) == {str(32 << 20)} and len(limits()) == 3, limits())


def test_before_the_crash_3_up_again_leaves_all_as_it_is():
    before = pods()
    check("running already" in up(), "it was started again")
    check(pods() == before, f"{before} became {pods()}")


def test_before_the_crash_4_old_clients():
    check("v1.20" in kubectl("version", "--client", "--short"), "this is not Debian's kubectl")
    name = sorted(pods())[0]
    check(kubectl("exec", name, "--", "hostname").strip() == name, "exec")
    check(f"{name} serves on port 8080" in kubectl("logs", name), "logs")
    kubectl("scale", "deployment", "hello", "--replicas=5")
    kubectl("rollout", "status", "deployment/hello", "--timeout=120s")
    kubectl("scale", "deployment", "hello", "--replicas=3")
    eventually(lambda: len(groups()) == 3, 30, "the control groups of pods that are gone remain")


def test_before_the_crash_5_systemd_takes_nothing_away():
    before = limits()
    told("systemctl", "daemon-reload")
    check(limits() == before, f"{before} became {limits()}")
    for group in ("", "/onggi"):
        passed = set(open(f"{GROUPS}{group}/cgroup.subtree_control").read().split())
        check(CONTROLLERS <= passed, f"{group or 'the root'} passes only {passed} down")


def test_before_the_crash_6_killed_and_adopted():
    before = pods()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        words = command_line(pid).split("\0")
        if words[0].endswith("/onggi") and words[1] in ("up", "server", "node"):
            os.kill(int(pid), 9)
    check("running already" not in up(), "it lives on")
    check(pods() == before, f"{before} became {pods()}")
    with open(KNOWN, "w") as out:
        json.dump(before, out)
        out.flush()
        os.fsync(out.fileno())


def test_after_the_crash_1_the_same_pods_run_again():
    check("running already" not in up(), "it lives on")
    known = json.load(open(KNOWN))

    def again():
        now = pods()
        return set(now) == set(known) and all(now[name][0] != container for name, (container, _) in known.items()) and now
    now = eventually(again, 60, "not all were started again")
    check(all(now[name][1] == restarts + 1 for name, (_, restarts) in known.items()), f"{known} became {now}")


def test_after_the_crash_2_down_leaves_nothing():
    told("./dev", "down")
    left = [line for line in open("/proc/self/mounts") if "onggi" in line or "crun" in line]
    check(not left, f"mounts: {left}")
    left = [directory for directory, _, _ in os.walk(GROUPS) if "onggi" in directory]
    check(not left, f"control groups: {left}")
    left = [link for link in os.listdir("/sys/class/net") if not link.startswith(("lo", "en"))]
    check(not left, f"links: {left}")
    check(told("nft", "list", "tables") == "", "packet tables")
    left = [path for path in (DATA, "/run/onggi", "/var/log/onggi.log") if os.path.exists(path)]
    check(not left, f"files: {left}")
    lines = [command_line(pid) for pid in filter(str.isdigit, os.listdir("/proc"))]
    left = [line for line in lines if "onggi" in line and "/vm/" not in line]
    check(not left, f"processes: {left}")


if __name__ == "__main__":
    sys.exit(main(globals()))
