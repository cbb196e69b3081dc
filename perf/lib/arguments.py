"""Arguments that the commands share."""

import argparse
import datetime
import os
import pathlib
import signal

from lib import paths
from lib.failure import Misuse


def positive(text):
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"a number above 0, not '{text}'")
    return int(text)


def add_program(parser):
    parser.add_argument("--binary", metavar="PATH", type=pathlib.Path, default=paths.PROGRAM,
                        help="pgfanout (build/release/bin/pgfanout)")


def check_program(program):
    if not os.access(program, os.X_OK):
        raise Misuse(f"no {program}: cmake --preset release && cmake --build --preset release --target pgfanout")
    return program.resolve()


def results_path(kind=""):
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    return paths.RESULTS / f"{now}{kind}.json"


def stop_on_sigterm():
    """SIGTERM ends a run as Ctrl-C does: it stops servers and keeps results."""
    def interrupt(*_):
        raise KeyboardInterrupt
    signal.signal(signal.SIGTERM, interrupt)
