"""Medians, and ratios of medians with their spread."""

import dataclasses
import statistics


@dataclasses.dataclass(frozen=True)
class Ratio:
    """Median over median; low and high are the extremes of the ratios of single rounds."""

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
    """None unless both sides have runs. Rounds of one side alone count only for its median."""
    above, below = median(own, field), median(other, field)
    if above is None or not below:
        return None
    others = {run.get("round", number): run[field] for number, run in enumerate(other)}
    pairs = [run[field] / others[run.get("round", number)] for number, run in enumerate(own)
             if others.get(run.get("round", number))]
    value = above / below
    return Ratio(value, min(pairs, default=value), max(pairs, default=value), len(pairs))
