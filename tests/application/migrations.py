#!/usr/bin/env python3
"""Alembic on a table that pgfanout has converted: autogenerate with the page's filter and without it, stamp, and the
page's revision on a database that the window has passed and on one that it has not.

Usage: migrations.py DSN PGFANOUT
"""

import pathlib
import sys
import tempfile

import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import produce_migrations
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.operations import ops
from application import HERE, Databases, engine, models_before, recipes, run_recipe

ENVIRONMENT = """
import sqlalchemy as sa
from alembic import context
with sa.create_engine("postgresql+psycopg2://", poolclass=sa.pool.NullPool).connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""
FIRST = "revision = '0001'\ndown_revision = None\ndef upgrade(): pass\ndef downgrade(): pass\n"


def flat(operations):
    for each in operations:
        if isinstance(each, ops.OpContainer):
            yield from flat(each.ops)
        else:
            yield each


def said(operation):
    """"remove_table chunks_p0", "remove_column chunks.partition_key"."""
    change = operation.to_diff_tuple()
    change = change[0] if isinstance(change, list) else change
    names = [getattr(part, "name", part) for part in change[1:]]
    return f"{change[0]} {'.'.join(name for name in names if isinstance(name, str))}"


def operations_left(database, metadata, with_filter, **more):
    options = run_recipe("alembic-filter")["options"] if with_filter else {}
    with database.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "target_metadata": metadata, **options, **more})
        script = produce_migrations(context, metadata)
    return [said(each) for each in flat(script.upgrade_ops.ops)]


def project(directory):
    """A project of Alembic's with an empty first revision and the page's."""
    scripts = pathlib.Path(directory)
    (scripts / "versions").mkdir()
    (scripts / "env.py").write_text(ENVIRONMENT)
    (scripts / "versions/first.py").write_text(FIRST)
    (scripts / "versions/second.py").write_text(recipes()["alembic-revision"].text)
    config = Config()
    config.set_main_option("script_location", directory)
    return config


def at():
    return Databases.run("SELECT version_num FROM alembic_version")


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    databases = Databases(*sys.argv[1:])
    schema = (HERE / "schema.sql").read_text()
    models = run_recipe("sqlalchemy")["Base"].metadata
    with tempfile.TemporaryDirectory() as directory:
        config = project(directory)
        databases.make("application_migrated", schema)
        command.upgrade(config, "0001")
        databases.window("check")
        swapped = databases.run("SELECT pg_get_viewdef('recent_chunks')")
        without = operations_left(engine(), models, False)
        assert {"remove_table chunks_p0", "remove_table chunks_h0"} <= set(without), without
        assert any(each.startswith("remove_table chunks_backup_") for each in without), without
        assert operations_left(engine(), models, True) == [], operations_left(engine(), models, True)
        assert operations_left(engine(), models, True, include_schemas=True) == []
        # The old models miss the column: the filter hides no difference of the table itself.
        old = models_before()[2].metadata
        assert operations_left(engine(), old, True) == ["remove_column chunks.partition_key"], operations_left(engine(), old, True)
        command.stamp(config, "head")
        assert at() == [("0002",)]
        command.stamp(config, "0001")
        command.upgrade(config, "head")
        assert at() == [("0002",)] and databases.run("SELECT pg_get_viewdef('recent_chunks')") == swapped
        # A developer's database, without a window.
        databases.make("application_developer", schema)
        command.upgrade(config, "head")
        assert at() == [("0002",)]
        assert operations_left(engine(), models, True) == []
        with sa.orm.Session(engine()) as session:
            session.add(run_recipe("sqlalchemy")["Chunk"](collection_id="c1", document_id="d1", chunk_index=0, content="new"))
            session.commit()


if __name__ == "__main__":
    main()
