"""The scenarios: each does whole jobs in several ways, and fills cases into the results."""

import contextlib
import dataclasses
import shutil
import subprocess
import time
from typing import Callable

from lib import measure, paths, plans
from lib.database import Database
from lib.failure import Failure
from lib.rounds import Method, alternate, say
from lib.server import Server, require_space, settings_for
from lib.shapes import SHAPES
from lib.table import PARTITIONS, Table


class Context:
    """The program, where results go, and the source that was loaded last: the next scenario may want the same."""

    def __init__(self, program, recorder):
        self.program = program
        self.recorder = recorder
        self.held = contextlib.ExitStack()
        self.key = None
        self.loaded = None

    def source(self, name, rows, major=None):
        """(server, database, table). The WAL's files exist after the load, since it wrote about as much as a copy does."""
        if self.key != (name, rows, major):
            self.release()
            shape = SHAPES[name]
            require_space(rows * shape.row_bytes)
            server = self.held.enter_context(Server(settings_for(rows * shape.row_bytes), major))
            say(f"loading {rows:,} rows: {shape.title}")
            database = Database(server.dsn())
            shape.load(database, rows)
            database.settle()
            self.loaded = server, database, Table(database, shape)
            self.key = name, rows, major
        return self.loaded

    def release(self):
        self.key = None
        self.held.close()


def new_case(context, scenario, name, rows, parameters=None, title=None, major=None):
    server, database, table = context.source(name, rows, major)
    case = context.recorder.case(scenario, title or described(rows, {"": SHAPES[name].title, **(parameters or {})}), rows,
                                 database.version(), server.settings, {"shape": name, **(parameters or {})})
    case["source"] = table.size(table.name)
    return case


def described(rows, parameters):
    return ", ".join([f"{rows:,} rows", *(f"{name} {value}".strip() for name, value in (parameters or {}).items())])


def tables(table):
    return ["--table", table.name, "--into", table.target, "--key", table.key, "--partitions", str(PARTITIONS), "--yes"]


def finished(table):
    def check(_):
        table.check_target()
        table.check_finished()
    return check


def window_method(context, table, title, *options, sample_memory=False):
    """pgfanout run. The rollback after it is not timed."""
    database = table.database

    def clean():
        measure.pgfanout(context.program, "rollback", "--source", database.dsn, "--table", table.name, "--into",
                         table.target, "--yes")
        table.drop_target()

    return Method(title, lambda: measure.pgfanout(context.program, "run", "--source", database.dsn, *tables(table), *options,
                                                  sample_memory=sample_memory), finished(table), clean)


def layout_method(context, table, by, *options):
    """pgfanout copy into another layout than LIST by the key: no column stores one."""
    database = table.database
    words = ["--table", table.name, "--into", table.target, "--partition-by", by, *options, "--yes"]
    return Method(f"pgfanout copy --partition-by '{by}'",
                  lambda: measure.pgfanout(context.program, "copy", "--source", database.dsn, *words),
                  lambda _: table.check_target(has_key=False), table.drop_target)


def copy_method(context, table, title, *options, sample_memory=False):
    database = table.database
    return Method(title, lambda: measure.pgfanout(context.program, "copy", "--source", database.dsn, *tables(table),
                                                  *options, sample_memory=sample_memory),
                  lambda _: table.check_target(), table.drop_target)


def window(context, options):
    """The whole window on one server: pgfanout run against the best SQL that an expert would write."""
    for plan in options["tables"]:
        _, database, table = context.source(plan["shape"], plan["rows"])
        case = new_case(context, "window", plan["shape"], plan["rows"])
        methods = {
            "pgfanout": window_method(context, table, "pgfanout run --key-mode none", "--key-mode", "none"),
            "expert": Method("the expert's SQL, leaf by leaf, checksums at the end",
                             lambda: measure.peer(paths.PEERS / "expert_window", database.dsn, table.name, table.key),
                             finished(table), table.drop_target),
        }
        if plan.get("variants"):
            methods["expert_leaf"] = Method(
                "the same, the target's checksum leaf by leaf", lambda: measure.peer(
                    paths.PEERS / "expert_window", database.dsn, table.name, table.key, "leaf"),
                finished(table), table.drop_target, rounds=plan["variants"])
            methods["pgfanout_check"] = window_method(context, table, "pgfanout run (with a CHECK of the key)")
            methods["pgfanout_check"].rounds = plan["variants"]
        alternate(context, case, methods, plan["rounds"], [database])


def batches(context, options):
    """pgfanout run against batches by LIMIT and OFFSET into an indexed table."""
    _, database, table = context.source("demo", options["rows"])
    alternate(context, new_case(context, "batches", "demo", options["rows"]), {
        "pgfanout": window_method(context, table, "pgfanout run"),
        "batches": Method("LIMIT/OFFSET batches of 10,000", lambda: measure.peer(paths.PEERS / "limit_offset", database.dsn),
                          lambda _: table.check_target(), table.drop_target,
                          less_work="proves nothing, freezes nothing, no statistics"),
    }, options["rounds"], [database])


def two_servers(context, options):
    """A proven copy between two servers, against psql pipes with SQL checksums, pgcopydb and pgloader."""
    server, source, table = context.source("demo", options["rows"])
    require_space(options["rows"] * SHAPES["demo"].row_bytes)
    with Server(server.settings) as other:
        target = Database(other.dsn())
        case = new_case(context, "two_servers", "demo", options["rows"])

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

        def script(name, title, rounds=None):
            return Method(title, lambda: measure.peer(paths.PEERS / name, source.dsn, target.dsn), check, clean,
                          rounds=rounds)

        methods = {
            "pgfanout": Method("pgfanout copy (proven)", lambda: measure.pgfanout(
                context.program, "copy", "--source", source.dsn, "--target", target.dsn, *tables(table)),
                check, clean),
            "psql_pipes": script("psql_pipes", "psql | psql two at a time, and SQL checksums"),
        }
        for tool, title in (("pgcopydb", "pgcopydb into tables whose trigger re-partitions, and SQL checksums"),
                            ("pgloader", "pgloader from a view with the key, and SQL checksums")):
            if tool in options["tools"]:
                if shutil.which(tool):
                    methods[tool] = script(tool, title, options["tools"][tool])
                else:
                    case["cannot"][tool] = "not installed (scripts/install-deps perf)"
        # The first copy into the other server creates the files of its WAL.
        methods["pgfanout"].run()
        clean()
        alternate(context, case, methods, options["rounds"], [source, target], may_fail=("pgcopydb", "pgloader"))


@contextlib.contextmanager
def finished_window(context, plan):
    """Source and target after a window, with their fences lifted; yields a call of verify --data. After a failure or an
    interruption the server ends, and nothing needs to be undone."""
    _, database, table = context.source(plan["shape"], plan["rows"])
    done = window_method(context, table, "", "--key-mode", "none")
    done.run()
    measure.pgfanout(context.program, "run", "--source", database.dsn, *tables(table), "--key-mode", "none", "--release")
    database.settle()

    def call(*words, expected_code=0):
        return measure.pgfanout(context.program, "verify", "--data", "--source", database.dsn, "--table", table.name,
                                "--into", table.target, "--key", table.key, *words, expected_code=expected_code)

    yield database, table, call
    done.clean()


def verify(context, options):
    """pgfanout verify --data against checksums in SQL."""
    offers_stream = "--stream" in subprocess.run([context.program, "verify", "--help"], capture_output=True, text=True).stdout
    for plan in options["tables"]:
        with finished_window(context, plan) as (database, table, call):
            def sums(kind, table=table, database=database):
                return lambda: measure.peer(paths.PEERS / "sums", kind, database.dsn, table.name, table.key)

            methods = {"pgfanout": Method("pgfanout verify --data", call),
                       "record": Method("checksum: hash of hash_record_extended", sums("record"))}
            if offers_stream:
                methods["stream"] = Method("pgfanout verify --data --stream", lambda call=call: call("--stream"))
            if plan.get("text"):
                methods["text"] = Method("checksum: hashtextextended(row::text)", sums("text"), rounds=plan["text"])
            alternate(context, new_case(context, "verify", plan["shape"], plan["rows"]), methods, plan["rounds"], [database])


MARK = "~~planted"


def naming(context, options):
    """Which rows differ? pgfanout verify --data against EXCEPT ALL both ways, with so many rows changed."""
    for plan in options["tables"]:
        with finished_window(context, plan) as (database, table, call):
            for number in plan["changed"]:
                with planted(database, table, number):
                    case = new_case(context, "naming", plan["shape"], plan["rows"], {"changed": number})
                    methods = {"pgfanout": Method("pgfanout verify --data", lambda: call(expected_code=1),
                                                  lambda run_, number=number: names_all(run_, number))}
                    if number == plan["changed"][0]:
                        methods["except"] = Method("EXCEPT ALL both ways", lambda number=number: measure.peer(
                            paths.PEERS / "except_both_ways", database.dsn, table.name, table.key, number))
                    alternate(context, case, methods, plan["rounds"], [database])


@contextlib.contextmanager
def planted(database, table, number):
    """So many rows of the target are changed meanwhile."""
    database.query(f"UPDATE {table.target} SET content = content || '{MARK}' WHERE (id, collection_id) IN"
                   f" (SELECT id, collection_id FROM {table.target} ORDER BY md5(id::text) LIMIT {number})")
    database.settle()
    yield
    database.query(f"UPDATE {table.target} SET content = left(content, -length('{MARK}')) WHERE content LIKE '%{MARK}'")
    database.query(f"VACUUM {table.target}")
    database.settle()


def names_all(run_, number):
    changed = run_["report"]["differences"]["changed"]
    if changed != number:
        raise Failure(f"{number} rows were changed, and pgfanout verify says {changed}")


def memory(context, options):
    """Resident memory of pgfanout copy must follow --memory and not the table."""
    for name, rows in options["tables"]:
        _, database, table = context.source(name, rows)
        for budget in options["budgets"]:
            case = new_case(context, "memory", name, rows, {"memory": budget})
            alternate(context, case, {"pgfanout": copy_method(
                context, table, f"pgfanout copy --memory {budget}", "--memory", budget, sample_memory=True)},
                options["rounds"], [database])


def size(context, options):
    """Cost per row of the whole window by the size of the table, and its memory meanwhile."""
    for rows in options["rows_list"]:
        _, database, table = context.source("narrow", rows)
        case = new_case(context, "size", "narrow", rows)
        alternate(context, case, {"pgfanout": window_method(context, table, "pgfanout run --key-mode none", "--key-mode",
                                                            "none", sample_memory=True)}, options["rounds"], [database])


def leaves(context, options):
    """How large the leaves get, by commit mode, number of writers, memory and server."""
    for major in options["majors"]:
        _, database, table = context.source("demo", options["rows"], major)
        # One run of each setting, since sizes vary less than times.
        for parameters in options["settings"]:
            name = ", ".join(f"{option} {value}" for option, value in parameters.items()) or "defaults"
            case = new_case(context, "leaves", "demo", options["rows"], parameters, name, major)
            words = [word for option, value in parameters.items() for word in (f"--{option}", str(value))]
            alternate(context, case, {"pgfanout": sized(table, copy_method(context, table, "pgfanout copy", *words))}, 1,
                      [database])
        case = new_case(context, "leaves", "demo", options["rows"], {}, "INSERT ... SELECT", major)
        alternate(context, case, {"insert_select": sized(table, Method(
            "INSERT ... SELECT", lambda: measure.peer(paths.PEERS / "insert_select", database.dsn),
            lambda _: table.check_target(), table.drop_target))}, 1, [database])


def sized(table, method):
    check = method.check

    def check_and_size(run_):
        check(run_)
        run_["sizes"] = table.size(table.target)

    method.check = check_and_size
    return method


def shapes(context, options):
    """The copy of tables of other shapes: rows of a few bytes, and rows that are stored out of line."""
    for name, rows in options["tables"]:
        _, database, table = context.source(name, rows)
        alternate(context, new_case(context, "shapes", name, rows, title=name), {
            "pgfanout": copy_method(context, table, "pgfanout copy (proven)"),
            "insert_select": Method("INSERT ... SELECT and SQL checksums", lambda: measure.peer(
                paths.PEERS / "insert_select", database.dsn, table.name, table.key),
                lambda _: table.check_target(), table.drop_target),
        }, options["rounds"], [database])


def layouts(context, options):
    """The copy into as many leaves of each layout. LIST by a key is the one with a column more."""
    rows = options["rows"]
    _, database, table = context.source("items", rows)
    for by, own in (
            ("HASH", layout_method(context, table, "HASH (collection_id)", "--partitions", str(PARTITIONS))),
            ("RANGE", layout_method(context, table, "RANGE (id)", "--interval", str(-(-rows // PARTITIONS)), "--from", "1"))):
        alternate(context, new_case(context, "layouts", "items", rows, {"by": by}), {
            "pgfanout": own,
            "list": copy_method(context, table, "pgfanout copy (LIST by the key)", "--key-mode", "none"),
        }, options["rounds"], [database])


@dataclasses.dataclass(frozen=True)
class Scenario:
    title: str
    run: Callable  # (context, options of lib/plans.py)


ALL = {
    "window": Scenario("the whole window, one server", window),
    "verify": Scenario("are two tables equal?", verify),
    "naming": Scenario("which rows differ?", naming),
    "two_servers": Scenario("a copy between two servers", two_servers),
    "batches": Scenario("the window, against batches by LIMIT and OFFSET", batches),
    "memory": Scenario("resident memory above the budget", memory),
    "size": Scenario("cost per row of the window, by table size", size),
    "leaves": Scenario("size of the leaves", leaves),
    "layouts": Scenario("HASH and RANGE against LIST by a key", layouts),
    "shapes": Scenario("narrow and wide tables", shapes),
}


def run(context, names, mode, rows=None, rounds_wanted=None):
    """True if every scenario ran to its end. An interruption leaves what was measured in the results."""
    good = True
    with context.held:
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
                context.release()  # It may be half done.
                say(f"{name} failed: {failure}")
            finally:
                entry["seconds"] = round(time.monotonic() - started, 1)
                context.recorder.save()
    context.recorder.document["complete"] = good
    context.recorder.save()
    return good
