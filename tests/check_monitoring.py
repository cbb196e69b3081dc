#!/usr/bin/python3
"""Checks the alert rules and the dashboard that are shipped in docs/prometheus/.

Usage: check_monitoring.py [--self-test]

promtool checks and tries the rules, and parses the expressions of the dashboard. All of them may
name only metrics and labels that docs/METRICS.md lists. Prints what is wrong and exits 1.
"""

import json
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
RULES = ROOT / "docs/prometheus/pgfanout.rules.yml"
TRIALS = ROOT / "tests/monitoring/pgfanout.rules_test.yml"
DASHBOARD = ROOT / "docs/prometheus/pgfanout.dashboard.json"
# Labels of every series, and those that Prometheus adds.
COMMON = {"command", "table", "instance"}


def listed(page):
    """The labels of each metric of docs/METRICS.md, by its name."""
    rows = re.findall(r"^\| `(pgfanout_\w+)` \| \w+ \|([^|]*)\|", page, re.M)
    return {name: COMMON | set(re.findall(r"`(\w+)`", labels)) for name, labels in rows}


def problems_of(expression, metrics):
    for name, selector in re.findall(r"(pgfanout_\w+)(\{[^}]*\})?", expression):
        if name not in metrics:
            yield f"{name}: not in docs/METRICS.md"
            continue
        for label in re.findall(r"(\w+)\s*=", selector):
            if label not in metrics[name]:
                yield f"{name}: has no label {label}"


def expressions_of_rules(text):
    return re.findall(r"^\s+expr: (.+)$", text, re.M)


def expressions_of_dashboard(text):
    return [target["expr"] for panel in json.loads(text)["panels"] for target in panel["targets"]]


def promtool(*arguments):
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False)
    return [] if done.returncode == 0 else [done.stdout + done.stderr]


def parse_problems(expressions):
    rules = [{"record": f"pgfanout:panel:{at}", "expr": text} for at, text in enumerate(expressions)]
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
        # YAML contains JSON.
        json.dump({"groups": [{"name": "panels", "rules": rules}]}, file)
        file.flush()
        return promtool("check", "rules", file.name)


def self_test():
    metrics = listed("| `pgfanout_a` | gauge | `state` | All |\n| `pgfanout_b_total` | counter | | All |\n")
    assert metrics["pgfanout_a"] == COMMON | {"state"}
    assert not list(problems_of('rate(pgfanout_b_total{table="t"}[1m]) > pgfanout_a{state="x"}', metrics))
    assert list(problems_of("pgfanout_c", metrics))
    assert list(problems_of('pgfanout_b_total{state="x"}', metrics))
    assert not parse_problems(["up > 0"])
    assert parse_problems(["up >"])


def main(arguments):
    if arguments == ["--self-test"]:
        self_test()
        return 0
    if arguments:
        print(__doc__, file=sys.stderr)
        return 2
    metrics = listed((ROOT / "docs/METRICS.md").read_text(encoding="utf-8"))
    panels = expressions_of_dashboard(DASHBOARD.read_text(encoding="utf-8"))
    alerts = expressions_of_rules(RULES.read_text(encoding="utf-8"))
    problems = promtool("check", "rules", str(RULES)) + promtool("test", "rules", str(TRIALS))
    problems += parse_problems(panels)
    for expression in panels + alerts:
        problems += problems_of(expression, metrics)
    if min(len(metrics), len(panels), len(alerts)) < 5:
        problems.append("found too few metrics, panels or alerts: the check means nothing")
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
