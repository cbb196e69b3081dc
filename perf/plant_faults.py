#!/usr/bin/env python3
"""Plants faults in copies of tables and counts those that pgfanout verify names.

    plant_faults.py --dsn DSN --binary PATH [--faults N] [--each N] [--clean N] [--seed S]

perf/verify_faults starts the server and calls it. The expected findings follow from the plants alone: a
finding is the kind, the row's id, the changed columns and the row's leaf on the target (of a missing row: on
the source). Rows are looked up by the addresses that the verification prints.
"""

import argparse
import collections
import dataclasses
import json
import random
import subprocess
import sys
import time

COLUMNS = ("id bigint, collection_id uuid NOT NULL, name text, bits bytea, note text, title text, amount numeric,"
           " zero float8, seen timestamptz, raw json, meta jsonb, code char(12), stamp int")
NAMES = "id, collection_id, name, bits, note, title, amount, zero, seen, raw, meta, code, stamp"
KEY = "abs(hashtext(collection_id::text)) % {keys}"
MOVED = 1000000  # Added to an id that changed.
START_OVER = "DROP SCHEMA public CASCADE; CREATE SCHEMA public;"
IN_IDS = " WHERE id IN ({ids})"


class Failure(Exception):
    pass


class Server:
    def __init__(self, dsn):
        self.dsn = dsn

    def run(self, sql):
        """All statements in one transaction; the rows of those that return some, as lists of fields."""
        done = subprocess.run(["psql", "-XqAt1", "-F", "\t", "-v", "ON_ERROR_STOP=1", "-d", self.dsn],
                              input="SET client_min_messages = warning;" + sql, capture_output=True, text=True)
        if done.returncode:
            raise Failure(done.stderr.strip() + "\nin: " + sql[:2000])
        return [line.split("\t") for line in done.stdout.split("\n")[:-1]]


@dataclasses.dataclass
class Shape:
    """Two layouts of the same rows."""

    name: str
    source: str  # CREATE TABLE t
    target: str  # CREATE TABLE t_new; columns only, if it is laid out by a key
    identity: list  # columns; empty: all columns distinguish rows
    keys: int = 0
    doubles: int = 0  # rows that the source has twice
    nullable: bool = True  # the target's identity columns

    def sql(self, rows):
        sql = self.source + ";" + self.fill(rows)
        if self.doubles:
            sql += self.fill(self.doubles)
        if not self.keys:
            return sql + self.target + f"; INSERT INTO t_new ({NAMES}, derived) SELECT {NAMES}, 'n' || stamp FROM t;"
        return (sql + f"CREATE TABLE t_new ({self.target}, partition_key int) PARTITION BY LIST (partition_key);"
                + "".join(f"CREATE TABLE t_new_p{key:02} PARTITION OF t_new FOR VALUES IN ({key});"
                          for key in range(self.keys))
                + f"INSERT INTO t_new ({NAMES}, derived, partition_key) SELECT {NAMES}, 'n' || stamp,"
                f" {KEY.format(keys=self.keys)} FROM t;")

    @staticmethod
    def fill(rows):
        return (f"INSERT INTO t ({NAMES}) SELECT n, md5((n % 97)::text)::uuid, 'name ' || n,"
                " decode(substr(md5(n::text), 1, 16), 'hex'), 'note ' || n, CASE WHEN n % 2 = 0 THEN '' END,"
                " (n || '.0')::numeric, 0, timestamptz '2024-01-01 00:00:00Z' + n * interval '1 second',"
                " '{\"b\":1,\"a\":2}', '{\"b\":1,\"a\":2}', 'code', n"
                f" FROM generate_series(1, {rows}) n;")

    def arguments(self):
        options = ["--map", "derived='n' || stamp"]
        return options + (["--key", KEY.format(keys=self.keys), "--partitions", str(self.keys)] if self.keys else [])


def hash_source(column, constraint=""):
    return (f"CREATE TABLE t ({COLUMNS}{constraint}) PARTITION BY HASH ({column});"
            + "".join(f"CREATE TABLE t_h{at} PARTITION OF t FOR VALUES WITH (MODULUS 16, REMAINDER {at});"
                      for at in range(16)))


SHAPES = [
    Shape("16 HASH leaves to 100 LIST leaves, key of fixed width",
          hash_source("collection_id", ", PRIMARY KEY (id, collection_id)"),
          "id bigint NOT NULL" + COLUMNS[len("id bigint"):] + ", derived text", ["id", "collection_id"],
          100, nullable=False),
    Shape("text as primary key", hash_source("name", ", PRIMARY KEY (name)"), COLUMNS + ", derived text", ["name"], 20),
    Shape("no key, equal rows", hash_source("collection_id"), COLUMNS + ", derived text", [], 30, doubles=200),
    Shape("plain table, other order and types",
          "CREATE TABLE t (id int PRIMARY KEY, collection_id uuid, name varchar, bits bytea, note varchar(40),"
          " title text, amount numeric, zero float8, seen timestamptz, raw json, meta jsonb, code char(12),"
          " stamp smallint)",
          "derived text, stamp bigint, meta jsonb, code char(12), raw json, seen timestamptz, zero float8,"
          " amount numeric, title text, note text, bits bytea, name text, collection_id uuid, id bigint", ["id"], 10),
    Shape("partitioned table to plain one",
          hash_source("collection_id", ", PRIMARY KEY (id, collection_id)"),
          f"CREATE TABLE t_new ({COLUMNS}, derived text)", ["id", "collection_id"]),
]


@dataclasses.dataclass
class Fault:
    name: str
    sql: str
    kind: str  # "moved": missing, and extra under another id; empty: no fault at all
    columns: str = ""
    needs: str = ""  # key, identity, nullable
    next_leaf: bool = False  # afterwards the row is in the leaf of the next key
    rows: int = 1  # how many are planted together


def unchecked(statements):
    """For each of the rows, while the server accepts any key in a leaf."""
    leaves = "(SELECT relid FROM pg_partition_tree('t_new') WHERE isleaf)"
    return (f"DO $$ DECLARE r record; BEGIN UPDATE pg_class SET relispartition = false WHERE oid IN {leaves};"
            " FOR r IN SELECT id, tableoid::regclass AS leaf, partition_key AS key FROM t_new WHERE id IN ({ids})"
            f" LOOP {statements} END LOOP;"
            f" UPDATE pg_class SET relispartition = true WHERE oid IN {leaves}; END $$")


INTO_NEXT = ("EXECUTE format('INSERT INTO t_new_p%s SELECT * FROM %s WHERE id = %s',"
             " lpad(((r.key + 1) % {keys})::text, 2, '0'), r.leaf, r.id);")
OUT_OF_LEAF = "EXECUTE format('DELETE FROM %s WHERE id = %s', r.leaf, r.id);"
NEXT_KEY = "partition_key = (partition_key + 1) % {keys}"

FAULTS = [
    Fault("one bit", "UPDATE t_new SET bits = set_bit(bits, {bit}, 1 - get_bit(bits, {bit}))" + IN_IDS, "changed",
          "bits"),
    Fault("lost row", "DELETE FROM t_new" + IN_IDS, "missing"),
    Fault("row twice", "INSERT INTO t_new SELECT * FROM t_new" + IN_IDS, "extra"),
    Fault("values swapped",
          "UPDATE t_new AS t SET note = p.note FROM (SELECT id, CASE WHEN row_number() OVER w % 2 = 1 THEN"
          " lead(note) OVER w ELSE lag(note) OVER w END AS note FROM t_new" + IN_IDS
          + " WINDOW w AS (ORDER BY id)) AS p WHERE t.id = p.id", "changed", "note", rows=2),
    Fault("NULL for empty", "UPDATE t_new SET title = CASE WHEN title IS NULL THEN '' END" + IN_IDS, "changed",
          "title"),
    Fault("trailing blank", "UPDATE t_new SET note = note || ' '" + IN_IDS, "changed", "note"),
    Fault("numeric scale", "UPDATE t_new SET amount = (amount || '0')::numeric" + IN_IDS, "changed", "amount"),
    Fault("minus zero", "UPDATE t_new SET zero = '-0'" + IN_IDS, "changed", "zero"),
    Fault("not a number", "UPDATE t_new SET zero = 'NaN'" + IN_IDS, "changed", "zero"),
    Fault("one microsecond", "UPDATE t_new SET seen = seen + interval '1 microsecond'" + IN_IDS, "changed", "seen"),
    Fault("order in json", "UPDATE t_new SET raw = '{\"a\":2,\"b\":1}'" + IN_IDS, "changed", "raw"),
    Fault("two columns", "UPDATE t_new SET title = 'x', bits = NULL" + IN_IDS, "changed", "bits,title"),
    Fault("mapped column", "UPDATE t_new SET derived = upper(derived)" + IN_IDS, "changed", "derived"),
    Fault("source changed", "UPDATE t SET note = 'other'" + IN_IDS, "changed", "note"),
    Fault("source of a mapping changed", "UPDATE t SET stamp = stamp + 1" + IN_IDS, "changed", "derived,stamp"),
    Fault("source lost a row", "DELETE FROM t" + IN_IDS, "extra"),
    Fault("other identity", "UPDATE t_new SET id = id + " + str(MOVED) + ", name = name || '+'" + IN_IDS, "moved",
          needs="identity"),
    Fault("no identity", "UPDATE t_new SET id = NULL, name = NULL" + IN_IDS, "moved", needs="nullable"),
    Fault("wrong leaf", unchecked(INTO_NEXT + OUT_OF_LEAF), "misplaced", needs="key", next_leaf=True),
    Fault("changed in a wrong leaf",
          unchecked(INTO_NEXT + OUT_OF_LEAF + "UPDATE t_new SET note = 'other' WHERE id = r.id;"), "changed", "note",
          "key", True),
    Fault("copy in a wrong leaf", unchecked(INTO_NEXT), "extra", needs="key", next_leaf=True),
    Fault("wrong key",
          unchecked("EXECUTE format('UPDATE %s SET " + NEXT_KEY.replace("%", "%%")
                    + " WHERE id = %s', r.leaf, r.id);"), "misplaced", needs="key"),
    Fault("wrong key and its leaf", "UPDATE t_new SET " + NEXT_KEY + IN_IDS, "misplaced", needs="key", next_leaf=True),
    Fault("order in jsonb", "UPDATE t_new SET meta = '{\"a\": 2,   \"b\": 1}'" + IN_IDS, ""),
    Fault("blanks in char(n)", "UPDATE t_new SET code = code || '  '" + IN_IDS, ""),
    Fault("written anew", "UPDATE t_new SET note = note" + IN_IDS, ""),
]
TWO_LOST = Fault("equal rows lost", "DELETE FROM t_new" + IN_IDS, "missing")


def is_possible(fault, shape):
    return {"": True, "key": shape.keys > 0, "identity": bool(shape.identity),
            "nullable": bool(shape.identity) and shape.nullable}[fault.needs]


def next_leaf(leaf, keys):
    return f"{leaf[:-2]}{(int(leaf[-2:]) + 1) % keys:02}"


def findings_of(fault, shape, row, leaves):
    """The expected findings for one row; `leaves`: its leaf on either side."""
    source, target = leaves
    if fault.next_leaf:
        target = next_leaf(target, shape.keys)
    missing = ("missing", row, "", source)
    if fault.kind == "moved":
        return [missing, ("extra", "" if fault.needs == "nullable" else str(int(row) + MOVED), "", target)]
    if fault.kind == "missing":
        return [missing] * (2 if fault is TWO_LOST else 1)
    if fault.kind == "changed" and not shape.identity:
        return [missing, ("extra", row, "", target)]
    return [(fault.kind, row, fault.columns, target)]


@dataclasses.dataclass
class Tally:
    planted: int = 0
    right: int = 0
    false_alarms: int = 0
    wrong_verdicts: int = 0
    clean: int = 0
    kinds: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    complaints: list = dataclasses.field(default_factory=list)

    def missed(self):
        return self.planted - self.right

    def complain(self, text):
        if len(self.complaints) < 20:
            self.complaints.append(text)


def verify(server, binary, arguments):
    done = subprocess.run([binary, "verify", "--json", "--data", "--progress", "none", "--source", server.dsn,
                           "--table", "public.t", *arguments], capture_output=True, text=True)
    try:
        return done.returncode, json.loads(done.stdout)
    except ValueError as error:
        raise Failure(f"verify ended with {done.returncode} and no document: {done.stderr}") from error


class FaultRun:
    """One copy with faults of all kinds in it."""

    def __init__(self, server, chance, shape, wanted):
        self.server, self.chance, self.shape = server, chance, shape
        self.wanted = wanted
        self.plants = []  # (fault, row)

    def plant(self):
        rows = self.wanted + self.chance.randrange(200, 1500)
        where = "SELECT id, min('public.' || tableoid::regclass) FROM {} GROUP BY id ORDER BY id;"
        both = self.server.run(START_OVER + self.shape.sql(rows) + where.format("t") + where.format("t_new"))
        half = len(both) // 2
        self.leaves = {row[0]: (row[1], other[1]) for row, other in zip(both[:half], both[half:])}
        single = [str(row) for row in range(self.shape.doubles + 1, rows + 1)]
        self.chance.shuffle(single)
        by_fault = self.choose(single)
        statements = []
        for fault in [*FAULTS, TWO_LOST]:
            members = by_fault[fault.name]
            if not members:
                continue
            sql = fault.sql.replace("{ids}", ",".join(members)).replace("{keys}", str(self.shape.keys))
            statements.append(sql.replace("{bit}", str(self.chance.randrange(64))))
        identity = "".join(f", to_jsonb({column})::text" for column in self.shape.identity)
        address = "SELECT '{0}', 'public.' || tableoid::regclass || ' ' || ctid, id{1} FROM {0};"
        self.addresses = {(side, at): (row, [json.loads(name) if name else None for name in names])
                          for side, at, row, *names in self.server.run(
            ";".join(statements) + ";" + address.format("t", identity) + address.format("t_new", identity))}

    def choose(self, single):
        by_fault = collections.defaultdict(list)
        possible = [fault for fault in FAULTS if is_possible(fault, self.shape)]
        doubles = [str(row) for row in range(1, self.shape.doubles + 1)]
        self.chance.shuffle(doubles)
        while len(self.plants) < self.wanted:
            if doubles and self.chance.random() < 0.05:
                by_fault[TWO_LOST.name].append(doubles.pop())
                self.plants.append((TWO_LOST, by_fault[TWO_LOST.name][-1]))
                continue
            fault = self.chance.choice(possible)
            if len(single) < fault.rows:
                break
            for _ in range(fault.rows):
                by_fault[fault.name].append(single.pop())
                if fault.kind:
                    self.plants.append((fault, by_fault[fault.name][-1]))
        return by_fault

    def check(self, binary, tally):
        code, document = verify(self.server, binary, self.shape.arguments())
        named = collections.Counter(self.finding(row, tally) for row in document["differences"]["rows"])
        expected = collections.Counter()
        for fault, row in self.plants:
            findings = findings_of(fault, self.shape, row, self.leaves[row])
            expected.update(findings)
        for fault, row in self.plants:
            findings = findings_of(fault, self.shape, row, self.leaves[row])
            tally.planted += 1
            tally.kinds[fault.name] += 1
            if all(named[finding] >= expected[finding] for finding in findings):
                tally.right += 1
            else:
                tally.complain(f"missed: {self.shape.name}: {fault.name}: {findings}")
        for finding in (named - expected).elements():
            tally.false_alarms += 1
            tally.complain(f"false alarm: {self.shape.name}: {finding}")
        counted = sum(document["differences"][kind] for kind in ("missing", "extra", "changed", "misplaced"))
        if code != 1 or document["status"] != "differences" or counted != sum(expected.values()):
            tally.wrong_verdicts += 1
            tally.complain(f"wrong verdict: {self.shape.name}: exit code {code}, {counted} differences counted")

    def finding(self, row, tally):
        side = "t" if row["kind"] == "missing" else "t_new"
        address = row.get("source" if side == "t" else "target", "nowhere")
        found, names = self.addresses.get((side, address), ("nothing", []))
        if names != [row["identity"].get(column) for column in self.shape.identity]:
            found = "other identity"
            tally.complain(f"identity {row['identity']} instead of {names}")
        if row["kind"] == "changed" and self.addresses.get(("t", row.get("source")), ("", []))[0] != found:
            found = "other source"
        return row["kind"], found, ",".join(sorted(row.get("columns", []))), address.split(" ")[0]


TYPES = [("bool", "random() < 0.5"), ("int2", "random() * 60000 - 30000"), ("int4", "random() * 4e9 - 2e9"),
         ("int8", "random() * 1.8e19 - 9e18"),
         ("float4", "(ARRAY['NaN', '-0', '0', 'Infinity', '1e-40', '0.1'])[1 + n % 6]"),
         ("float8", "CASE n % 9 WHEN 0 THEN 'NaN' WHEN 1 THEN '-0' ELSE random()::text END"),
         ("numeric", "CASE n % 9 WHEN 0 THEN 'NaN' WHEN 1 THEN '1.00' ELSE (random() * 1e9)::text END"),
         ("numeric(12,3)", "random() * 1e6"), ("text", "repeat(md5(random()::text), (random() * 9)::int)"),
         ("varchar(40)", "left(md5(random()::text), (random() * 32)::int) || repeat(' ', n % 4)"),
         ("char(9)", "repeat('x', n % 9)"), ("bytea", "decode(md5(random()::text), 'hex')"),
         ("date", "date '2000-01-01' + (random() * 9999)::int"),
         ("time", "time '00:00' + random() * interval '23 hours'"),
         ("timetz", "timetz '00:00+02' + random() * interval '20 hours'"),
         ("timestamp", "timestamp '1999-01-01' + random() * interval '30 years'"),
         ("timestamptz", "CASE n % 9 WHEN 0 THEN 'infinity' ELSE now() - random() * interval '9 years' END"),
         ("interval", "random() * interval '1 month 3 days'"), ("uuid", "gen_random_uuid()"),
         ("json", "json_build_object('b', random(), 'a', NULL)"),
         ("jsonb", "jsonb_build_object('b', random(), 'a', ARRAY[1, n])"),
         ("inet", "inet '10.0.0.0' + (random() * 9999)::int"), ("int4[]", "ARRAY[n, NULL, (random() * 9)::int]"),
         ("text[]", "ARRAY[[md5(n::text), ''], [NULL, 'x']]"), ("point", "point(random(), -random())"),
         ("varbit", "((random() * 1e9)::int)::bit(32)::varbit"),
         ("int4range", "int4range((n % 50)::int, 50 + n % 9)"), ("mood", "(ARRAY['sad', 'glad'])[1 + n % 2]::mood"),
         ("pair", "ROW(n, md5(n::text))::pair"), ("mood[]", "ARRAY['glad', NULL, 'sad']::mood[]")]
IDENTITIES = [("bigint", "n * 7919"), ("text", "'id ' || n"), ("uuid", "md5(n::text)::uuid"), ("float8", "n / 7.0"),
              ("interval", "n * interval '1 hour 1 day'"), ("numeric", "n / 10.0"), None, None]


def random_tables(chance):
    """SQL that makes a table of random columns and rows and a copy of it, and options for verify."""
    columns = [("c", "int NOT NULL", "(random() * 1000)::int")]
    identity = chance.choice(IDENTITIES)
    if identity:
        columns.append(("id", *identity))
    for at in range(chance.randrange(9)):
        name, value = chance.choice(TYPES)
        columns.append((f"c{at}", name, f"CASE WHEN random() < 0.8 THEN ({value})::{name} END"))
    names = ", ".join(column[0] for column in columns)
    types = ", ".join(f"{column[0]} {column[1]}" for column in columns)
    sql = "CREATE TYPE mood AS ENUM ('glad', 'sad'); CREATE TYPE pair AS (a int, b text);"
    sql += f"CREATE TABLE t ({types}{', PRIMARY KEY (id, c)' if identity else ''})"
    if chance.random() < 0.5:
        sql += " PARTITION BY HASH (c);" + "".join(
            f"CREATE TABLE t_h{at} PARTITION OF t FOR VALUES WITH (MODULUS 4, REMAINDER {at});" for at in range(4))
    rows = chance.choice([0, 1, 17, 200, 700, 2000])
    sql += (f"; SET seed TO {chance.random():.6f}; INSERT INTO t SELECT {', '.join(column[2] for column in columns)}"
            f" FROM generate_series(1, {rows}) n;")
    chance.shuffle(columns)
    target, options = random_target(chance, ", ".join(f"{column[0]} {column[1]}" for column in columns), names)
    return sql + target, options


def random_target(chance, types, names):
    keys = chance.randrange(1, 13)
    key = chance.choice(["abs(hashtext(c::text)) % {}", "c % {}"]).format(keys)
    leaves = "".join(f"CREATE TABLE t_new_p{at} PARTITION OF t_new FOR VALUES IN ({at});" for at in range(keys))
    options = ["--key", key, "--partitions", str(keys)]
    fill = f"INSERT INTO t_new ({names}) SELECT {names} FROM t ORDER BY random();"
    layout = chance.choice(["plain", "range", "stored", "expression"])
    if layout == "plain":
        return f"CREATE TABLE t_new ({types});" + fill, []
    if layout == "range":
        return (f"CREATE TABLE t_new ({types}) PARTITION BY RANGE (c);"
                "CREATE TABLE t_new_a PARTITION OF t_new FOR VALUES FROM (MINVALUE) TO (500);"
                "CREATE TABLE t_new_b PARTITION OF t_new FOR VALUES FROM (500) TO (MAXVALUE);" + fill), []
    if layout == "expression":
        return f"CREATE TABLE t_new ({types}) PARTITION BY LIST (({key}));" + leaves + fill, options
    return (f"CREATE TABLE t_new (partition_key int, {types}) PARTITION BY LIST (partition_key);" + leaves
            + f"INSERT INTO t_new (partition_key, {names}) SELECT {key}, {names} FROM t ORDER BY random();"), options


def clean_run(server, binary, chance, tally):
    sql, options = random_tables(chance)
    server.run(START_OVER + sql)
    code, document = verify(server, binary, options)
    tally.clean += 1
    if code or document["status"] != "ok" or document["differences"]["rows"]:
        tally.false_alarms += max(1, len(document.get("differences", {}).get("rows", [])))
        tally.complain(f"alarm over a clean copy: exit code {code}: {document['issues']} after: {sql}")


def tell(is_time, tally):
    if is_time:
        print(f"{tally.planted:,} faults planted, {tally.missed():,} missed; {tally.clean:,} untouched copies;"
              f" {tally.false_alarms:,} false alarms", file=sys.stderr)


def report(tally, seconds):
    print(f"faults planted             {tally.planted:,}")
    print(f"  found and rightly named  {tally.right:,}")
    print(f"  missed                   {tally.missed():,}")
    print(f"untouched copies verified  {tally.clean:,}")
    print(f"false alarms               {tally.false_alarms:,}")
    print(f"wrong verdicts or counts   {tally.wrong_verdicts:,}")
    print(f"seconds                    {seconds:.0f}")
    print("\nby kind: " + ", ".join(f"{name} {count:,}" for name, count in sorted(tally.kinds.items())))
    for complaint in tally.complaints:
        print(complaint, file=sys.stderr)


def main():
    parser = argparse.ArgumentParser(description="Plants faults and counts those that pgfanout verify names.")
    parser.add_argument("--dsn", required=True)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--faults", type=int, default=10000)
    parser.add_argument("--each", type=int, default=100)
    parser.add_argument("--clean", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    chance, server, tally = random.Random(arguments.seed), Server(arguments.dsn), Tally()
    began = time.monotonic()
    runs = 0
    while tally.planted < arguments.faults:
        wanted = min(arguments.each, arguments.faults - tally.planted)
        run = FaultRun(server, chance, SHAPES[runs % len(SHAPES)], wanted)
        run.plant()
        run.check(arguments.binary, tally)
        runs += 1
        tell(runs % 20 == 0, tally)
    while tally.clean < arguments.clean:
        clean_run(server, arguments.binary, chance, tally)
        tell(tally.clean % 100 == 0, tally)
    report(tally, time.monotonic() - began)
    sys.exit(1 if tally.missed() or tally.false_alarms or tally.wrong_verdicts else 0)


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(f"plant_faults: {failure}")
