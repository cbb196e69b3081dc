#!/usr/bin/env python3
"""The errors in the tables of docs/APPLICATION.md: each is provoked, and the page has its SQLSTATE and its message.

Usage: errors.py DSN PGFANOUT
"""

import re
import sys

import psycopg2
from application import HERE, PAGE, Databases

COLUMNS = "(collection_id, document_id, chunk_index, content"
VALUES = "('c1', 'd1', 0, 'new'"
# Key mode (None: before any window), and the statement that fails.
PROVOKED = [
    ("check", f"INSERT INTO chunks {COLUMNS}) VALUES {VALUES})"),
    ("check", "INSERT INTO chunks VALUES (gen_random_uuid(), 'c1', 'd1', 0, 'new')"),
    ("check", f"INSERT INTO chunks {COLUMNS}, partition_key) VALUES {VALUES}, 17)"),
    ("check", f"INSERT INTO chunks {COLUMNS}, partition_key) VALUES {VALUES}, 0)"),
    ("check", "INSERT INTO recent_chunks (collection_id, content) VALUES ('c1', 'new')"),
    ("check", f"INSERT INTO chunks {COLUMNS}, partition_key) VALUES {VALUES}, 3) ON CONFLICT (id, collection_id) DO NOTHING"),
    ("generated", f"INSERT INTO chunks {COLUMNS}) VALUES {VALUES}) ON CONFLICT (id, collection_id) DO NOTHING"),
    ("generated", f"INSERT INTO chunks {COLUMNS}, partition_key) VALUES {VALUES}, 3)"),
    ("check", "SELECT content FROM chunks GROUP BY id, collection_id"),
    ("check", "CREATE TABLE notes (id uuid, c varchar, FOREIGN KEY (id, c) REFERENCES chunks (id, collection_id))"),
    ("check", "SELECT chunks_partition_key(gen_random_uuid())"),
    (None, f"INSERT INTO chunks {COLUMNS}, partition_key) VALUES {VALUES}, 3)"),
]
UNTRIED = ("53200", "out of shared memory")  # Many sessions and a small lock table: tests do not fill one.


def failure(work):
    try:
        work()
    except psycopg2.Error as error:
        return error.pgcode, error.diag.message_primary
    raise AssertionError("it did not fail")


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    databases = Databases(*sys.argv[1:])
    databases.make("application_errors", (HERE / "schema.sql").read_text())
    seen = {UNTRIED}
    prepared = psycopg2.connect("")
    prepared.autocommit = True
    cursor = prepared.cursor()
    cursor.execute("PREPARE all_columns AS SELECT * FROM chunks WHERE collection_id = 'c1'; EXECUTE all_columns")
    seen |= {failure(lambda: databases.run(sql)) for mode, sql in PROVOKED if mode is None}
    databases.window("check")
    seen.add(failure(lambda: cursor.execute("EXECUTE all_columns")))
    cursor.execute("DEALLOCATE ALL; PREPARE all_columns AS SELECT * FROM chunks; EXECUTE all_columns")
    prepared.close()
    seen |= {failure(lambda: databases.run(sql)) for mode, sql in PROVOKED if mode == "check"}
    databases.fanout("rollback")
    databases.window("generated")
    seen |= {failure(lambda: databases.run(sql)) for mode, sql in PROVOKED if mode == "generated"}
    told = set(re.findall(r"^\| ([0-9A-Z]{5}) \| `([^`]+)` \|", PAGE.read_text(), re.M))
    if told != seen:
        sys.exit(f"only on the page: {told - seen}\nonly met: {seen - told}")
    print(f"{len(seen)} errors", flush=True)


if __name__ == "__main__":
    main()
