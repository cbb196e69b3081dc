#!/usr/bin/python3
"""Checks that a text is metrics as Prometheus reads them, with names by its conventions.

Usage: check_metrics.py FILE

promtool's own check is asked too. Prints what is wrong and exits 1; exits 2 if there are so few metrics that the check would mean
nothing.
"""

import pathlib
import re
import subprocess
import sys

from prometheus_client.parser import text_string_to_metric_families

NAME = re.compile(r"^pgfanout_[a-z]+(_[a-z]+)*$")
# Prometheus counts in base units.
OTHER_UNITS = re.compile(r"_(ms|milliseconds|minutes|hours|kb|mb|gb|kilobytes|megabytes|percent)(_|$)")
FEWEST = 25


def problems_of(families):
    seen = set()
    for family in families:
        # The endpoint's own, which prometheus-cpp adds.
        if family.name.startswith("exposer_"):
            continue
        # The parser takes _total off the names of counters.
        name = family.name + ("_total" if family.type == "counter" else "")
        if name in seen:
            yield f"{name}: told twice"
        seen.add(name)
        if not NAME.match(name) or OTHER_UNITS.search(name):
            yield f"{name}: not a name by the conventions"
        if family.type not in ("counter", "gauge"):
            yield f"{name}: is {family.type}"
        if family.type == "gauge" and name.endswith("_total"):
            yield f"{name}: _total is for counters"
        if not family.documentation.endswith("."):
            yield f"{name}: no help"
        series = set()
        for sample in family.samples:
            if sample.name != name:
                yield f"{sample.name}: stands under {name}"
            labels = tuple(sorted(sample.labels.items()))
            if labels in series:
                yield f"{name}{dict(labels)}: told twice"
            series.add(labels)
            if "command" not in sample.labels:
                yield f"{name}: says of no command"
            if family.type == "counter" and sample.value < 0:
                yield f"{name}: counts {sample.value}"


def main(arguments):
    if len(arguments) != 1 or arguments[0].startswith("-"):
        print(__doc__, file=sys.stderr)
        return 2
    text = pathlib.Path(arguments[0]).read_text(encoding="utf-8")
    families = list(text_string_to_metric_families(text))
    if len(families) < FEWEST:
        print(f"only {len(families)} metrics")
        return 2
    problems = list(problems_of(families))
    lines = [line for line in text.splitlines(keepends=True) if "exposer_" not in line]
    checked = subprocess.run(["promtool", "check", "metrics"], input="".join(lines),
                             capture_output=True, text=True, check=False)
    if checked.returncode != 0:
        problems.append(checked.stdout + checked.stderr)
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
