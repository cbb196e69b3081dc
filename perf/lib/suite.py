"""Runs scenarios one after the other and records what they find."""

import time

from lib import plans, rounds, scenarios
from lib.failure import Failure


class Context:
    def __init__(self, program, recorder):
        self.program = program
        self.recorder = recorder


def run(context, names, mode, rows=None, rounds_wanted=None):
    """True if every scenario ran to its end. An interruption leaves what was measured in the results."""
    good = True
    for name in names:
        module = scenarios.ALL[name]
        entry = context.recorder.scenario(name, module.TITLE)
        started = time.monotonic()
        rounds.say(f"== {name}: {module.TITLE}")
        try:
            module.run(context, plans.options(mode, name, rows, rounds_wanted))
            entry["complete"] = True
        except Failure as failure:
            entry["failed"] = str(failure)
            good = False
            rounds.say(f"{name} failed: {failure}")
        finally:
            entry["seconds"] = round(time.monotonic() - started, 1)
            context.recorder.save()
    context.recorder.document["complete"] = good
    context.recorder.save()
    return good
