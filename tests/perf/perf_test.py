#!/usr/bin/env python3
"""The suite of whole-job measurements (perf/): statistics, bars, report, comparison, command lines.

Usage: perf_test.py [unittest options]            what needs no server
       perf_test.py --smoke PGFANOUT              one short run of every kind of scenario, on servers
"""

import json
import math
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree

ROOT = pathlib.Path(__file__).resolve().parents[2]
PERF = ROOT / "perf"
sys.path.insert(0, str(PERF))
sys.dont_write_bytecode = True

from lib import bars, benchmark, comparison, measure, page, plans, results, rounds, scenarios, stats, svg  # noqa: E402
from lib.failure import Failure, Misuse  # noqa: E402

MIB = 1 << 20


def runs(*walls, **fields):
    return [{"wall": wall, "client_cpu": wall / 4, "machine_cpu": wall * 2, "idle": 0.1, "steal": 0.0, "idle_share": 0.02,
             "peak_rss_bytes": 100 * MIB, "phases": [{"name": "copy", "seconds": wall * 0.9}], "round": number, **fields}
            for number, wall in enumerate(walls)]


def case(rows=1000, parameters=None, postgresql="15.18", **methods):
    return {"name": f"{rows:,} rows", "rows": rows, "parameters": parameters or {}, "postgresql": postgresql,
            "settings": {"shared_buffers": "2GB"}, "cannot": {},
            "methods": {name: {"title": f"<{name}> & co", "runs": own} for name, own in methods.items()}}


def document(machine="one", **cases):
    return {"format": 1, "created": "2026-01-01T00:00:00Z", "mode": "quick", "complete": True,
            "machine": {"cpu": machine, "cores": 2, "memory_mib": 1, "kernel": "k", "filesystem": "f"},
            "pgfanout": {"version": "0", "commit": "c"},
            "scenarios": {name: {"title": name, "complete": True, "cases": own} for name, own in cases.items()}}


def full_document():
    copy = {"stages": [{"name": "copy", "seconds": 3.0, "client_cpu_seconds": 0.5, "machine_cpu_seconds": 10.0,
                        "machine_idle_seconds": 1.0}]}
    sampled = {"report": copy, "memory": [[0.0, 10 * MIB], [0.5, 90 * MIB], [1.0, 20 * MIB]]}
    sizes = {"table_bytes": 500 * MIB, "total_bytes": 600 * MIB, "heap_bytes": 400 * MIB}
    leaves = [case(parameters={"writers": 4}, pgfanout=runs(1.0, sizes=sizes)),
              case(postgresql="18.4", insert_select=runs(2.0, sizes=sizes))]
    return document(window=[case(pgfanout=runs(9, 10, 8), expert=runs(10, 10, 10))],
                    batches=[case(pgfanout=runs(1), batches=runs(20))],
                    two_servers=[case(pgfanout=runs(6, report=copy), psql_pipes=runs(10), pgloader=[])],
                    verify=[case(pgfanout=runs(2), record=runs(1), text=runs(5), **{"except": runs(40)})],
                    memory=[case(parameters={"memory": "64MiB"}, pgfanout=runs(1.0, **sampled))],
                    size=[case(rows, pgfanout=runs(rows / 1e5, rows / 9e4, **sampled)) for rows in (10 ** 6, 2 * 10 ** 7)],
                    leaves=leaves, shapes=[case(pgfanout=runs(1), insert_select=runs(2))])


class Statistics(unittest.TestCase):
    def test_ratio_is_of_medians_and_its_spread_of_rounds(self):
        ratio = stats.ratio(runs(9, 10, 8), runs(10, 20, 16))
        self.assertAlmostEqual(ratio.value, 9 / 16)
        self.assertEqual((ratio.low, ratio.high, ratio.rounds), (0.5, 0.9, 3))

    def test_rounds_are_paired_by_number(self):
        ratio = stats.ratio(runs(1, 2), [{"wall": 4.0, "round": 1}])
        self.assertEqual((ratio.value, ratio.low, ratio.high, ratio.rounds), (1.5 / 4, 0.5, 0.5, 1))

    def test_nothing_measured_is_no_ratio(self):
        self.assertIsNone(stats.ratio([], runs(1)))
        self.assertIsNone(stats.ratio(runs(1), []))
        self.assertIsNone(stats.median([]))

    def test_methods_take_turns(self):
        self.assertEqual([name for _, name in rounds.turns(["a", "b", "c"], 3)], list("abcbcacab"))

    def test_thinning_keeps_the_peak(self):
        points = [[n, 1000 if n == 777 else n % 10] for n in range(2000)]
        thinned = measure.thin(points, 200)
        self.assertLessEqual(len(thinned), 200)
        self.assertIn([777, 1000], thinned)


class Bars(unittest.TestCase):
    def lines(self, found):
        return {line["key"]: line for line in bars.table(found)}

    def test_reached_missed_and_not_measured(self):
        lines = self.lines(full_document())
        self.assertTrue(lines["window"]["verdict"].startswith("reached"))
        self.assertEqual(lines["verify_record"]["verdict"], "missed by 0.70 (bar is for 1,000,000 rows)")
        self.assertEqual(lines["pgcopydb"]["verdict"], "not measured")
        self.assertEqual(lines["client_share"]["measured"], "5.0%")
        self.assertEqual(lines["idle"]["measured"], "9.1%")
        self.assertEqual(lines["memory"]["measured"], "36.0 MiB")
        self.assertAlmostEqual(float(lines["growth"]["measured"]), 1.0, places=2)

    def test_empty_results_measure_nothing(self):
        self.assertTrue(all(line["reached"] is None for line in bars.table(document())))

    def test_growth_needs_a_million_rows_to_start_from(self):
        small = document(size=[case(rows, pgfanout=runs(1)) for rows in (50000, 150000)])
        self.assertEqual(self.lines(small)["growth"]["verdict"], "not measured")

    def test_sizes(self):
        self.assertEqual([bars.size_in_bytes(text) for text in ("64MiB", "1GB", "7")], [64 * MIB, 1 << 30, 7])


class Report(unittest.TestCase):
    BENCHMARKS = {"benchmarks": [
        {"name": f"insert/{method}/layout:list/key:client/writers:{writers}/batch:100/iterations:1/manual_time", "run_type": "iteration", "rows/s": rate * writers}
        for method, rate in (("copy_binary", 1e5), ("multi_values", 2e4)) for writers in (1, 2, 4)]
        + [{"name": "insert/copy_binary/writers:1_mean", "run_type": "aggregate", "rows/s": 1},
           {"name": "bench_hash/8"}, {"name": "insert/broken", "rows/s": "many"},
           {"name": "insert/copy_binary/layout:plain/key:trigger/writers:1", "rows/s": 9e9}, {}]}

    def page_of(self, found, benchmarks=None):
        text = page.page(found, [each for each in map(benchmark.parse, benchmarks or []) if each] if benchmarks else None)
        return text

    def test_every_section_is_there_and_filled(self):
        text = self.page_of(full_document(), self.BENCHMARKS["benchmarks"])
        for key in ("machine", "bars", "window", "methods", "writers", "size", "memory", "leaves", "runs", "cannot"):
            self.assertIn(f'<section id="{key}">', text)
        self.assertNotIn(page.NOT_MEASURED, text)

    def test_what_is_missing_says_so(self):
        self.assertEqual(self.page_of(document()).count(page.NOT_MEASURED), 7)

    def test_needs_nothing_from_elsewhere(self):
        text = self.page_of(full_document(), self.BENCHMARKS["benchmarks"])
        self.assertNotRegex(text, r"https?://|<script|<link|url\(|@import|src=")

    def test_names_are_escaped(self):
        self.assertNotIn("<expert>", self.page_of(full_document()))

    def test_coordinates_lie_within_the_plot(self):
        text = self.page_of(full_document(), self.BENCHMARKS["benchmarks"])
        plots = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
        self.assertGreater(len(plots), 10)
        for plot in plots:
            self.check_plot(xml.etree.ElementTree.fromstring(plot))

    def check_plot(self, root):
        _, _, width, height = map(float, root.get("viewBox").split())
        for element in root.iter():
            for x, y in points_of(element):
                self.assertTrue(math.isfinite(x) and math.isfinite(y))
                self.assertTrue(-0.1 <= x <= width + 0.1 and -0.1 <= y <= height + 0.1, f"{element.tag} {element.attrib}")

    def test_hostile_values(self):
        for highest in (0, 1e-9, 0.3, 7, 1e12, math.inf):
            self.assertTrue(all(map(math.isfinite, svg.ticks(highest))))
        self.check_plot(xml.etree.ElementTree.fromstring(svg.bars("t", [("n" * 300, 0, "-" * 300)], "s")))

    def test_command(self):
        with tempfile.TemporaryDirectory() as folder:
            found, out = pathlib.Path(folder, "r.json"), pathlib.Path(folder, "r.html")
            found.write_text(json.dumps(full_document()))
            self.assertEqual(call("report", found, "--out", out).returncode, 0)
            self.assertIn("</html>", out.read_text())


def points_of(element):
    """Corners of a shape and both ends of a text, by the width that its letters are taken to have."""
    get = lambda name: float(element.get(name))  # noqa: E731
    tag = element.tag
    if tag == "rect":
        return [(get("x"), get("y")), (get("x") + get("width"), get("y") + get("height"))]
    if tag == "line":
        return [(get("x1"), get("y1")), (get("x2"), get("y2"))]
    if tag == "circle":
        return [(get("cx"), get("cy"))]
    if tag == "polyline":
        return [tuple(map(float, pair.split(","))) for pair in element.get("points").split()]
    if tag == "text":
        width = len(element.text or "") * svg.LETTER * 0.9
        left = get("x") - {"start": 0, "middle": width / 2, "end": width}[element.get("text-anchor")]
        return [(left, get("y")), (left + width, get("y"))]
    return []


class Comparison(unittest.TestCase):
    def setUp(self):
        self.baseline = document(window=[case(pgfanout=runs(8), expert=runs(10))],
                                 verify=[case(pgfanout=runs(2), record=runs(2))])

    def slow(self, machine="one"):
        return document(machine, window=[case(pgfanout=runs(12), expert=runs(10))],
                        verify=[case(pgfanout=runs(2), record=runs(2))])

    def fail_if_called(self, names):
        self.fail(f"nothing was to be confirmed: {names}")

    def test_equal_is_no_regression(self):
        self.assertEqual(comparison.judge(self.baseline, self.baseline, self.fail_if_called)[1:], ([], []))

    def test_ten_percent_are_allowed(self):
        close = document("other", window=[case(pgfanout=runs(8.7), expert=runs(10))])
        self.assertEqual(comparison.judge(self.baseline, close, self.fail_if_called)[2], [])

    def test_regression_that_is_confirmed(self):
        asked = []
        _, candidates, confirmed = comparison.judge(self.baseline, self.slow("other"),
                                                    lambda names: asked.append(names) or self.slow("other"))
        self.assertEqual(asked, [["window"]])
        self.assertEqual((len(candidates), len(confirmed)), (1, 1))

    def test_regression_that_is_not_confirmed(self):
        self.assertEqual(comparison.judge(self.baseline, self.slow(), lambda _: self.baseline)[2], [])

    def test_what_could_not_be_measured_again_stays(self):
        self.assertEqual(len(comparison.judge(self.baseline, self.slow("other"), lambda _: document())[2]), 1)

    def test_absolute_cost_counts_on_the_same_machine_only(self):
        both_slow = document(window=[case(pgfanout=runs(16), expert=runs(20))])
        self.assertEqual(len(comparison.judge(self.baseline, both_slow, lambda _: both_slow)[2]), 1)
        both_slow["machine"]["cpu"] = "other"
        self.assertEqual(comparison.judge(self.baseline, both_slow, self.fail_if_called)[2], [])

    def test_other_rows_are_not_compared(self):
        other = document(window=[case(5000, pgfanout=runs(80), expert=runs(10))])
        self.assertEqual(comparison.compare(self.baseline, other), [])
        self.assertEqual(len(comparison.missing(self.baseline, other)), 2)

    def test_command(self):
        with tempfile.TemporaryDirectory() as folder:
            baseline = pathlib.Path(folder, "b.json")
            baseline.write_text(json.dumps(self.baseline))
            self.assertEqual(call("compare", "--baseline", baseline, "--results", baseline).returncode, 0)
            self.assertEqual(call("compare", "--baseline", baseline, "--results", folder).returncode, 2)
            empty = pathlib.Path(folder, "e.json")
            empty.write_text(json.dumps(document()))
            self.assertEqual(call("compare", "--baseline", baseline, "--results", empty).returncode, 2)

    def test_the_stored_baseline_can_be_read(self):
        found = results.read(PERF / "baseline.json")
        self.assertTrue(found["complete"])
        self.assertEqual(set(found["scenarios"]), set(scenarios.ALL))


class Commands(unittest.TestCase):
    def test_misuse_is_exit_code_2(self):
        for words in (["run"], ["run", "no_such"], ["run", "--quick", "--full"], ["run", "window", "--rows", "0"],
                      ["run", "window", "--binary", "/none"], ["report"], ["report", "/none", "--out", "/tmp/none.html"],
                      ["compare", "--baseline", "/none"], ["compare", "--no-such"]):
            self.assertEqual(call(*words).returncode, 2, words)

    def test_plans_cover_all_scenarios(self):
        self.assertEqual(set(plans.QUICK), set(scenarios.ALL))
        self.assertEqual(set(plans.FULL), set(scenarios.ALL))
        self.assertEqual(plans.options("full", "size", 5, 1), {"rows_list": [5], "rounds": 1})
        self.assertEqual(plans.options("quick", "shapes", 500)["rows_of"], {"narrow": 500, "wide": 5})

    def test_a_failing_command_is_a_failure_with_its_words(self):
        with self.assertRaisesRegex(Failure, "bash exited 3: why"):
            measure.measure(["bash", "-c", "echo why >&2; exit 3"])

    def test_results_of_something_else_are_refused(self):
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            file.write('{"format": 99}')
            file.flush()
            self.assertRaises(Misuse, results.read, file.name)


def call(name, *arguments, environment=None):
    return subprocess.run([PERF / name, *map(str, arguments)], capture_output=True, text=True, timeout=120,
                          env=environment)


def in_memory():
    """The environment for servers whose files are in memory: what they measure is not looked at."""
    return os.environ | ({"TMPDIR": "/dev/shm"} if os.access("/dev/shm", os.W_OK) else {})


class Smoke(unittest.TestCase):
    """On servers; only with --smoke."""

    program = None

    def test_window_and_report(self):
        with tempfile.TemporaryDirectory() as folder:
            out = pathlib.Path(folder, "r.json")
            done = call("run", "window", "--rows", 2000, "--rounds", 1, "--out", out, "--binary", self.program,
                        environment=in_memory())
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            found = results.read(out)
            self.assertTrue(found["complete"])
            self.assertEqual(set(found["scenarios"]["window"]["cases"][0]["methods"]), {"pgfanout", "expert"})
            self.assertEqual(call("report", out, "--out", pathlib.Path(folder, "r.html")).returncode, 0)

    def test_interruption_keeps_results_and_stops_servers(self):
        with tempfile.TemporaryDirectory() as folder:
            out = pathlib.Path(folder, "r.json")
            process = subprocess.Popen([PERF / "run", "size", "--rows", "2000", "--rounds", "500", "--out", out, "--binary",
                                        self.program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                       env=in_memory())
            for line in process.stderr:
                if "round 1" in line:
                    process.send_signal(signal.SIGINT)
                    break
            process.stderr.close()
            printed = process.stdout.read()
            process.stdout.close()
            self.assertEqual(process.wait(), 130)
            self.assertIn("interrupted: earlier measurements are kept", printed)
            self.assertTrue(results.runs(results.read(out)["scenarios"]["size"]["cases"][0], "pgfanout"))
            self.assertFalse(results.read(out)["complete"])


if __name__ == "__main__":
    if "--smoke" in sys.argv:
        Smoke.program = sys.argv.pop(sys.argv.index("--smoke") + 1)
        sys.argv[1:] = ["Smoke"]
    else:
        del Smoke
    unittest.main()
