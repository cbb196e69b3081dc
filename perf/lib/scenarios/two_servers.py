"""A proven copy between two servers, against psql pipes with SQL sums, pgcopydb and pgloader."""

import shutil

from lib import measure, paths
from lib.database import Database
from lib.rounds import Method, alternate
from lib.scenarios import common
from lib.server import Server

TITLE = "a copy between two servers"


def run(context, options):
    with common.loaded_server(context, options["rows"]) as (server, source, table), Server() as other:
        target = Database(other.dsn())
        case = common.case(context, "two_servers", server, source, options["rows"])

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
                context.program, "copy", "--source", source.dsn, "--target", target.dsn, *common.tables(table)),
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
        # The first copy into the other server would pay for its WAL's files, too.
        methods["pgfanout"].run()
        clean()
        alternate(context, case, methods, options["rounds"], may_fail=("pgcopydb", "pgloader"))
