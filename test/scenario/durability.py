# SPDX-License-Identifier: Apache-2.0
"""Nothing acknowledged is lost: the server is killed while clients write, a full disk, a second server."""
import os
import random
import signal
import subprocess
import sys
import threading
import time

from harness import ONGGI, Client, Platform, Skip, check, eventually, main

MAPS = "/api/v1/namespaces/default/configmaps"


def config_map(name, text="x"):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"text": text}}


class Writer(threading.Thread):
    """Creates, changes and deletes until its connection breaks; remembers what was acknowledged."""

    def __init__(self, platform, number):
        super().__init__(daemon=True)
        self.client, self.number = Client(platform), number
        self.there, self.unsure = {}, set()

    def run(self):
        i = 0
        try:
            while True:
                name, i = f"w{self.number}-{i}", i + 1
                self.unsure = {name}
                if self.client.ask("POST", MAPS, config_map(name, "one"))[0] != 201:
                    return
                self.there[name] = "one"
                if i % 3 == 1:
                    if self.client.ask("PUT", f"{MAPS}/{name}", config_map(name, "two"))[0] != 200:
                        return
                    self.there[name] = "two"
                if i % 3 == 2:
                    if self.client.ask("DELETE", f"{MAPS}/{name}")[0] != 200:
                        return
                    self.there[name] = None
                self.unsure = set()
        except Exception:  # the server is gone: what was under way is unsure
            return


def revision_of(client):
    return int(client.must("GET", MAPS + "?limit=1")["metadata"]["resourceVersion"])


def test_kill_loses_nothing_acknowledged():
    platform = Platform(node=False, arguments=["--controllers", "none"])
    seed = int.from_bytes(os.urandom(4), "big")
    chance = random.Random(seed)
    known, last_revision = {}, 0
    for round_number in range(6):
        platform.start()
        client = Client(platform)
        revision = revision_of(client)
        check(revision >= last_revision, f"the revision went back from {last_revision} to {revision} (seed {seed})")
        found = {m["metadata"]["name"]: m["data"]["text"] for m in client.must("GET", MAPS)["items"] if m["metadata"]["name"][0] == "w"}
        for name, text in known.items():
            check(found.get(name) == text, f"{name} is {found.get(name)}, was acknowledged as {text} (seed {seed})")
        if round_number == 5:
            break
        known.clear()
        client.must("DELETE", MAPS + "?fieldSelector=metadata.name%21%3Dkube-root-ca.crt")
        last_revision = revision_of(client)
        writers = [Writer(platform, number) for number in range(8)]
        for writer in writers:
            writer.start()
        eventually(lambda: sum(len(writer.there) for writer in writers) > 20, 30, "hardly anything is written")
        time.sleep(chance.uniform(0, 0.8))
        os.kill(platform.process.pid, signal.SIGKILL)
        platform.process.wait()
        for writer in writers:
            writer.join(30)
            known.update({name: text for name, text in writer.there.items() if name not in writer.unsure})
    platform.destroy()


def test_killed_during_the_first_start_it_starts_again():
    for milliseconds in (2, 5, 10, 15, 20, 30, 50, 80):
        platform = Platform(node=False)
        platform.process = subprocess.Popen(platform.command(), stdout=platform.log, stderr=platform.log)
        time.sleep(milliseconds / 1000)
        platform.process.kill()
        platform.process.wait()
        platform.start()
        Client(platform).must("GET", "/api/v1/namespaces/default")
        platform.destroy()


def test_a_second_server_is_refused():
    platform = Platform(node=False).start()
    done = subprocess.run([ONGGI, "server", "--data-dir", platform.data, "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=20)
    check(done.returncode != 0, "a second server started on the same data dir")
    check(platform.data in done.stdout, f"the refusal does not name the data dir: {done.stdout}")
    check(platform.ready(), "the first server is gone")
    platform.destroy()


def test_full_disk_refuses_writes_and_recovers():
    if os.geteuid() != 0:
        raise Skip("needs root to mount a small file system")
    platform = Platform(node=False, arguments=["--controllers", "none"])
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", platform.data]).returncode == 0
    if not mounted:
        raise Skip("may not mount a small file system")
    try:
        platform.start()
        client, kept = Client(platform), []
        big = "x" * 500_000
        for i in range(100):
            code, answer = client.ask("POST", MAPS, config_map(f"big-{i}", big))
            if code != 201:
                break
            kept.append(f"big-{i}")
        check(code >= 500, f"a full disk answered {code}")
        check(kept and "reason" in answer, f"the refusal is no Status: {answer}")
        for name in kept:
            check(client.must("GET", f"{MAPS}/{name}")["data"]["text"] == big, f"{name} is damaged")
        subprocess.run(["mount", "-o", "remount,size=64m", platform.data], check=True)
        eventually(lambda: client.ask("POST", MAPS, config_map("after"))[0] in (201, 409), 10, "it did not recover")
        os.kill(platform.process.pid, signal.SIGKILL)
        platform.process.wait()
        platform.start()
        client = Client(platform)
        for name in kept + ["after"]:
            client.must("GET", f"{MAPS}/{name}")
    finally:
        platform.stop()
        platform.log.close()
        subprocess.run(["umount", "-l", platform.data])
        platform.log = subprocess.DEVNULL
        platform.destroy()


def test_many_connections_are_served():
    """Three hundred kept connections, each with a handshake of its own."""
    platform = Platform(node=False, arguments=["--controllers", "none"]).start()
    clients = []
    for _ in range(300):
        client = Client(platform)
        client.must("GET", "/version")
        clients.append(client)
    check(platform.ready(), "the server is gone")
    platform.destroy()


if __name__ == "__main__":
    sys.exit(main(globals()))
