#!/usr/bin/env python3
"""Adds up what the test programs reported (GoogleTest's JSON, the golden runner's closing line, ctest for the rest).

usage: count_tests.py RESULTS   prints "N passed, N failed, N skipped"; exit 1 if anything failed
"""
import json
import pathlib
import re
import sys
import xml.etree.ElementTree as ET


def gtest_counts(path):
    passed = failed = skipped = 0
    for suite in json.loads(path.read_text())["testsuites"]:
        for test in suite["testsuite"]:
            if test.get("failures"):
                failed += 1
            elif test.get("result") == "SKIPPED" or test.get("status") == "NOTRUN":
                skipped += 1
            else:
                passed += 1
    return passed, failed, skipped


def main(folder):
    total = [0, 0, 0]
    for case in ET.parse(folder / "ctest.xml").getroot().iter("testcase"):
        name, state = case.get("name"), case.get("status")
        report = folder / (name.replace("/", "_") + ".json")
        closing = re.findall(r"^(\d+) passed, (\d+) failed, (\d+) skipped$", case.findtext("system-out") or "", re.M)
        if report.exists():
            counts = gtest_counts(report)
        elif closing:
            counts = tuple(map(int, closing[-1]))
        elif state in ("notrun", "disabled"):
            counts = (0, 0, 1)
        else:
            counts = (0, 0, 0) if state == "fail" else (1, 0, 0)
        if state == "fail" and counts[1] == 0:  # it died after its last report, or before any
            counts = (counts[0], 1, counts[2])
        total = [a + b for a, b in zip(total, counts)]
    print("{} passed, {} failed, {} skipped".format(*total))
    return 1 if total[1] or total[0] == 0 else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1])))
