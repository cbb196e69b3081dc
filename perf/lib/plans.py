"""How much of each scenario --quick and --full run."""

import copy

MIB64, MIB256 = "64MiB", "256MiB"
COMMITS = [{"commit-every": "leaf"}, {"commit-every": "64MB"}, {"commit-every": "256MB"}]
WRITERS = [{"writers": 4}, {"writers": 16}, {"writers": 100}]
MEMORY = [{"memory": MIB64}, {"memory": "1GiB"}]


def table(shape, rows, rounds, **more):
    return {"shape": shape, "rows": rows, "rounds": rounds, **more}


QUICK = {
    "window": {"tables": [table("items", 150000, 3), table("demo", 100000, 3)]},
    "verify": {"tables": [table("items", 150000, 3), table("demo", 100000, 3, text=1)]},
    "naming": {"tables": [table("demo", 100000, 2, changed=[10])]},
    "two_servers": {"rows": 100000, "rounds": 3, "tools": {}},
    "batches": {"rows": 40000, "rounds": 1},
    "memory": {"tables": [("demo", 150000)], "budgets": [MIB64], "rounds": 1},
    "size": {"rows_list": [50000, 200000], "rounds": 1},
    "leaves": {"rows": 30000, "majors": [None], "settings": [*COMMITS[:2], WRITERS[0]]},
    "layouts": {"rows": 100000, "rounds": 3},
    "shapes": {"tables": [("narrow", 200000), ("wide", 1000)], "rounds": 2},
}

# A scenario begins with the table that the one before ended with, which is then not loaded again. `text`, `variants`
# and the numbers of tools are rounds of methods that no bar needs more of.
FULL = {
    "window": {"tables": [table("demo", 1000000, 3), table("items", 1000000, 5, variants=1), table("items", 10000000, 3)]},
    "verify": {"tables": [table("items", 10000000, 3), table("items", 1000000, 5), table("demo", 1000000, 5, text=1)]},
    "naming": {"tables": [table("demo", 1000000, 3, changed=[10, 10000])]},
    "two_servers": {"rows": 1000000, "rounds": 5, "tools": {"pgcopydb": 2, "pgloader": 1}},
    "batches": {"rows": 1000000, "rounds": 1},
    "memory": {"tables": [("demo", 1000000), ("narrow", 20000000)], "budgets": [MIB64, MIB256], "rounds": 1},
    "size": {"rows_list": [20000000, 1000000], "rounds": 3},
    "leaves": {"rows": 1000000, "majors": [None, 18], "settings": [*COMMITS, *WRITERS, *MEMORY]},
    "layouts": {"rows": 1000000, "rounds": 5},
    "shapes": {"tables": [("narrow", 5000000), ("wide", 50000)], "rounds": 5},
}


def options(mode, scenario, rows=None, rounds=None):
    """The plan's options of a scenario, with the rows and rounds that were asked for instead."""
    found = copy.deepcopy((FULL if mode == "full" else QUICK)[scenario])
    if rows is not None:
        if "rows" in found:
            found["rows"] = rows
        elif "rows_list" in found:
            found["rows_list"] = [rows]
        elif isinstance(found["tables"][0], dict):
            shapes = {}
            for each in found["tables"]:
                shapes.setdefault(each["shape"], {**each, "rows": rows})
            found["tables"] = list(shapes.values())
        else:
            found["tables"] = [(name, max(rows // 100, 1) if name == "wide" else rows)
                               for name in dict.fromkeys(name for name, _ in found["tables"])]
    if rounds is not None:
        for each in [found, *found.get("tables", [])]:
            if isinstance(each, dict) and "rounds" in each:
                each["rounds"] = rounds
    return found
