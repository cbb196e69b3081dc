#!/usr/bin/env python3
"""Checks that clang-tidy knows every check and every option that .clang-tidy names.

clang-tidy ignores names it does not know, so a list made for another version is silently inert.

Usage: check_tidy_list.py [FILE]      FILE is this project's .clang-tidy by default
       check_tidy_list.py --self-test
"""

import fnmatch
import pathlib
import re
import subprocess
import sys

# Groups that --list-checks leaves out: the compiler's own warnings.
UNLISTED = {"clang-diagnostic-*"}


def known_checks():
    output = subprocess.run(
        ["clang-tidy", "--checks=*", "--list-checks"], check=True, capture_output=True, text=True
    ).stdout
    return [line.strip() for line in output.splitlines()[1:] if line.strip()]


def known_options():
    """The options of all checks; their defaults are part of the dumped configuration."""
    output = subprocess.run(
        ["clang-tidy", "--checks=*", "--config={}", "--dump-config"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return set(re.findall(r"key:\s*'?([^\s']+)", output))


def listed_checks(text):
    """The names in the block under `Checks:`, without a leading minus."""
    block = re.search(r"^Checks:[^\n]*\n((?:[ \t]+[^\n]*\n|\n)+)", text, re.MULTILINE)
    names = [name.strip() for name in block.group(1).split(",")] if block else []
    return [name.removeprefix("-") for name in names if name and name != "-*"]


def listed_options(text):
    return re.findall(r"key:\s*'?([^\s']+)", text)


def violations(text, checks, options):
    names = listed_checks(text)
    if not names:
        return ["the list of checks is empty or cannot be read"]
    found = [
        f"clang-tidy knows no check {name}"
        for name in names
        if name not in UNLISTED and not fnmatch.filter(checks, name)
    ]
    return found + [
        f"clang-tidy knows no option {name}" for name in listed_options(text) if name not in options
    ]


def self_test():
    checks, options = ["bugprone-infinite-loop", "misc-static-assert"], {"a.B"}
    text = "Checks: >-\n  -*,\n  bugprone-*,\n  -misc-static-assert\nOther: 1\n"
    assert violations(text, checks, options) == []
    assert violations(text.replace("bugprone-*", "bugprone-nothing"), checks, options) == [
        "clang-tidy knows no check bugprone-nothing"
    ]
    assert violations(text + "CheckOptions:\n  - key: a.C\n", checks, options) == [
        "clang-tidy knows no option a.C"
    ]
    assert len(violations("Checks: ''\n", checks, options)) == 1


def main(arguments):
    if arguments == ["--self-test"]:
        self_test()
        return 0
    default = pathlib.Path(__file__).resolve().parent.parent / ".clang-tidy"
    text = pathlib.Path(arguments[0] if arguments else default).read_text(encoding="utf-8")
    found = violations(text, known_checks(), known_options())
    print("\n".join(found) if found else f"{len(listed_checks(text))} entries, all known")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
