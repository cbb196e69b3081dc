"""Cost per row of pgfanout copy by the size of the table, and its memory meanwhile."""

from lib.rounds import alternate
from lib.scenarios import common

TITLE = "cost per row by table size"


def run(context, options):
    for rows in options["rows_list"]:
        with common.loaded_server(context, rows) as (server, database, table):
            case = common.case(context, "size", server, database, rows)
            alternate(context, case, {"pgfanout": common.copy_method(context, table, "pgfanout copy", sample_memory=True)},
                      options["rounds"])
