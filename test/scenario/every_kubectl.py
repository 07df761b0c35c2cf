# SPDX-License-Identifier: Apache-2.0
"""Runs a test with every kubectl on this machine, a few side by side, each in a namespace of its own on one platform.

KUBECTL=1.32 restricts to the versions that begin so."""
import concurrent.futures
import glob
import json
import os
import re
import shutil
import subprocess

from harness import IMAGE, Client, Failure, Platform, Skip, check, eventually

SIDE_BY_SIDE = 3  # kubectl needs a core for its own start, the platform the rest
platform = None
versions = []


class Kubectl:
    """One kubectl in one namespace; called with arguments it runs them and returns what was printed."""

    def __init__(self, version, binary, namespace):
        self.version, self.binary, self.namespace = version, binary, namespace
        self.minor = int(version.split(".")[1])

    def __call__(self, *arguments, **more):
        return platform.kubectl("-n", self.namespace, *arguments, binary=self.binary, **more)

    def json(self, *arguments):
        return json.loads(self(*arguments, "-o", "json"))

    def command(self, *arguments):
        return [self.binary, "--kubeconfig", platform.kubeconfig, "-n", self.namespace, *arguments]

    def start(self, *arguments, environment=None):
        """In the background, its output (and errors) to be read from .stdout."""
        return subprocess.Popen(self.command(*arguments), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                text=True, env={**os.environ, "HOME": platform.data, **(environment or {})})

    def refused(self, *arguments, **more):
        """Runs what must fail; returns what it said."""
        done = self(*arguments, ok=False, **more)
        check(done.returncode != 0, f"kubectl {' '.join(arguments)} was not refused: {done.stdout}")
        return done.stderr


def find_kubectls():
    """Every kubectl on this machine as (version, path): those in PATH, and others beside where they really live."""
    candidates, found = [], {}
    for folder in os.environ["PATH"].split(":"):
        first = shutil.which("kubectl", path=folder)
        if first:
            candidates += [first, *glob.glob(os.path.join(os.path.dirname(os.path.realpath(first)), "kubectl.*"))]
    for path in candidates:
        done = subprocess.run([path, "version", "--client", "-o", "json"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            version = json.loads(done.stdout)["clientVersion"]["gitVersion"]
        except (ValueError, KeyError):
            continue
        found.setdefault(version.lstrip("v"), path)
    wanted = os.environ.get("KUBECTL", "")
    return sorted((item for item in found.items() if item[0].startswith(wanted)),
                  key=lambda item: [int(part) for part in re.findall(r"\d+", item[0])[:3]])


def need_platform():
    global platform, versions
    if platform:
        return platform
    versions = find_kubectls()
    if not versions:
        raise Skip("no kubectl")
    started = Platform(arguments=["--max-pods", "250"]).start()
    started.import_image()
    Client(started).await_node()
    platform = started
    return platform


def with_one(test, version, binary):
    """Returns what went wrong, or None."""
    name = f"v{version}-{test.__name__[5:]}".lower()
    k = Kubectl(version, binary, re.sub(r"[^0-9a-z]+", "-", name)[:60].strip("-"))
    try:
        k("create", "namespace", k.namespace)
        eventually(lambda: k("get", "serviceaccount", "default", ok=False).returncode == 0, 30, "no account in the namespace")
        test(k)
    except Skip as why:
        print(f"    kubectl {version}: {why}", flush=True)
    except (AssertionError, subprocess.TimeoutExpired, OSError, ValueError, LookupError) as error:
        said = str(error) if isinstance(error, Failure) else f"{type(error).__name__}: {error}"
        return f"kubectl {version}: {said}"
    finally:
        k("delete", "namespace", k.namespace, "--wait=false", ok=False)
    return None


def run(test, side_by_side):
    need_platform()
    with concurrent.futures.ThreadPoolExecutor(side_by_side) as pool:
        problems = [problem for problem in pool.map(lambda one: with_one(test, *one), versions) if problem]
    if problems:
        raise Failure("\n".join(problems))


def each(test):
    """Runs test(k) with every kubectl."""
    return lambda: run(test, SIDE_BY_SIDE)


def each_alone(test):
    """The same for tests that change what all namespaces share: one after the other."""
    return lambda: run(test, 1)


WEB = f"""
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web, labels: {{app: web}}}}
spec:
  replicas: 2
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - name: web
        image: {IMAGE}
        imagePullPolicy: IfNotPresent
        command: [sh, -c, "mkdir -p /tmp/w; hostname > /tmp/w/index.html; echo started; exec httpd -f -p 8080 -h /tmp/w"]
        ports: [{{containerPort: 8080, name: http}}]
        readinessProbe: {{httpGet: {{path: /, port: http}}, periodSeconds: 1}}
---
apiVersion: v1
kind: Service
metadata: {{name: web}}
spec:
  type: NodePort
  selector: {{app: web}}
  ports: [{{port: 80, targetPort: http}}]
"""


def deploy(k):
    """A Deployment and a Service named web, of two replicas that serve their names; returns the name of one."""
    k("apply", "-f", "-", stdin=WEB)
    k("rollout", "status", "deployment/web", "--timeout=60s")
    return k("get", "pods", "-l", "app=web", "-o", "jsonpath={.items[0].metadata.name}")
