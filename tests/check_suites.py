#!/usr/bin/env python3
"""Checks that no test is left out of a run.

In the folders whose tests are run file by file, every suite in foo_bar_test.cc must be FooBarTest,
since CTest selects it by that name. In all folders no test may be disabled or skip itself: what
cannot run must fail and say what is missing.

Usage: check_suites.py TESTS_FOLDER FOLDER_RUN_BY_FILE...
       check_suites.py --self-test
"""

import pathlib
import re
import sys
import tempfile

SUITE = re.compile(
    r"^\s*(?:TEST|TEST_F|TEST_P|TYPED_TEST|TYPED_TEST_P|TYPED_TEST_SUITE|INSTANTIATE_TYPED_TEST_SUITE_P"
    r"|INSTANTIATE_TEST_SUITE_P)\s*\(\s*(\w+)\s*(?:,\s*(\w+))?",
    re.MULTILINE,
)
LEFT_OUT = re.compile(r"\bGTEST_" + r"SKIP\b|\bDISABLED" + r"_\w+")


def suite_name(path):
    return "".join(word[:1].upper() + word[1:] for word in path.stem.split("_"))


def line_of(text, position):
    return text.count("\n", 0, position) + 1


def violations(tests, by_file):
    found = []
    for path in sorted(tests.rglob("*.cc")):
        text = path.read_text(encoding="utf-8")
        for match in LEFT_OUT.finditer(text):
            found.append(f"{path}:{line_of(text, match.start())}: {match.group(0)} leaves a test out")
        if path.parent.name not in by_file:
            continue
        suites = list(SUITE.finditer(text))
        if not path.stem.endswith("_test"):
            found += [f"{path}: holds tests, so its name must end in _test.cc"] if suites else []
            continue
        for match in suites:
            # INSTANTIATE_..._P(Prefix, Suite, ...) names the suite second.
            name = match.group(2 if "INSTANTIATE" in match.group(0) else 1)
            if name != suite_name(path):
                line = line_of(text, match.start(1))
                found.append(f"{path}:{line}: suite {name} must be {suite_name(path)} in this file")
    return found


def self_test():
    with tempfile.TemporaryDirectory() as folder:
        tests = pathlib.Path(folder)
        (tests / "served").mkdir()
        (tests / "pure").mkdir()
        good = "TEST(CopyInTest, A) {}\nTEST_P(\n    CopyInTest, B) {}\n"
        (tests / "served" / "copy_in_test.cc").write_text(
            good + "INSTANTIATE_TEST_SUITE_P(All, CopyInTest, x);\n"
        )
        (tests / "pure" / "copy_in_test.cc").write_text("TEST(Anything, A) {}\n")
        assert violations(tests, {"served"}) == []
        planted = {
            "served/other_test.cc": "TEST(CopyInTest, A) {}\n",
            "served/helper.cc": "TEST_F(Helper, A) {}\n",
            "served/more_test.cc": "INSTANTIATE_TEST_SUITE_P(All, CopyInTest, x);\n",
            "pure/skips_test.cc": "TEST(A, B) { GTEST_" + "SKIP(); }\n",
            "pure/disabled_test.cc": "TEST(A, DISABLED" + "_B) {}\n",
        }
        for name, text in planted.items():
            (tests / name).write_text(text)
        assert len(violations(tests, {"served"})) == len(planted), violations(tests, {"served"})


def main(arguments):
    if arguments == ["--self-test"]:
        self_test()
        return 0
    found = violations(pathlib.Path(arguments[0]), set(arguments[1:]))
    print("\n".join(found) if found else "every test is run")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
