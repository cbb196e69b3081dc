"""Resident memory of pgfanout copy must follow --memory and not the table."""

from lib.rounds import alternate
from lib.scenarios import common

TITLE = "resident memory above the budget"


def run(context, options):
    for rows in options["rows_list"]:
        with common.loaded_server(context, rows) as (server, database, table):
            for budget in options["budgets"]:
                case = common.case(context, "memory", server, database, rows, {"memory": budget})
                alternate(context, case, {"pgfanout": common.copy_method(
                    context, table, f"pgfanout copy --memory {budget}", "--memory", budget, sample_memory=True)},
                    options["rounds"])
