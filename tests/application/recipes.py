#!/usr/bin/env python3
"""Runs the recipes of docs/APPLICATION.md with the real libraries on a table that pgfanout has converted.

Usage: recipes.py DSN PGFANOUT
"""

import asyncio
import sys

import asyncpg
import psycopg2
from application import HERE, LEAVES, Databases, engine, recipes, run_recipe
from sqlalchemy import orm

TRIED = {}
django_names = {}  # Of the first of two blocks.


def recipe(name):
    def keep(function):
        TRIED[name] = function
        return function
    return keep


def leaves_read(sql):
    """How many leaves a statement without parameters reads."""
    plan = Databases.run("EXPLAIN (FORMAT JSON) " + sql)
    return len({each for each in str(plan).split("'") if each.startswith("chunks_p") and each[8:].isdigit()})


def assert_keys():
    """Every row is where its collection's key says."""
    assert Databases.run("SELECT count(*) FROM chunks WHERE partition_key IS DISTINCT FROM"
                         " chunks_partition_key(collection_id)") == [(0,)]


@recipe("sqlalchemy")
def with_sqlalchemy(databases):
    scope = run_recipe("sqlalchemy")
    chunk_class, collection_class = scope["Chunk"], scope["Collection"]
    with orm.Session(engine()) as session:
        chunk = chunk_class(collection_id="c1", document_id="d1", chunk_index=1, content="one")
        session.add(chunk)
        session.bulk_insert_mappings(chunk_class, [dict(collection_id=f"c{n}", document_id="d1", chunk_index=n, content="b")
                                                   for n in range(1, 9)])
        session.commit()
        identity = (chunk.id, "c1", scope["key_of"](session.connection(), "c1"))
        session.expunge_all()
        chunk = session.get(chunk_class, identity)
        assert chunk.content == "one"
        # An alias takes its own columns: no product of the table with itself.
        alias = orm.aliased(chunk_class)
        assert session.query(alias).filter(alias.collection_id == "c1", alias.content == "one").count() == 1
        assert session.query(chunk_class).filter(chunk_class.collection_id.in_(["c1", "c2"])).count() == 43
        for load in (orm.lazyload, orm.selectinload, orm.joinedload):
            collection = session.query(collection_class).options(load(collection_class.chunks)).filter_by(id="c2").one()
            assert len(collection.chunks) == 21, len(collection.chunks)
            session.expunge_all()
        chunk = session.get(chunk_class, identity)
        for collection in ("c2", "c3", "c4", "c5", "c6"):
            chunk.collection_id = collection
            session.commit()
            assert chunk.partition_key == scope["key_of"](session.connection(), collection)
        session.delete(chunk)
        session.commit()
    assert_keys()


async def waits_for_a_lock(scope, pool):
    """A copy without a fence holds this lock while it lasts: the write gives up, and succeeds when the lock is free."""
    copying = psycopg2.connect("")
    copying.cursor().execute("LOCK TABLE chunks IN SHARE MODE")
    seen, judge = asyncio.Event(), scope["passes"]

    def passes(error):
        if isinstance(error, asyncpg.LockNotAvailableError):
            seen.set()
        return judge(error)
    scope["passes"] = passes
    write = asyncio.create_task(scope["in_transaction"](pool, lambda each: scope["add_chunk"](each, "c1", "d1", 1, "late")))
    await asyncio.wait_for(seen.wait(), 60)
    copying.close()
    assert await asyncio.wait_for(write, 60)


@recipe("asyncpg")
def with_asyncpg(databases):
    scope = run_recipe("asyncpg")

    async def run():
        async with asyncpg.create_pool(min_size=1, max_size=2, server_settings={"lock_timeout": "50"}) as pool:
            assert list(scope["SETTINGS"]) == ["lock_timeout"]
            await waits_for_a_lock(scope, pool)
            made = await scope["in_transaction"](pool, lambda each: scope["add_chunk"](each, "c7", "d7", 1, "async"))
            await scope["in_transaction"](pool, lambda each: scope["add_chunks"](each, "c7", [("d7", 2, "a"), ("d7", 3, "b")]))
            found = await pool.fetch(scope["OF_COLLECTION"], "c7")
            assert len(found) == 23 and made in [row["id"] for row in found], len(found)
            # The generic plan of a prepared statement still leaves out the other leaves.
            async with pool.acquire() as connection:
                await connection.execute("SET plan_cache_mode = force_generic_plan; PREPARE p (varchar) AS "
                                         + scope["OF_COLLECTION"])
                plan = "\n".join(row[0] for row in await connection.fetch("EXPLAIN EXECUTE p ('c7')"))
                assert f"Subplans Removed: {LEAVES - 1}" in plan, plan
    asyncio.run(run())
    assert_keys()


@recipe("psycopg2")
def with_psycopg2(databases):
    scope = run_recipe("psycopg2")
    rows = [(f"c{n}", "d1", n, "psycopg2") for n in range(1, 9)]
    made = scope["in_transaction"](lambda each: scope["add_chunks"](each, rows))
    assert len(made) == 8
    for content in ("first", "second"):
        scope["in_transaction"](lambda each: scope["put_chunk"](each, made[0][0], "c1", "d1", 1, content))
    assert Databases.run(f"SELECT content FROM chunks WHERE id = '{made[0][0]}'") == [("second",)]
    assert_keys()


@recipe("django")
def with_django(databases):
    import django
    from django.conf import settings
    settings.configure(DATABASES={"default": {"ENGINE": "django.db.backends.postgresql",
                                              "NAME": Databases.run("SELECT current_database()")[0][0]}})
    django.setup()
    scope = run_recipe("django")
    django_names.update(scope)
    chunk_class, of = scope["Chunk"], scope["Chunk"].objects
    chunk = chunk_class(collection_id="c8", document_id="d8", chunk_index=1, content="django")
    chunk.save()
    of.create(collection_id="c9", document_id="d9", chunk_index=1, content="django")
    of.bulk_create([chunk_class(collection_id=f"c{n}", document_id="d8", chunk_index=n, content="bulk") for n in range(1, 9)])
    assert of.of("c8").count() == 22 and of.of("c8", "c9").count() == 43
    assert leaves_read(str(of.of("c8").query).replace("(c8)", "('c8')").replace("IN ('c8')", "= 'c8'")) == 1
    chunk = of.get(pk=chunk.pk)
    for collection in ("c1", "c2", "c3", "c4", "c5"):
        chunk.collection_id = collection
        chunk.save()
        chunk.refresh_from_db()
        assert_keys()
    assert of.filter(pk=chunk.pk).move("c6") == 1
    assert_keys()
    of.of("c6").filter(pk=chunk.pk).delete()
    assert not of.filter(pk=chunk.pk).exists()
    django.db.connections.close_all()


@recipe("django-generated")
def with_django_generated(databases):
    from django.db import connections
    scope = run_recipe("django-generated", django_names)
    databases.make("application_generated", (HERE / "schema.sql").read_text())
    databases.window("generated")
    connections["default"].settings_dict["NAME"] = "application_generated"
    found = scope["ChunkQuerySet"](django_names["Chunk"]).of("c8")
    assert found.count() == 20
    assert leaves_read(str(found.query).replace("(c8)", "('c8')").replace(" = c8", " = 'c8'")) == 1, str(found.query)
    connections.close_all()


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    databases = Databases(*sys.argv[1:])
    databases.make("application_recipes", (HERE / "schema.sql").read_text())
    databases.window("check")
    for name, function in TRIED.items():
        print(f"recipe {name}", flush=True)
        function(databases)
        databases.run("DELETE FROM chunks WHERE content NOT LIKE 'chunk %'")
    elsewhere = {"sqlalchemy-generated": "matrix.py", "alembic-filter": "migrations.py", "alembic-revision": "migrations.py"}
    missing = set(recipes()) - set(TRIED) - set(elsewhere)
    if missing or not all(f'"{name}"' in (HERE / file).read_text() for name, file in elsewhere.items()):
        sys.exit(f"no test runs the recipes {missing or elsewhere}")


if __name__ == "__main__":
    main()
