"""What the tests of an application share: databases on a given server that are put through a window, the models
of the application as it was before, and the recipes of docs/APPLICATION.md, which are run as they stand there."""

import os
import pathlib
import re
import subprocess
import sys

import psycopg2
import psycopg2.extensions
import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.dialects.postgresql import ARRAY, REAL, UUID

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "docs"))
from blocks import blocks_of  # noqa: E402

PAGE = HERE.parents[1] / "docs/APPLICATION.md"
LEAVES = 4
KEY = f"abs(hashtext(collection_id::text)) % {LEAVES}"
MODES = ("check", "generated", "expression", "none")
# The second of the two tables: a number from a sequence in place of the uuid, metadata as jsonb.
RENUMBERED = ("--map", "id=nextval('chunks_id_seq')", "--map", "metadata=meta::jsonb", "--skip", "meta")


class Databases:
    """On the server at `dsn`. Libraries find a database by libpq's environment, as the page's recipes do."""

    def __init__(self, dsn, pgfanout):
        self.pgfanout = pgfanout
        words = psycopg2.extensions.parse_dsn(dsn)
        os.environ.update(PGHOST=words["host"], PGPORT=words.get("port", "5432"), PGUSER=words["user"])

    def make(self, name, sql=None, template="template1"):
        self.use("postgres")
        self.run(f"CREATE DATABASE {name} TEMPLATE {template}")
        self.use(name)
        if sql:
            self.run(sql)

    @staticmethod
    def use(name):
        os.environ["PGDATABASE"] = name

    @staticmethod
    def run(sql):
        connection = psycopg2.connect("")
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute(sql)
        rows = cursor.fetchall() if cursor.description else None
        connection.close()
        return rows

    def fanout(self, *words, database=None):
        environment = os.environ | ({"PGDATABASE": database} if database else {})
        done = subprocess.run([self.pgfanout, *words, "--table", "public.chunks", "--progress", "none"], text=True,
                              capture_output=True, stdin=subprocess.DEVNULL, env=environment)
        if done.returncode != 0:
            raise AssertionError(f"pgfanout {words} exited {done.returncode}: {done.stdout}{done.stderr}")

    def window(self, mode, *more, database=None):
        self.fanout("run", "--swap", "--key", KEY, "--partitions", str(LEAVES), "--key-mode", mode, *more, database=database)


def engine():
    return sa.create_engine("postgresql+psycopg2://", poolclass=sa.pool.NullPool)


def models_before(is_renumbered=False):
    """Collection, Document, Chunk as they were written for the old table; for a renumbered one with its types."""
    base = orm.declarative_base()

    class Collection(base):
        __tablename__ = "collections"
        id = sa.Column(sa.String(255), primary_key=True)
        name = sa.Column(sa.String, nullable=False)
        chunks = orm.relationship("Chunk", back_populates="collection", passive_deletes=True)

    class Document(base):
        __tablename__ = "documents"
        id = sa.Column(sa.String(255), primary_key=True)
        file_path = sa.Column(sa.Text, nullable=False)
        collection_id = sa.Column(sa.ForeignKey("collections.id", ondelete="CASCADE"), nullable=False)
        chunks = orm.relationship("Chunk", back_populates="document", passive_deletes=True)

    class Chunk(base):
        __tablename__ = "chunks"
        id = (sa.Column(sa.BigInteger, primary_key=True, server_default=sa.text("nextval('chunks_id_seq')"))
              if is_renumbered else
              sa.Column(UUID(as_uuid=True), primary_key=True, server_default=sa.text("gen_random_uuid()")))
        collection_id = sa.Column(sa.ForeignKey("collections.id", ondelete="CASCADE"), primary_key=True)
        document_id = sa.Column(sa.ForeignKey("documents.id", ondelete="CASCADE"), nullable=False, index=True)
        chunk_index = sa.Column(sa.Integer, nullable=False)
        content = sa.Column(sa.Text, nullable=False)
        embedding = sa.Column(ARRAY(REAL))
        meta = sa.Column("metadata", sa.dialects.postgresql.JSONB) if is_renumbered else sa.Column(sa.JSON)
        created_at = sa.Column(sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False)
        updated_at = sa.Column(sa.DateTime(timezone=True), onupdate=sa.func.now())
        collection = orm.relationship("Collection", back_populates="chunks")
        document = orm.relationship("Document", back_populates="chunks")

    return Collection, Document, Chunk


def recipes():
    """The page's blocks of Python by their names."""
    return {block.words["recipe"]: block for block in blocks_of(PAGE.name, PAGE.read_text())
            if block.language == "python"}


def run_recipe(name, given=None, change=lambda text: text):
    """The names that a block of the page defines. Its lines keep their numbers in error messages."""
    block = recipes()[name]
    scope = {"__name__": f"recipe_{re.sub(r'[^a-z]', '_', name)}", **(given or {})}
    exec(compile("\n" * block.line + change(block.text), str(PAGE), "exec"), scope)
    return scope
