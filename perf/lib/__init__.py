"""What perf/run, perf/report and perf/compare are made of."""
