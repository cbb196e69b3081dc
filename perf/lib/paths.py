"""Paths of the tree."""

import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[2]
PERF = ROOT / "perf"
PEERS = PERF / "peers"
SCRIPTS = ROOT / "scripts"
RESULTS = ROOT / "build" / "perf"
BASELINE = PERF / "baseline.json"
PROGRAM = ROOT / "build" / "release" / "bin" / "pgfanout"
