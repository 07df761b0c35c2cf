# SPDX-License-Identifier: Apache-2.0
"""The real helm: a chart is installed, tested, upgraded, rolled back and uninstalled."""
import json
import os
import shutil
import subprocess
import sys
import tempfile

from harness import IMAGE, Client, Platform, Skip, check, eventually, main

CHART = {
    "Chart.yaml": "apiVersion: v2\nname: page\nversion: 0.1.0\n",
    "values.yaml": "replicas: 1\ntext: one\n",
    "templates/page.yaml": """
apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Release.Name }}}
data: {index.html: {{ .Values.text | quote }}}
---
apiVersion: v1
kind: Service
metadata: {name: {{ .Release.Name }}}
spec:
  selector: {app: {{ .Release.Name }}}
  ports: [{port: 80, targetPort: http}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: {{ .Release.Name }}}
spec:
  replicas: {{ .Values.replicas }}
  selector: {matchLabels: {app: {{ .Release.Name }}}}
  template:
    metadata:
      labels: {app: {{ .Release.Name }}}
      annotations: {text: {{ .Values.text | quote }}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - name: page
        image: IMAGE
        imagePullPolicy: IfNotPresent
        command: [httpd, -f, -p, "8080", -h, /page]
        ports: [{name: http, containerPort: 8080}]
        readinessProbe: {httpGet: {path: /, port: http}, periodSeconds: 1}
        volumeMounts: [{name: page, mountPath: /page}]
      volumes: [{name: page, configMap: {name: {{ .Release.Name }}}}]
""".replace("IMAGE", IMAGE),
    "templates/test.yaml": """
apiVersion: v1
kind: Pod
metadata: {name: {{ .Release.Name }}-test, annotations: {helm.sh/hook: test}}
spec:
  restartPolicy: Never
  containers:
  - {name: ask, image: 'IMAGE', imagePullPolicy: IfNotPresent, command: [timeout, "5", wget, -qO-, 'http://{{ .Release.Name }}/']}
""".replace("IMAGE", IMAGE),
}


class Helm:
    def __init__(self, platform, home):
        self.chart = os.path.join(home, "page")
        self.environment = {**os.environ, "KUBECONFIG": os.path.join(platform.data, "admin.kubeconfig"),
                            **{f"HELM_{kind}_HOME": os.path.join(home, kind.lower()) for kind in ("CACHE", "CONFIG", "DATA")}}
        for name, text in CHART.items():
            path = os.path.join(self.chart, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w") as file:
                file.write(text)

    def __call__(self, *arguments):
        done = subprocess.run(["helm", *arguments], env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=120)
        check(done.returncode == 0, f"helm {' '.join(arguments)}: {done.stderr}")
        return done.stdout


def test_the_life_of_a_release():
    if not shutil.which("helm"):
        raise Skip("no helm")
    platform = Platform(name="h").start()
    platform.import_image()
    client = Client(platform)
    client.await_node()
    with tempfile.TemporaryDirectory() as home:
        helm = Helm(platform, home)
        wait = ("--wait", "--timeout", "60s")
        helm("install", "web", helm.chart, *wait)
        check("Succeeded" in helm("test", "web", "--timeout", "60s"), "helm test")
        helm("upgrade", "web", helm.chart, "--set", "replicas=3,text=two", *wait)
        deployment = "/apis/apps/v1/namespaces/default/deployments/web"
        check(client.must("GET", deployment)["status"]["readyReplicas"] == 3, "the upgrade is not complete")
        helm("rollback", "web", "1", *wait)
        check(client.must("GET", deployment)["spec"]["replicas"] == 1, "the rollback is not complete")
        history = json.loads(helm("history", "web", "--output", "json"))
        check([entry["status"] for entry in history] == ["superseded", "superseded", "deployed"], history)
        check([release["revision"] for release in json.loads(helm("list", "--output", "json"))] == ["3"], "helm list")
        helm("install", "trial", helm.chart, "--namespace", "other", "--create-namespace", "--dry-run=server")
        check(client.ask("GET", "/api/v1/namespaces/other")[0] == 404, "a dry run made its namespace")
        helm("uninstall", "web", *wait)
        eventually(lambda: client.ask("GET", deployment)[0] == 404)
        left = [item["metadata"]["name"] for item in client.must("GET", "/api/v1/namespaces/default/secrets")["items"]]
        check(left == [], f"left over: {left}")
    platform.destroy()


if __name__ == "__main__":
    sys.exit(main(globals()))
