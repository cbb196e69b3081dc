#!/usr/bin/env python3
"""Checks that no test is left out of a run.

Every test that a test program holds must be run by exactly one CTest entry, and no test may be
disabled or skip itself: a test that cannot run must fail and say what is missing.

Usage: check_suites.py TESTS_FOLDER BUILD_FOLDER PROGRAM...
       check_suites.py --self-test

A program that was not built is passed over, unless none was.
"""

import fnmatch
import json
import pathlib
import re
import subprocess
import sys
import tempfile

LEFT_OUT = re.compile(r"\bGTEST_" + r"SKIP\b|\bDISABLED" + r"_\w+")


def places_that_leave_out(tests):
    for path in sorted(tests.rglob("*.cc")):
        text = path.read_text(encoding="utf-8")
        for match in LEFT_OUT.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            yield f"{path}:{line}: {match.group(0)} leaves a test out"


def tests_in(listing):
    """Full names out of --gtest_list_tests: suites end in a dot, tests are indented."""
    suite = ""
    for line in listing.splitlines():
        name = line.split("#", 1)[0].rstrip()
        if line.startswith(" "):
            yield suite + name.strip()
        elif name.endswith("."):
            suite = name


def not_run_once(program, tests, filters):
    """Tests that none or several of the entries select; an entry is its name and its filter."""
    for test in tests:
        chosen = [entry for entry, patterns in filters.items()
                  if any(fnmatch.fnmatchcase(test, pattern) for pattern in patterns.split(":"))]
        if len(chosen) != 1:
            yield f"{program}: {test} is run by {', '.join(chosen) or 'no entry'}"


def output_of(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def filters_by_program(build):
    entries = json.loads(output_of("ctest", "--test-dir", str(build), "--show-only=json-v1"))["tests"]
    found = {}
    for entry in entries:
        command = entry.get("command", [])
        options = [word for word in command if word.startswith("--gtest_filter=")]
        if options:
            program = pathlib.Path(command[0]).name
            found.setdefault(program, {})[entry["name"]] = options[0].split("=", 1)[1]
    return found


def violations(tests, build, programs):
    found = list(places_that_leave_out(tests))
    filters = filters_by_program(build)
    built = [name for name in programs if (build / "bin" / name).exists()]
    if not built:
        found.append(f"none of {', '.join(programs)} was built")
    for name in built:
        listing = output_of(str(build / "bin" / name), "--gtest_list_tests")
        found += not_run_once(name, tests_in(listing), filters.get(name, {}))
    return found


def self_test():
    listing = "Plain.\n  One\n  Two\nAll/Typed/0.  # TypeParam = int\n  One\nIn/Values.\n  A/0  # GetParam() = 1\n"
    tests = list(tests_in(listing))
    assert tests == ["Plain.One", "Plain.Two", "All/Typed/0.One", "In/Values.A/0"], tests
    typed = "Typed.*:*/Typed.*:Typed/*.*:*/Typed/*.*"
    entries = {"a": "Plain.*", "b": typed, "c": "Values.*:*/Values.*"}
    assert list(not_run_once("p", tests, entries)) == []
    assert len(list(not_run_once("p", tests, {"a": "Plain.*", "c": "*/Values.*"}))) == 1
    assert len(list(not_run_once("p", tests, {**entries, "d": "*.One"}))) == 2
    with tempfile.TemporaryDirectory() as folder:
        (pathlib.Path(folder) / "a_test.cc").write_text("TEST(A, B) { GTEST_" + "SKIP(); }\n")
        (pathlib.Path(folder) / "b_test.cc").write_text("TEST(A, DISABLED" + "_B) {}\n")
        assert len(list(places_that_leave_out(pathlib.Path(folder)))) == 2


def main(arguments):
    if arguments == ["--self-test"]:
        self_test()
        return 0
    found = violations(pathlib.Path(arguments[0]), pathlib.Path(arguments[1]), arguments[2:])
    print("\n".join(found) if found else "every test is run once")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
