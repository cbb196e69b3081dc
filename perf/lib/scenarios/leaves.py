"""How large the leaves get, by commit mode, number of writers, memory and server."""

from lib import measure, paths
from lib.rounds import Method, alternate
from lib.scenarios import common

TITLE = "size of the leaves"


def run(context, options):
    for major in options["majors"]:
        with common.loaded_server(context, options["rows"], major) as (server, database, table):
            sizes(context, server, database, table, options)


def sizes(context, server, database, table, options):
    """One run of each setting: sizes do not wander as times do."""
    source = table.size(table.name)
    for parameters in options["settings"]:
        name = ", ".join(f"{option} {value}" for option, value in parameters.items()) or "defaults"
        case = common.case(context, "leaves", server, database, options["rows"], parameters, name)
        case["source"] = source
        words = [word for option, value in parameters.items() for word in (f"--{option}", str(value))]
        alternate(context, case, {"pgfanout": sized(table, common.copy_method(context, table, "pgfanout copy", *words))}, 1)
    case = common.case(context, "leaves", server, database, options["rows"], {}, "INSERT ... SELECT")
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
