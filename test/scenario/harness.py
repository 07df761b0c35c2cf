# SPDX-License-Identifier: Apache-2.0
"""What scenario tests and benchmarks share: a platform of their own (data dir, ports, bridge, cgroup and packet table of
this run only), a plain HTTPS client, the kubectls of this machine, and the frame that counts tests."""
import atexit
import base64
import fcntl
import hashlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import traceback

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ONGGI = os.environ.get("ONGGI", os.path.join(ROOT, "build", "onggi"))
SHARED = os.path.join(ROOT, "..", "shared")
IMAGE = "onggi/busybox:latest"


class Skip(Exception):
    """Raised by a test that needs something this machine has not."""


class Failure(AssertionError):
    pass


def check(condition, message):
    if not condition:
        raise Failure(message)


def eventually(what, seconds=20, message="it did not happen"):
    """Calls `what` until it returns something true; returns that."""
    end = time.monotonic() + seconds
    while True:
        result = what()
        if result:
            return result
        if time.monotonic() > end:
            raise Failure(f"{message} within {seconds} s")
        time.sleep(0.05)


class Client:
    """One kept connection with the administrator's certificate (or a token)."""

    def __init__(self, platform, token=None, anonymous=False):
        self.platform, self.token = platform, token
        self.context = ssl.create_default_context(cadata=platform.from_kubeconfig("certificate-authority-data").decode())
        if not token and not anonymous:
            self.context.load_cert_chain(*platform.admin_certificate())
        self.connection = None

    def open(self, method, path, body=None, content_type="application/json", headers=None):
        """Sends; returns the answer to read from."""
        data = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
        sent = {"Accept": "application/json", **(headers or {})}
        if data is not None:
            sent["Content-Type"] = content_type
        if self.token:
            sent["Authorization"] = "Bearer " + self.token
        for attempt in (0, 1):
            try:
                if self.connection is None:
                    self.connection = http.client.HTTPSConnection("127.0.0.1", self.platform.port, context=self.context, timeout=120)
                self.connection.request(method, path, data, sent)
                return self.connection.getresponse()
            except (http.client.HTTPException, OSError):
                self.connection = None
                if attempt:
                    raise

    def raw(self, method, path, body=None, content_type="application/json", headers=None):
        answer = self.open(method, path, body, content_type, headers)
        return answer.status, answer.headers, answer.read()

    def ask(self, method, path, body=None, content_type="application/json", headers=None):
        """(code, parsed body)"""
        code, _, data = self.raw(method, path, body, content_type, headers)
        try:
            return code, json.loads(data)
        except ValueError:
            return code, data.decode("utf-8", "replace")

    def must(self, method, path, body=None, **more):
        code, answer = self.ask(method, path, body, **more)
        check(code < 300, f"{method} {path}: {code} {json.dumps(answer)[:500]}")
        return answer

    def ready(self, path):
        """Whether the object at the path is there and its condition Ready is true."""
        code, it = self.ask("GET", path)
        return code == 200 and any(c["type"] == "Ready" and c["status"] == "True" for c in it["status"].get("conditions", []))

    def await_node(self):
        eventually(lambda: self.ready("/api/v1/nodes/node-1"), 30, "the node was not ready")


class Platform:
    """A running `onggi up` (node=True) or `onggi server`, torn down at exit."""

    def __init__(self, node=True, arguments=(), name="t"):
        self.data = tempfile.mkdtemp(prefix="onggi-test-")
        self.node, self.arguments, self.name = node, list(arguments), name
        self.port, self.node_port, self.slot = free_port(), free_port(), Slot() if node else None
        self.process = None
        self.log = open(os.path.join(self.data, "log"), "ab")
        atexit.register(self.destroy)
        if node and os.geteuid() != 0:
            raise Skip("a node needs root")

    def command(self):
        common = ["--data-dir", self.data, "--listen", f"{'0.0.0.0' if self.node else '127.0.0.1'}:{self.port}"]
        if not self.node:
            return [ONGGI, "server", *common, *self.arguments]
        tag, net = f"{os.getpid() % 10000}{self.name}", self.slot.number
        own = ["--bridge", f"ogt{tag}"[:12], "--table", f"onggi-test-{tag}", "--cgroup-parent", f"/onggi-test-{tag}",
               "--pod-range", f"10.244.{net}.0/24", "--service-range", f"10.{100 + net}.0.0/16",
               "--address", f"10.244.{net}.1", "--node-listen", f"10.244.{net}.1:{self.node_port}", "--name", "node-1"]
        return [ONGGI, "up", *common, *own, *self.arguments]

    def start(self):
        self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        try:
            eventually(self.ready, 30, "the server was not ready")
        except Failure:
            raise Failure("the server was not ready:\n" + self.tail())
        return self

    def ready(self):
        if self.process.poll() is not None:
            raise Failure("it ended:\n" + self.tail())
        try:
            return Client(self).raw("GET", "/readyz")[0] == 200
        except (OSError, ssl.SSLError, http.client.HTTPException, FileNotFoundError, AttributeError):  # not yet there, or half written
            return False

    def tail(self, lines=30):
        with open(os.path.join(self.data, "log"), errors="replace") as log:
            return "".join(log.readlines()[-lines:])

    @property
    def kubeconfig(self):
        return os.path.join(self.data, "admin.kubeconfig")

    def from_kubeconfig(self, field):
        return base64.b64decode(re.search(field + r": *\"?([A-Za-z0-9+/=]+)", open(self.kubeconfig).read()).group(1))

    def admin_certificate(self):
        """Paths of the administrator's certificate and key, taken out of the kubeconfig."""
        crt, key = os.path.join(self.data, "admin.crt"), os.path.join(self.data, "admin.key")
        if not os.path.exists(key):
            for path, field in ((crt, "client-certificate-data"), (key, "client-key-data")):
                with open(path, "wb") as out:
                    out.write(self.from_kubeconfig(field))
        return crt, key

    def pids(self):
        """Every process of the platform itself (supervisor, server, agent)."""
        found = [self.process.pid]
        for pid in found:
            try:
                children = open(f"/proc/{pid}/task/{pid}/children").read().split()
            except OSError:
                continue
            found += [int(child) for child in children if "onggi" in command_line(int(child))]
        return found

    def half(self, name):
        """The process id of the server or the node agent; None while none runs."""
        for pid in self.pids():
            if command_line(pid).split("\0")[1:2] == [name]:
                return pid
        return None

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None

    def kill(self):
        """kill -9 of everything at once."""
        for pid in self.pids():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()
        self.process = None

    def destroy(self):
        self.stop()
        if self.node and os.path.isdir(self.data):
            command = self.command()
            own = [word for i, word in enumerate(command) if i > 1 and command[i - 1 if word[:2] != "--" else i] in
                   ("--bridge", "--table", "--pod-range", "--cgroup-parent")]
            subprocess.run([ONGGI, "node", "clean", "--data-dir", self.data, *own], stdout=self.log, stderr=self.log)
            self.slot.give_back()
        if not os.environ.get("KEEP"):
            shutil.rmtree(self.data, ignore_errors=True)

    def import_image(self, name=IMAGE):
        archive = base_image()
        done = subprocess.run([ONGGI, "image", "import", archive, "--name", name, "--data-dir", self.data],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        check(done.returncode == 0, done.stdout)

    def kubectl(self, *arguments, binary="kubectl", stdin="", timeout=60, ok=True, environment=None):
        """Runs kubectl; returns its standard output (ok=False: the finished process)."""
        done = subprocess.run([binary, "--kubeconfig", self.kubeconfig, *arguments], input=stdin, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=timeout,
                              env={**os.environ, "HOME": self.data, **(environment or {})})
        if not ok:
            return done
        check(done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done.stdout


def command_line(pid):
    try:
        return open(f"/proc/{pid}/cmdline").read()
    except OSError:
        return ""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def base_image():
    """The sample image as an archive, made once for each version of its maker."""
    with open(os.path.join(ROOT, "tools", "base-image"), "rb") as maker:
        version = hashlib.sha256(maker.read()).hexdigest()[:12]
    archive = os.path.join(tempfile.gettempdir(), f"onggi-test-busybox-{os.getuid()}-{version}.tar")
    if not os.path.exists(archive):
        made = archive + f".{os.getpid()}"
        done = subprocess.run([os.path.join(ROOT, "tools", "base-image"), made, IMAGE], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        check(done.returncode == 0, done.stdout)
        os.rename(made, archive)
    return archive


class Slot:
    """A number that no other test on this machine has while this one lives: its addresses overlap with nobody's."""

    def __init__(self):
        for self.number in range(1, 100):
            self.file = open(os.path.join(tempfile.gettempdir(), f"onggi-test-slot-{self.number}"), "w")
            try:
                fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except OSError:
                self.file.close()
        raise Skip("too many tests run on this machine")

    def give_back(self):
        self.file.close()


def main(tests):
    """Runs functions named test_*; each may raise Failure or Skip. Ends with the count."""
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    passed = failed = skipped = 0
    for name, test in list(tests.items()):
        if not name.startswith("test_") or wanted not in name:
            continue
        begun = time.monotonic()
        try:
            test()
            passed += 1
            print(f"ok   {name[5:]} ({time.monotonic() - begun:.1f} s)", flush=True)
        except Skip as why:
            skipped += 1
            print(f"skip {name[5:]}: {why}", flush=True)
        except Exception as error:
            failed += 1
            text = str(error) if isinstance(error, Failure) else traceback.format_exc()
            print(f"FAIL {name[5:]}\n    " + text.replace("\n", "\n    "), flush=True)
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0
