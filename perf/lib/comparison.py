"""Compares this tree with the one of the baseline.

Machines differ, so it compares ratios against the peers. On the same machine it also compares the client's
processor time per row, which other processes affect less than wall time. A candidate is a regression only if
further runs of its scenario confirm it.
"""

import dataclasses

from lib import bars, results, stats

ALLOWED = 1.10


@dataclasses.dataclass(frozen=True)
class Finding:
    scenario: str
    what: str
    before: float
    now: float

    @property
    def change(self):
        return self.now / self.before

    @property
    def is_worse(self):
        return self.change > ALLOWED

    def __str__(self):
        return f"{self.scenario}: {self.what}: {self.before:.3g} -> {self.now:.3g} ({self.change - 1:+.0%})"


def same_machine(baseline, document):
    keys = ("cpu", "cores", "memory_mib", "kernel", "filesystem")
    one, other = baseline.get("machine", {}), document.get("machine", {})
    return all(one.get(key) == other.get(key) for key in keys)


def matching_case(case, others):
    """The case of the same rows, parameters and server; ratios depend on all three."""
    def identity(each):
        return each["name"], each["rows"], each["parameters"], each["postgresql"].split(".")[0]
    return next((other for other in others if identity(other) == identity(case)), None)


def compare(baseline, document):
    """A Finding for each value that both have."""
    found = []
    absolute = same_machine(baseline, document)
    for name in baseline.get("scenarios", {}):
        for old in results.cases(baseline, name):
            new = matching_case(old, results.cases(document, name))
            if new:
                found += compare_case(name, old, new, absolute)
    return found


def compare_case(name, old, new, absolute):
    found = []
    for method in old["methods"]:
        if method == "pgfanout":
            continue
        before = stats.ratio(results.runs(old, "pgfanout"), results.runs(old, method))
        now = stats.ratio(results.runs(new, "pgfanout"), results.runs(new, method))
        if before and now:
            found.append(Finding(name, f"{old['name']}: pgfanout / {old['methods'][method]['title']}", before.value, now.value))
    before, now = (stats.median(results.runs(case, "pgfanout"), "client_cpu") for case in (old, new))
    if absolute and before and now:
        found.append(Finding(name, f"{old['name']}: client CPU, µs a row", 1e6 * before / old["rows"], 1e6 * now / new["rows"]))
    return found


def judge(baseline, document, confirm):
    """(findings, candidates, confirmed). `confirm(scenarios)` runs those again and returns their results."""
    findings = compare(baseline, document)
    candidates = [finding for finding in findings if finding.is_worse]
    if not candidates:
        return findings, [], []
    again = compare(baseline, confirm(list(dict.fromkeys(finding.scenario for finding in candidates))))
    suspects = {(finding.scenario, finding.what) for finding in candidates}
    # A candidate that the further runs could not measure stays a regression.
    measured = {(finding.scenario, finding.what): finding for finding in again}
    confirmed = [measured.get((finding.scenario, finding.what), finding) for finding in candidates
                 if (finding.scenario, finding.what) in suspects]
    return findings, candidates, [finding for finding in confirmed if finding.is_worse]


def missing(baseline, document):
    """Cases of the baseline that the results do not have."""
    return [f"{name}: {case['name']}" for name in baseline.get("scenarios", {}) for case in results.cases(baseline, name)
            if not matching_case(case, results.cases(document, name))]


def bars_lost(baseline, document):
    """Bars that the baseline reached and these results miss. They are reported only."""
    before = {line["key"]: line for line in bars.table(baseline)}
    return [line["text"] for line in bars.table(document)
            if line["reached"] is False and before[line["key"]]["reached"]]
