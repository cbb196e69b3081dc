"""Runs methods alternately, so that changes of the machine affect all of them."""

import sys

from lib.failure import Failure
from lib.probe import Probe, waits


class Method:
    """`run(round)` is timed and returns a run, `check(run)` follows it, `clean()` removes its results."""

    def __init__(self, title, run, check=None, clean=None, less_work=None, rounds=None):
        self.title = title
        self.run = run
        self.check = check
        self.clean = clean
        self.less_work = less_work
        self.rounds = rounds


def turns(names, rounds):
    """(round, name) in order: each round begins with another method."""
    return [(number, names[(place + number) % len(names)]) for number in range(rounds) for place in range(len(names))]


def alternate(context, case, methods, rounds, databases, may_fail=()):
    """Runs all methods; `databases` are those whose servers are observed meanwhile. If one of may_fail fails, its reason is recorded and it is not run again."""
    for name, method in methods.items():
        entry = case["methods"].setdefault(name, {"title": method.title, "runs": []})
        if method.less_work:
            entry["less_work"] = method.less_work
    for number, name in turns(list(methods), rounds):
        method = methods[name]
        if name in case["cannot"] or (method.rounds is not None and number >= method.rounds):
            continue
        try:
            with Probe(databases) as probe:
                run = method.run()
            samples = probe.found.pop("samples")
            run.update(probe.found, waits=waits(samples, run["phases"]))
            if method.check:
                method.check(run)
        except Failure as failure:
            if name not in may_fail:
                raise
            case["cannot"][name] = str(failure)[-600:]
            case["methods"].pop(name, None)
        else:
            run["round"] = number
            case["methods"][name]["runs"].append(run)
            say(f"{case['name']}, round {number + 1}: {method.title}: {run['wall']:.2f} s, processor {run['servers_cpu']:.1f}"
                f" + {run['client_cpu']:.1f} s")
        if method.clean:
            method.clean()
        context.recorder.save()


def say(text):
    print(text, file=sys.stderr, flush=True)
