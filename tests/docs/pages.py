"""What the pages say, against the program and the source: links, options, codes, man page."""

import pathlib
import re
import subprocess

import man_page
from blocks import blocks_of

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Options of other programs that the pages name.
FOREIGN = {
    "git": {"--no-ff"}, "django": {"--fake"}, "cmake": {"--preset", "--build", "--target", "--install", "--prefix"}, "ctest": {"--test-dir"},
    "scripts/test": {"--quick", "--full", "--jobs"}, "scripts/demo": {"--rows", "--keep", "--memory", "--server"},
    "scripts/bench": {"--insert"}, "perf/report": {"--page"}, "google benchmark": {"--benchmark", "--repetitions"}, "pgcopydb": {"--follow"},
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
NO_CODES = {"golang-migrate", "division-by-zero", "out-of-range", "pgfanout-bench", "pgfanout-event", "utf-8", "read-back", "sign-off",
            "nlohmann-json", "prometheus-cpp", "key-condition"}


# "schema-" and the kind of gap.
COMPOSED = {"schema-missing", "schema-different", "schema-extra", "schema-not-valid"}


def sources():
    """Each file with its text, without comment lines."""
    folders = ["copier", "hashing", "include", "bench"]
    for file in sorted(each for folder in folders for each in (ROOT / folder).rglob("*") if each.suffix in (".cc", ".h")):
        yield file, re.sub(r"^\s*//.*$", "", file.read_text(), flags=re.M)


def codes_in_source():
    """Every code that a message can have: what stands where a code is expected, and all else that looks like one."""
    codes = set()
    looks, crash_points = set(), set()
    for file, text in sources():
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


# What gives a code to something that ends a command.
ENDS = (r'(?:\b(?:refused|interrupted|unproven|refuse_column)\(|Severity::(?:error|critical),|\bcode =|'
        r'(?:if_changed|unless_rejected)\(\),|Severity::error : Severity::\w+,)\s*"([a-z][a-z0-9-]*)"')


def codes_that_end():
    """All codes but those that are warnings and notes only."""
    notes, ends = set(), set()
    for _, text in sources():
        notes |= set(re.findall(r'Severity::(?:info|warning),\s*"([a-z][a-z0-9-]*)"', text))
        ends |= set(re.findall(ENDS, text))
    return codes_in_source() - (notes - ends)


def codes_on(page):
    """Codes in the first column of its tables, each as often as it stands there."""
    rows = [line.split("|")[1] for line in (ROOT / page).read_text().splitlines() if line.startswith("| `")]
    return [code for row in rows for code in re.findall(r"`([a-z0-9-]+)`", row)]


def check_codes(failures):
    codes, ends = codes_in_source(), codes_that_end()
    for page, given in (("docs/MESSAGES.md", codes), ("docs/REFUSALS.md", ends)):
        told = codes_on(page)
        for code in sorted(given - set(told)):
            failures.add(f"{page} lacks the code {code}")
        for code in sorted(set(told) - given):
            failures.add(f"{page} has the code {code}, which nothing gives")
    for code in sorted({code for code in told if told.count(code) > 1}):
        failures.add(f"docs/REFUSALS.md has the code {code} twice")
    if len(codes) < 200 or len(ends) < 150:
        failures.add(f"only {len(codes)} codes were found in the source, {len(ends)} that end a command")


def check_criteria(failures):
    """The table of criteria, against the list in the source that everything else is made of."""
    text = (ROOT / "include/pgfanout/criteria.h").read_text()
    given = [f"| {name} | {severity.upper()} | {', '.join(scopes.split())} |" for name, scopes, severity in re.findall(
        r'CriterionFacts\{Criterion::\w+, "([^"]*)", "([^"]*)",\s*Severity::(\w+)', text)]
    page = (ROOT / "docs/RUNBOOK.md").read_text().split("## Criteria\n")[1].split("\n## ")[0]
    told = [line for line in page.splitlines() if line.startswith("| ") and not line.startswith("| criterion")]
    if told != given or len(given) < 10:
        failures.add(f"docs/RUNBOOK.md has other criteria than include/pgfanout/criteria.h: {set(told) ^ set(given)}")


def check(pgfanout, failures):
    for page in with_commands():
        blocks_of(page.name, page.read_text())
    check_links(failures)
    check_options(pgfanout, failures)
    check_codes(failures)
    check_criteria(failures)
    man_page.check(pgfanout, failures)
