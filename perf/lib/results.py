"""The results of a call of perf/run: one JSON document, written again after every run.

    {"format": 1, "created", "mode", "complete", "machine": {}, "pgfanout": {}, "scenarios": {NAME: scenario}}
    scenario: {"title", "complete", "failed"?, "cases": [case]}
    case: {"name", "rows", "parameters": {}, "postgresql", "settings": {}, "methods": {METHOD: method}, "cannot": {}}
    method: {"title", "less_work"?, "runs": [run]}    run: see measure.py and probe.py; and "round"
"""

import datetime
import json
import os
import pathlib

from lib import machine
from lib.failure import Misuse

FORMAT = 1


class Recorder:
    def __init__(self, path, mode, program, latest=None):
        self.path = pathlib.Path(path)
        self.latest = latest
        now = datetime.datetime.now(datetime.timezone.utc)
        self.document = {"format": FORMAT, "created": now.strftime("%Y-%m-%dT%H:%M:%SZ"), "mode": mode, "complete": False,
                         "machine": machine.facts(), "pgfanout": machine.program_facts(program), "scenarios": {}}

    def scenario(self, name, title):
        entry = {"title": title, "complete": False, "cases": []}
        self.document["scenarios"][name] = entry
        return entry

    def case(self, scenario, name, rows, postgresql, settings, parameters=None):
        entry = {"name": name, "rows": rows, "parameters": parameters or {}, "postgresql": postgresql,
                 "settings": settings, "methods": {}, "cannot": {}}
        self.document["scenarios"][scenario]["cases"].append(entry)
        return entry

    def save(self):
        """Replaces the file in one step, so that a reader always finds a whole document."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.path.with_suffix(".fresh")
        fresh.write_text(json.dumps(self.document, separators=(",", ":")) + "\n", encoding="utf-8")
        os.replace(fresh, self.path)
        if self.latest:
            link = self.latest.with_suffix(".fresh")
            link.parent.mkdir(parents=True, exist_ok=True)
            link.unlink(missing_ok=True)
            link.symlink_to(os.path.relpath(self.path, self.latest.parent))
            os.replace(link, self.latest)


def read(path):
    try:
        document = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise Misuse(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise Misuse(f"{path} is not JSON: {error}") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise Misuse(f"{path} does not hold results of perf/run (format {FORMAT})")
    return document


def read_all(paths):
    """One document of several files: of each scenario the results of the last file that measured it."""
    document, *others = map(read, paths)
    for other in others:
        measured = {name: entry for name, entry in other["scenarios"].items() if any(
            method["runs"] for case in entry["cases"] for method in case["methods"].values())}
        document["scenarios"].update(measured)
        document.update({key: other[key] for key in ("created", "pgfanout", "mode")})
    document["complete"] = all(entry["complete"] for entry in document["scenarios"].values())
    return document


def cases(document, scenario):
    return document.get("scenarios", {}).get(scenario, {}).get("cases", [])


def runs(case, method):
    return case.get("methods", {}).get(method, {}).get("runs", [])
