#!/usr/bin/env python3
"""Measures pgfanout verify and what SQL offers in its place, on a server that holds source and target.

    measure_verify.py --dsn DSN --binary PATH [--rounds R] [--methods pgfanout,record,text,except]
                      [--planted 100,10000]

Called by perf/verify. All runs read only, but for the differences that are planted into the target
at the end, one number after the other.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile

import measure


def verify(database, binary, expected_code, clients):
    """pgfanout verify --data; returns its own report."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(
            [binary, "verify", "--data", "--source", database.dsn, "--table", measure.SOURCE, "--into",
             measure.TARGET, "--key", measure.KEY, "--json", "--progress", "none"], stdout=out, stderr=err)
        code = wait(clients, process, expected_code)
        out.seek(0)
        err.seek(0)
        if code != expected_code:
            raise measure.Failure(f"pgfanout exited {code}, not {expected_code}\n{err.read().decode()[-3000:]}")
        return {"report": json.loads(out.read())}


def wait(clients, process, expected_code):
    """As Clients.wait, but an expected exit code is no failure."""
    code = clients.wait(process)
    if code == expected_code:
        clients.failed.clear()
    return code


def checksums(database, expression, clients):
    """One sum a leaf of both sides, two jobs at a time; the totals must be equal."""
    totals = []
    for tables in (database.leaves, database.target_leaves()):
        _, lines = measure.run_dealt(
            database, [f"SELECT count(*), coalesce(sum({expression}), 0) FROM {table} AS t;" for table in tables],
            clients)
        pairs = [tuple(map(int, line.split("|"))) for line in lines]
        totals.append((sum(pair[0] for pair in pairs), sum(pair[1] for pair in pairs)))
    if totals[0] != totals[1]:
        raise measure.Failure(f"the sums differ: {totals}")


def except_both(database, clients):
    """Rows that either side lacks, both directions at a time."""
    columns = database.columns
    both = [(measure.SOURCE, measure.TARGET), (measure.TARGET, measure.SOURCE)]
    _, lines = measure.run_dealt(
        database, [f"SET work_mem = '256MB'; SELECT count(*) FROM (SELECT {columns} FROM {one} EXCEPT ALL"
                   f" SELECT {columns} FROM {other}) AS d;" for one, other in both], clients)
    if any(int(line) for line in lines):
        raise measure.Failure("EXCEPT found differences")


def plant(database, number):
    """Changes that many rows of the target."""
    database.query(f"UPDATE {measure.TARGET} SET content = content || '~~planted' WHERE (id, collection_id) IN"
                   f" (SELECT id, collection_id FROM {measure.TARGET} ORDER BY md5(id::text) LIMIT {number})")
    database.query("CHECKPOINT")


def undo(database):
    database.query(f"UPDATE {measure.TARGET} SET content = left(content, -length('~~planted')) WHERE content LIKE '%~~planted'")
    database.query(f"VACUUM {measure.TARGET}")
    database.query("CHECKPOINT")


NAMES = {"pgfanout": "pgfanout verify --data",
         "record": "sum(hash_record_extended), 2 at a time",
         "text": "sum(hashtextextended(t::text)), 2 at a time",
         "except": "EXCEPT ALL both ways, 2 at a time"}


def run(arguments):
    database = measure.Database(arguments.dsn)
    record = f"hash_record_extended(ROW({database.columns}), 0)"
    text = f"hashtextextended(ROW({database.columns})::text, 0)"
    actions = {"pgfanout": lambda clients: verify(database, arguments.binary, 0, clients),
               "record": lambda clients: checksums(database, record, clients),
               "text": lambda clients: checksums(database, text, clients),
               "except": lambda clients: except_both(database, clients)}
    methods = arguments.methods.split(",")
    checksums(database, record, measure.Clients())  # Warms the caches up.
    runs = {}
    for number in range(arguments.rounds):
        shift = number % len(methods)
        for method in methods[shift:] + methods[:shift]:
            done = measure.measure(actions[method])
            runs.setdefault(method, []).append(done)
            print(f"round {number + 1}: {NAMES[method]}: {done['wall']:.2f} s", file=sys.stderr)
    report(runs)
    for planted in [int(number) for number in arguments.planted.split(",") if number]:
        report_planted(database, arguments, planted)


def report(runs):
    own = measure.median(runs["pgfanout"], "wall") if "pgfanout" in runs else None
    table = []
    for method, all_runs in runs.items():
        ratios = [a["wall"] / b["wall"] for a, b in zip(runs.get("pgfanout", []), all_runs)]
        table.append([NAMES[method], f"{measure.median(all_runs, 'wall'):.2f}",
                      f"{measure.median(all_runs, 'client_cpu'):.2f}", f"{measure.median(all_runs, 'machine_cpu'):.2f}",
                      f"{measure.median(all_runs, 'idle_share'):.0%}",
                      f"{measure.median(all_runs, 'peak_rss_bytes') / measure.MIB:.0f}",
                      f"{statistics.median(ratios):.2f}" if own else "-"])
    measure.print_table(["", "wall s", "client CPU s", "machine CPU s", "idle", "peak RSS MiB", "pgfanout / it"], table)


def report_planted(database, arguments, planted):
    """Clean and planted runs in turns, on the same table."""
    ratios = []
    for _ in range(arguments.rounds):
        clean = measure.measure(lambda clients: verify(database, arguments.binary, 0, clients))
        plant(database, planted)
        found = measure.measure(lambda clients: verify(database, arguments.binary, 1, clients))
        undo(database)
        changed = found["report"]["differences"]["changed"]
        named = len(found["report"]["differences"]["rows"])
        if (changed, named) != (planted, planted):
            raise measure.Failure(f"{planted} planted, {changed} counted, {named} named")
        ratios.append(found["wall"] / clean["wall"])
    print(f"{planted} rows changed: all named; time over that of a clean run {statistics.median(ratios):.2f}")


def main():
    parser = argparse.ArgumentParser(description="Measures pgfanout verify and its peers.")
    parser.add_argument("--dsn", required=True)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--methods", default="pgfanout,record,text,except")
    parser.add_argument("--planted", default="100,10000")
    try:
        run(parser.parse_args())
    except measure.Failure as failure:
        sys.exit(f"measure_verify: {failure}")


if __name__ == "__main__":
    main()
