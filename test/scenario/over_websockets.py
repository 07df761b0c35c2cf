# SPDX-License-Identifier: Apache-2.0
"""What Kubernetes serves over WebSockets beside kubectl's own exec: watches, logs, the older protocols of exec, ports, and
tokens of browsers."""
import base64
import hashlib
import json
import sys
import time
import urllib.parse

from harness import IMAGE, Client, Platform, check, eventually, main
from websocket import Refused, WebSocket

PODS = "/api/v1/namespaces/default/pods"
MAPS = "/api/v1/namespaces/default/configmaps"
BIG = 3_000_000
SCRIPT = f"""mkdir /tmp/w; head -c {BIG} /dev/urandom > /tmp/w/big; echo hello > /tmp/w/index.html
httpd -p 8080 -h /tmp/w; i=0; while true; do echo line $i; i=$((i+1)); sleep 0.2; done"""
platform = client = None


def need():
    global platform, client
    if platform:
        return
    started = Platform(name="w").start()
    started.import_image()
    client = Client(started)
    client.await_node()
    client.must("POST", PODS, {"metadata": {"name": "p"}, "spec": {"terminationGracePeriodSeconds": 0, "containers": [
        {"name": "c", "image": IMAGE, "imagePullPolicy": "IfNotPresent", "command": ["sh", "-c", SCRIPT]}]}})
    eventually(lambda: client.ready(f"{PODS}/p"), 30, "the pod was not ready")
    platform = started


def connect(path, protocols=(), **more):
    return WebSocket(platform, path, protocols, **more)


def refused(status, path, protocols=(), **more):
    try:
        connect(path, protocols, **more)
    except Refused as answer:
        check(answer.status == status, f"{path}: {answer}")
        return answer.body
    raise AssertionError(f"{path} was not refused")


def test_watch():
    need()
    watch = connect(f"{MAPS}?watch=true&timeoutSeconds=3&fieldSelector=metadata.name%3Done")
    client.must("POST", MAPS, {"metadata": {"name": "one"}})
    client.must("PUT", f"{MAPS}/one", {"metadata": {"name": "one"}, "data": {"a": "b"}})
    client.must("POST", MAPS, {"metadata": {"name": "other"}})
    client.must("DELETE", f"{MAPS}/one")
    told = [json.loads(message) for message in watch.messages() if isinstance(message, str)]
    check([event["type"] for event in told] == ["ADDED", "MODIFIED", "DELETED"], told)
    check(watch.closed == 1000, f"closed with {watch.closed}")
    check(json.loads(refused(400, f"{MAPS}?watch=true&fieldSelector=x"))["kind"] == "Status", "no Status")


def test_many_watches_of_many_events():
    need()
    client.must("POST", "/api/v1/namespaces", {"metadata": {"name": "many"}})
    many = "/api/v1/namespaces/many/configmaps"
    watches = [connect(f"{many}?watch=true&labelSelector=a") for _ in range(20)]
    for i in range(200):
        client.must("POST", many, {"metadata": {"name": f"m{i}", "labels": {"a": "b"}}, "data": {"k": "x" * 1000}})
    for watch in watches:
        names = [json.loads(watch.receive())["object"]["metadata"]["name"] for _ in range(200)]
        check(names == [f"m{i}" for i in range(200)], "not every event, in order")
        watch.close()


def test_logs():
    need()
    for protocols, kind in ((("binary.k8s.io",), bytes), ((), bytes), (("x", "base64.binary.k8s.io"), str)):
        log = connect(f"{PODS}/p/log?limitBytes=7", protocols)
        messages = list(log.messages())
        check(log.closed == 1000 and all(isinstance(m, kind) for m in messages), messages)
        text = b"".join(base64.b64decode(m) if kind is str else m for m in messages)
        check(len(messages[0]) == 0 and text == b"line 0\n", messages)
    refused(403, f"{PODS}/p/log", ("v4.channel.k8s.io",))
    refused(404, f"{PODS}/none/log")
    refused(400, f"{PODS}/p/log?previous=true")


def test_follows_logs():
    need()
    log = connect(f"{PODS}/p/log?follow=true&tailLines=0")
    check(log.receive() == b"", "no empty message first")
    first = int(log.receive().split()[-1])
    check(int(log.receive().split()[-1]) > first, "it does not follow")
    log.close()
    check(log.closed == 1000, f"closed with {log.closed}")


def run(protocols, *command, stdin=None):
    """What came over each channel of exec."""
    query = [("command", word) for word in command] + [("stdout", "1"), ("stderr", "1"), ("stdin", "1" if stdin else "0")]
    session = connect(f"{PODS}/p/exec?{urllib.parse.urlencode(query)}", protocols)
    for message in stdin or ():
        session.send(message)
    return session.channels(), session


def test_exec_in_every_protocol():
    need()
    failure = b"command terminated with non-zero exit code: 3"
    for protocol in ("", "channel.k8s.io", "base64.channel.k8s.io", "v4.channel.k8s.io", "v4.base64.channel.k8s.io", "v5.channel.k8s.io"):
        got, session = run([protocol] if protocol else [], "sh", "-c", "echo out; echo err >&2; exit 3")
        check((session.protocol or "") == protocol and session.closed == 1000, f"{session.protocol}, {session.closed}")
        check(got[1] == b"out\n" and got[2] == b"err\n", got)
        told = got[3] if protocol[:1] != "v" else json.loads(got[3])["message"].encode()
        check(told == failure, f"{protocol}: {got}")
        got, _ = run([protocol] if protocol else [], "true")
        check(got.get(3, b"") == b"" if protocol[:1] != "v" else json.loads(got[3])["status"] == "Success", f"{protocol}: {got}")
    refused(403, f"{PODS}/p/exec?command=true&stdout=1", ("v1.channel.k8s.io",))


def test_exec_reads_text_and_bytes():
    need()
    got, _ = run(["v4.channel.k8s.io"], "sh", "-c", "head -n 2", stdin=["\0as text\n", b"\0as bytes\n"])
    check(got[1] == b"as text\nas bytes\n", got)
    block = bytes(range(256)) * 4000
    got, _ = run(["v5.channel.k8s.io"], "md5sum", stdin=[b"\0" + block, b"\xff\0"])
    check(got[1].split()[0].decode() == hashlib.md5(block).hexdigest(), got)
    text = base64.b64encode(block).decode()
    got, _ = run(["base64.channel.k8s.io"], "sh", "-c", f"head -c {len(block)} | md5sum", stdin=["0" + text])
    check(got[1].split()[0].decode() == hashlib.md5(block).hexdigest(), got)


def test_forwards_ports():
    need()
    for protocols in ((), ("v4.channel.k8s.io",)):
        ports = connect(f"{PODS}/p/portforward?ports=8080,9", protocols)
        first = [ports.receive() for _ in range(4)]
        check(first == [b"\x00\x90\x1f", b"\x01\x90\x1f", b"\x02\x09\x00", b"\x03\x09\x00"], first)
        ports.send(b"\0GET /big HTTP/1.0\r\n\r\n")
        got = ports.channels()
        check(len(got[0].split(b"\r\n\r\n", 1)[1]) == BIG, len(got[0]))
        check(b"refused" in got[3] and ports.closed == 1000, got.get(3))
    text = connect(f"{PODS}/p/portforward?ports=8080", ("v4.base64.channel.k8s.io",))
    text.send("0" + base64.b64encode(b"GET / HTTP/1.0\r\n\r\n").decode())
    got = text.channels()
    check(got[0].startswith(b"\x90\x1fHTTP/1.1 200 ") and got[0].endswith(b"hello\n"), got)
    refused(400, f"{PODS}/p/portforward")
    refused(400, f"{PODS}/p/portforward?ports=0")


def test_a_client_that_goes_lets_go_of_the_port():
    need()
    ports = connect(f"{PODS}/p/portforward?ports=8080")
    established = "cat /proc/net/tcp /proc/net/tcp6 | grep -c ':1F90 [0-9A-F]*:[0-9A-F]* 01 ' || true"
    held = lambda: platform.kubectl("exec", "p", "--", "sh", "-c", established).strip()
    eventually(lambda: held() == "1", 10, "nobody is connected")
    ports.cut()
    eventually(lambda: held() == "0", 10, "the connection is kept")


def token_of(text):
    return "base64url.bearer.authorization.k8s.io." + base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def test_tokens_of_browsers():
    need()
    token = client.must("POST", "/api/v1/namespaces/default/serviceaccounts/default/token", {"spec": {}})["status"]["token"]
    refused(403, f"{MAPS}?watch=true", (token_of(token), "any"), anonymous=True)  # known, and may nothing
    refused(401, f"{MAPS}?watch=true", (token_of(token),), anonymous=True)
    refused(401, f"{MAPS}?watch=true", (token_of("x"), "any"), anonymous=True)
    refused(401, f"{MAPS}?watch=true", ("any",), anonymous=True)
    watch = connect(f"{MAPS}?watch=true", (token_of(token), "any"))
    check(watch.protocol == "any", f"{watch.protocol} was answered")
    watch.close()


def test_a_server_that_stops_ends_its_watches():
    need()
    watch = connect(f"{MAPS}?watch=true&resourceVersion=0")
    begun = time.monotonic()
    platform.stop()
    check(time.monotonic() - begun < 10, "it waited for the watch")
    try:
        while watch.receive() is not None:
            pass
    except (EOFError, OSError):
        pass


if __name__ == "__main__":
    sys.exit(main(globals()))
