"""Modules of perf/run, perf/report and perf/compare."""
