"""What several scenarios do."""

import contextlib

from lib import measure
from lib.database import Database, load_chunks
from lib.rounds import Method, say
from lib.server import Server
from lib.table import PARTITIONS, Table

FEW_ROWS = 50000  # Below that, collections must be small to reach most of the leaves.


@contextlib.contextmanager
def loaded_server(context, rows, major=None):
    """A server with the demo's tables, and one copy made and dropped: the first would pay for the WAL's files."""
    with Server(major) as server:
        say(f"loading {rows:,} rows")
        load_chunks(server.dsn(), rows, "page" if rows < FEW_ROWS else None)
        database = Database(server.dsn())
        table = Table(database)
        measure.pgfanout(context.program, "copy", "--source", database.dsn, *tables(table))
        table.drop_target()
        yield server, database, table


def case(context, scenario, server, database, rows, parameters=None, name=None):
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
    """pgfanout run; then its own way back, which is not timed."""
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
