"""The whole window on one server: pgfanout run against the best SQL that an expert would write."""

from lib import measure, paths
from lib.rounds import Method, alternate
from lib.scenarios import common

TITLE = "the whole window, one server"


def run(context, options):
    with common.loaded_server(context, options["rows"]) as (server, database, table):
        case = common.case(context, "window", server, database, options["rows"])
        methods = {
            "pgfanout": common.window_method(context, table, "pgfanout run --key-mode none", "--key-mode", "none"),
            "expert": Method("the expert's SQL, two sessions",
                             lambda: measure.peer(paths.PEERS / "expert_window", database.dsn),
                             common.finished(table), table.drop_target),
        }
        if options["with_check"]:
            methods["pgfanout_check"] = common.window_method(context, table, "pgfanout run (with a CHECK of the key)")
        alternate(context, case, methods, options["rounds"])
