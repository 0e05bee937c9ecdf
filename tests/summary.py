#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Sums the meson test runs of several build folders.

usage: summary.py BUILD...

Names what failed and what was skipped, with its reason; the last line is
"N passed, N failed, N skipped". A folder without a log (it did not build)
counts as one failure. Exit status 1 where anything failed, or nothing passed.
"""
import json
import pathlib
import sys

PASSED = ("OK", "EXPECTEDFAIL")
SKIPPED = ("SKIP",)


def results(folder):
    log = pathlib.Path(folder, "meson-logs", "testlog.json")
    if not log.exists():
        return [{"name": "build", "result": "NOT BUILT"}]
    with log.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def reason(test):
    """The last line that a skipped test wrote."""
    said = (test.get("stdout", "") + test.get("stderr", "")).strip().splitlines()
    return said[-1] if said else "it gave no reason"


def main(folders):
    passed = failed = skipped = 0
    for folder in folders:
        for test in results(folder):
            place = f"{folder}: {test['name']}"
            if test["result"] in PASSED:
                passed += 1
            elif test["result"] in SKIPPED:
                skipped += 1
                print(f"skipped: {place}: {reason(test)}")
            else:
                failed += 1
                print(f"failed: {place}: {test['result']}")
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
