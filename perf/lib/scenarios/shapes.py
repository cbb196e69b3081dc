"""The copy of tables of other shapes: rows of a few bytes, and rows that are stored out of line."""

from lib import measure, paths
from lib.database import Database
from lib.rounds import Method, alternate
from lib.scenarios import common
from lib.server import Server
from lib.table import Table

TITLE = "narrow and wide tables"
TABLES = {"narrow": ("public.narrow", "name"), "wide": ("public.wide", "owner::text")}


def run(context, options):
    with Server() as server:
        database = Database(server.dsn())
        for shape, (name, key_of) in TABLES.items():
            rows = options["rows_of"][shape]
            database.run_file(paths.PERF / "shapes" / f"{shape}.sql", rows=rows)
            database.settle()
            table = Table(database, name, key_of)
            table.drop_target()
            case = common.case(context, "shapes", server, database, rows, {"shape": shape}, shape)
            case["source"] = table.size(name)
            alternate(context, case, {
                "pgfanout": common.copy_method(context, table, "pgfanout copy (proven)"),
                "insert_select": Method("INSERT ... SELECT and SQL sums", lambda table=table: measure.peer(
                    paths.PEERS / "insert_select", database.dsn, table.name, table.key),
                    lambda _, table=table: table.check_target(), table.drop_target),
            }, options["rounds"])
            database.query(f"DROP TABLE {name}")
