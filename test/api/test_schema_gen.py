#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The generator of the schema's tables refuses what it cannot mean, with file and line, and then writes nothing."""
import os
import subprocess
import sys
import tempfile

GENERATOR = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools", "schema_gen.py")
HEAD = "group test/v1 test test.v1\n"
BAD = [  # text below HEAD, line of the mistake, words of the message
    ("bogus\n", 2, "unknown word"),
    ("  1 a string -- X.\n", 2, "belongs below"),
    ("type A -- X.\n  a string\n", 3, "expected: NUMBER NAME TYPE"),
    ("type A -- X.\n  1 a string bogus -- X.\n", 3, "unknown word 'bogus'"),
    ("type A -- X.\n  1 a string -- X.\n  2 a string -- X.\n", 4, "field a is there already"),
    ("type A -- X.\n  1 a string -- X.\n  1 b string -- X.\n", 4, "number 1 is taken"),
    ("type A -- X.\n  1 a string default=x -- X.\n", 3, "Expecting value"),
    ("type A -- X.\n  1 a B -- X.\n", 3, "no type B"),
    ("type A -- X.\n  1 a []A keys=b -- X.\n", 3, "key b is no field"),
    ("type A -- X.\ntype A -- X.\n", 3, "type test.A is there already"),
    ("type A bogus -- X.\n", 2, "unknown word 'bogus'"),
    ("resource as A sometimes\n", 2, "expected: resource"),
    ("resource as A cluster\n  verbs bogus\n", 3, "unknown verb 'bogus'"),
    ("resource as A cluster\n  bogus\n", 3, "unknown line"),
]


def run(folder, text):
    schema, out = os.path.join(folder, "x.schema"), os.path.join(folder, "out.c")
    with open(schema, "w") as file:
        file.write(HEAD + text)
    if os.path.exists(out):
        os.remove(out)
    done = subprocess.run([sys.executable, GENERATOR, out, schema], capture_output=True, text=True)
    return done, os.path.exists(out)


def main():
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for text, line, words in BAD:
            done, written = run(folder, text)
            if done.returncode == 0 or written or "x.schema:%d: " % line not in done.stderr or words not in done.stderr:
                failed += 1
                print("%r gives %r" % (text, done.stderr))
        done, written = run(folder, "kind A -- X.\n  1 a []string set merge -- X.\n  2.1 b *int32 default=1 -- X.\n")
        if done.returncode or not written:
            failed += 1
            print("a good schema is refused: %s" % done.stderr)
    print("%d passed, %d failed, 0 skipped" % (len(BAD) + 1 - failed, failed))
    return failed != 0


sys.exit(main())
