"""How much of each scenario --quick and --full run."""

import copy

MIB64, MIB256 = "64MiB", "256MiB"
COMMITS = [{"commit-every": "leaf"}, {"commit-every": "64MB"}, {"commit-every": "256MB"}]
WRITERS = [{"writers": 4}, {"writers": 16}, {"writers": 100}]
MEMORY = [{"memory": MIB64}, {"memory": "1GiB"}]

QUICK = {
    "window": {"rows": 150000, "rounds": 3, "with_check": False},
    "batches": {"rows": 40000, "rounds": 1},
    "two_servers": {"rows": 100000, "rounds": 3, "tools": []},
    "verify": {"rows": 100000, "rounds": 3, "planted": []},
    "memory": {"rows_list": [150000], "budgets": [MIB64], "rounds": 1},
    "size": {"rows_list": [50000, 150000], "rounds": 1},
    "leaves": {"rows": 30000, "majors": [None], "settings": [*COMMITS[:2], WRITERS[0]]},
    "shapes": {"rows_of": {"narrow": 200000, "wide": 1000}, "rounds": 2},
}

FULL = {
    "window": {"rows": 1000000, "rounds": 5, "with_check": True},
    "batches": {"rows": 1000000, "rounds": 1},
    "two_servers": {"rows": 1000000, "rounds": 5, "tools": ["pgcopydb", "pgloader"]},
    "verify": {"rows": 1000000, "rounds": 5, "planted": [100, 10000]},
    "memory": {"rows_list": [1000000, 4000000, 20000000], "budgets": [MIB64, MIB256], "rounds": 1},
    "size": {"rows_list": [250000, 1000000, 4000000, 20000000], "rounds": 3},
    "leaves": {"rows": 1000000, "majors": [None, 18], "settings": [*COMMITS, *WRITERS, *MEMORY]},
    "shapes": {"rows_of": {"narrow": 5000000, "wide": 50000}, "rounds": 5},
}


def options(mode, scenario, rows=None, rounds=None):
    """The plan's options of a scenario, with the rows and rounds that were asked for instead."""
    found = copy.deepcopy((FULL if mode == "full" else QUICK)[scenario])
    if rows is not None:
        if "rows" in found:
            found["rows"] = rows
        elif "rows_list" in found:
            found["rows_list"] = [rows]
        else:
            found["rows_of"] = {"narrow": rows, "wide": max(rows // 100, 1)}
    if rounds is not None and "rounds" in found:
        found["rounds"] = rounds
    return found
