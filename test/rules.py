#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the sources may not hold: an include that breaks the table of rooms in docs/ARCHITECTURE.md, one name for two things,
a function that forgets lengths, a file without its licence or past a thousand lines, a header that does not say what it is
for, a function that fills screens, a library that ./dev does not install, a path or host of some machine."""
import glob
import os
import re
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)
BANNED = re.compile(r"\b(strcpy|strcat|sprintf|vsprintf|gets|strtok|alloca)\s*\(")
COMMENT = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\])*"', re.S)
LINES_MAX = 1000
FUNCTION_LINES_LONG, FUNCTION_LINES_MAX = 70, 100
OF_SOME_MACHINE = re.compile("/" + r"work/|/(home|root|Users)/\w|\b(deb|snapshot|archive)\.(debian|ubuntu)\.(org|com)|"
                             r"\bregistry\.(npmjs|terraform)|\b(pypi|crates)\.(org|io)\b|\bproxy\.golang\b")


def rooms():
    """The table of docs/ARCHITECTURE.md: room -> the rooms that it may use (None: all)."""
    table = {}
    for line in open(os.path.join(ROOT, "docs", "ARCHITECTURE.md")):
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        names = re.fullmatch(r"(`\w+`(, )?)+", cells[0]) if len(cells) == 3 else None
        if names:
            uses = None if cells[2] == "all" else set(re.findall(r"`(\w+)`", cells[2]))
            for name in re.findall(r"`(\w+)`", cells[0]):
                table[name] = uses
    return table


def sources():
    """Every file of the project but recorded inputs."""
    try:
        listed = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT,
                                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout.split("\n")[:-1]
    except FileNotFoundError:
        listed = []
    names = listed or [os.path.relpath(os.path.join(folder, file), ROOT) for folder, _, files in os.walk(ROOT) for file in files]
    return [name for name in names if not re.match(r"build|\.git/|test/fuzz/corpus/|.*__pycache__", name)
            and os.path.isfile(os.path.join(ROOT, name))]


class Rules:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def rule(self, name, faults):
        for fault in faults:
            print("    " + fault)
        print(("FAIL " if faults else "ok   ") + name)
        self.passed += not faults
        self.failed += bool(faults)

    def skip(self, name, why):
        print(f"skip {name}: {why}")
        self.skipped += 1


def include_faults(files, table):
    faults = []
    for name in files:
        parts = name.split("/")
        if parts[0] != "src" or not name.endswith((".c", ".h")):
            continue
        room = parts[1]
        if room not in table:
            faults.append(f"{name}: the room {room} is not in the table of docs/ARCHITECTURE.md")
            continue
        for target in INCLUDE.findall(open(os.path.join(ROOT, name)).read()):
            other = target.split("/")[0]
            if "/" in target and other in table and other != room and table[room] is not None and other not in table[room]:
                faults.append(f"{name} includes {target}: {room} may not use {other}")
    return faults


def functions(text):
    """(first line, lines) of each function: its braces stand alone at the beginning of a line."""
    begun, before = None, ""
    for line in text.split("\n"):
        if line == "{":
            begun, name, count = True, before, 0
        elif line == "}" and begun:
            begun = None
            yield name, count
        elif begun:
            count += 1
        before = line


def long_functions(text, more_than):
    return [f"{name}: {count} lines: {head}" for name in text if name.endswith(".c") for head, count in functions(text[name])
            if count > more_than]


def shared_symbols(libraries):
    """Names that more than one room gives to something other rooms can see."""
    owner, faults = {}, []
    for library in libraries:
        room = library.split(os.sep)[-2]
        listed = subprocess.run(["nm", "-g", "--defined-only", library], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        for symbol in re.findall(r"^[0-9a-f]+ [A-Z] (\w+)$", listed.stdout, re.M):
            if owner.setdefault(symbol, room) != room:
                faults.append(f"{symbol} is in {owner[symbol]} and in {room}")
    return faults


def missing_packages(text):
    """Libraries that a room is built with, whose package ./dev does not install."""
    faults = []
    for name in sorted({found for file in text if file.endswith("meson.build")
                        for found in re.findall(r"dependency\('([^']+)'\)", text[file])} - {"threads"}):
        where = subprocess.run(["pkg-config", "--variable=pcfiledir", name], stdout=subprocess.PIPE, text=True).stdout.strip()
        owner = subprocess.run(["dpkg", "-S", f"{where}/{name}.pc"], stdout=subprocess.PIPE, text=True).stdout.split(":")[0]
        if not re.search(rf"\b{re.escape(owner or name)}(?![\w-])", text["dev"]):
            faults.append(f"{name} (package {owner})")
    return faults


def says_what_it_is_for(header):
    lines = header.split("\n")
    return len(lines) > 1 and re.match(r"// .{15}", lines[1])


def main():
    rules, text = Rules(), {}
    for name in sources():
        with open(os.path.join(ROOT, name), encoding="utf-8") as file:
            text[name] = file.read()
    code = [name for name in text if re.search(r"\.(c|h|py|sh)$", name)]
    c_files = [name for name in code if name.endswith((".c", ".h"))]
    table = rooms()
    rules.rule("rooms_table_is_there", [] if table else ["docs/ARCHITECTURE.md has no table of rooms"])
    rules.rule("includes_follow_the_rooms", include_faults(c_files, table))
    rules.rule("no_function_that_forgets_lengths", [
        f"{name}: {found.group(1)}" for name in c_files for found in [BANNED.search(COMMENT.sub("", text[name]))] if found])
    rules.rule("every_file_names_its_licence", [name for name in code if "SPDX-License-Identifier: Apache-2.0" not in text[name][:200]])
    rules.rule("every_header_says_what_it_is_for", [
        name for name in c_files if name.endswith(".h") and not says_what_it_is_for(text[name])])
    rules.rule("no_file_past_a_thousand_lines", [
        f"{name}: {text[name].count(chr(10))} lines" for name in c_files if text[name].count("\n") > LINES_MAX])
    for long in long_functions(text, FUNCTION_LINES_LONG):
        print("    long: " + long)
    rules.rule("functions_fit_a_screen", long_functions(text, FUNCTION_LINES_MAX))
    rules.rule("nothing_of_some_machine", [
        f"{name}: {found.group(0)}" for name in text if name != "LICENSE" for found in [OF_SOME_MACHINE.search(text[name])] if found])
    libraries = sorted(glob.glob(os.path.join(ROOT, "build", "src", "*", "lib*.a")))
    if libraries:
        rules.rule("no_name_in_two_rooms", shared_symbols(libraries))
    else:
        rules.skip("no_name_in_two_rooms", "nothing is built yet")
    if shutil.which("dpkg"):
        rules.rule("dev_installs_every_library", missing_packages(text))
    else:
        rules.skip("dev_installs_every_library", "this is no Debian")
    print(f"{rules.passed} passed, {rules.failed} failed, {rules.skipped} skipped")
    return 1 if rules.failed else 0


if __name__ == "__main__":
    sys.exit(main())
