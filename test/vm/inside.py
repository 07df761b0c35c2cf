# SPDX-License-Identifier: Apache-2.0
"""What the emulated machine runs: the life of a platform on it, with a crash of the machine in between, then the tests that
depend on the kernel. The last line counts them all, and the machine turns itself off."""
import json
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "test"))
import run as tests  # noqa: E402

COUNTED = "/var/tmp/counted"  # what had passed before the machine crashed
SCENARIOS = ("durability", "kubectl_pods", "limits", "resize", "whole")
PATIENCE = 5  # how much longer an emulated machine may take


def wanted():
    for word in open("/proc/cmdline").read().split():
        if word.startswith("vm_test="):
            return word[len("vm_test="):]
    return ""


def prepare():
    """A network without a way out, as there are some."""
    os.environ.update({"HOME": "/root", "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"})
    links = [link for link in os.listdir("/sys/class/net") if link != "lo"]
    subprocess.run(["ip", "address", "add", "10.0.2.15/24", "dev", links[0]], check=True)
    subprocess.run(["ip", "link", "set", links[0], "up"], check=True)


def life(total, part):
    tests.run(total, f"vm.{part}", [sys.executable, os.path.join(ROOT, "test", "vm", "life.py"), part])


def crash(total):
    """Nothing is written that was not already, nobody is told."""
    with open(COUNTED, "w") as out:
        json.dump([total.passed, total.failed, total.skipped, total.broken], out)
        out.flush()
        os.fsync(out.fileno())
    tests.say("the machine crashes and starts again")
    with open("/proc/sysrq-trigger", "w") as trigger:
        trigger.write("b")


def main():
    total, name = tests.Total(), wanted()
    prepare()
    if name in "vm":
        if not os.path.exists(COUNTED):
            life(total, "before_the_crash")
            crash(total)
        total.passed, total.failed, total.skipped, total.broken = json.load(open(COUNTED))
        life(total, "after_the_crash")
    tests.units(total, "unit", "build", name, PATIENCE)
    for scenario in SCENARIOS:
        if name in "scenario." + scenario:
            tests.scenarios(total, "scenario." + scenario)
    for broken in total.broken:
        print(f"failed: {broken}")
    print(f"{total.passed} passed, {total.failed} failed, {total.skipped} skipped", flush=True)


if __name__ == "__main__":
    main()
