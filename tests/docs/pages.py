"""What the pages say, against the program and the source: links, options, codes, man page."""

import pathlib
import re
import subprocess

import man_page
from blocks import blocks_of

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Options of other programs that the pages name.
FOREIGN = {
    "git": {"--no-ff"}, "cmake": {"--preset", "--build", "--target", "--install"}, "ctest": {"--test-dir"},
    "scripts/test": {"--quick", "--full", "--jobs"}, "scripts/demo": {"--rows", "--keep", "--memory", "--server"},
    "scripts/bench": {"--insert"}, "google benchmark": {"--benchmark", "--repetitions"}, "pgcopydb": {"--follow"},
    "an option that was dropped, as PERFORMANCE.md says": {"--transport"},
}


def with_commands():
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def all_pages():
    return [*with_commands(), ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", ROOT / "perf/README.md"]


def help_of(pgfanout, command):
    return subprocess.run([pgfanout, *([command] if command else []), "--help"], text=True, check=True,
                          capture_output=True).stdout


def commands_of(pgfanout):
    part = help_of(pgfanout, "").split("Commands:\n")[1].split("\n\n")[0]
    return [line.split()[0] for line in part.splitlines() if re.match(r"  \w", line)]


def shared_options_of(pgfanout):
    """The page of the options that every command on a job has."""
    return subprocess.run([pgfanout, "help", "options"], text=True, check=True, capture_output=True).stdout


def options_in(help_text):
    return set(re.findall(r"^  (--[a-z-]+)", help_text, re.M))


def anchor_of(heading):
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


def anchors_of(page):
    without_blocks = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.S | re.M)
    return {anchor_of(heading) for heading in re.findall(r"^#+ (.*)$", without_blocks, re.M)}


def check_links(failures):
    count = 0
    for page in all_pages():
        text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.S | re.M)
        for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`]*`", "", text)):
            if re.match(r"[a-z]+:", target):
                continue
            count += 1
            path, _, anchor = target.partition("#")
            to = (page.parent / path) if path else page
            if not to.exists():
                failures.add(f"{page.name}: link to {target}, which is not there")
            elif anchor and anchor not in anchors_of(to):
                failures.add(f"{page.name}: link to {target}, which has no such heading")
    if count < 20:
        failures.add("hardly any links were found")


def check_options(pgfanout, failures):
    known = {"--help", "--version"}.union(*FOREIGN.values()) | options_in(shared_options_of(pgfanout))
    for command in commands_of(pgfanout):
        known |= options_in(help_of(pgfanout, command))
    for page in with_commands():
        for option in sorted(set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", page.read_text())) - known):
            failures.add(f"{page.name}: no command has the option {option}")


# Names in the source that look like codes and are none.
NO_CODES = {"division-by-zero", "out-of-range", "pgfanout-bench", "pgfanout-event", "utf-8", "read-back", "sign-off",
            "nlohmann-json", "prometheus-cpp"}


# "schema-" and the kind of gap.
COMPOSED = {"schema-missing", "schema-different", "schema-extra", "schema-not-valid"}


def codes_in_source():
    """Every code that a message can have: what stands where a code is expected, and all else that looks like one."""
    codes = set()
    looks, crash_points = set(), set()
    folders = ["copier", "hashing", "include", "bench"]
    for file in sorted(each for folder in folders for each in (ROOT / folder).rglob("*") if each.suffix in (".cc", ".h")):
        text = re.sub(r"^\s*//.*$", "", file.read_text(), flags=re.M)
        if file.name == "crash_point.h":
            crash_points |= set(re.findall(r'"([a-z]+(?:-[a-z]+)*)"', text))
            continue
        for pattern in (r'\b(?:refused|interrupted|unproven|differs|refuse_column)\(\s*"([a-z][a-z0-9-]*)"',
                        r'Severity::\w+,\s*"([a-z][a-z0-9-]*)"'):
            codes |= set(re.findall(pattern, text))
        for given in re.findall(r"\bcode = ([^;]*);", text):
            codes |= set(re.findall(r'"([a-z][a-z0-9-]*[a-z0-9])"', given))
        if file.relative_to(ROOT).parts[0] in ("copier", "include") and file.name not in ("commands.cc", "options.cc"):
            looks |= set(re.findall(r'"([a-z][a-z0-9]*(?:-[a-z0-9]+)+)"', text))
    return codes | COMPOSED | (looks - crash_points - NO_CODES)


def check_codes(failures):
    told = set()
    for line in (ROOT / "docs/MESSAGES.md").read_text().splitlines():
        if line.startswith("| `"):
            told |= set(re.findall(r"`([a-z0-9-]+)`", line.split("|")[1]))
    codes = codes_in_source()
    for code in sorted(codes - told):
        failures.add(f"docs/MESSAGES.md lacks the code {code}")
    for code in sorted(told - codes):
        failures.add(f"docs/MESSAGES.md has the code {code}, which nothing gives")
    if len(codes) < 200:
        failures.add(f"only {len(codes)} codes were found in the source")


def check(pgfanout, failures):
    for page in with_commands():
        blocks_of(page.name, page.read_text())
    check_links(failures)
    check_options(pgfanout, failures)
    check_codes(failures)
    man_page.check(pgfanout, failures)
