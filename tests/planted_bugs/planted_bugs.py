#!/usr/bin/env python3
"""Plants bugs into the product, one at a time, and checks that the tests catch each of them.

bugs.py lists the bugs. A bug is a piece of source text that stands in exactly one place, what
replaces it, and the tests that must fail then, the cheapest first. The text is searched in copier/,
hashing/ and include/; it is found wherever the file lies and however its lines are broken.

The sources that are changed are a copy below build/planted, never this tree. Before any bug is
planted the named tests must pass there, so that a red test is not taken for a catch. They must also
belong to the default set: a test that only scripts/test --full runs, catches nothing here.

A test that crashes or does not end catches the bug. A bug that does not compile, text that is not
found exactly once, and a test that does not exist are errors.

Usage: planted_bugs.py [--list] [--check] [--only NAME]... [--jobs N]
  --list    name the bugs and the tests that must catch them
  --check   only look whether every bug's text is found exactly once, and its tests
  --only    plant this bug, and not the others
  --jobs    how many files are compiled at a time
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

from bugs import BUGS

ROOT = pathlib.Path(__file__).resolve().parents[2]
PLANTED = ROOT / "build" / "planted"
# The same layout as in a checkout, so that ccache recognizes what another build has compiled.
SOURCE = PLANTED / "src"
BUILD = SOURCE / "build" / "dev"
LOGS = PLANTED / "logs"
SEARCHED = ("copier", "hashing", "include")
NOT_IN_DEFAULT_SET = {"full", "docs", "perf"}
TOKEN = re.compile(r'"(?:\\.|[^"\\\n])*"|\w+|[^\w\s]')
ADDED = re.compile(r'^add_test\(\W*([\w./]+)\W+"[^"]*/bin/(\w+)"', re.MULTILINE)
FAILED = re.compile(r"^\[  FAILED  \] ([\w/]+\.[\w/]+)", re.MULTILINE)

# A bug may leave something unused, and stands on one line.
WARNINGS = "".join(f'#pragma GCC diagnostic ignored "-W{warning}"\n' for warning in (
    "misleading-indentation", "unused-but-set-variable", "unused-function", "unused-parameter",
    "unused-variable"))


class PlantedBugsError(Exception):
    """The list or a build is wrong; nothing was learned about the tests."""


def pattern_of(text):
    """Matches `text` with any white space between its words and signs, but for that in strings."""
    pattern = ""
    before = ""
    for token in TOKEN.findall(text):
        if before:
            both_words = before[-1:].isidentifier() or before[-1:].isdigit()
            both_words = both_words and (token[:1].isidentifier() or token[:1].isdigit())
            pattern += r"\s+" if both_words else r"\s*"
        pattern += re.escape(token)
        before = token
    return re.compile(pattern)


def read_sources(root):
    files = {}
    for folder in SEARCHED:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in (".cc", ".h"):
                files[path.relative_to(root)] = path.read_text(encoding="utf-8")
    return files


def find(bug, sources):
    """The one place where the bug's text stands: file, begin and end."""
    pattern = pattern_of(bug.text)
    found = [(path, match.start(), match.end()) for path, text in sources.items()
             for match in pattern.finditer(text)]
    if len(found) != 1:
        places = ", ".join(str(path) for path, _, _ in found) or "nowhere"
        raise PlantedBugsError(f"{bug.name}: its text is found {len(found)} times ({places})")
    return found[0]


def write_if_other(path, content):
    """Leaves the time stamp of a file alone that holds `content` already."""
    if path.is_file() and path.read_bytes() == content:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def copy_tree():
    """Makes SOURCE hold what git knows here or would add."""
    listed = subprocess.run(["git", "-C", ROOT, "ls-files", "-z", "--cached", "--others",
                             "--exclude-standard"], check=True, capture_output=True).stdout
    names = {name for name in listed.decode().split("\0") if name and (ROOT / name).is_file()}
    for name in sorted(names):
        write_if_other(SOURCE / name, (ROOT / name).read_bytes())
        shutil.copymode(ROOT / name, SOURCE / name)
    for path in SOURCE.rglob("*"):
        name = path.relative_to(SOURCE)
        if name.parts[0] != "build" and path.is_file() and str(name) not in names:
            path.unlink()
    servers = SOURCE / "build" / "servers"
    servers.parent.mkdir(exist_ok=True)
    if not servers.is_symlink():
        servers.symlink_to(ROOT / "build" / "servers")


def build_environment():
    environment = dict(os.environ, CCACHE_BASEDIR=str(SOURCE), CCACHE_NOHASHDIR="1")
    if shutil.which("ccache"):
        environment.setdefault("CMAKE_CXX_COMPILER_LAUNCHER", "ccache")
        environment.setdefault("CCACHE_SLOPPINESS", "pch_defines,time_macros")
    return environment


def run_logged(log, command, **options):
    with open(LOGS / log, "ab") as out:
        return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=out,
                              stderr=subprocess.STDOUT, check=False, **options).returncode


def configure(log):
    if run_logged(log, ["cmake", "--preset", "dev"], cwd=SOURCE, env=build_environment()) != 0:
        raise PlantedBugsError(f"cmake fails: {LOGS / log}")


def build(log, programs, jobs):
    return run_logged(log, ["cmake", "--build", BUILD, "--parallel", str(jobs), "--target",
                            *programs, "--", "--quiet"], env=build_environment()) == 0


def entry_of(name):
    """The CTest entry of the file that declares the test, or any of those that the filter means."""
    suite, _, test = name.partition(".")
    declared = re.compile(rf"^TEST(?:_F|_P)?\(\s*{re.escape(suite)}\s*,\s*"
                          + re.escape(test).replace(r"\*", r"\w*") + r"\s*\)", re.MULTILINE)
    tests = ROOT / "tests"
    entries = {f"{path.parent.relative_to(tests)}.{path.stem}" for path in tests.rglob("*_test.cc")
               if declared.search(path.read_text(encoding="utf-8"))}
    if len(entries) != 1:
        raise PlantedBugsError(f"{name} is found in {len(entries)} files below tests/")
    return entries.pop()


class Tests:
    """The tests that a bug names, by gtest's filter."""

    def __init__(self, name):
        self.name = name
        self.entry = entry_of(name)
        self.program = ""  # Set by find_programs().
        self.usual_seconds = 0.0
        self.fails_anyway = False

    def run(self, log, seconds):
        """What failed, or None. A test that does not end within `seconds` fails as well."""
        # As a plain test, and as one with parameters.
        command = [str(BUILD / "bin" / self.program),
                   f"--gtest_filter={self.name}:*/{self.name}/*", "--gtest_fail_fast"]
        with open(LOGS / log, "ab") as out:
            begin = out.tell()
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out,
                                       stderr=subprocess.STDOUT, start_new_session=True)
            try:
                code = process.wait(timeout=seconds)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                return f"{self.name} (did not end)"
        output = (LOGS / log).read_bytes()[begin:].decode(errors="replace")
        if "Running 0 tests" in output:
            raise PlantedBugsError(f"{self.name}: there is no such test")
        if code == 0:
            return None
        failed = FAILED.search(output)
        return failed.group(1) if failed else f"{self.name} (crashed)"


def find_programs(tests):
    """Says which program holds each; all must belong to the default set."""
    shown = subprocess.run(["ctest", "--test-dir", BUILD, "--show-only=json-v1"], check=True,
                           capture_output=True, text=True).stdout
    entries = {entry["name"]: entry for entry in json.loads(shown)["tests"]}
    # CTest itself names no program that is not built yet.
    programs = dict(ADDED.findall((BUILD / "tests" / "CTestTestfile.cmake").read_text()))
    for each in tests:
        if each.entry not in entries:
            raise PlantedBugsError(f"{each.name}: CTest has no entry {each.entry}")
        entry = entries[each.entry]
        labels = {label for one in entry.get("properties", []) if one["name"] == "LABELS"
                  for label in one["value"]}
        if labels & NOT_IN_DEFAULT_SET:
            raise PlantedBugsError(f"{each.name}: {each.entry} is no part of the default set")
        each.program = programs[each.entry]


def check_unchanged(tests, jobs):
    """Which tests fail without a bug, and how long they take."""
    log = "unchanged.log"
    if not build(log, sorted({each.program for each in tests}), jobs):
        raise PlantedBugsError(f"the unchanged tree cannot be built: {LOGS / log}")
    for each in tests:
        started = time.monotonic()
        each.fails_anyway = each.run(log, 300) is not None
        each.usual_seconds = time.monotonic() - started


def try_bug(bug, sources, known, jobs):
    """The test that caught the bug, or None."""
    path, begin, end = find(bug, sources)
    text = sources[path]
    log = f"{bug.name}.log"
    planted = WARNINGS + text[:begin] + bug.instead + text[end:]
    write_if_other(SOURCE / path, planted.encode())
    try:
        for name in bug.caught_by:
            tests = known[name]
            if tests.fails_anyway:
                raise PlantedBugsError(f"{name} fails without a bug: {LOGS / 'unchanged.log'}")
            if not build(log, [tests.program], jobs):
                raise PlantedBugsError(f"{bug.name}: does not compile: {LOGS / log}")
            failed = tests.run(log, 30 + 10 * tests.usual_seconds)
            if failed is not None:
                return failed
        return None
    finally:
        write_if_other(SOURCE / path, text.encode())


def run(bugs, jobs):
    shutil.rmtree(LOGS, ignore_errors=True)
    LOGS.mkdir(parents=True)
    copy_tree()
    sources = read_sources(SOURCE)
    for bug in bugs:
        find(bug, sources)
    known = {name: Tests(name) for bug in bugs for name in bug.caught_by}
    configure("configure.log")
    find_programs(known.values())
    check_unchanged(known.values(), jobs)
    width = max(len(bug.name) for bug in bugs)
    print(f"{'bug':{width}}  seconds  caught by", flush=True)
    passed = 0
    for bug in bugs:
        started = time.monotonic()
        try:
            caught_by = try_bug(bug, sources, known, jobs)
            outcome = caught_by or f"NOT CAUGHT by {', '.join(bug.caught_by)}"
        except PlantedBugsError as error:
            caught_by, outcome = None, f"ERROR {error}"
        passed += caught_by is not None
        print(f"{bug.name:{width}}  {time.monotonic() - started:7.1f}  {outcome}", flush=True)
    print(f"{passed} passed, {len(bugs) - passed} failed")
    return 0 if passed == len(bugs) else 1


def chosen(names):
    known = {bug.name: bug for bug in BUGS}
    if len(known) != len(BUGS):
        raise PlantedBugsError("two bugs have the same name")
    for name in names:
        if name not in known:
            raise PlantedBugsError(f"there is no bug {name}; --list names them")
    return [known[name] for name in names] or BUGS


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--list", action="store_true", help="name the bugs and what must catch them")
    parser.add_argument("--check", action="store_true", help="only look for every bug's text")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="plant this bug")
    parser.add_argument("--jobs", type=int, default=int(os.environ.get("JOBS", os.cpu_count() or 1)),
                        metavar="N", help="how many files are compiled at a time")
    arguments = parser.parse_args()
    try:
        bugs = chosen(arguments.only)
        if arguments.list:
            for bug in bugs:
                print(f"{bug.name}: {', '.join(bug.caught_by)}")
            return 0
        if arguments.check:
            sources = read_sources(ROOT)
            wrong = 0
            for bug in bugs:
                try:
                    find(bug, sources)
                    for name in bug.caught_by:
                        Tests(name)
                except PlantedBugsError as error:
                    wrong += 1
                    print(error)
            print(f"{len(bugs) - wrong} passed, {wrong} failed")
            return 0 if wrong == 0 else 1
        return run(bugs, arguments.jobs)
    except PlantedBugsError as error:
        print(f"planted_bugs.py: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
