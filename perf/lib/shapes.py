"""The tables that are measured: how they are loaded, and about how large they get."""

import dataclasses
import subprocess
import threading

from lib import paths
from lib.database import SESSIONS
from lib.failure import Failure

FEW_ROWS = 50000  # Below that, the demo's collections must be small to reach most of the leaves.


@dataclasses.dataclass(frozen=True)
class Shape:
    name: str
    title: str
    table: str
    key_of: str
    row_bytes: int  # On disk with TOAST, without indexes.

    def load(self, database, rows):
        if self.name == "demo":
            load_demo(database, rows)
        elif self.name == "items":
            script = paths.PERF / "shapes" / "items.sql"
            database.run_file(script, part="tables")
            load_parts(database, script, rows)
            database.run_file(script, part="keys")
        else:
            database.run_file(paths.PERF / "shapes" / f"{self.name}.sql", rows=rows)


SHAPES = {shape.name: shape for shape in (
    Shape("items", "586 bytes, key and 4 indexes", "public.items", "collection_id::text", 600),
    Shape("demo", "the demo's rows", "public.chunks", "collection_id::text", 950),
    Shape("narrow", "narrow rows", "public.narrow", "name", 60),
    Shape("wide", "wide rows", "public.wide", "owner::text", 24000))}


def load_demo(database, rows):
    which = ["--collections", "page"] if rows < FEW_ROWS else []
    done = subprocess.run([paths.SCRIPTS / "demo_load", "--quiet", "--rows", str(rows), *which, database.dsn],
                          capture_output=True, text=True)
    if done.returncode:
        raise Failure(f"scripts/demo_load failed: {done.stderr.strip()[-500:]}")


def load_parts(database, script, rows):
    """Each session inserts its share of the rows."""
    failures = []

    def insert(part):
        try:
            database.run_file(script, part="rows", first=rows * part // SESSIONS + 1, last=rows * (part + 1) // SESSIONS)
        except Failure as failure:
            failures.append(failure)

    threads = [threading.Thread(target=insert, args=(part,)) for part in range(SESSIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
