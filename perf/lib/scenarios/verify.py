"""pgfanout verify --data against what SQL offers to compare two tables."""

from lib import measure, paths
from lib.failure import Failure
from lib.rounds import Method, alternate
from lib.scenarios import common

TITLE = "are two tables equal?"
MARK = "~~planted"


def run(context, options):
    with common.loaded_server(context, options["rows"]) as (server, database, table):
        measure.pgfanout(context.program, "copy", "--source", database.dsn, *common.tables(table))
        database.settle()
        case = common.case(context, "verify", server, database, options["rows"])

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
    """Verify again with so many rows changed, all of which it must name."""

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
