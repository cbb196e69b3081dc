#!/usr/bin/env python3
"""The suite of whole-job measurements (perf/): statistics, bars, report, comparison, command lines.

Usage: perf_test.py [unittest options]            all but whole jobs
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
import unittest.mock as mock
import xml.etree.ElementTree

ROOT = pathlib.Path(__file__).resolve().parents[2]
PERF = ROOT / "perf"
sys.path.insert(0, str(PERF))
sys.dont_write_bytecode = True

from lib import bars, benchmark, comparison, markdown, measure, page, plans, probe, results, rounds, scenarios  # noqa: E402
from lib import server as servers, stats, svg  # noqa: E402
from lib.database import Database  # noqa: E402
from lib.failure import Failure, Misuse  # noqa: E402

MIB = 1 << 20


def runs(*walls, **fields):
    return [{"wall": wall, "client_cpu": wall / 4, "machine_cpu": wall * 2, "idle": 0.1, "steal": 0.0, "idle_share": 0.02,
             "peak_rss_bytes": 100 * MIB, "servers_cpu": wall, "wal_bytes": 50 * MIB, "checkpoints": 1, "blocks_read": 7,
             "waits": {"all": {"processor": 1.9}, "copy": {"processor": 1.5, "IO:WALSync": 0.25}}, "phases": [{"name": "copy", "seconds": wall * 0.9}], "round": number, **fields}
            for number, wall in enumerate(walls)]


def case(rows=1000, parameters=None, postgresql="15.18", **methods):
    return {"name": f"{rows:,} rows", "rows": rows, "postgresql": postgresql,
            "parameters": {"shape": "demo", **(parameters or {})}, "settings": {"shared_buffers": "2GB", "max_wal_size": "4GB"},
            "cannot": {}, "source": {"table_bytes": 500 * MIB},
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
    windows = [case(rows, {"shape": "items"}, pgfanout=runs(*own), expert=runs(10, 10, 10))
               for rows, own in ((10 ** 6, (9, 10, 8)), (10 ** 7, (9, 9.5, 8)))]
    return document(window=windows,
                    batches=[case(pgfanout=runs(1), batches=runs(20))],
                    two_servers=[case(pgfanout=runs(6, report=copy), psql_pipes=runs(10), pgloader=[])],
                    verify=[case(pgfanout=runs(2), record=runs(1), text=runs(5))],
                    naming=[case(parameters={"changed": 10}, pgfanout=runs(2), **{"except": runs(40)})],
                    memory=[case(parameters={"memory": "64MiB"}, pgfanout=runs(1.0, **sampled))],
                    size=[case(rows, pgfanout=runs(rows / 1e5, rows / 9e4, **sampled)) for rows in (10 ** 6, 2 * 10 ** 7)],
                    layouts=[case(10 ** 6, {"shape": "items", "by": "RANGE"}, list=runs(10), pgfanout=runs(9))],
                    leaves=leaves, shapes=[case(pgfanout=runs(1), insert_select=runs(2))])


class Statistics(unittest.TestCase):
    def test_ratio_is_the_median_of_the_ratios_of_rounds(self):
        ratio = stats.ratio(runs(9, 10, 8), runs(10, 20, 10))
        self.assertEqual((ratio.value, ratio.low, ratio.high, ratio.rounds), (0.8, 0.5, 0.9, 3))

    def test_rounds_are_paired_by_number(self):
        ratio = stats.ratio(runs(1, 2), [{"wall": 4.0, "round": 1}])
        self.assertEqual((ratio.value, ratio.low, ratio.high, ratio.rounds), (0.5, 0.5, 0.5, 1))

    def test_nothing_measured_is_no_ratio(self):
        self.assertIsNone(stats.ratio([], runs(1)))
        self.assertIsNone(stats.ratio(runs(1), []))
        self.assertIsNone(stats.ratio(runs(1), [{"wall": 4.0, "round": 1}]))
        self.assertIsNone(stats.median([]))

    def test_methods_take_turns(self):
        self.assertEqual([name for _, name in rounds.turns(["a", "b", "c"], 3)], list("abcbcacab"))

    def test_thinning_keeps_the_peak(self):
        points = [[n, 1000 if n == 777 else n % 10] for n in range(2000)]
        thinned = measure.thin(points, 200)
        self.assertLessEqual(len(thinned), 200)
        self.assertIn([777, 1000], thinned)


class Servers(unittest.TestCase):
    """The settings follow the table's size; processor times and waits are counted where they belong."""

    def test_buffers_are_smaller_than_the_table(self):
        for table_bytes, buffers, wal in ((600 * MIB, "256MB", "4GB"), (5722 * MIB, "1024MB", "23GB"), (10 ** 11, "1024MB", "24GB"),
                                          (1 * MIB, "32MB", "4GB")):
            found = servers.settings_for(table_bytes)
            self.assertEqual((found["shared_buffers"], found["max_wal_size"]), (buffers, wal))

    def test_a_disk_that_is_too_small_is_refused_with_its_numbers(self):
        with self.assertRaisesRegex(Failure, "GB free, and this table needs .* GB: set TMPDIR"):
            servers.require_space(10 ** 15)
        servers.require_space(MIB)

    def test_waits_belong_to_the_stage_that_runs(self):
        phases = [{"name": "load", "seconds": 1.0}, {"name": "index", "seconds": 2.0}]
        samples = [(0.5, "processor", 2), (1.5, "IO:WALSync", 1), (2.0, "IO:WALSync", 2), (2.0, "processor", 1), (9.0, "processor", 1)]
        found = probe.waits(samples, phases)
        self.assertEqual(found["load"], {"processor": 2.0})
        self.assertEqual(found["index"], {"IO:WALSync": 1.5, "processor": 0.5})
        self.assertEqual(found["end"], {"processor": 1.0})
        self.assertEqual(found["all"], {"processor": 1.0, "IO:WALSync": 0.75})


class Bars(unittest.TestCase):
    def lines(self, found):
        return {line["key"]: line for line in bars.table(found)}

    def test_reached_missed_and_not_measured(self):
        lines = self.lines(full_document())
        self.assertTrue(lines["window"]["verdict"].startswith("reached"))
        self.assertEqual(lines["verify_demo"]["verdict"], "missed by 0.70 (bar is for 1,000,000 rows)")
        self.assertEqual((lines["window"]["rows"], lines["window_large"]["rows"]), ("1,000,000", "10,000,000"))
        self.assertEqual(lines["window_large"]["verdict"], "missed by 0.10")
        self.assertEqual(lines["pgcopydb"]["verdict"], "not measured")
        self.assertEqual(lines["client_share"]["measured"], "5.0%")
        self.assertEqual(lines["idle"]["measured"], "9.1%")
        self.assertEqual(lines["memory"]["measured"], "36.0 MiB")
        self.assertAlmostEqual(float(lines["growth"]["measured"]), 1.0, places=2)

    def test_empty_results_measure_nothing(self):
        self.assertTrue(all(line["reached"] is None for line in bars.table(document())))

    def test_a_million_rows_do_not_measure_the_bar_for_ten(self):
        small = document(window=[case(10 ** 6, {"shape": "items"}, pgfanout=runs(1), expert=runs(2))])
        self.assertTrue(self.lines(small)["window"]["reached"])
        self.assertEqual(self.lines(small)["window_large"]["verdict"], "not measured")

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


class Documentation(unittest.TestCase):
    """docs/PERFORMANCE.md is filled from the results."""

    PAGE = ROOT / "docs" / "PERFORMANCE.md"

    def test_filling_twice_is_filling_once(self):
        once = markdown.filled(self.PAGE.read_text(encoding="utf-8"), full_document())
        self.assertEqual(markdown.filled(once, full_document()), once)
        self.assertIn("| 10,000,000 | 0.90 (0.80 to 0.95) | 0.80 | missed by 0.10 |", once)

    def test_a_missed_bar_has_the_profile_of_both_methods(self):
        text = markdown.profiles(full_document())
        self.assertEqual(text.count("10,000,000 rows |"), 1)
        self.assertEqual(text.count(" (processor 1.5, IO:WALSync 0.2)"), 4)  # The window, and verify of the demo's rows.

    def test_a_page_without_its_marks_is_refused(self):
        self.assertRaises(Misuse, markdown.filled, "# Performance\n", full_document())

    def test_the_picture_is_a_document_of_its_own(self):
        text = markdown.picture(full_document())
        self.assertTrue(xml.etree.ElementTree.fromstring(text).tag.endswith("}svg"))
        for words in ("1 million (586 bytes): pgfanout<", "10 million (586 bytes): expert&#x27;s SQL<"):
            self.assertIn(words, text)
        self.assertNotIn("var(", text)
        self.assertRaises(Misuse, markdown.picture, document())

    def test_of_several_files_the_last_one_that_measured_counts(self):
        with tempfile.TemporaryDirectory() as folder:
            files = [pathlib.Path(folder, name) for name in ("a.json", "b.json")]
            files[0].write_text(json.dumps(document(window=[case(pgfanout=runs(1))], size=[case(pgfanout=runs(5))])))
            files[1].write_text(json.dumps(document(window=[case(pgfanout=runs(3))], size=[case(pgfanout=[])])))
            found = results.read_all(files)
            self.assertEqual([results.runs(results.cases(found, name)[0], "pgfanout")[0]["wall"] for name in ("window", "size")],
                             [3, 5])


class Checksums(unittest.TestCase):
    """The peers' checksum on a server: it must see values that two rows exchanged, which a sum of record hashes does not."""

    def test_exchanged_values_are_seen(self):
        linear = "SELECT sum(hash_record_extended(ROW(id, content), 0)) FROM "
        with mock.patch.dict(os.environ, in_memory()), servers.Server(servers.settings_for(0)) as server:
            database = Database(server.dsn())
            database.query(*(f"CREATE TABLE {name} (id bigint, content text{key}) PARTITION BY HASH (id);"
                             f" CREATE TABLE {name}_0 PARTITION OF {name} FOR VALUES WITH (MODULUS 1, REMAINDER 0);"
                             f" INSERT INTO {name} SELECT n, md5(n::text) FROM generate_series(1, 200) AS n"
                             for name, key in (("source", ""), ("source_new", ", partition_key int DEFAULT 1"))))
            sums = [PERF / "peers" / "sums", "record", database.dsn, "source", "1"]
            self.assertEqual(subprocess.run(sums, capture_output=True).returncode, 0)
            database.query("UPDATE source_new AS a SET content = b.content FROM source AS b"
                           " WHERE (a.id, b.id) IN ((7, 8), (8, 7))")
            self.assertEqual(database.value(linear + "source"), database.value(linear + "source_new"))
            self.assertEqual(database.value("SELECT count(*) FROM source NATURAL JOIN source_new"), "198")
            done = subprocess.run(sums, capture_output=True, text=True)
            self.assertEqual(done.returncode, 1)
            self.assertIn("source and target differ", done.stderr)


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
        self.assertEqual(plans.options("quick", "shapes", 500)["tables"], [("narrow", 500), ("wide", 5)])
        window = plans.options("full", "window", 5, 1)["tables"]
        self.assertEqual([(each["shape"], each["rows"], each["rounds"]) for each in window], [("demo", 5, 1), ("items", 5, 1)])
        for scenario in ("window", "verify"):
            self.assertLessEqual({10 ** 6, 10 ** 7}, {each["rows"] for each in plans.FULL[scenario]["tables"]})

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
            first = found["scenarios"]["window"]["cases"][0]
            self.assertEqual(set(first["methods"]), {"pgfanout", "expert"})
            for method in ("pgfanout", "expert"):
                run = results.runs(first, method)[0]
                self.assertTrue(run["servers_cpu"] > 0 and run["wal_bytes"] > 0, run)
            self.assertEqual(call("report", out, "--out", pathlib.Path(folder, "r.html")).returncode, 0)

    def test_a_run_is_observed(self):
        with mock.patch.dict(os.environ, in_memory()), servers.Server(servers.settings_for(0)) as server:
            database = Database(server.dsn())
            with probe.Probe([database, database]) as observed:
                database.query("CREATE TABLE t AS SELECT n FROM generate_series(1, 300000) AS n", "CHECKPOINT",
                               "SELECT pg_sleep(3)")
        found = observed.found
        self.assertGreater(found["wal_bytes"], 2 * 10 * MIB)
        self.assertGreaterEqual(found["checkpoints"], 2)
        self.assertGreater(found["servers_cpu"], 0)
        self.assertIn("Timeout:PgSleep", {event for _, event, _ in found["samples"]})
        self.assertTrue(all(0 <= at < 60 for at, _, _ in found["samples"]))

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
