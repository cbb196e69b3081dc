#!/usr/bin/env python3
"""An asyncpg application with the page's recipe that goes on writing and reading while its table goes through a whole
window. Reads always succeed; writes are refused from prepare to swap, and none is lost.

Usage: window.py DSN PGFANOUT
"""

import asyncio
import sys
import time

import asyncpg
from application import HERE, KEY, LEAVES, Databases, run_recipe

WRITERS, READERS = 3, 3
SELECT = "SELECT * FROM chunks WHERE collection_id = $1"


class Application:
    def __init__(self):
        self.is_over = False
        self.written, self.gone = {}, set()  # Acknowledged: content by id.
        self.writes, self.reads = [0] * WRITERS, [0] * READERS
        self.refused, self.stale = [0] * WRITERS, 0
        self.longest = {"read": 0.0, "write": 0.0}

    def recipe(self, writer=None):
        """The recipe's functions. Its judgement of errors also counts them."""
        scope = run_recipe("asyncpg")
        judge = scope["passes"]

        def passes(error):
            passed = judge(error)
            if isinstance(error, asyncpg.InvalidCachedStatementError):
                self.stale += 1
            elif passed and writer is not None:
                self.refused[writer] += 1
            return passed
        scope["passes"] = passes
        return scope

    async def timed(self, kind, work):
        began = time.monotonic()
        result = await work
        self.longest[kind] = max(self.longest[kind], time.monotonic() - began)
        return result

    async def write(self, pool, writer):
        scope = self.recipe(writer)
        while not self.is_over:
            n = self.writes[writer]
            collection, content = f"c{1 + n % 12}", f"written {writer} {n}"

            async def insert(connection):
                made = await scope["add_chunk"](connection, collection, "d1", n, content)
                await connection.execute("UPDATE chunks SET content = content || '!' WHERE id = $1 AND collection_id = $2",
                                         made, collection)
                return made
            made = await self.timed("write", scope["in_transaction"](pool, insert))
            self.written[made] = content + "!"
            if n % 5 == 4:
                await self.timed("write", scope["in_transaction"](pool, lambda each: each.execute(
                    "DELETE FROM chunks WHERE id = $1", made)))
                self.gone.add(made)
            self.writes[writer] += 1

    async def read(self, pool, reader):
        """On one connection, which keeps its prepared statement; in transactions; and on any connection of the pool."""
        scope = self.recipe()
        connection = await pool.acquire()
        # A pool of its own: asyncpg drops outdated statements of a whole pool once one of them has failed.
        own = await asyncpg.create_pool(min_size=1, max_size=1)
        while not self.is_over:
            collection = f"c{1 + self.reads[reader] % 12}"
            if reader == 0:
                rows = await self.timed("read", connection.fetch(SELECT, collection))
            elif reader == 1:
                rows = await self.timed("read", scope["in_transaction"](own, lambda each: each.fetch(SELECT, collection)))
            else:
                rows = await self.timed("read", pool.fetch("SELECT id, content FROM chunks WHERE collection_id = $1", collection))
            assert len(rows) >= 20, (reader, collection, len(rows))
            self.reads[reader] += 1
        await pool.release(connection)
        await own.close()

    async def until(self, holds):
        """True for each writer or reader; the application must be alive."""
        while not holds():
            for task in self.tasks:
                if task.done():
                    task.result()
            await asyncio.sleep(0.01)


async def pgfanout(databases, *words):
    process = await asyncio.create_subprocess_exec(databases.pgfanout, *words, "--table", "public.chunks", "--progress",
                                                   "none", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT)
    printed = (await process.communicate())[0].decode()
    assert process.returncode == 0, (words, printed)


async def through_a_window(databases, application):
    await application.until(lambda: min(application.writes) >= 5 and min(application.reads) >= 5)
    await pgfanout(databases, "run", "--key", KEY, "--partitions", str(LEAVES), "--key-mode", "check")
    read_before, written_before = list(application.reads), sum(application.writes)
    await application.until(lambda: min(application.refused) >= 1)
    await application.until(lambda: all(now > then + 5 for now, then in zip(application.reads, read_before)))
    assert sum(application.writes) == written_before, "a write was accepted behind the fence"
    await pgfanout(databases, "swap")
    read_before, written_before = list(application.reads), list(application.writes)
    await application.until(lambda: all(now > then + 5 for now, then in zip(application.writes, written_before)))
    await application.until(lambda: all(now > then + 5 for now, then in zip(application.reads, read_before)))
    application.is_over = True
    await asyncio.gather(*application.tasks)


async def run(databases):
    application = Application()
    async with asyncpg.create_pool(min_size=2, max_size=WRITERS + 2 * READERS,
                                   server_settings=run_recipe("asyncpg")["SETTINGS"]) as pool:
        application.tasks = ([asyncio.create_task(application.write(pool, n)) for n in range(WRITERS)]
                             + [asyncio.create_task(application.read(pool, n)) for n in range(READERS)])
        try:
            await through_a_window(databases, application)
        finally:
            for task in application.tasks:
                task.cancel()
        found = {row["id"]: row["content"] for row in await pool.fetch("SELECT id, content FROM chunks WHERE content LIKE 'written %'")}
        wanted = {made: content for made, content in application.written.items() if made not in application.gone}
        assert found == wanted, (len(found), len(wanted), set(found.items()) ^ set(wanted.items()))
        assert await pool.fetchval("SELECT count(*) FROM chunks WHERE partition_key IS DISTINCT FROM"
                                   " chunks_partition_key(collection_id)") == 0
    assert application.stale >= 1, "no prepared statement was outdated"
    print(f"{sum(application.writes)} writes, {sum(application.reads)} reads; refused {sum(application.refused)} times;"
          f" outdated statements in transactions: {application.stale}; longest wait of a read"
          f" {application.longest['read']:.3f} s, of a write {application.longest['write']:.3f} s", flush=True)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    databases = Databases(*sys.argv[1:])
    databases.make("application_window", (HERE / "schema.sql").read_text())
    asyncio.run(asyncio.wait_for(run(databases), 120))


if __name__ == "__main__":
    main()
