# SPDX-License-Identifier: Apache-2.0
"""Onggi beside what a real Kubernetes v1.36 answered, as recorded: answers of the API, lives of pods, coverage. Each figure
must not fall below what was reached before (reference.json); where it has risen, run with RAISE=1 to write it down."""
import json
import os
import re
import subprocess
import sys

from harness import IMAGE, ROOT, SHARED, Client, Platform, Skip, check, main

FLOORS = os.path.join(ROOT, "test", "scenario", "reference.json")
KINDS = (r"^(namespace|node|pod|service|endpoints|endpointslice|configmap|secret|serviceaccount|event|lease|deployment|"
         r"replicaset|(local|self)?subject\w*review|selfsubject\w*review|tokenreview)\.")
SCENARIOS = r"^scenario\.(patches|lists|errors|pods)"
COUNTED = re.compile(r"(\w+) (\d+) of (\d+)")


def tool(name):
    path = os.path.join(SHARED, "tools", name)
    if not os.path.exists(path):
        raise Skip("the recorded reference is not here")
    return path


def compare(platform, name, *arguments):
    crt, key = platform.admin_certificate()
    done = subprocess.run([tool(name), *arguments, "--server", f"https://127.0.0.1:{platform.port}", "--cert", crt, "--key", key],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=900)
    return done.stdout


def judge(figures):
    """figures: name -> (reached, of). Compares the shares with the floors."""
    floors = json.load(open(FLOORS)) if os.path.exists(FLOORS) else {}
    for name, (good, of) in figures.items():
        share = round(100.0 * good / of, 2) if of else 0.0
        print(f"    {name}: {good} of {of} ({share} %)")
        if os.environ.get("RAISE"):
            floors[name] = max(share, floors.get(name, 0))
        else:
            check(share + 1e-9 >= floors.get(name, 0), f"{name} has fallen from {floors.get(name)} % to {share} %")
    if os.environ.get("RAISE"):
        with open(FLOORS, "w") as out:
            json.dump(floors, out, indent=1, sort_keys=True)
            out.write("\n")


def last_counts(output, prefix):
    line = [line for line in output.splitlines() if line.startswith("all:")]
    check(line, output[-2000:])
    return {f"{prefix} {name}": (int(good), int(of)) for name, good, of in COUNTED.findall(line[0])}


def wrong_before(output, different, name, of):
    """How many of the different pods were as recorded in this part the first time."""
    part = name.split()[1]
    wrong = sum(1 for line in output.splitlines() if ": differs in " in line and part in line.split(": differs in ")[1].split(", "))
    return of - wrong


def test_answers_of_the_api():
    tool("api-answers")
    platform = Platform(node=False, arguments=["--controllers", "none"]).start()
    output = compare(platform, "api-answers", "compare", "--only", KINDS)
    judge(last_counts(output, "answers"))
    output = compare(platform, "api-answers", "compare", "--only", SCENARIOS)
    judge(last_counts(output, "scenarios"))
    platform.destroy()


def test_coverage_of_the_api():
    tool("api-coverage")
    platform = Platform(node=False, arguments=["--controllers", "none"]).start()
    output = compare(platform, "api-coverage", "--verbose")
    figures = {name: (int(good), int(of)) for name, good, of in re.findall(r"^(\S[^:\n]*): (\d+) of (\d+)$", output, re.M)}
    check(len(figures) == 3, output[-2000:])
    judge({f"coverage {name}": value for name, value in figures.items()})
    platform.destroy()


def test_lives_of_pods():
    tool("pod-lives")
    platform = Platform().start()
    platform.import_image()
    Client(platform).await_node()
    output = compare(platform, "pod-lives", "compare", "--image", IMAGE, "--verbose")
    figures = last_counts(output, "lives")
    different = re.findall(r"^(\S+): differs", output, re.M)
    if different and len(different) <= 6:  # what is told by the second may differ on a busy machine: once more, alone
        print("\n".join("    " + line for line in output.splitlines() if not line.endswith("as recorded")))
        again = last_counts(compare(platform, "pod-lives", "compare", "--image", IMAGE, "--only", f"^({'|'.join(different)})$"), "lives")
        figures = {name: (good + again[name][0] - wrong_before(output, different, name, again[name][1]), of)
                   for name, (good, of) in figures.items()}
    judge(figures)
    platform.destroy()


if __name__ == "__main__":
    sys.exit(main(globals()))
