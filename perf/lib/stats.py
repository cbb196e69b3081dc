"""Medians, and medians of the ratios of single rounds."""

import dataclasses
import statistics


@dataclasses.dataclass(frozen=True)
class Ratio:
    """The median of the ratios of single rounds, with their extremes: the machine's pace differs from round to round."""

    value: float
    low: float
    high: float
    rounds: int


def values(runs, field):
    return [run[field] for run in runs if field in run]


def median(runs, field="wall"):
    found = values(runs, field)
    return statistics.median(found) if found else None


def ratio(own, other, field="wall"):
    """None unless a round has both sides."""
    others = {run.get("round", number): run[field] for number, run in enumerate(other) if field in run}
    pairs = [run[field] / others[run.get("round", number)] for number, run in enumerate(own)
             if field in run and others.get(run.get("round", number))]
    return Ratio(statistics.median(pairs), min(pairs), max(pairs), len(pairs)) if pairs else None
