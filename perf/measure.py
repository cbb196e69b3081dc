#!/usr/bin/env python3
"""Measures pgfanout and what a user would run in its place, on a server that is there already.

    measure.py compare --dsn DSN [--binary PATH] [--rounds R] [--methods pgfanout,insert,psql]
    measure.py memory --dsn DSN --binary PATH --budgets 64MiB,256MiB

Called by perf/copy_1m and perf/memory, which start the server and load the demo's table. Every
target is fresh, checked against the source (count, sum of row hashes, keys) after the clock has
stopped, dropped, and followed by a CHECKPOINT and a sync.

Processor time of the client is what wait4 reports for its processes; that of the machine is the
change of /proc/stat over the run, so it holds the servers, the client and whoever else is there.
"""

import argparse
import json
import os
import queue
import statistics
import subprocess
import sys
import tempfile
import threading
import time

SOURCE = "public.chunks"
TARGET = "public.chunks_new"
PARTITIONS = 100
KEY = f"abs(hashtext(collection_id::text)) % {PARTITIONS}"
SESSIONS = 2  # how many statements the peers run at a time
TICKS = os.sysconf("SC_CLK_TCK")
MIB = 1 << 20


class Failure(Exception):
    pass


class Database:
    """The server under test, spoken to through psql."""

    def __init__(self, dsn):
        self.dsn = dsn
        columns = self.query(f"SELECT attname FROM pg_attribute WHERE attrelid = '{SOURCE}'::regclass"
                             " AND attnum > 0 AND NOT attisdropped ORDER BY attnum")
        self.columns = ", ".join(columns)
        self.leaves = self.query(f"SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = '{SOURCE}'::regclass"
                                 " ORDER BY pg_table_size(inhrelid) DESC, inhrelid")

    def psql(self, *arguments):
        return ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", self.dsn, *arguments]

    def query(self, sql):
        done = subprocess.run(self.psql("-c", sql), capture_output=True, text=True)
        if done.returncode:
            raise Failure(done.stderr.strip())
        return done.stdout.split("\n")[:-1]

    def create_target(self):
        self.query(f"CREATE TABLE {TARGET} (LIKE {SOURCE} INCLUDING DEFAULTS, partition_key integer NOT NULL)"
                   " PARTITION BY LIST (partition_key)")
        self.query("".join(f"CREATE TABLE {TARGET}_p{key:02} PARTITION OF {TARGET} FOR VALUES IN ({key});"
                           for key in range(PARTITIONS)))

    def drop_target(self):
        self.query(f"SET client_min_messages = warning; DROP TABLE IF EXISTS {TARGET}, {TARGET}_rejects CASCADE;"
                   " DROP SCHEMA IF EXISTS pgfanout CASCADE")
        self.query("CHECKPOINT")
        os.sync()

    def checksum(self, tables):
        """Rows and sum of row hashes over some tables, SESSIONS at a time."""
        statements = [f"SELECT count(*), coalesce(sum(hash_record_extended(ROW({self.columns}), 0)), 0) FROM {table};"
                      for table in tables]
        lines = run_dealt(self, statements)[1]
        pairs = [tuple(map(int, line.split("|"))) for line in lines]
        return sum(pair[0] for pair in pairs), sum(pair[1] for pair in pairs)

    def target_leaves(self):
        return self.query(f"SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = '{TARGET}'::regclass")

    def check_target(self, expected):
        """Raises unless the target holds the source's rows, each under the key that the server computes."""
        found = self.checksum(self.target_leaves())
        wrong = int(self.query(f"SELECT count(*) FROM {TARGET} WHERE partition_key <> {KEY}")[0])
        if found != expected or wrong:
            raise Failure(f"the target is not the source: rows and hash {found} instead of {expected},"
                          f" {wrong} rows with a wrong key")


class Clients:
    """Processes that are started and waited for; sums their processor time. Safe from several threads."""

    def __init__(self):
        self.lock = threading.Lock()
        self.cpu_seconds = 0.0
        self.peak_rss_bytes = 0
        self.failed = []

    def wait(self, process, text=""):
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        with self.lock:
            self.cpu_seconds += usage.ru_utime + usage.ru_stime
            self.peak_rss_bytes = max(self.peak_rss_bytes, usage.ru_maxrss * 1024)
            if process.returncode:
                self.failed.append(f"{process.args[0]} exited {process.returncode} {text}".strip())
        return process.returncode


def machine():
    """Busy, idle and stolen processor seconds of the machine since it started."""
    with open("/proc/stat", encoding="ascii") as file:
        user, nice, system, idle, iowait, irq, softirq, steal = map(int, file.readline().split()[1:9])
    return (user + nice + system + irq + softirq) / TICKS, (idle + iowait) / TICKS, steal / TICKS


def measure(action):
    """Runs action(clients) and says what it took; raises if a client failed."""
    clients = Clients()
    before, started = machine(), time.monotonic()
    extra = action(clients)
    wall, after = time.monotonic() - started, machine()
    if clients.failed:
        raise Failure("; ".join(clients.failed))
    busy, idle, steal = (b - a for a, b in zip(before, after))
    return {"wall": wall, "client_cpu": clients.cpu_seconds, "machine_cpu": busy, "idle": idle, "steal": steal,
            "idle_share": idle / max(busy + idle + steal, 1e-9), "peak_rss_bytes": clients.peak_rss_bytes,
            **(extra or {})}


def run_dealt(database, statements, clients=None):
    """Deals statements (largest first) to SESSIONS psql processes, there and back like a snake."""
    hands = [[] for _ in range(SESSIONS)]
    for number, statement in enumerate(statements):
        turn = number % (2 * SESSIONS)
        hands[min(turn, 2 * SESSIONS - 1 - turn)].append(statement)
    lines = []
    clients = clients or Clients()
    processes = []
    for hand in hands:
        script = tempfile.TemporaryFile()
        script.write("\n".join(hand).encode())
        script.seek(0)
        out = tempfile.TemporaryFile()
        processes.append((subprocess.Popen(database.psql("-f", "-"), stdin=script, stdout=out), out))
        script.close()
    for process, out in processes:
        clients.wait(process)
        out.seek(0)
        lines += out.read().decode().splitlines()
        out.close()
    if clients.failed:
        raise Failure("; ".join(clients.failed))
    return clients, lines


def insert_select(database, clients):
    """INSERT ... SELECT from every leaf of the source into the partitioned target."""
    run_dealt(database, [f"INSERT INTO {TARGET} ({database.columns}, partition_key)"
                         f" SELECT {database.columns}, {KEY} FROM {leaf};" for leaf in database.leaves], clients)


def psql_pipes(database, clients):
    """psql COPY OUT | psql COPY IN, binary, for every leaf of the source."""
    waiting = queue.SimpleQueue()
    for leaf in database.leaves:
        waiting.put(leaf)

    def work():
        while True:
            try:
                leaf = waiting.get_nowait()
            except queue.Empty:
                return
            reader = subprocess.Popen(database.psql(
                "-c", f"COPY (SELECT {database.columns}, {KEY} FROM {leaf}) TO STDOUT (FORMAT binary)"),
                stdout=subprocess.PIPE)
            writer = subprocess.Popen(database.psql(
                "-c", f"COPY {TARGET} ({database.columns}, partition_key) FROM STDIN (FORMAT binary)"),
                stdin=reader.stdout)
            reader.stdout.close()
            clients.wait(reader, leaf)
            clients.wait(writer, leaf)

    threads = [threading.Thread(target=work) for _ in range(SESSIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def pgfanout_copy(database, binary, options, clients):
    """pgfanout copy; returns its own report."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(
            [binary, "copy", "--source", database.dsn, "--table", SOURCE, "--into", TARGET, "--key", KEY,
             "--partitions", str(PARTITIONS), "--json", "--yes", "--progress", "none", *options],
            stdout=out, stderr=err)
        code = clients.wait(process)
        out.seek(0)
        err.seek(0)
        if code:
            raise Failure(f"pgfanout exited {code}\n{err.read().decode()[-3000:]}\n{out.read().decode()[-3000:]}")
        return {"report": json.loads(out.read())}


def median(runs, field):
    return statistics.median(run[field] for run in runs)


def print_table(header, rows):
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    for row in [header, *rows]:
        print("  ".join([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:]))]))


NAMES = {"pgfanout": "pgfanout copy (proven)",
         "insert": f"INSERT ... SELECT, {SESSIONS} at a time",
         "psql": f"psql COPY OUT | psql COPY IN, {SESSIONS} at a time",
         "insert+sums": "INSERT ... SELECT, then SQL sums of both sides"}


def compare(arguments):
    database = Database(arguments.dsn)
    options = ["--memory", arguments.memory] if arguments.memory else []
    actions = {"pgfanout": lambda clients: pgfanout_copy(database, arguments.binary, options, clients),
               "insert": lambda clients: insert_select(database, clients),
               "psql": lambda clients: psql_pipes(database, clients)}
    methods = arguments.methods.split(",")
    unknown = set(methods) - set(actions)
    if unknown:
        raise Failure(f"no such method: {', '.join(sorted(unknown))}")
    database.drop_target()
    expected = database.checksum(database.leaves)
    warm_up(database)
    runs = {}
    for number in range(arguments.rounds):
        shift = number % len(methods)
        for method in methods[shift:] + methods[:shift]:
            if method != "pgfanout":
                database.create_target()
            run = measure(actions[method])
            runs.setdefault(method, []).append(run)
            print(f"round {number + 1}: {NAMES[method]}: {run['wall']:.2f} s", file=sys.stderr)
            if method == "insert":
                # Timed: it is what a user would run to know as much as pgfanout's exit code says.
                sums = measure(lambda clients: run_sums(database, clients))
                runs.setdefault("insert+sums", []).append(added(run, sums))
            database.check_target(expected)
            database.drop_target()
    report_comparison(runs, expected[0])
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump({"rows": expected[0], "runs": runs}, file, indent=1)


def warm_up(database):
    """One load that is not measured: whoever comes first would pay for making the WAL's files."""
    database.create_target()
    insert_select(database, Clients())
    database.drop_target()


def run_sums(database, clients):
    """The cheapest SQL proof: hash_record_extended over both sides, SESSIONS at a time."""
    for tables in (database.leaves, database.target_leaves()):
        run_dealt(database, [f"SELECT count(*), sum(hash_record_extended(ROW({database.columns}), 0)) FROM {table};"
                             for table in tables], clients)


def added(first, second):
    both = {field: first[field] + second[field] for field in ("wall", "client_cpu", "machine_cpu", "idle", "steal")}
    both["idle_share"] = both["idle"] / max(both["idle"] + both["machine_cpu"] + both["steal"], 1e-9)
    both["peak_rss_bytes"] = max(first["peak_rss_bytes"], second["peak_rss_bytes"])
    return both


def report_comparison(runs, rows):
    print(f"\n{rows} rows, {os.cpu_count()} processors, medians of {max(map(len, runs.values()))} rounds\n")
    table = []
    for method in NAMES:
        if method not in runs:
            continue
        own = runs[method]
        walls = [run["wall"] for run in own]
        ratio = f"{statistics.median(walls) / median(runs['pgfanout'], 'wall'):.2f}" if "pgfanout" in runs else "-"
        table.append([NAMES[method], f"{statistics.median(walls):.2f}", f"{min(walls):.2f}-{max(walls):.2f}",
                      f"{rows / statistics.median(walls):.0f}", f"{median(own, 'client_cpu'):.2f}",
                      f"{median(own, 'machine_cpu'):.2f}", f"{median(own, 'idle_share'):.0%}",
                      f"{median(own, 'steal'):.2f}", f"{median(own, 'peak_rss_bytes') / MIB:.0f}", ratio])
    print_table(["", "wall s", "range", "rows/s", "client CPU s", "machine CPU s", "idle", "stolen s",
                 "peak RSS MiB", "wall / pgfanout"], table)
    print("\nPeak RSS is that of the largest client process.")
    if "pgfanout" in runs:
        report_stages(runs)


def report_stages(runs):
    """pgfanout's own stages, and the shares of processor time while rows stream."""
    stages = {}
    for run in runs["pgfanout"]:
        for stage in run["report"].get("stages", []):
            stages.setdefault(stage["name"], []).append(stage)
    if not stages:
        return
    print("\npgfanout by stage:\n")
    table = []
    for name, own in stages.items():
        row = [name, f"{median(own, 'seconds'):.2f}", "-", "-", "-"]
        if all("machine_cpu_seconds" in stage and stage["machine_cpu_seconds"] > 0 for stage in own):
            cpu = median(own, "machine_cpu_seconds")
            row[2] = f"{cpu:.2f}"
            if all("machine_idle_seconds" in stage for stage in own):
                idle = statistics.median(stage["machine_idle_seconds"] for stage in own)
                row[3] = f"{idle / (idle + cpu):.1%}"
            if all("client_cpu_seconds" in stage for stage in own):
                shares = [stage["client_cpu_seconds"] / stage["machine_cpu_seconds"] for stage in own]
                row[4] = f"{statistics.median(shares):.1%}"
        table.append(row)
    print_table(["stage", "wall s", "machine CPU s", "idle", "client's share of CPU"], table)
    if "copy" in stages:
        copy = median(stages["copy"], "seconds")
        for method in ("insert", "psql"):
            if method in runs:
                print(f"{NAMES[method]} / pgfanout's copy stage: {median(runs[method], 'wall') / copy:.2f}")


def memory(arguments):
    database = Database(arguments.dsn)
    database.drop_target()
    expected = database.checksum(database.leaves)
    rows = []
    for budget in arguments.budgets.split(","):
        run = measure(lambda clients: pgfanout_copy(database, arguments.binary, ["--memory", budget], clients))
        database.check_target(expected)
        database.drop_target()
        above = run["peak_rss_bytes"] - parse_size(budget)
        rows.append([str(expected[0]), budget, f"{run['peak_rss_bytes'] / MIB:.1f}", f"{above / MIB:+.1f}",
                     f"{run['wall']:.2f}", f"{1e6 * run['wall'] / max(expected[0], 1):.2f}"])
    print_table(["rows", "--memory", "peak RSS MiB", "above it MiB", "wall s", "us a row"], rows)


def parse_size(text):
    units = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "kB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30}
    for unit, size in units.items():
        if text.endswith(unit):
            return int(float(text[:-len(unit)]) * size)
    return int(text)


def main():
    parser = argparse.ArgumentParser(description="Measures pgfanout and its peers on a loaded server.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, action in (("compare", compare), ("memory", memory)):
        command = commands.add_parser(name)
        command.set_defaults(action=action)
        command.add_argument("--dsn", required=True)
        command.add_argument("--binary", required=name == "memory")
    compare_options = commands.choices["compare"]
    compare_options.add_argument("--rounds", type=int, default=3)
    compare_options.add_argument("--methods", default="pgfanout,insert,psql")
    compare_options.add_argument("--memory")
    compare_options.add_argument("--json", metavar="FILE")
    commands.choices["memory"].add_argument("--budgets", default="64MiB,256MiB")
    arguments = parser.parse_args()
    try:
        arguments.action(arguments)
    except Failure as failure:
        sys.exit(f"measure: {failure}")


if __name__ == "__main__":
    main()
