"""Reads what Google Benchmark wrote for the insert suite: insert/<method>/..., with writers:N in the name."""

import json
import pathlib
import re
import statistics

from lib.failure import Misuse


def read(path):
    """[{"method", "arguments": {}, "rows_per_second", "bytes_per_second"}]; one a run, none for what is not insert/.

    Only rows that go into the partitioned table with the client's keys can be compared with each other.
    """
    try:
        document = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Misuse(f"cannot read {path}: {error}") from error
    if not isinstance(document, dict) or not isinstance(document.get("benchmarks"), list):
        raise Misuse(f"{path} was not written by Google Benchmark")
    return [found for found in map(parse, document["benchmarks"]) if found]


def parse(entry):
    parts = str(entry.get("name", "")).split("/")
    if len(parts) < 2 or parts[0] != "insert" or entry.get("run_type") == "aggregate" or entry.get("error_occurred"):
        return None
    rate = entry.get("rows/s")
    if not isinstance(rate, (int, float)) or not rate > 0:
        return None
    arguments = {}
    for part in parts[2:]:
        match = re.fullmatch(r"(\w+):(.+)", part)
        if match:
            arguments[match[1]] = float(match[2]) if re.fullmatch(r"[\d.]+", match[2]) else match[2]
    if arguments.get("layout", "list") != "list" or arguments.get("key", "client") != "client":
        return None
    return {"method": parts[1], "arguments": arguments, "rows_per_second": float(rate),
            "bytes_per_second": entry.get("bytes/s")}


def best_by_method(found):
    """(method, rows/s): of each method the median of its best setting."""
    settings = {}
    for each in found:
        settings.setdefault((each["method"], tuple(sorted(each["arguments"].items()))), []).append(each["rows_per_second"])
    best = {}
    for (method, _), rates in settings.items():
        best[method] = max(best.get(method, 0), statistics.median(rates))
    return sorted(best.items(), key=lambda pair: -pair[1])


def by_writers(found):
    """{method: [(writers, median, low, high)]} of the methods that were run with several numbers of writers."""
    rates = {}
    for each in found:
        if "writers" in each["arguments"]:
            rates.setdefault(each["method"], {}).setdefault(each["arguments"]["writers"], []).append(each["rows_per_second"])
    return {method: [(writers, statistics.median(own), min(own), max(own)) for writers, own in sorted(points.items())]
            for method, points in rates.items() if len(points) > 1}
