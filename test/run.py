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
Each program prints a line a test (ok, FAIL, skip) and its own count; this adds them up.
"""
import os
import re
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
COUNT = re.compile(r"^(\d+) passed, (\d+) failed, (\d+) skipped$")
SHARED_BY_SCENARIOS = ("harness.py", "every_kubectl.py")
JOBS = str(os.cpu_count() or 2)


class Total:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.broken = []

    def add(self, name, output, status):
        """Counts what a program printed; one that ends without its count has failed."""
        lines = output.strip().splitlines()
        match = COUNT.match(lines[-1]) if lines else None
        if not match:
            self.failed += 1
            self.broken.append(f"{name} (ended with status {status} before its count)")
            return
        passed, failed, skipped = map(int, match.groups())
        self.passed += passed
        self.failed += failed
        self.skipped += skipped
        if failed or status:
            self.failed += not failed
            self.broken.append(name)


def say(text):
    print(f"==> {text}", flush=True)


def build(folder, *options, targets=(), environment=None):
    """Configures once and builds; returns whether it did."""
    env = {**os.environ, **(environment or {})}
    if not os.path.exists(os.path.join(ROOT, folder, "build.ninja")):
        made = subprocess.run(["meson", "setup", folder, *options], cwd=ROOT, env=env, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
        if made.returncode:
            print(made.stdout)
            return False
    made = subprocess.run(["ninja", "-C", folder, *targets], cwd=ROOT, env=env, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    if made.returncode:
        print("\n".join(made.stdout.splitlines()[-60:]))
    return made.returncode == 0


def run(total, name, command, environment=None, timeout=900):
    begun = time.time()
    try:
        done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=timeout, env={**os.environ, **(environment or {})})
        output, status = done.stdout.decode("utf-8", "replace"), done.returncode
    except subprocess.TimeoutExpired as late:
        output, status = (late.stdout or b"").decode("utf-8", "replace") + f"\nno end after {timeout} s\n", -1
    failed_before = total.failed
    total.add(name, output, status)
    lines = output.strip().splitlines()
    say(f"{name}: {lines[-1] if lines else 'nothing'} ({time.time() - begun:.1f} s)")
    if total.failed > failed_before:
        print("\n".join(lines[-200:]), flush=True)
    else:
        for line in lines:
            if line.startswith("skip"):
                print("    " + line, flush=True)


def unit_programs(folder):
    """The unit tests that the build knows, as (name, path)."""
    listed = subprocess.run(["meson", "introspect", "--tests", folder], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    import json
    return [(test["name"], test["cmd"][0]) for test in json.loads(listed.stdout) if "unit" in "".join(test["suite"])]


def unit(total, label, folder, wanted, options, environment=None):
    say(f"building {folder}/ ({label})")
    if not build(folder, *options, targets=["meson-test-prereq"], environment=environment):
        total.failed += 1
        total.broken.append(f"the build for {label}")
        return
    for name, program in unit_programs(folder):
        if wanted in f"{label}.{name}":
            run(total, f"{label}.{name}", [program], environment=environment)


def corpus(total, folder, wanted):
    seeds = os.path.join(ROOT, "test", "fuzz", "corpus")
    for kind in sorted(os.listdir(seeds)) if os.path.isdir(seeds) else []:
        program = os.path.join(ROOT, folder, "test", "fuzz", "replay-" + kind)
        if wanted in "corpus." + kind:
            run(total, "corpus." + kind, [program, os.path.join(seeds, kind)])


def scenarios(total, wanted):
    folder = os.path.join(ROOT, "test", "scenario")
    for file in sorted(os.listdir(folder)):
        name = file[:-3]
        if file.endswith(".py") and file not in SHARED_BY_SCENARIOS and wanted in "scenario." + name:
            run(total, "scenario." + name, [sys.executable, os.path.join(folder, file)], timeout=1200)


SANITIZERS = {"CC": "clang-14", "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=1", "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
              "TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1"}


def main():
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    total, begun = Total(), time.time()
    if wanted in "rules":
        run(total, "rules", [sys.executable, "test/rules.py"])
    unit(total, "unit", "build", wanted, [])
    say("building build/onggi")
    if not build("build"):
        total.failed += 1
        total.broken.append("build/onggi")
    unit(total, "address-undefined", "build-asan", wanted, ["-Db_sanitize=address,undefined", "-Db_lundef=false"], SANITIZERS)
    unit(total, "thread", "build-tsan", wanted, ["-Db_sanitize=thread", "-Db_lundef=false"], SANITIZERS)
    corpus(total, "build-asan", wanted)
    scenarios(total, wanted)
    say(f"all in {time.time() - begun:.0f} s")
    for name in total.broken:
        print(f"failed: {name}")
    print(f"{total.passed} passed, {total.failed} failed, {total.skipped} skipped")
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main())
