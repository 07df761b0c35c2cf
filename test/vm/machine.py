#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Boots a fresh Debian 12 in an emulated machine and passes tests there: with control groups of version 2 alone, as real
root, started by systemd. The processor is emulated, so it works inside containers and other machines too.

usage: test/vm/machine.py "PACKAGES" [NAME]     PACKAGES is what the platform needs to run; NAME as in test/run.py

The system is made by mmdebstrap from the Debian mirrors of this machine's own apt; there ./dev build installs what it
needs and builds. All lies in build-vm/ and is made anew each time; build-vm/console is what the kernel and systemd said.
"""
import os
import re
import shutil
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FOLDER = os.path.join(ROOT, "build-vm")
SYSTEM, DISK = os.path.join(FOLDER, "system"), os.path.join(FOLDER, "disk")
SUITE, DISK_SIZE, MEMORY_MB, PROCESSORS = "bookworm", "6G", 3072, 2
MACHINE_PACKAGES = "linux-image-amd64 systemd-sysv udev"
TEST_PACKAGES = "kubernetes-client iproute2 python3-yaml"
PATIENCE_S = 3600
COUNT = re.compile(r"^\d+ passed, (\d+) failed, \d+ skipped$")


def say(text):
    print(f"==> {text}", flush=True)


def mirrors():
    """This machine's own sources of Debian's packages, as lines of a sources.list."""
    line = "deb $(REPO_URI) $(RELEASE) $(COMPONENT)"
    told = subprocess.run(["apt-get", "indextargets", "--format", line, "Created-By: Packages", "Origin: Debian"],
                          stdout=subprocess.PIPE, text=True, check=True).stdout
    found = sorted({source for source in told.splitlines() if SUITE in source})
    if not found:
        sys.exit("vm: apt knows no mirror of Debian 12: apt-get update?")
    return "\n".join(found) + "\n"


def make_system(packages):
    """A minimal system with the sources of this tree in /onggi, built there."""
    shutil.rmtree(SYSTEM, ignore_errors=True)
    os.makedirs(FOLDER, exist_ok=True)
    sources = os.path.join(FOLDER, "sources.list")
    with open(sources, "w") as out:
        out.write(mirrors())
    hooks = [
        f'mkdir "$1/onggi" && tar -C "{ROOT}" --exclude="./build*" --exclude=./.git -c . | tar -C "$1/onggi" -x',
        'chroot "$1" /onggi/dev build',
        'chroot "$1" ninja -C /onggi/build meson-test-prereq',
        'cp "$1/onggi/test/vm/vm-test.service" "$1/etc/systemd/system" && chroot "$1" systemctl enable vm-test',
        'echo "/dev/vda / ext4 defaults 0 1" >"$1/etc/fstab" && echo fresh >"$1/etc/hostname"',
    ]
    command = ["mmdebstrap", "--quiet", "--variant=minbase", "--skip=cleanup/reproducible",
               "--include=" + ",".join(f"{packages} {MACHINE_PACKAGES} {TEST_PACKAGES}".split()),
               *("--customize-hook=" + hook for hook in hooks), SUITE, SYSTEM, sources]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        sys.exit(done.stdout[-5000:] + "vm: the system could not be made")
    subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", "-d", SYSTEM, DISK, DISK_SIZE], check=True, stdout=subprocess.DEVNULL)


def newest(name):
    boot = os.path.join(SYSTEM, "boot")
    return os.path.join(boot, max(file for file in os.listdir(boot) if file.startswith(name)))


def boot(wanted):
    """Runs the machine until it turns itself off; what it says on its second serial line is ours. Whether all passed."""
    command = ["qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", str(PROCESSORS), "-m", str(MEMORY_MB),
               "-nodefaults", "-display", "none", "-kernel", newest("vmlinuz"), "-initrd", newest("initrd"),
               "-append", f"console=ttyS0 root=/dev/vda rw quiet vm_test={wanted}",
               "-drive", f"file={DISK},format=raw,if=virtio,cache=unsafe", "-device", "virtio-rng-pci",
               "-netdev", "user,id=net,restrict=on", "-device", "virtio-net-pci,netdev=net",
               "-serial", "file:" + os.path.join(FOLDER, "console"), "-serial", "stdio"]
    machine = subprocess.Popen(["timeout", str(PATIENCE_S), *command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    last = ""
    for line in machine.stdout:
        last = line.decode("utf-8", "replace").replace("\0", "").rstrip() or last
        print(last, flush=True)
    status, count = machine.wait(), COUNT.match(last)
    if not count:
        print(f"vm: the machine ended (status {status}) without a count; see {os.path.join(FOLDER, 'console')}")
    return bool(count) and count.group(1) == "0"


def main():
    packages, wanted = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else ""
    if os.geteuid() != 0:
        sys.exit("vm: a system is made as root")
    begun = time.time()
    say(f"making a fresh Debian 12 in {SYSTEM}, and building there")
    make_system(packages)
    say(f"booting it in an emulated machine ({time.time() - begun:.0f} s)")
    passed = boot(wanted)
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
