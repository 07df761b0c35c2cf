#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Searches for inputs that break a parser: every fuzzer of test/fuzz under clang's libFuzzer with the address and
undefined-behaviour sanitizers, for so many seconds each.

usage: test/fuzz/search.py [SECONDS [NAME]]     60 seconds each; only fuzzers whose name holds NAME

What is found lands in build-fuzz/found/ with the way to see it again. Inputs that reach new code are kept in
build-fuzz/corpus/NAME; `./dev test` replays what is committed in test/fuzz/corpus.
"""
import glob
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def main():
    seconds = sys.argv[1] if len(sys.argv) > 1 else "60"
    wanted = sys.argv[2] if len(sys.argv) > 2 else ""
    build = os.path.join(ROOT, "build-fuzz")
    if not os.path.exists(os.path.join(build, "build.ninja")):
        subprocess.run(["meson", "setup", build, "-Dfuzz=true", "-Db_sanitize=address,undefined", "-Db_lundef=false",
                        "--buildtype=debugoptimized"], cwd=ROOT, env={**os.environ, "CC": "clang-14"}, check=True)
    subprocess.run(["ninja", "-C", build, "fuzzers"], check=True)
    found = os.path.join(build, "found", "")
    os.makedirs(found, exist_ok=True)
    broken = []
    for program in sorted(glob.glob(os.path.join(build, "test", "fuzz", "fuzz-*"))):
        name = os.path.basename(program)[5:]
        if not os.access(program, os.X_OK) or os.path.isdir(program) or wanted not in name:
            continue
        kept, seeds = os.path.join(build, "corpus", name), os.path.join(ROOT, "test", "fuzz", "corpus", name)
        os.makedirs(kept, exist_ok=True)
        print(f"==> {name}, {seconds} s", flush=True)
        done = subprocess.run([program, kept, seeds, f"-max_total_time={seconds}", f"-artifact_prefix={found}{name}-",
                               "-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1"])
        if done.returncode:
            broken.append(name)
    print("nothing found" if not broken else f"found something in: {', '.join(broken)}; see {found}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
