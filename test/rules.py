#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the sources may not hold: an include that breaks the table of rooms in docs/ARCHITECTURE.md, a function that
forgets lengths, a file without its licence, a file past a thousand lines."""
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)
BANNED = re.compile(r"\b(strcpy|strcat|sprintf|vsprintf|gets|strtok|alloca)\s*\(")
COMMENT = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\])*"', re.S)
LINES_MAX = 1000


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
    listed = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    names = listed.stdout.split() if listed.returncode == 0 else [
        os.path.relpath(os.path.join(folder, file), ROOT) for folder, _, files in os.walk(ROOT) for file in files]
    return [name for name in names if re.search(r"\.(c|h|py|sh)$", name) and not name.startswith("build")]


class Rules:
    def __init__(self):
        self.passed = self.failed = 0

    def rule(self, name, faults):
        for fault in faults:
            print("    " + fault)
        print(("FAIL " if faults else "ok   ") + name)
        self.passed += not faults
        self.failed += bool(faults)


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


def main():
    files, rules = sources(), Rules()
    text = {name: open(os.path.join(ROOT, name), encoding="utf-8").read() for name in files}
    c_files = [name for name in files if name.endswith((".c", ".h"))]
    table = rooms()
    rules.rule("rooms_table_is_there", [] if table else ["docs/ARCHITECTURE.md has no table of rooms"])
    rules.rule("includes_follow_the_rooms", include_faults(files, table))
    rules.rule("no_function_that_forgets_lengths", [
        f"{name}: {found.group(1)}" for name in c_files for found in [BANNED.search(COMMENT.sub("", text[name]))] if found])
    rules.rule("every_file_names_its_licence", [
        name for name in files if "SPDX-License-Identifier: Apache-2.0" not in text[name][:200]])
    rules.rule("no_file_past_a_thousand_lines", [
        f"{name}: {text[name].count(chr(10))} lines" for name in c_files if text[name].count("\n") > LINES_MAX])
    print(f"{rules.passed} passed, {rules.failed} failed, 0 skipped")
    return 1 if rules.failed else 0


if __name__ == "__main__":
    sys.exit(main())
