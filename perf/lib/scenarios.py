"""The scenarios: each does whole jobs in several ways, and fills cases into the results."""

import contextlib
import dataclasses
import shutil
import time
from typing import Callable

from lib import measure, paths, plans
from lib.database import Database, load_chunks
from lib.failure import Failure
from lib.rounds import Method, alternate, say
from lib.server import Server
from lib.table import PARTITIONS, Table

FEW_ROWS = 50000  # Below that, collections must be small to reach most of the leaves.


@contextlib.contextmanager
def loaded_server(context, rows, major=None):
    """A server with the demo's tables. One copy is made and dropped before: the first one creates the WAL's files."""
    with Server(major) as server:
        say(f"loading {rows:,} rows")
        load_chunks(server.dsn(), rows, "page" if rows < FEW_ROWS else None)
        database = Database(server.dsn())
        table = Table(database)
        measure.pgfanout(context.program, "copy", "--source", database.dsn, *tables(table))
        table.drop_target()
        yield server, database, table


def new_case(context, scenario, server, database, rows, parameters=None, name=None):
    return context.recorder.case(scenario, name or described(rows, parameters), rows, database.version(),
                                 server.settings, parameters)


def described(rows, parameters):
    return ", ".join([f"{rows:,} rows", *(f"{name} {value}" for name, value in (parameters or {}).items())])


def tables(table):
    return ["--table", table.name, "--into", table.target, "--key", table.key, "--partitions", str(PARTITIONS), "--yes"]


def finished(table):
    def check(_):
        table.check_target()
        table.check_finished()
    return check


def window_method(context, table, title, *options):
    """pgfanout run. The rollback after it is not timed."""
    database = table.database

    def clean():
        measure.pgfanout(context.program, "rollback", "--source", database.dsn, "--table", table.name, "--into",
                         table.target, "--yes")
        table.drop_target()

    return Method(title, lambda: measure.pgfanout(context.program, "run", "--source", database.dsn, *tables(table), *options),
                  finished(table), clean)


def copy_method(context, table, title, *options, sample_memory=False):
    database = table.database
    return Method(title, lambda: measure.pgfanout(context.program, "copy", "--source", database.dsn, *tables(table),
                                                  *options, sample_memory=sample_memory),
                  lambda _: table.check_target(), table.drop_target)


def window(context, options):
    """The whole window on one server: pgfanout run against the best SQL that an expert would write."""
    with loaded_server(context, options["rows"]) as (server, database, table):
        case = new_case(context, "window", server, database, options["rows"])
        methods = {
            "pgfanout": window_method(context, table, "pgfanout run --key-mode none", "--key-mode", "none"),
            "expert": Method("the expert's SQL, two sessions",
                             lambda: measure.peer(paths.PEERS / "expert_window", database.dsn),
                             finished(table), table.drop_target),
        }
        if options["with_check"]:
            methods["pgfanout_check"] = window_method(context, table, "pgfanout run (with a CHECK of the key)")
        alternate(context, case, methods, options["rounds"])


def batches(context, options):
    """pgfanout run against batches by LIMIT and OFFSET into an indexed table."""
    with loaded_server(context, options["rows"]) as (server, database, table):
        case = new_case(context, "batches", server, database, options["rows"])
        alternate(context, case, {
            "pgfanout": window_method(context, table, "pgfanout run"),
            "batches": Method("LIMIT/OFFSET batches of 10,000", lambda: measure.peer(paths.PEERS / "limit_offset", database.dsn),
                              lambda _: table.check_target(), table.drop_target,
                              less_work="proves nothing, freezes nothing, no statistics"),
        }, options["rounds"])


def two_servers(context, options):
    """A proven copy between two servers, against psql pipes with SQL sums, pgcopydb and pgloader."""
    with loaded_server(context, options["rows"]) as (server, source, table), Server() as other:
        target = Database(other.dsn())
        case = new_case(context, "two_servers", server, source, options["rows"])

        def check(_):
            table.check_target(target)

        def clean():
            # The fence and its journal are on the source.
            table.drop_target()
            target.query("SET client_min_messages = warning",
                         "DO $$ DECLARE t regclass; BEGIN FOR t IN SELECT oid FROM pg_class WHERE relkind IN ('r', 'p')"
                         " AND NOT relispartition AND relnamespace = 'public'::regnamespace"
                         " LOOP EXECUTE 'DROP TABLE ' || t; END LOOP; END $$")
            table.drop_target(target)

        def script(name, title):
            return Method(title, lambda: measure.peer(paths.PEERS / name, source.dsn, target.dsn), check, clean)

        methods = {
            "pgfanout": Method("pgfanout copy (proven)", lambda: measure.pgfanout(
                context.program, "copy", "--source", source.dsn, "--target", target.dsn, *tables(table)),
                check, clean),
            "psql_pipes": script("psql_pipes", "psql | psql two at a time, and SQL sums"),
        }
        for tool, title in (("pgcopydb", "pgcopydb into tables whose trigger re-partitions, and SQL sums"),
                            ("pgloader", "pgloader from a view with the key, and SQL sums")):
            if tool in options["tools"]:
                if shutil.which(tool):
                    methods[tool] = script(tool, title)
                else:
                    case["cannot"][tool] = "not installed (scripts/install-deps perf)"
        # The first copy into the other server creates the files of its WAL.
        methods["pgfanout"].run()
        clean()
        alternate(context, case, methods, options["rounds"], may_fail=("pgcopydb", "pgloader"))


MARK = "~~planted"


def verify(context, options):
    """pgfanout verify --data against comparisons in SQL."""
    with loaded_server(context, options["rows"]) as (server, database, table):
        measure.pgfanout(context.program, "copy", "--source", database.dsn, *tables(table))
        database.settle()
        case = new_case(context, "verify", server, database, options["rows"])

        def verify(expected_code=0):
            return measure.pgfanout(context.program, "verify", "--data", "--source", database.dsn, "--table", table.name,
                                    "--into", table.target, "--key", table.key, expected_code=expected_code)

        methods = {
            "pgfanout": Method("pgfanout verify --data", verify),
            "record": peer("sum(hash_record_extended)", "sums", "record", database.dsn),
            "text": peer("sum(hashtextextended(t::text))", "sums", "text", database.dsn),
            "except": peer("EXCEPT ALL both ways", "except_both_ways", database.dsn),
        }
        for number in options["planted"]:
            methods[f"planted_{number}"] = planted(table, database, number, verify)
        alternate(context, case, methods, options["rounds"])


def peer(title, script, *arguments):
    return Method(title, lambda: measure.peer(paths.PEERS / script, *arguments))


def planted(table, database, number, verify):
    """Verify with so many rows changed. It must name all of them."""

    def run_planted():
        database.query(f"UPDATE {table.target} SET content = content || '{MARK}' WHERE (id, collection_id) IN"
                       f" (SELECT id, collection_id FROM {table.target} ORDER BY md5(id::text) LIMIT {number})")
        database.settle()
        return verify(1)

    def check(done):
        changed = done["report"]["differences"]["changed"]
        if changed != number:
            raise Failure(f"{number} rows were changed, and pgfanout verify says {changed}")

    def undo():
        database.query(f"UPDATE {table.target} SET content = left(content, -length('{MARK}'))"
                       f" WHERE content LIKE '%{MARK}'")
        database.query(f"VACUUM {table.target}")
        database.settle()

    return Method(f"pgfanout verify --data, {number:,} rows changed", run_planted, check, undo)


def memory(context, options):
    """Resident memory of pgfanout copy must follow --memory and not the table."""
    for rows in options["rows_list"]:
        with loaded_server(context, rows) as (server, database, table):
            for budget in options["budgets"]:
                case = new_case(context, "memory", server, database, rows, {"memory": budget})
                alternate(context, case, {"pgfanout": copy_method(
                    context, table, f"pgfanout copy --memory {budget}", "--memory", budget, sample_memory=True)},
                    options["rounds"])


def size(context, options):
    """Cost per row of pgfanout copy by the size of the table, and its memory meanwhile."""
    for rows in options["rows_list"]:
        with loaded_server(context, rows) as (server, database, table):
            case = new_case(context, "size", server, database, rows)
            alternate(context, case, {"pgfanout": copy_method(context, table, "pgfanout copy", sample_memory=True)},
                      options["rounds"])


def leaves(context, options):
    """How large the leaves get, by commit mode, number of writers, memory and server."""
    for major in options["majors"]:
        with loaded_server(context, options["rows"], major) as (server, database, table):
            sizes(context, server, database, table, options)


def sizes(context, server, database, table, options):
    """One run of each setting, since sizes vary less than times."""
    source = table.size(table.name)
    for parameters in options["settings"]:
        name = ", ".join(f"{option} {value}" for option, value in parameters.items()) or "defaults"
        case = new_case(context, "leaves", server, database, options["rows"], parameters, name)
        case["source"] = source
        words = [word for option, value in parameters.items() for word in (f"--{option}", str(value))]
        alternate(context, case, {"pgfanout": sized(table, copy_method(context, table, "pgfanout copy", *words))}, 1)
    case = new_case(context, "leaves", server, database, options["rows"], {}, "INSERT ... SELECT")
    case["source"] = source
    alternate(context, case, {"insert_select": sized(table, Method(
        "INSERT ... SELECT", lambda: measure.peer(paths.PEERS / "insert_select", database.dsn),
        lambda _: table.check_target(), table.drop_target))}, 1)


def sized(table, method):
    check = method.check

    def check_and_size(run_):
        check(run_)
        run_["sizes"] = table.size(table.target)

    method.check = check_and_size
    return method


TABLES = {"narrow": ("public.narrow", "name"), "wide": ("public.wide", "owner::text")}


def shapes(context, options):
    """The copy of tables of other shapes: rows of a few bytes, and rows that are stored out of line."""
    with Server() as server:
        database = Database(server.dsn())
        for shape, (name, key_of) in TABLES.items():
            rows = options["rows_of"][shape]
            database.run_file(paths.PERF / "shapes" / f"{shape}.sql", rows=rows)
            database.settle()
            table = Table(database, name, key_of)
            table.drop_target()
            case = new_case(context, "shapes", server, database, rows, {"shape": shape}, shape)
            case["source"] = table.size(name)
            alternate(context, case, {
                "pgfanout": copy_method(context, table, "pgfanout copy (proven)"),
                "insert_select": Method("INSERT ... SELECT and SQL sums", lambda table=table: measure.peer(
                    paths.PEERS / "insert_select", database.dsn, table.name, table.key),
                    lambda _, table=table: table.check_target(), table.drop_target),
            }, options["rounds"])
            database.query(f"DROP TABLE {name}")


@dataclasses.dataclass(frozen=True)
class Scenario:
    title: str
    run: Callable  # (context, options of lib/plans.py)


ALL = {
    "window": Scenario("the whole window, one server", window),
    "batches": Scenario("the window, against batches by LIMIT and OFFSET", batches),
    "two_servers": Scenario("a copy between two servers", two_servers),
    "verify": Scenario("are two tables equal?", verify),
    "memory": Scenario("resident memory above the budget", memory),
    "size": Scenario("cost per row by table size", size),
    "leaves": Scenario("size of the leaves", leaves),
    "shapes": Scenario("narrow and wide tables", shapes),
}


class Context:
    def __init__(self, program, recorder):
        self.program = program
        self.recorder = recorder


def run(context, names, mode, rows=None, rounds_wanted=None):
    """True if every scenario ran to its end. An interruption leaves what was measured in the results."""
    good = True
    for name in names:
        scenario = ALL[name]
        entry = context.recorder.scenario(name, scenario.title)
        started = time.monotonic()
        say(f"== {name}: {scenario.title}")
        try:
            scenario.run(context, plans.options(mode, name, rows, rounds_wanted))
            entry["complete"] = True
        except Failure as failure:
            entry["failed"] = str(failure)
            good = False
            say(f"{name} failed: {failure}")
        finally:
            entry["seconds"] = round(time.monotonic() - started, 1)
            context.recorder.save()
    context.recorder.document["complete"] = good
    context.recorder.save()
    return good
