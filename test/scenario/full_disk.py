# SPDX-License-Identifier: Apache-2.0
"""A node whose disk is full: what runs goes on, what cannot be made says so, and all of it comes right when there is room,
also after the agent was killed meanwhile. The server's disk is another."""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

from harness import IMAGE, ONGGI, Client, Platform, Skip, base_image, check, eventually, main

PODS = "/api/v1/namespaces/default/pods"
MAPS = "/api/v1/namespaces/default/configmaps"
LOG_LINE = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d) (stdout|stderr) [FP] .*")
LEFT_KB = (0, 4, 8, 12, 16, 20, 28)


class SmallDisk(Platform):
    """A server, and an agent with a disk of its own: an ext4 in a file."""

    def __init__(self, megabytes=96):
        if os.geteuid() != 0 or not shutil.which("mkfs.ext4"):
            raise Skip("needs root and mkfs.ext4")
        super().__init__()
        self.disk, self.agent = tempfile.mkdtemp(prefix="onggi-disk-"), None
        with open(self.disk + ".img", "wb") as image:
            image.truncate(megabytes << 20)
        subprocess.run(["mkfs.ext4", "-q", "-m", "0", self.disk + ".img"], check=True)
        if subprocess.run(["mount", "-o", "loop", self.disk + ".img", self.disk]).returncode:
            raise Skip("may not mount a file as a disk")

    def command(self):
        return [ONGGI, "server", "--data-dir", self.data, "--listen", f"0.0.0.0:{self.port}", "--node", "node-1",
                "--service-range", f"10.{100 + self.slot.number}.0.0/16"]

    def agent_command(self, *what):
        tag, net = f"{os.getpid() % 10000}d", self.slot.number
        shared = ["--data-dir", self.disk, "--bridge", f"ogt{tag}", "--table", f"onggi-test-{tag}",
                  "--cgroup-parent", f"/onggi-test-{tag}", "--pod-range", f"10.244.{net}.0/24"]
        own = ["--service-range", f"10.{100 + net}.0.0/16", "--address", f"10.244.{net}.1", "--name", "node-1",
               "--node-listen", f"10.244.{net}.1:{self.node_port}", "--kubeconfig", os.path.join(self.data, "node.kubeconfig")]
        return [ONGGI, "node", *what, *shared, *([] if what else own)]

    def start_agent(self):
        self.agent = subprocess.Popen(self.agent_command(), stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)

    def kill_agent(self):
        self.agent.kill()
        self.agent.wait()

    def bring_image(self, name):
        done = subprocess.run([ONGGI, "image", "import", base_image(), "--name", name, "--data-dir", self.disk],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return done.returncode, done.stdout

    def fill(self, leave=0):
        """Takes all room but so many bytes."""
        with open(os.path.join(self.disk, "filler"), "wb", buffering=0) as filler:
            free = os.statvfs(self.disk)
            size = free.f_bavail * free.f_frsize - leave
            while size >= 4096:
                try:
                    os.posix_fallocate(filler.fileno(), 0, size)
                    if leave:
                        return
                    break
                except OSError:
                    size -= 4096
            try:
                filler.seek(0, os.SEEK_END)
                while True:
                    filler.write(b"x" * 512)
                    os.fsync(filler.fileno())
            except OSError:
                pass

    def make_room(self):
        os.unlink(os.path.join(self.disk, "filler"))

    def destroy(self):
        if self.agent and self.agent.poll() is None:
            self.agent.terminate()
            self.agent.wait(20)
        if os.path.ismount(self.disk):
            subprocess.run(self.agent_command("clean"), stdout=self.log, stderr=self.log)
            subprocess.run(["umount", "-l", self.disk])
            os.rmdir(self.disk)
            os.unlink(self.disk + ".img")
            self.stop()
            self.slot.give_back()
            shutil.rmtree(self.data, ignore_errors=True)


platform = client = None


def need():
    global platform, client
    if not platform:
        started = SmallDisk().start()
        check(started.bring_image(IMAGE)[0] == 0, "the image could not be imported")
        started.start_agent()
        client = Client(started)
        client.await_node()
        platform = started


def create(name, script, restart="Always", volumes=(), mounts=()):
    container = {"name": "c", "image": IMAGE, "imagePullPolicy": "IfNotPresent", "command": ["sh", "-c", script], "volumeMounts": list(mounts)}
    client.must("POST", PODS, {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {
        "terminationGracePeriodSeconds": 0, "restartPolicy": restart, "containers": [container], "volumes": list(volumes)}})


def status(name):
    return client.must("GET", f"{PODS}/{name}")["status"]


def state(name):
    return (status(name).get("containerStatuses") or [{}])[0].get("state", {})


def remove(name):
    client.must("DELETE", f"{PODS}/{name}")
    eventually(lambda: client.ask("GET", f"{PODS}/{name}")[0] == 404, 30, f"{name} was not removed")


def left_of_pods():
    return [f"{kind}/{entry}" for kind in ("containers", "pods", "exits") for entry in os.listdir(os.path.join(platform.disk, kind))]


def test_full_while_pods_run():
    need()
    client.must("POST", MAPS, {"metadata": {"name": "settings"}, "data": {"a": "old"}})
    create("runs", "sleep 1000", volumes=[{"name": "v", "configMap": {"name": "settings"}}], mounts=[{"name": "v", "mountPath": "/v"}])
    create("talks", "i=0; while true; do echo line $i; i=$((i+1)); sleep 0.01; done")
    create("ends", "sleep 6; exit 3", restart="Never")
    eventually(lambda: client.ready(f"{PODS}/runs") and client.ready(f"{PODS}/talks"), 20, "the pods did not run")
    platform.fill()
    client.must("PATCH", f"{MAPS}/settings", {"data": {"a": "new" * 3000, "b": "more"}}, content_type="application/merge-patch+json")
    create("once", "echo done", restart="Never")
    eventually(lambda: [e for e in client.must("GET", "/api/v1/namespaces/default/events")["items"] if e["involvedObject"]["name"] == "once" and
                        "No space left on device" in e["message"]], 20, "no event tells of the full disk")
    code, said = platform.bring_image("onggi/other:1")
    check(code != 0 and "No space left on device" in said, f"an import onto a full disk: {code} {said}")
    ended = eventually(lambda: state("ends").get("terminated"), 30, "the end of a container was not told")
    check(ended["exitCode"] == 3, f"the exit code is lost: {ended}")
    check(platform.kubectl("exec", "runs", "--", "cat", "/v/a") in ("old", "new" * 3000), "the volume's file is damaged")
    platform.kill_agent()
    platform.start_agent()
    eventually(lambda: platform.kubectl("exec", "runs", "--", "grep", "-c", "runs", "/etc/hosts", ok=False).stdout == "1\n", 20,
               "/etc/hosts is damaged")
    check(client.ready(f"{PODS}/runs") and client.ready(f"{PODS}/talks"), "what ran is not ready")
    check(state("ends")["terminated"]["exitCode"] == 3, "the exit code is lost with the agent")
    check(not state("once").get("terminated"), f"a pod failed for want of room: {state('once')}")
    platform.make_room()
    eventually(lambda: status("once")["phase"] == "Succeeded", 60, "the pod that waited for room did not run")
    eventually(lambda: platform.kubectl("exec", "runs", "--", "cat", "/v/a", "/v/b") == "new" * 3000 + "more", 30, "the volume stayed old")
    check(all(s["restartCount"] == 0 for name in ("runs", "talks", "once") for s in status(name)["containerStatuses"]), "something was restarted")
    check(platform.bring_image("onggi/other:1")[0] == 0, "the image could not be imported later")
    said = platform.kubectl("logs", "talks").splitlines()
    bad = [line for line in said if not re.fullmatch(r"line \d+", line)]
    check(not bad, f"lines of the log are damaged: {bad[:5]}")
    before = len(said)
    eventually(lambda: len(platform.kubectl("logs", "talks").splitlines()) > before + 100, 20, "the log does not go on")
    for name in ("runs", "talks", "ends", "once"):
        remove(name)
    eventually(lambda: not left_of_pods(), 20, f"something is left: {left_of_pods()}")


def test_full_at_every_step():
    """With room for a little more each time, a pod's way up stops at another place."""
    need()
    for left in LEFT_KB:
        platform.fill(leave=left << 10)
        create("once", "echo done", restart="Never")
        time.sleep(2)
        if left == LEFT_KB[len(LEFT_KB) // 2]:
            platform.kill_agent()
            platform.start_agent()
        platform.make_room()
        eventually(lambda: status("once")["phase"] == "Succeeded", 60, f"with {left} KB left the pod did not come right: {state('once')}")
        eventually(lambda: platform.kubectl("logs", "once", ok=False).stdout in ("done\n", ""), 20, "the log is damaged")
        remove("once")
        eventually(lambda: not left_of_pods(), 20, f"with {left} KB something is left")


if __name__ == "__main__":
    sys.exit(main(globals()))
