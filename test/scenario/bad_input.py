# SPDX-License-Identifier: Apache-2.0
"""What is wrong gets the Status that Kubernetes gives, with reason and field, and changes nothing."""
import hashlib
import io
import json
import os
import socket
import ssl
import subprocess
import sys
import tarfile
import tempfile

from harness import ONGGI, Client, Platform, check, main

MAPS = "/api/v1/namespaces/default/configmaps"
platform = client = None


def need():
    global platform, client
    if not platform:
        platform = Platform(node=False, arguments=["--controllers", "none"]).start()
        client = Client(platform)


def refused(code, reason, *arguments, field=None, text=None, **more):
    """The request is refused so, and the server's revision does not move."""
    need()
    before = client.must("GET", MAPS)["metadata"]["resourceVersion"]
    got, answer = client.ask(*arguments, **more)
    said = json.dumps(answer)[:600]
    check(got == code, f"{arguments[:2]}: {got}, not {code}: {said}")
    check(isinstance(answer, dict) and answer.get("kind") == "Status", said)
    check(answer.get("reason") == reason, f"reason {answer.get('reason')}, not {reason}: {said}")
    if field:
        fields = [cause.get("field") for cause in answer.get("details", {}).get("causes", [])]
        check(field in fields, f"no cause names {field}: {fields}")
    if text:
        check(text in answer["message"], f"{text!r} is not in {answer['message']!r}")
    check(client.must("GET", MAPS)["metadata"]["resourceVersion"] == before, "something was changed")
    return answer


def config_map(**metadata):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}


def test_malformed_bodies():
    for body, kind in ((b'{"a":', "application/json"), (b"", "application/json"), (b"[1", "application/yaml"),
                       (b"a: b: c: d", "application/yaml"), (b"k8s\x00\xff\xff\xff", "application/vnd.kubernetes.protobuf"),
                       (b"nonsense", "application/vnd.kubernetes.protobuf"), (b"[" * 100_000, "application/json"),
                       (b'{"a":' * 100_000, "application/json"), (b"[" * 100_000, "application/yaml"),
                       (b"- " * 100_000, "application/yaml"),
                       (b"a: &a [x,x,x,x,x,x,x,x,x]\n" + b"".join(b"%c: &%c [%s]\n" % (98 + i, 98 + i, b",".join([b"*%c" % (97 + i)] * 9))
                                                                   for i in range(9)), "application/yaml")):
        refused(400, "BadRequest", "POST", MAPS, body, content_type=kind)
    refused(415, "UnsupportedMediaType", "POST", MAPS, b"<x/>", content_type="application/xml")


def test_a_body_of_100_megabytes():
    need()
    context = client.context
    with socket.create_connection(("127.0.0.1", platform.port)) as plain, context.wrap_socket(plain, server_hostname="127.0.0.1") as s:
        s.sendall(b"POST " + MAPS.encode() + b" HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 104857600\r\n\r\n")
        answer = b""
        try:
            for _ in range(100):
                s.sendall(b" " * (1 << 20))
        except OSError:
            pass
        s.settimeout(10)
        try:
            answer = s.recv(4096)
        except OSError:
            pass
        check(b" 413 " in answer.split(b"\r\n")[0] if answer else True, answer[:200])
    check(platform.ready(), "the server is gone")
    memory = int([line.split()[1] for line in open(f"/proc/{platform.process.pid}/status") if line.startswith("VmHWM")][0])
    check(memory < 200 * 1024, f"the server took {memory} kB")


def test_smuggling():
    need()
    head = b"GET /version HTTP/1.1\r\nHost: x\r\n"
    for bad in (b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
                b"Transfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\n", b"A : b\r\n\r\n", b" folded: x\r\n\r\n", b"A: b\rC: d\r\n\r\n",
                b"Transfer-Encoding: chunked, identity\r\n\r\n", b"Content-Length: +5\r\n\r\nhello", b"A: \x00\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", platform.port)) as plain, client.context.wrap_socket(plain, server_hostname="127.0.0.1") as s:
            s.settimeout(10)
            s.sendall(head + bad)
            answer = b""
            try:
                while True:
                    more = s.recv(4096)
                    if not more:
                        break
                    answer += more
            except (OSError, ssl.SSLError):
                pass
            check(answer.startswith(b"HTTP/1.1 4"), f"{bad!r}: {answer[:80]!r}")
            check(answer.count(b"HTTP/1.1 ") == 1, f"{bad!r} was taken as two requests")


def test_unknown_things():
    refused(404, "NotFound", "GET", "/api/v1/namespaces/default/nonsense")
    refused(404, "NotFound", "GET", MAPS + "/none")
    refused(400, "BadRequest", "POST", MAPS, {**config_map(name="x"), "kind": "Nonsense"})
    refused(400, "BadRequest", "POST", MAPS, {**config_map(name="x"), "apiVersion": "v9"})
    refused(405, "MethodNotAllowed", "PUT", MAPS, config_map(name="x"))
    refused(404, "NotFound", "POST", "/api/v1/namespaces/absent/configmaps", config_map(name="x"))


def test_fields_under_strict():
    strict = MAPS + "?fieldValidation=Strict"
    refused(400, "BadRequest", "POST", strict, {**config_map(name="x"), "bogus": 1}, text='unknown field "bogus"')
    refused(400, "BadRequest", "POST", strict, b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x"},"data":{"a":"1","a":"2"}}',
            text='duplicate field "data.a"')
    refused(400, "BadRequest", "POST", MAPS, {**config_map(name="x"), "data": {"a": 1}})
    refused(400, "BadRequest", "POST", MAPS, {**config_map(name="x"), "data": [1]})
    code, headers, _ = client.raw("POST", MAPS + "?fieldValidation=Warn&dryRun=All", {**config_map(name="x"), "bogus": 1})
    check(code == 201 and 'unknown field \\"bogus\\"' in (headers.get("Warning") or ""), f"{code} {headers.get('Warning')}")
    code, headers, _ = client.raw("POST", MAPS + "?fieldValidation=Ignore&dryRun=All", {**config_map(name="x"), "bogus": 1})
    check(code == 201 and not headers.get("Warning"), "Ignore warned")
    refused(422, "Invalid", "POST", MAPS + "?fieldValidation=Nonsense", config_map(name="x"))


def test_invalid_values():
    refused(422, "Invalid", "POST", MAPS, config_map(name="Not_Valid"), field="metadata.name")
    refused(422, "Invalid", "POST", MAPS, config_map(name="a" * 254), field="metadata.name")
    refused(422, "Invalid", "POST", MAPS, config_map(name="x", labels={"k": "bad value!"}), field="metadata.labels")
    refused(422, "Invalid", "POST", MAPS, config_map(name="x", labels={"bad key!": "v"}), field="metadata.labels")
    refused(422, "Invalid", "POST", MAPS, config_map(), field="metadata.name")
    refused(422, "Invalid", "POST", MAPS, {**config_map(name="x"), "data": {"bad key!": "v"}}, field="data[bad key!]")
    refused(400, "BadRequest", "POST", MAPS, config_map(name="x", namespace="elsewhere"))
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [
        {"name": "c", "image": "i", "resources": {"requests": {"cpu": "-1"}}}]}}
    client.ask("POST", "/api/v1/namespaces/default/serviceaccounts", {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}})
    refused(422, "Invalid", "POST", "/api/v1/namespaces/default/pods", pod, field="spec.containers[0].resources.requests[cpu]")
    pod["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "many"}}
    refused(400, "BadRequest", "POST", "/api/v1/namespaces/default/pods", pod)
    refused(400, "BadRequest", "GET", MAPS + "?labelSelector=bad+key%21")
    refused(400, "BadRequest", "GET", MAPS + "?fieldSelector=data.k%3Dv")


def test_clashes():
    need()
    services = "/api/v1/namespaces/default/services"
    one = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "one"}, "spec": {"type": "NodePort", "ports": [{"port": 80, "nodePort": 30099}]}}
    client.must("POST", services, one)
    refused(422, "Invalid", "POST", services, {**one, "metadata": {"name": "two"}}, field="spec.ports[0].nodePort")
    address = client.must("GET", services + "/one")["spec"]["clusterIP"]
    refused(422, "Invalid", "POST", services, {**one, "metadata": {"name": "two"}, "spec": {"clusterIP": address, "ports": [{"port": 80}]}},
            field="spec.clusterIPs")
    refused(409, "AlreadyExists", "POST", services, {**one, "spec": {"ports": [{"port": 80}]}})
    client.must("DELETE", services + "/one")


def test_stale_versions():
    need()
    client.must("POST", MAPS, config_map(name="stale"))
    old = client.must("GET", MAPS + "/stale")
    client.must("PUT", MAPS + "/stale", {**old, "data": {"a": "1"}})
    refused(409, "Conflict", "PUT", MAPS + "/stale", {**old, "data": {"a": "2"}})
    refused(409, "Conflict", "DELETE", MAPS + "/stale", {"preconditions": {"uid": "11111111-1111-1111-1111-111111111111"}})
    client.must("DELETE", MAPS + "/stale")


def test_continue_token_of_another_query():
    need()
    for i in range(4):
        client.must("POST", MAPS, config_map(name=f"page-{i}", labels={"a": "b"}))
    token = client.must("GET", MAPS + "?limit=2")["metadata"]["continue"]
    refused(400, "BadRequest", "GET", f"/api/v1/namespaces/default/secrets?limit=2&continue={token}")
    refused(400, "BadRequest", "GET", MAPS + "?limit=2&continue=nonsense")
    rest = client.must("GET", f"{MAPS}?limit=2&continue={token}")
    check(len(rest["items"]) == 2, "the second page is short")


# ---- images

def add(tar, name, data=b"", **more):
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for key, value in more.items():
        setattr(info, key, value)
    tar.addfile(info, io.BytesIO(data))


def layer(*entries):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for entry in entries:
            add(tar, entry.pop("name"), entry.pop("data", b""), **entry)
    return out.getvalue()


def image(folder, layers, damage=None):
    """An OCI layout as a directory, of these layers."""
    blobs = os.path.join(folder, "blobs", "sha256")
    os.makedirs(blobs)

    def blob(data, media):
        digest = hashlib.sha256(data).hexdigest()
        with open(os.path.join(blobs, digest), "wb") as out:
            out.write(damage(data) if damage and media.endswith("tar") else data)
        return {"mediaType": media, "digest": "sha256:" + digest, "size": len(data)}
    described = [blob(data, "application/vnd.oci.image.layer.v1.tar") for data in layers]
    config = {"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": [
        "sha256:" + hashlib.sha256(data).hexdigest() for data in layers]}}
    manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "config": blob(json.dumps(config).encode(), "application/vnd.oci.image.config.v1+json"), "layers": described}
    index = {"schemaVersion": 2, "manifests": [{**blob(json.dumps(manifest).encode(), "application/vnd.oci.image.manifest.v1+json"),
                                                "annotations": {"org.opencontainers.image.ref.name": "bad:1"}}]}
    json.dump(index, open(os.path.join(folder, "index.json"), "w"))
    json.dump({"imageLayoutVersion": "1.0.0"}, open(os.path.join(folder, "oci-layout"), "w"))
    return folder


def import_image(folder, data):
    return subprocess.run([ONGGI, "image", "import", folder, "--name", "bad:1", "--data-dir", data], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=60)


def everything(folder):
    return sorted(os.path.join(where, name) for where, folders, files in os.walk(folder) for name in folders + files)


def test_images_that_attack():
    with tempfile.TemporaryDirectory() as top:
        data, outside = os.path.join(top, "data"), os.path.join(top, "outside")
        os.mkdir(outside)
        with open(os.path.join(outside, "victim"), "w") as out:
            out.write("untouched")
        attacks = {
            "climbs": [layer({"name": "../../../../../../outside/evil", "data": b"x"})],
            "absolute": [layer({"name": outside + "/evil", "data": b"x"})],
            "symlink": [layer({"name": "out", "type": tarfile.SYMTYPE, "linkname": outside}, {"name": "out/evil", "data": b"x"})],
            "symlink-two-layers": [layer({"name": "out", "type": tarfile.SYMTYPE, "linkname": outside}), layer({"name": "out/evil", "data": b"x"})],
            "hardlink": [layer({"name": "h", "type": tarfile.LNKTYPE, "linkname": outside + "/victim"}, {"name": "h", "data": b"x"})],
            "hardlink-up": [layer({"name": "h", "type": tarfile.LNKTYPE, "linkname": "../../../../outside/victim"})],
            "device": [layer({"name": "dev-null", "type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 3})],
        }
        for name, layers in attacks.items():
            done = import_image(image(os.path.join(top, name), layers), data)
            # what is harmless inside the root may be taken in; nothing may come to stand outside
            check(everything(outside) == [os.path.join(outside, "victim")], f"{name} wrote outside: {everything(outside)}")
            check(open(os.path.join(outside, "victim")).read() == "untouched", f"{name} changed a file outside")
            if name in ("climbs", "hardlink-up", "device"):
                check(done.returncode != 0 and done.stdout.strip(), f"{name} was taken in: {done.stdout}")
            if os.path.isdir(data):
                devices = [path for path in everything(data) if os.path.exists(path) and os.stat(path, follow_symlinks=False).st_rdev]
                check(not devices, f"{name} left a device: {devices}")
                subprocess.run([ONGGI, "image", "rm", "bad:1", "--data-dir", data], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def test_an_image_with_a_wrong_digest():
    with tempfile.TemporaryDirectory() as top:
        data = os.path.join(top, "data")
        good = [layer({"name": "file", "data": b"good"})]
        done = import_image(image(os.path.join(top, "bad"), good, damage=lambda bytes_: bytes_.replace(b"good", b"evil")), data)
        check(done.returncode != 0 and "digest" in done.stdout, f"a damaged layer: {done.stdout}")
        listed = subprocess.run([ONGGI, "image", "ls", "--data-dir", data], stdout=subprocess.PIPE, text=True).stdout
        check("bad" not in listed, "the damaged image is listed")
        done = import_image(image(os.path.join(top, "good"), good), data)
        check(done.returncode == 0, done.stdout)


# ---- the command line

def test_command_lines():
    for arguments, word in ((["server", "--data-dri", "x"], "--data-dir"), (["sever"], "server"), (["up", "--max-pods", "many"], "--max-pods"),
                            (["image", "imprt", "x"], "image import"), (["node", "--kubeconfig"], "--kubeconfig"),
                            (["server", "--controllers", "*,-gc"], "garbage-collector")):
        done = subprocess.run([ONGGI, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=20)
        check(done.returncode == 2 and word in done.stderr, f"{arguments}: {done.returncode} {done.stderr}")
    for command in ([], ["server"], ["node"], ["up"], ["image", "import"]):
        done = subprocess.run([ONGGI, *command, "--help"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=20)
        check(done.returncode == 0 and done.stdout.startswith("usage: onggi"), f"{command}: {done.stdout}")


if __name__ == "__main__":
    sys.exit(main(globals()))
