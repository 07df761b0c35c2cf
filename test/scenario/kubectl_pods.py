# SPDX-License-Identifier: Apache-2.0
"""The real kubectl, every version on this machine, with what runs: logs, exec, terminals, copies, forwarded ports, graceful
ends, drained nodes. Where a version speaks both WebSocket and SPDY, both are tried."""
import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import threading
import time
import urllib.request

from every_kubectl import deploy, each, each_alone, need_platform
from harness import IMAGE, Skip, check, eventually, free_port, main

RUN = (f"--image={IMAGE}", "--image-pull-policy=IfNotPresent")


def protocols(k, variable, since):
    """Environments under which the streams go over SPDY and, from that version on, over WebSocket too."""
    return [{variable: "false"}, {variable: "true"}] if k.minor >= since else [{}]


def exec_protocols(k):
    return protocols(k, "KUBECTL_REMOTE_COMMAND_WEBSOCKETS", 29)


def background(k, *arguments):
    """Starts it; returns the process and the growing list of its lines."""
    process, lines = k.start(*arguments), []
    threading.Thread(target=lambda: [lines.append(line) for line in process.stdout], daemon=True).start()
    return process, lines


@each
def test_logs(k):
    k("run", "talker", *RUN, "--restart=Never", "--command", "--", "sh", "-c",
      "echo one; sleep 2; echo two; echo err >&2; while true; do sleep 1; done")
    follow = None
    try:
        k("wait", "--for=condition=Ready", "pod/talker", "--timeout=30s")
        follow, lines = background(k, "logs", "-f", "talker")
        eventually(lambda: "two\n" in lines, 10, "the follower saw nothing new")
        eventually(lambda: k("logs", "talker") == "one\ntwo\nerr\n", 5, "logs")
        check(k("logs", "talker", "--tail=2") == "two\nerr\n", "--tail")
        check(k("logs", "talker", "--tail=0") == "", "--tail=0")
        check(k("logs", "talker", "--limit-bytes=5") == "one\nt", "--limit-bytes")
        stamped = [line.split(" ", 1) for line in k("logs", "talker", "--timestamps").splitlines()]
        check([text for _, text in stamped] == ["one", "two", "err"] and stamped[0][0][10] == "T", "--timestamps")
        check(k("logs", "talker", f"--since-time={stamped[1][0]}").startswith("two\n"), "--since-time")
        check(k("logs", "talker", "--since=1h").startswith("one\n"), "--since")
        time.sleep(2.1)
        check("one" not in k("logs", "talker", "--since=2s"), "--since of a short time")
        check("[pod/talker/talker] one\n" in k("logs", "talker", "--prefix"), "--prefix")
        check("two" in k("logs", "-l", "run=talker", "--all-containers"), "by label")
        check("not valid" in k.refused("logs", "talker", "-c", "other"), "of a container that is not there")
    finally:
        if follow:
            follow.kill()
            follow.wait()
        k("delete", "pod", "talker", "--grace-period=0", "--force")


@each
def test_logs_of_a_deployment(k):
    pod = deploy(k)
    check("started" in k("logs", pod), "logs")
    check("started" in k("logs", "deploy/web", "--tail=1"), "logs of a deployment")
    follow, lines = background(k, "logs", "-f", pod)
    try:
        eventually(lambda: lines, 10, "nothing was followed")
        k("exec", pod, "--", "sh", "-c", "echo later > /proc/1/fd/1")
        eventually(lambda: any("later" in line for line in lines), 10, "the follower saw nothing new")
        k("delete", "pod", pod)
        check(follow.wait(10) == 0, "the follower did not end with its pod")
    finally:
        follow.kill()
        follow.wait()


@each
def test_previous_logs(k):
    k("run", "again", *RUN, "--restart=Always", "--command", "--", "sh", "-c", "echo life; sleep 1; exit 1")
    eventually(lambda: k("get", "pod", "again", "-o", "jsonpath={.status.containerStatuses[0].restartCount}") not in ("", "0"), 30)
    check("life" in k("logs", "again", "--previous"), "no previous log")
    k("delete", "pod", "again", "--grace-period=0", "--force")
    eventually(lambda: k("get", "pod", "again", ok=False).returncode != 0, 10)


@each
def test_exec(k):
    pod = deploy(k)
    for environment in exec_protocols(k):
        def run(*arguments, environment=environment, **more):
            return k("exec", *arguments, environment=environment, **more)
        check(run(pod, "--", "echo", "hi") == "hi\n", "exec")
        check(run("-i", pod, "--", "cat", stdin="through\n") == "through\n", "exec with stdin")
        big = "0123456789abcdef" * 65536
        check(run("-i", pod, "--", "cat", stdin=big) == big, "a mebibyte through stdin and stdout")
        failed = run(pod, "--", "sh", "-c", "echo out; echo bad >&2; exit 7", ok=False)
        check(failed.returncode == 7, f"exit code {failed.returncode}")
        check(failed.stdout == "out\n" and failed.stderr.startswith("bad\n"), f"{failed.stdout!r} {failed.stderr!r}")
        missing = run(pod, "--", "/no/such", ok=False)
        check(missing.returncode in (126, 127, 1), f"a missing command ended with {missing.returncode}")
        check(run("deploy/web", "-c", "web", "--", "hostname").startswith("web-"), "exec by deployment")
        check("container" in k.refused("exec", pod, "-c", "other", "--", "true", environment=environment), "of a container that is not there")
    check("NotFound" in k.refused("exec", "none", "--", "true"), "of a pod that is not there")


def with_terminal(k, command, script, environment, seconds=20):
    """Runs the command on a terminal; script: [(wait for this, then send that, or call it with the terminal)].
    Returns all output and the exit code."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvpe(command[0], command, {**os.environ, "HOME": need_platform().data, **environment})
    seen, end, at = "", time.monotonic() + seconds, 0
    while time.monotonic() < end:
        if select.select([terminal], [], [], 0.1)[0]:
            try:
                data = os.read(terminal, 4096)
            except OSError:
                break
            if not data:
                break
            seen += data.decode("utf-8", "replace")
        if script and script[0][0] in seen[at:]:
            at = len(seen)
            action = script.pop(0)[1]
            action(terminal) if callable(action) else os.write(terminal, action.encode())
    os.close(terminal)
    if time.monotonic() >= end:
        os.kill(pid, signal.SIGKILL)
    return seen, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def resize(rows, columns):
    """Changes the terminal's size (which signals kubectl), then asks inside what it is."""
    def act(terminal):
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        time.sleep(0.5)
        os.write(terminal, b"echo size $(stty size).\n")
    return act


@each
def test_terminal(k):
    pod = deploy(k)
    command = k.command("exec", "-it", pod, "--", "sh")
    for environment in exec_protocols(k):
        seen, code = with_terminal(k, command, [("# ", "tty && echo $((40+2)).\n"), ("42.", resize(31, 97)), ("size 31 97.", "exit 5\n")], environment)
        check("42." in seen and "/dev/" in seen, f"{environment}: {seen}")
        check("size 31 97." in seen, f"{environment}: the new size did not arrive: {seen}")
        check(code == 5, f"{environment}: the terminal ended with {code}: {seen}")


@each
def test_runs_attached(k):
    attached = k("run", "once", *RUN, "--restart=Never", "-i", "--rm", "--command", "--", "sh", "-c", "read x; echo got $x", stdin="this\n")
    check("got this" in attached, attached)
    eventually(lambda: k("get", "pod", "once", ok=False).returncode != 0, 10, "run --rm leaves its pod")
    command = k.command("run", "shell", *RUN, "--restart=Never", "-it", "--rm", "--command", "--", "sh", "-c", "read y; tty; echo got $y.; exit 3")
    seen, code = with_terminal(k, command, [("If you don't see a command prompt", "that\n")], {})
    check("got that." in seen and "/dev/" in seen, f"on a terminal: {seen}")
    check(code == 3, f"the terminal ended with {code}: {seen}")
    k("delete", "pod", "shell", "--ignore-not-found", "--now")


TWO = f"""
apiVersion: v1
kind: Pod
metadata: {{name: two, labels: {{app: two}}, annotations: {{kubectl.kubernetes.io/default-container: right}}}}
spec:
  terminationGracePeriodSeconds: 0
  initContainers:
  - {{name: first, image: '{IMAGE}', imagePullPolicy: IfNotPresent, command: [echo, from the init]}}
  containers:
  - {{name: left, image: '{IMAGE}', imagePullPolicy: IfNotPresent, env: [{{name: SIDE, value: left}}],
     command: [sh, -c, 'echo from the left; exec sleep 1000']}}
  - {{name: right, image: '{IMAGE}', imagePullPolicy: IfNotPresent, env: [{{name: SIDE, value: right}}],
     command: [sh, -c, 'echo from the right; exec sleep 1000']}}
"""


@each
def test_debugs(k):
    if k.minor < 25:
        raise Skip("has no `debug` for this API")
    k("run", "patient", *RUN, "--command", "--", "sleep", "1000")
    k("wait", "--for=condition=Ready", "pod/patient", "--timeout=30s")
    doctor = ("--image", IMAGE, "--image-pull-policy=IfNotPresent")
    k("debug", "patient", *doctor, "--target=patient", "-c", "doctor", "--", "sh", "-c", "cat /proc/1/cmdline; sleep 1000")
    eventually(lambda: k("logs", "patient", "-c", "doctor", ok=False).stdout.startswith("sleep"), 20, "it does not see the target's processes")
    check(k("exec", "patient", "-c", "doctor", "--", "cat", "/proc/1/comm") == "sleep\n", "exec in the debugging container")
    k("debug", "patient", *doctor, "--copy-to=copy", "--share-processes", "-c", "doctor", "--", "sh", "-c", "ps | grep -c 'sleep 1000'; sleep 1000")
    eventually(lambda: k("logs", "copy", "-c", "doctor", ok=False).stdout.strip() >= "1", 20, "the copy's processes are not shared")
    k("debug", "node/node-1", *doctor, "--", "ls", "/host/proc/self")
    name = [pod for pod in k("get", "pods", "-o", "name").split() if "node-debugger" in pod][0]
    eventually(lambda: "mountinfo" in k("logs", name, ok=False).stdout, 20, "the node's files are not seen")


@each
def test_several_containers(k):
    k("apply", "-f", "-", stdin=TWO)
    k("wait", "--for=condition=Ready", "pod/two", "--timeout=30s")
    check(k("logs", "two", "-c", "first") == "from the init\n", "of the init container")
    check(k("logs", "two", "-c", "left") == "from the left\n", "of one container")
    everything = k("logs", "two", "--all-containers", "--prefix").splitlines()
    check(sorted(line.split("] ")[1] for line in everything) == ["from the init", "from the left", "from the right"], everything)
    check(len(k("logs", "-l", "app=two", "--all-containers", "--tail=1").splitlines()) == 3, "of all by label")
    if k.minor >= 21:  # that knows the annotation
        check(k("exec", "two", "--", "sh", "-c", "echo $SIDE") == "right\n", "exec goes to the container that the annotation names")
    check(k("exec", "two", "-c", "left", "--", "sh", "-c", "echo $SIDE") == "left\n", "exec in the other")


@each
def test_copies(k):
    pod = deploy(k)
    local = os.path.join(need_platform().data, f"copied-{k.version}")
    content = os.urandom(300_000)
    os.makedirs(os.path.join(local, "deep"))
    with open(os.path.join(local, "deep", "file"), "wb") as out:
        out.write(content)
    for environment in exec_protocols(k):
        name = "dir" + environment.get("KUBECTL_REMOTE_COMMAND_WEBSOCKETS", "")
        k("cp", os.path.join(local, "deep", "file"), f"{pod}:/tmp/file-{name}", environment=environment)
        k("cp", f"{pod}:/tmp/file-{name}", f"{local}.{name}", environment=environment)
        check(open(f"{local}.{name}", "rb").read() == content, "the copy differs")
        k("cp", local, f"{pod}:/tmp/{name}", "-c", "web", environment=environment)
        k("cp", f"{pod}:/tmp/{name}", f"{local}.{name}.d", environment=environment)
        check(open(f"{local}.{name}.d/deep/file", "rb").read() == content, "the copied folder differs")


@each
def test_forwards_ports(k):
    deploy(k)
    for environment in protocols(k, "KUBECTL_PORT_FORWARD_WEBSOCKETS", 30):
        for target, remote in (("deploy/web", 8080), ("svc/web", 80)):
            port = free_port()
            forward = k.start("port-forward", target, f"{port}:{remote}", environment=environment)
            try:
                line = forward.stdout.readline()
                check("Forwarding" in line, f"{environment}: {line}")
                for _ in range(5):
                    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as answer:
                        check(answer.read().startswith(b"web-"), "another page")
            finally:
                forward.kill()
                forward.wait()
                forward.stdout.close()


@each
def test_deletes_with_grace(k):
    k("run", "slow", *RUN, "--restart=Never", "--command", "--", "sh", "-c",
      "trap 'echo bye; sleep 1; exit 0' TERM; while true; do sleep 0.1; done")
    k("run", "deaf", *RUN, "--restart=Never", "--command", "--", "sh", "-c", "trap '' TERM; while true; do sleep 1; done")
    k("wait", "--for=condition=Ready", "pod/slow", "pod/deaf", "--timeout=30s")
    begun = time.monotonic()
    k("delete", "pod", "slow", "--grace-period=20")
    took = time.monotonic() - begun
    check(0.9 < took < 15, f"the pod took {took:.1f} s to end by itself")
    begun = time.monotonic()
    k("delete", "pod", "deaf", "--grace-period=2")
    took = time.monotonic() - begun
    check(1.9 < took < 15, f"the deaf pod took {took:.1f} s to be killed")


@each
def test_deletes_by_force(k):
    k("run", "deaf", *RUN, "--restart=Never", "--command", "--", "sh", "-c", "trap '' TERM; while true; do sleep 1; done")
    k("wait", "--for=condition=Ready", "pod/deaf", "--timeout=30s")
    begun = time.monotonic()
    k("delete", "pod", "deaf", "--grace-period=0", "--force")
    check(time.monotonic() - begun < 10, "a deletion by force waited for its grace")
    check("NotFound" in k.refused("get", "pod", "deaf"), "it remained")
    k("run", "doomed", *RUN, "--restart=Never", "--command", "--", "sh", "-c", "trap '' TERM; while true; do sleep 1; done")
    k("wait", "--for=condition=Ready", "pod/doomed", "--timeout=30s")
    k("delete", "pod", "doomed", "--wait=false", "--grace-period=100")
    k("delete", "pod", "doomed", "--now", "--timeout=20s")


@each_alone
def test_drains_and_cordons(k):
    deploy(k)
    old = set(k("get", "pods", "-o", "name").split())
    k("taint", "node", "node-1", "a=b:PreferNoSchedule")
    k("taint", "node", "node-1", "a-")
    try:
        k("drain", "node-1", f"--pod-selector=app=web", "--timeout=60s", timeout=70)
        check("SchedulingDisabled" in k("get", "nodes"), "cordon")
        eventually(lambda: len(k("get", "pods", "-o", "name").split()) == 2, 10, "no pods instead")
        check(not old & set(k("get", "pods", "-o", "name").split()), "a pod was not evicted")
        pending = eventually(lambda: k("get", "events", "--field-selector=reason=FailedScheduling", "-o", "jsonpath={.items[*].message}"), 10)
        check("unschedulable" in pending, f"why the pods wait: {pending}")
    finally:
        k("uncordon", "node-1")
    k("rollout", "status", "deploy/web", "--timeout=30s")


if __name__ == "__main__":
    sys.exit(main(globals()))
