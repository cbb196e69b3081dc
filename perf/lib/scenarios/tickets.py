"""pgfanout run against the migration of the tickets: LIMIT and OFFSET into an indexed table."""

from lib import measure, paths
from lib.rounds import Method, alternate
from lib.scenarios import common

TITLE = "the window, against batches by LIMIT and OFFSET"


def run(context, options):
    with common.loaded_server(context, options["rows"]) as (server, database, table):
        case = common.case(context, "tickets", server, database, options["rows"])
        alternate(context, case, {
            "pgfanout": common.window_method(context, table, "pgfanout run"),
            "tickets": Method("LIMIT/OFFSET batches of 10,000", lambda: measure.peer(paths.PEERS / "tickets", database.dsn),
                              lambda _: table.check_target(), table.drop_target,
                              less_work="proves nothing, freezes nothing, no statistics"),
        }, options["rounds"])
