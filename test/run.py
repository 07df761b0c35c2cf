#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs every test and ends with one line: N passed, N failed, N skipped.

usage: test/run.py [NAME]      only what has NAME in its name

In this order, cheapest first:
  rules      the include rule of the rooms, and what the sources may not hold (test/rules.py)
  unit       the unit tests of every room, built by gcc as users' builds are
  address, undefined / thread   the unit tests again under the sanitizers, built by clang, without a warning there either
  corpus     every fuzzer over its corpus
  scenario   the real executable with the real kubectl (test/scenario/*.py)
Each program prints a line a test (ok, FAIL, skip) and its own count; this adds them up. The build knows the unit tests:
as many as there are processors run at once, then, one by one, those that it calls not parallel.
"""
import json
import os
import re
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
COUNT = re.compile(r"^(\d+) passed, (\d+) failed, (\d+) skipped$")
SHARED_BY_SCENARIOS = ("harness.py", "every_kubectl.py", "websocket.py")
SANITIZED = ("-Db_lundef=false", "-Doptimization=1", "-Ddebug=true")
BUILDS = {  # folder: compiler, options
    "build": ("gcc", ()),
    "build-asan": ("clang-14", ("-Db_sanitize=address,undefined", *SANITIZED)),
    "build-tsan": ("clang-14", ("-Db_sanitize=thread", *SANITIZED)),
}
REPORTS = {
    "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=1",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
    "TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1",
}
SLOWER = 5  # how much longer a sanitizer may take


class Total:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.broken, self.lock = [], threading.Lock()

    def add(self, name, output, status):
        """Counts what a program printed, and returns whether all is well; one that ends without its count has failed."""
        lines = output.strip().splitlines()
        match = COUNT.match(lines[-1]) if lines else None
        with self.lock:
            if not match:
                self.failed += 1
                self.broken.append(f"{name} (ended with status {status} before its count)")
                return False
            passed, failed, skipped = map(int, match.groups())
            if status and not failed:
                failed = 1
            self.passed, self.failed, self.skipped = self.passed + passed, self.failed + failed, self.skipped + skipped
            if failed:
                self.broken.append(name)
            return not failed

    def refuse(self, name):
        self.failed += 1
        self.broken.append(name)


def say(text):
    print(f"==> {text}", flush=True)


def as_caller(command, environment):
    """What is built belongs to who called us through sudo."""
    user = os.environ.get("SUDO_USER")
    if os.geteuid() == 0 and user:
        return ["sudo", "-u", user, "--", "env", *(f"{name}={value}" for name, value in environment.items()), *command]
    return ["env", *(f"{name}={value}" for name, value in environment.items()), *command]


def told(command, environment=None):
    """(status, what it printed) of something that is part of a build."""
    done = subprocess.run(as_caller(command, environment or {}), cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    return done.returncode, done.stdout


def build(total, folder, *targets):
    """Configures once and builds; returns whether it did."""
    begun = time.time()
    status, output = 0, ""
    if not os.path.exists(os.path.join(ROOT, folder, "build.ninja")):
        compiler, options = BUILDS[folder]
        status, output = told(["meson", "setup", folder, *options], {"CC": compiler})
    if status == 0:
        status, output = told(["ninja", "-C", folder, *targets])
    if status:
        print("\n".join(output.splitlines()[-60:]))
        total.refuse(f"the build of {folder}/")
        return False
    say(f"built {' and '.join(targets)} in {folder}/ ({time.time() - begun:.0f} s)")
    return True


def run(total, name, command, timeout=900):
    begun = time.time()
    try:
        done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=timeout, env={**os.environ, **REPORTS, "PYTHONDONTWRITEBYTECODE": "1"})
        output, status = done.stdout.decode("utf-8", "replace"), done.returncode
    except subprocess.TimeoutExpired as late:
        output, status = (late.stdout or b"").decode("utf-8", "replace") + f"\nno end after {timeout} s\n", -1
    good, lines = total.add(name, output, status), output.strip().splitlines()
    told = [f"==> {name}: {lines[-1] if lines else 'nothing'} ({time.time() - begun:.1f} s)"]
    told += ["    " + line for line in lines if line.startswith("skip")] if good else lines[-200:]
    print("\n".join(told), flush=True)


def units(total, label, folder, wanted, patience=1):
    """Every unit test that the build knows; those in Python only where nothing is sanitized: they run no code of ours."""
    with open(os.path.join(ROOT, "build", "meson-info", "intro-tests.json")) as known:
        tests = [test for test in json.load(known) if wanted in f"{label}.{test['name']}"]
    if label != "unit":
        tests = [test for test in tests if test["cmd"][0].startswith(os.path.join(ROOT, "build"))]
    if not tests or not build(total, folder, "meson-test-prereq"):
        return
    tests.sort(key=lambda test: -test["timeout"])  # the long ones first

    def one(test):
        program = os.path.join(ROOT, folder, os.path.relpath(test["cmd"][0], os.path.join(ROOT, "build")))
        command = [program] if label != "unit" else test["cmd"]
        run(total, f"{label}.{test['name']}", command, test["timeout"] * patience)
    with ThreadPoolExecutor(os.cpu_count() or 2) as pool:
        list(pool.map(one, [test for test in tests if test["is_parallel"]]))
    for test in tests:
        if not test["is_parallel"]:
            one(test)


def corpus(total, folder, wanted):
    seeds = os.path.join(ROOT, "test", "fuzz", "corpus")
    kinds = [kind for kind in sorted(os.listdir(seeds)) if wanted in "corpus." + kind]
    if kinds and build(total, folder, "replays"):
        for kind in kinds:
            run(total, "corpus." + kind, [os.path.join(ROOT, folder, "test", "fuzz", "replay-" + kind), os.path.join(seeds, kind)])


def scenarios(total, wanted):
    folder = os.path.join(ROOT, "test", "scenario")
    for file in sorted(os.listdir(folder)):
        name = file[:-3]
        if file.endswith(".py") and file not in SHARED_BY_SCENARIOS and wanted in "scenario." + name:
            run(total, "scenario." + name, [sys.executable, os.path.join(folder, file)], timeout=1200)


def main():
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    total, begun = Total(), time.time()
    built = build(total, "build", "onggi")
    if wanted in "rules":
        run(total, "rules", [sys.executable, "test/rules.py"])
    if built:
        units(total, "unit", "build", wanted)
        units(total, "address-undefined", "build-asan", wanted, SLOWER)
        units(total, "thread", "build-tsan", wanted, SLOWER)
        corpus(total, "build-asan", wanted)
        scenarios(total, wanted)
    say(f"all in {time.time() - begun:.0f} s")
    for name in total.broken:
        print(f"failed: {name}")
    print(f"{total.passed} passed, {total.failed} failed, {total.skipped} skipped")
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main())
