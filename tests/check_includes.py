#!/usr/bin/env python3
"""Checks that includes point one way: a file may include its own folder and lower ranks only.
The documented table of folders must say the same. Nothing outside of copier/layout writes the SQL or
names the types of one kind of partitioning; copier/catalog reads bounds as the server states them.

Usage: check_includes.py [ROOT]        check a tree; ROOT is this project by default
       check_includes.py --self-test   plant violations in a temporary tree and find each

Prints violations as file:line: message. Exits 1 if there is any, or if so few files were found
that the check would mean nothing.
"""

import itertools
import pathlib
import re
import sys
import tempfile

# Folders in the only direction in which includes may point: each line sees the lines above it.
# Folders on one line do not include each other. The table in docs/ARCHITECTURE.md follows this one.
ORDER = """
    include/pgfanout
    copier/base
    hashing copier/wire copier/pg
    copier/catalog
    copier/key
    copier/layout
    copier/columns copier/schema copier/watch
    copier/plan copier/carry copier/session copier/queries
    copier/preflight copier/reconcile
    copier/stage
    copier/pipeline
    copier/journal
    copier/copy copier/verify
    copier/window
    copier/status
    copier/report/record copier/report/text
    copier/report/result
    copier/report/live copier/report/html copier/report/events copier/report/metrics
    copier/cli
    bench bench/insert
"""
RANKS = {
    folder: rank for rank, line in enumerate(ORDER.strip().split("\n")) for folder in line.split()
}

# The folders that the report sees beside itself: it observes through an interface.
SEEN_BY_REPORT = {"include/pgfanout", "copier/base"}

# Libraries and the only folders that may see them. Benchmarks measure against a library's own API.
LIBRARIES = [
    # The insert suite measures libpq's pipeline mode, which the program has no use for.
    (re.compile(r"libpq|pg_config"), "libpq", {"copier/pg", "bench/insert"}),
    (re.compile(r"(one)?tbb(/|\.h)|oneapi/"), "TBB", {"copier/pipeline"}),
    (re.compile(r"xxh(ash|3|_x86dispatch)?\.h"), "xxHash", {"hashing"}),
    # Code that allocates need not know the allocator: only main() tells mimalloc what it may keep.
    (re.compile(r"mimalloc"), "mimalloc", {"copier/cli"}),
    (
        re.compile(r"nlohmann/"),
        "nlohmann JSON",
        {
            "copier/report/result",
            "copier/report/live",
            "copier/report/events",
            "copier/cli",
            "copier/journal",
            "copier/queries",
        },
    ),
    (re.compile(r"prometheus/"), "prometheus-cpp", {"copier/report/metrics"}),
    (re.compile(r"toml\+\+/"), "toml++", {"copier/cli"}),
]

# SQL and types that only copier/layout may name, and folders that read what a person writes.
ONE_KIND = re.compile(r"PARTITION BY LIST|FOR VALUES IN|\bList(Bound|ByKey)\b|\bLeafMap\b")
MAY_SAY_IT = {"copier/layout", "copier/cli", "copier/catalog"}

SCANNED = ["include", "hashing", "copier", "bench"]
FEWEST_FILES = 12

# A row of the documented table: | 3 | `copier/catalog/` | ...
TABLE = "docs/ARCHITECTURE.md"
ROW = re.compile(r"^\| *(\d+) *\| *`([\w/]+)/` *\|")

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
ANY_INCLUDE = re.compile(r"^\s*#\s*(include|import|include_next)\b")


def folder_of_file(path):
    """The ranked folder of a file, given relative to the root; None if it has no rank."""
    folder = path.parent.as_posix()
    return folder if folder in RANKS else None


def folder_of_include(target):
    """The ranked folder that an include names; None if it names none."""
    folder = target.rpartition("/")[0]
    if folder == "pgfanout":
        return "include/pgfanout"
    return folder if folder in RANKS and folder != "include/pgfanout" else None


def may_see_folder(source, target):
    if target == source:
        return True
    if source.startswith("copier/report/") and not target.startswith("copier/report/"):
        return target in SEEN_BY_REPORT
    return RANKS[target] < RANKS[source]


def complaint_about_project(root, source, target):
    """What is wrong with an include of our own file, or None."""
    if ".." in target.split("/"):
        return f'"{target}" climbs; write the path from the root'
    if source.startswith("bench") and target.startswith("tests/"):
        return None if (root / target).is_file() else f'"{target}" does not exist'
    folder = folder_of_include(target)
    if folder is None:
        return f'"{target}" is not a path from the root into a folder of the project'
    if not may_see_folder(source, folder):
        return f"{source} may not include {folder}"
    path = root / ("include" if folder == "include/pgfanout" else "") / target
    return None if path.is_file() else f'"{target}" does not exist'


def complaint_about_library(source, target):
    for pattern, name, folders in LIBRARIES:
        if pattern.match(target) and source not in folders:
            return f"{source} may not see {name}"
    return None


def complaint(root, source, line):
    """What is wrong with one line of a file in folder `source`, or None."""
    match = INCLUDE.match(line)
    if not match:
        return "cannot tell what is included" if ANY_INCLUDE.match(line) else None
    bracket, target = match.groups()
    wrong = complaint_about_library(source, target)
    if wrong is not None:
        return wrong
    if bracket == '"':
        return complaint_about_project(root, source, target)
    if folder_of_include(target) is not None or target.startswith("tests/"):
        return f'<{target}> is ours; write "{target}"'
    return None


def complaint_about_kind(source, line):
    """What is wrong with a line that knows one kind of partitioning, or None."""
    said = ONE_KIND.search(line)
    if said is None or not source.startswith("copier/") or source in MAY_SAY_IT:
        return None
    return f'"{said.group()}" belongs to copier/layout, which the rest asks'


def without_block_comments(text):
    """The text with the contents of /* */ blanked, lines kept."""
    return re.sub(r"/\*.*?\*/", lambda m: "\n" * m.group().count("\n"), text, flags=re.DOTALL)


def check(root):
    """All violations below `root`, and how many files were read."""
    violations = []
    files = sorted(
        path for top in SCANNED for path in (root / top).rglob("*") if path.suffix in {".h", ".cc"}
    )
    for path in files:
        relative = path.relative_to(root)
        source = folder_of_file(relative)
        if source is None:
            violations.append(f"{relative}:1: its folder has no rank in check_includes.py")
            continue
        text = without_block_comments(path.read_text(encoding="utf-8"))
        for number, line in enumerate(text.split("\n"), start=1):
            wrong = complaint(root, source, line) or complaint_about_kind(source, line)
            if wrong is not None:
                violations.append(f"{relative}:{number}: {wrong}")
    return violations, len(files)


def check_table(root):
    """Where the documented table says something else than ORDER."""
    path = root / TABLE
    lines = path.read_text(encoding="utf-8").split("\n") if path.is_file() else []
    rows = [match.groups() for match in map(ROW.match, lines) if match]
    expected = [(str(rank), folder) for folder, rank in RANKS.items()]
    for row, wanted in itertools.zip_longest(rows, expected):
        if row != wanted:
            return [f"{TABLE}:1: its table has {row} where {wanted} is expected"]
    return []


def run(root, out=sys.stdout):
    violations, files = check(root)
    violations += check_table(root)
    for violation in violations:
        print(violation, file=out)
    if files < FEWEST_FILES:
        print(f"{root}:0: only {files} files found, at least {FEWEST_FILES} expected", file=out)
        return 1
    return 1 if violations else 0


# --- self test ---------------------------------------------------------------------------------

# Right lines, each in a file of its own folder.
GOOD = [
    ("include/pgfanout/a.h", "#include <vector>"),
    ("include/pgfanout/b.h", '#include "pgfanout/a.h"'),
    ("hashing/a.h", "#include <xxhash.h>"),
    ("hashing/b.h", '#include "hashing/a.h"'),
    ("hashing/c.cc", '#include "copier/base/a.h"'),
    ("copier/base/a.h", '#include "pgfanout/a.h"'),
    ("copier/wire/a.h", '  #  include "copier/base/a.h"'),
    ("copier/pg/a.h", "#include <libpq-fe.h>"),
    ("copier/catalog/a.h", '#include "copier/pg/a.h"'),
    ("copier/catalog/b.h", '#include "hashing/a.h"'),
    ("copier/key/a.h", '#include "copier/catalog/a.h"'),
    ("copier/layout/a.h", '#include "copier/key/a.h"'),
    ("copier/layout/b.cc", "ListByKey layout;  // PARTITION BY LIST"),
    ("copier/plan/a.h", '#include "copier/key/a.h"'),
    ("copier/plan/b.cc", "ListByKeys none;  // PARTITION BY RANGE, VALUES IN"),
    ("copier/reconcile/a.h", '#include "copier/plan/a.h"'),
    ("copier/stage/a.h", '#include "copier/reconcile/a.h"'),
    ("copier/pipeline/a.cc", "#include <tbb/flow_graph.h>"),
    ("copier/pipeline/b.cc", "#include <oneapi/tbb/flow_graph.h>"),
    ("copier/journal/a.h", '#include "copier/stage/a.h"'),
    ("copier/copy/a.h", '#include "copier/journal/a.h"'),
    ("copier/report/text/a.h", '#include "copier/base/a.h"'),
    ("copier/report/result/a.h", "#include <nlohmann/json.hpp>"),
    ("copier/report/html/a.h", '#include "copier/report/text/a.h"'),
    ("copier/cli/a.cc", '#include "copier/report/html/a.h"'),
    ("copier/cli/c.cc", "#include <toml++/toml.h>"),
    ("copier/cli/main.cc", "#include <mimalloc.h>"),
    ("bench/a.cc", '#include "tests/wire/a.h"'),
    ("bench/insert/a.h", "#include <libpq-fe.h>"),
    ("bench/insert/c.cc", '"FOR VALUES IN ({})"'),
    ("bench/insert/b.cc", '#include "copier/cli/a.cc"'),
    ("tests/wire/a.h", '#include "anything.h"'),
    ("copier/wire/comment.h", '/* \n#include "copier/cli/a.h"\n*/ // #include "nothing.h"'),
]

# Wrong lines, and what the message must say.
BAD = [
    ("include/pgfanout/x.h", '#include "copier/base/a.h"', "may not include copier/base"),
    ("copier/base/x.cc", '#include "copier/wire/a.h"', "may not include copier/wire"),
    ("copier/base/x2.cc", '#include "hashing/a.h"', "may not include hashing"),
    ("hashing/x.cc", '#include "copier/wire/a.h"', "may not include copier/wire"),
    ("hashing/x2.cc", '#include "copier/pg/a.h"', "may not include copier/pg"),
    ("copier/wire/x.cc", '#include "hashing/a.h"', "may not include hashing"),
    ("copier/wire/x2.cc", '#include "copier/pg/a.h"', "may not include copier/pg"),
    ("copier/pg/x.cc", '#include "copier/wire/a.h"', "may not include copier/wire"),
    ("copier/plan/x.cc", '#include "copier/reconcile/a.h"', "may not include copier/reconcile"),
    ("copier/reconcile/x.cc", '#include "copier/stage/a.h"', "may not include copier/stage"),
    ("copier/stage/x.cc", '#include "copier/pipeline/a.h"', "may not include copier/pipeline"),
    ("copier/pipeline/x.cc", '#include "copier/copy/a.h"', "may not include copier/copy"),
    ("copier/key/x.cc", '#include "copier/columns/a.h"', "may not include copier/columns"),
    ("copier/key/layout.cc", '#include "copier/layout/a.h"', "may not include copier/layout"),
    ("copier/plan/list.cc", 'sql += "PARTITION BY LIST (k)";', "belongs to copier/layout"),
    ("copier/plan/bound.cc", 'sql += "FOR VALUES IN (1)";', "belongs to copier/layout"),
    ("copier/stage/type.h", "const ListBound& bound;", "belongs to copier/layout"),
    ("copier/stage/map.h", "const LeafMap& leaf_map;", "belongs to copier/layout"),
    ("copier/verify/x.cc", '#include "copier/copy/a.h"', "may not include copier/copy"),
    ("copier/copy/x.cc", '#include "copier/cli/a.h"', "may not include copier/cli"),
    ("copier/status/x.cc", '#include "copier/report/text/a.h"', "may not include copier/report/t"),
    ("copier/report/text/x.cc", '#include "copier/plan/a.h"', "may not include copier/plan"),
    ("copier/report/html/x.cc", '#include "hashing/a.h"', "may not include hashing"),
    ("copier/report/html/x2.cc", '#include "copier/report/live/a.h"', "may not include copier/r"),
    ("copier/report/text/x2.cc", '#include "copier/report/html/a.h"', "may not include copier/r"),
    ("copier/stage/libpq.cc", "#include <libpq-fe.h>", "may not see libpq"),
    ("copier/cli/libpq.cc", '#include "libpq-fe.h"', "may not see libpq"),
    ("copier/stage/events.cc", "#include <libpq-events.h>", "may not see libpq"),
    ("copier/stage/tbb.cc", "#include <tbb/task_group.h>", "may not see TBB"),
    ("copier/stage/oneapi.cc", "#include <oneapi/tbb.h>", "may not see TBB"),
    ("copier/stage/xxhash.cc", "#include <xxhash.h>", "may not see xxHash"),
    ("copier/pipeline/mimalloc.cc", "#include <mimalloc.h>", "may not see mimalloc"),
    ("copier/copy/json.cc", "#include <nlohmann/json.hpp>", "may not see nlohmann"),
    ("copier/cli/metrics.cc", "#include <prometheus/exposer.h>", "may not see prometheus"),
    ("copier/copy/file.cc", "#include <toml++/toml.h>", "may not see toml++"),
    ("copier/wire/bare.cc", '#include "a.h"', "not a path from the root"),
    ("hashing/bare.cc", '#include "a.h"', "not a path from the root"),
    ("copier/wire/short.cc", '#include "wire/a.h"', "not a path from the root"),
    ("copier/wire/long.cc", '#include "include/pgfanout/a.h"', "not a path from the root"),
    ("copier/wire/climb.cc", '#include "copier/wire/../pg/a.h"', "climbs"),
    ("copier/wire/gone.cc", '#include "copier/base/gone.h"', "does not exist"),
    ("copier/wire/angle.cc", "#include <copier/base/a.h>", "is ours"),
    ("copier/wire/macro.cc", "#include HEADER", "cannot tell"),
    ("copier/wire/tests.cc", '#include "tests/wire/a.h"', "not a path from the root"),
    ("bench/libpq.cc", "#include <libpq-fe.h>", "may not see libpq"),
    ("bench/far.cc", '#include "bench/insert/a.h"', "may not include bench/insert"),
    ("bench/gone.cc", '#include "tests/wire/gone.h"', "does not exist"),
    ("copier/new/x.cc", "#include <vector>", "no rank"),
    ("copier/report/x.cc", "#include <vector>", "no rank"),
    ("copier/wire/deep/x.cc", "#include <vector>", "no rank"),
]


def plant(root, files):
    for name, line, *_ in files:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("// A file.\n" + line + "\n", encoding="utf-8")


def self_test_table(root):
    table = root / TABLE
    table.parent.mkdir()
    rows = [f"| {rank} | `{folder}/` | its job |" for folder, rank in RANKS.items()]
    wrong_tables = [[], rows[:-1], rows[1:], [rows[1], rows[0], *rows[2:]], [*rows, rows[0]]]
    problems = []
    for wrong in wrong_tables:
        table.write_text("\n".join(wrong), encoding="utf-8")
        if not check_table(root):
            problems.append(f"a wrong table passes: {wrong}")
    table.write_text("\n".join(rows), encoding="utf-8")
    return problems


def self_test():
    """Problems with the check itself; empty if it finds all that it should and nothing else."""
    problems = []
    with tempfile.TemporaryDirectory() as name, open("/dev/null", "w", encoding="utf-8") as silent:
        root = pathlib.Path(name)
        if run(root, silent) != 1:
            problems.append("an empty tree passes")
        plant(root, GOOD)
        problems += self_test_table(root)
        problems += [f"a right line is refused: {found}" for found in check(root)[0]]
        if run(root, silent) != 0:
            problems.append("a right tree does not pass")
        for bad in BAD:
            plant(root, [bad])
            path, line, message = bad
            expected = f"{path}:{1 if message == 'no rank' else 2}: "
            found = check(root)[0]
            if len(found) != 1 or not found[0].startswith(expected) or message not in found[0]:
                problems.append(f"{path}: {line}: expected '{message}', found {found}")
            if run(root, silent) != 1:
                problems.append(f"{path}: {line}: passes")
            (root / path).unlink()
    return problems


def main(arguments):
    if arguments == ["--self-test"]:
        problems = self_test()
        for problem in problems:
            print(problem)
        print(f"{len(GOOD)} right and {len(BAD)} wrong lines, {len(problems)} problems")
        return 1 if problems else 0
    if len(arguments) > 1 or any(argument.startswith("-") for argument in arguments):
        print(__doc__, file=sys.stderr)
        return 2
    default = pathlib.Path(__file__).resolve().parent.parent
    return run(pathlib.Path(arguments[0]) if arguments else default)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
