"""The bars: each measure with its limit, and its value in the results of perf/run."""

import dataclasses
import statistics
from typing import Callable

from lib import results, stats

MIB = 1 << 20
MILLION = 1000000


@dataclasses.dataclass(frozen=True)
class Bar:
    key: str
    text: str
    limit: float
    unit: str  # ratio, small ratio (shown with three digits), share or bytes
    full_rows: int  # The bar holds for so many rows.
    find: Callable  # document -> Measured or None


@dataclasses.dataclass(frozen=True)
class Measured:
    value: float
    low: float
    high: float
    rows: int
    case: dict = None  # With peer: where the two methods that were compared are found.
    peer: str = ""


def against(scenario, peer, shape="demo", most=MILLION, by=None):
    """Time of pgfanout over that of the peer, in the largest case of the shape that has both.

    A bar for ten million rows is not measured by a million; one for a million is shown for fewer, and says so.
    """
    def find(document):
        for case in largest_first(document, scenario):
            if (case["parameters"].get("shape"), case["parameters"].get("by")) != (shape, by) or not (most > MILLION) * MILLION < case["rows"] <= most:
                continue
            ratio = stats.ratio(results.runs(case, "pgfanout"), results.runs(case, peer))
            if ratio:
                return Measured(ratio.value, ratio.low, ratio.high, case["rows"], case, peer)
        return None
    return find


def largest_first(document, scenario):
    return sorted(results.cases(document, scenario), key=lambda case: -case["rows"])


def of_copy_stage(share):
    """A share of the copy stage, from the largest table that pgfanout copy was measured with."""
    def find(document):
        for scenario in ("two_servers", "memory", "shapes"):
            for case in largest_first(document, scenario):
                shares = [share(stage) for run in results.runs(case, "pgfanout")
                          for stage in run.get("report", {}).get("stages", []) if stage.get("name") == "copy"]
                shares = [each for each in shares if each is not None]
                if shares:
                    return Measured(statistics.median(shares), min(shares), max(shares), case["rows"])
        return None
    return find


def client_share(stage):
    machine = stage.get("machine_cpu_seconds", 0)
    return stage["client_cpu_seconds"] / machine if machine and "client_cpu_seconds" in stage else None


def idle_share(stage):
    both = stage.get("machine_cpu_seconds", 0) + stage.get("machine_idle_seconds", 0)
    return stage["machine_idle_seconds"] / both if both and "machine_idle_seconds" in stage else None


def memory_above(document):
    """The worst of all budgets and sizes."""
    found = []
    for case in results.cases(document, "memory"):
        budget = size_in_bytes(case["parameters"]["memory"])
        found += [(run["peak_rss_bytes"] - budget, case["rows"]) for run in results.runs(case, "pgfanout")]
    if not found:
        return None
    values = [value for value, _ in found]
    worst = max(found)
    return Measured(worst[0], min(values), worst[0], max(rows for _, rows in found))


def growth(document):
    """Time per row at the largest size over that at a million rows. In smaller tables the fixed cost of a call counts too much."""
    cases = [case for case in largest_first(document, "size") if results.runs(case, "pgfanout")]
    small = next((case for case in cases[1:] if case["rows"] == MILLION), None)
    if not small:
        return None
    large = cases[0]

    def per_row(case, reduce):
        return reduce(stats.values(results.runs(case, "pgfanout"), "wall")) / case["rows"]

    return Measured(per_row(large, statistics.median) / per_row(small, statistics.median),
                    per_row(large, min) / per_row(small, max), per_row(large, max) / per_row(small, min), large["rows"])


def size_in_bytes(text):
    for unit, size in {"KiB": 1 << 10, "MiB": MIB, "GiB": 1 << 30, "kB": 1 << 10, "MB": MIB, "GB": 1 << 30}.items():
        if text.endswith(unit):
            return int(float(text[:-len(unit)]) * size)
    return int(text)


TEN = 10 * MILLION

BARS = [
    Bar("window", "window, rows of 586 bytes / the expert's SQL", 0.90, "ratio", MILLION,
        against("window", "expert", "items")),
    Bar("window_large", "window, rows of 586 bytes / the expert's SQL", 0.80, "ratio", TEN, against("window", "expert", "items", TEN)),
    Bar("window_demo", "window, the demo's rows / the expert's SQL", 0.90, "ratio", MILLION, against("window", "expert")),
    Bar("batches", "window / batches by LIMIT and OFFSET", 0.125, "small ratio", MILLION, against("batches", "batches")),
    Bar("psql_pipes", "copy between servers / psql | psql and checksums", 0.70, "ratio", MILLION,
        against("two_servers", "psql_pipes")),
    Bar("pgcopydb", "copy between servers / pgcopydb and checksums", 0.70, "ratio", MILLION,
        against("two_servers", "pgcopydb")),
    Bar("pgloader", "copy between servers / pgloader and checksums", 0.70, "ratio", MILLION,
        against("two_servers", "pgloader")),
    Bar("verify", "verify, rows of 586 bytes / checksums of both sides", 1.10, "ratio", MILLION,
        against("verify", "record", "items")),
    Bar("verify_large", "verify, rows of 586 bytes / checksums of both sides", 1.10, "ratio", TEN, against("verify", "record", "items", TEN)),
    Bar("verify_demo", "verify, the demo's rows / checksums of both sides", 1.30, "ratio", MILLION, against("verify", "record")),
    Bar("verify_text", "verify, the demo's rows / checksums of rows as text", 0.50, "ratio", MILLION, against("verify", "text")),
    Bar("naming", "verify naming 10 rows / EXCEPT ALL both ways", 0.25, "ratio", MILLION, against("naming", "except")),
    Bar("hash_layout", "copy into HASH / into LIST by a key", 1.03, "ratio", MILLION,
        against("layouts", "list", "items", by="HASH")),
    Bar("range_layout", "copy into RANGE / into LIST by a key", 1.03, "ratio", MILLION,
        against("layouts", "list", "items", by="RANGE")),
    Bar("client_share", "client's share of processor time while rows stream", 0.12, "share", MILLION,
        of_copy_stage(client_share)),
    Bar("idle", "idle processors during the copy", 0.05, "share", MILLION, of_copy_stage(idle_share)),
    Bar("memory", "resident memory above the budget", 64 * MIB, "bytes", 20 * MILLION, memory_above),
    Bar("growth", "window, narrow rows: time per row / at 1,000,000 rows", 1.10, "ratio", 20 * MILLION, growth),
]


def shown(value, unit):
    if unit == "share":
        return f"{value:.1%}"
    if unit == "small ratio":
        return f"{value:.3f}"
    if unit == "bytes":
        return f"{value / MIB:.1f} MiB"
    return f"{value:.2f}"


def table(document):
    """For each bar, as strings: text, bar, measured, spread, rows, verdict; `reached` is None if unknown; and `found`."""
    lines = []
    for bar in BARS:
        found = bar.find(document)
        line = {"key": bar.key, "text": bar.text, "bar": shown(bar.limit, bar.unit), "measured": "-", "spread": "-",
                "rows": f"{bar.full_rows:,}", "verdict": "not measured", "reached": None, "found": found}
        if found:
            reached = found.value <= bar.limit
            line.update(measured=shown(found.value, bar.unit), rows=f"{found.rows:,}", reached=reached,
                        spread="one round" if found.low == found.high else
                        f"{shown(found.low, bar.unit)} to {shown(found.high, bar.unit)}",
                        verdict="reached" if reached else f"missed by {shown(found.value - bar.limit, bar.unit)}")
            if found.rows < bar.full_rows:
                line["verdict"] += f" (bar is for {bar.full_rows:,} rows)"
        lines.append(line)
    return lines
