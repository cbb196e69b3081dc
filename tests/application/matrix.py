#!/usr/bin/env python3
"""The matrix of docs/APPLICATION.md: what becomes of each operation of an application in each key mode, as SQLAlchemy
does it with the models from before the window and with the page's recipe, for a table that keeps its ids and for one
that gets new ones.

Usage: matrix.py --check DSN PGFANOUT   on a server of yours: fails where the page says something else
       matrix.py --write PGFANOUT       on a throw-away server: writes the page anew
"""

import io
import re
import sys
import tempfile
from concurrent import futures

import application
import psycopg2
import sqlalchemy as sa
from application import HERE, LEAVES, MODES, PAGE, RENUMBERED, Databases, engine, models_before, run_recipe
from migrations import operations_left
from sqlalchemy import orm
from sqlalchemy.dialects.postgresql import insert as upsert

BEGIN, END = "<!-- printed by tests/application/matrix.py -->\n", "<!-- until here -->\n"
OPERATIONS = []


class Accepted(Exception):
    """What nothing refuses, and should have."""


def operation(name):
    def keep(function):
        OPERATIONS.append((name, function))
        return function
    return keep


class Side:
    """One set of models on one database; `key` says whether they supply the key."""

    def __init__(self, models, has_key):
        self.Collection, self.Document, self.Chunk = models
        self.has_key = has_key
        self.table = self.Chunk.__table__

    def values(self, **more):
        return dict(collection_id="c3", document_id="d3", chunk_index=0, content="new") | more

    def first(self, session):
        return session.query(self.Chunk).filter_by(document_id="d3").order_by(self.Chunk.chunk_index).first()

    def columns(self, *names):
        return names + (("partition_key",) if self.has_key else ())


@operation("create: `session.add()`")
def create(session, side):
    session.add(side.Chunk(**side.values()))
    session.flush()


@operation("bulk: `add_all()`, `bulk_save_objects()`, `bulk_insert_mappings()`")
def bulk(session, side):
    session.add_all([side.Chunk(**side.values(chunk_index=n)) for n in range(5)])
    session.flush()
    session.bulk_save_objects([side.Chunk(**side.values(chunk_index=n)) for n in range(5)])
    session.bulk_insert_mappings(side.Chunk, [side.values(collection_id=f"c{n}") for n in range(1, 6)])


@operation("`insert().returning()`")
def returning(session, side):
    assert session.execute(sa.insert(side.table).values(side.values()).returning(side.table.c.id)).scalar()


@operation("`COPY` with a list of columns")
def copy(session, side):
    names = side.columns("collection_id", "document_id", "chunk_index", "content")
    line = ["c3", "d3", "0", "new"]
    if side.has_key:
        line.append(str(session.scalar(sa.select(sa.func.chunks_partition_key("c3")))))
    cursor = session.connection().connection.cursor()
    cursor.copy_expert(f"COPY chunks ({', '.join(names)}) FROM STDIN", io.StringIO("\t".join(line) + "\n"))


@operation("`get()` by primary key, of two parts (recipe in `check`, `none`: three)")
def get(session, side):
    found = side.first(session)
    identity = sa.inspect(found).identity
    session.expunge_all()
    return lambda: session.get(side.Chunk, identity)


@operation("filter by `id` alone")
def by_id(session, side):
    identity = side.first(session).id
    return lambda: session.query(side.Chunk).filter(side.Chunk.id == identity).one()


@operation("filter by `collection_id`")
def by_collection(session, side):
    return lambda: session.query(side.Chunk).filter(side.Chunk.collection_id == "c4").all()[0]


@operation("filter by `collection_id.in_()`")
def by_collections(session, side):
    return lambda: session.query(side.Chunk).filter(side.Chunk.collection_id.in_(["c4"])).all()[0]


@operation("filter by `partition_key` alone")
def by_key(session, side):
    return lambda: session.execute(sa.text("SELECT 1 FROM chunks WHERE partition_key = 1")).first()


@operation("`collection.chunks`, loaded lazily")
def of_collection(session, side):
    collection = session.get(side.Collection, "c4")
    return lambda: collection.chunks[0]


@operation("`document.chunks`, loaded lazily")
def of_document(session, side):
    document = session.get(side.Document, "d4")
    return lambda: document.chunks[0]


@operation("`chunk.collection`, appending to `collection.chunks`")
def related(session, side):
    collection = session.get(side.Collection, "c4")
    assert side.first(session).collection.id == "c4"
    collection.chunks.append(side.Chunk(document_id="d4", chunk_index=0, content="new"))
    session.flush()


@operation("update of an object")
def update(session, side):
    found = side.first(session)

    def change():
        found.content = "changed"
        session.flush()
    return change


@operation("update of `collection_id`")
def move(session, side):
    found = side.first(session)
    key_of = dict(session.execute(sa.text(f"SELECT collection_id, {application.KEY} FROM chunks")).all())
    there = next(each for each in key_of if key_of[each] != key_of[found.collection_id])
    found.collection_id = there
    session.flush()
    at = session.scalar(sa.text(f"SELECT tableoid::regclass::text FROM chunks WHERE id = '{found.id}'"))
    if at != f"chunks_p{key_of[there]}":
        raise Accepted("a wrong leaf")


@operation("delete of an object")
def delete(session, side):
    found = side.first(session)

    def remove():
        session.delete(found)
        session.flush()
    return remove


@operation("`update()`, `delete()` with `where()` on `collection_id` and `id`")
def by_statement(session, side):
    found = side.first(session)
    where = side.Chunk.collection_id == found.collection_id, side.Chunk.id == found.id
    session.expunge_all()

    def change():
        session.execute(sa.update(side.Chunk).where(*where).values(content="b").execution_options(synchronize_session=False))
        session.execute(sa.delete(side.Chunk).where(*where).execution_options(synchronize_session=False))
    return change


@operation("delete of its collection (`ON DELETE CASCADE`)")
def delete_parent(session, side):
    session.delete(session.get(side.Collection, "c4"))
    session.flush()
    assert session.execute(sa.text("SELECT count(*) FROM chunks WHERE collection_id = 'c4'")).scalar() == 0


def upserting(session, side, columns):
    found = side.first(session)
    row = side.values(id=found.id, collection_id=found.collection_id)
    if columns:
        statement = upsert(side.table).values(row).on_conflict_do_update(index_elements=columns, set_={"content": "b"})
    else:
        statement = upsert(side.table).values(row).on_conflict_do_nothing()
    session.execute(statement)


@operation("`ON CONFLICT (id, collection_id) DO UPDATE`")
def upsert_old(session, side):
    upserting(session, side, ["id", "collection_id"])


@operation("`ON CONFLICT (id, collection_id, partition_key) DO UPDATE`")
def upsert_new(session, side):
    upserting(session, side, ["id", "collection_id", "partition_key"])


@operation("`ON CONFLICT DO NOTHING`")
def upsert_nothing(session, side):
    upserting(session, side, None)


@operation("the same `id` and `collection_id` twice")
def twice(session, side):
    found = side.first(session)
    session.execute(sa.insert(side.table).values(side.values(id=found.id, collection_id=found.collection_id)))


@operation("a row with a wrong key")
def wrong(session, side):
    right = session.scalar(sa.text(f"SELECT {application.KEY.replace('collection_id', quoted('c3'))}"))
    session.execute(sa.text("INSERT INTO chunks (collection_id, document_id, chunk_index, content, partition_key)"
                            f" VALUES ('c3', 'd3', 0, 'new', {(right + 1) % LEAVES})"))
    raise Accepted("accepted, in a wrong leaf")


def quoted(text):
    return f"'{text}'"


class Statements:
    """The leaves that the recorded statements of an engine read, as the server plans them."""

    def __init__(self, database):
        self.kept, self.is_on = [], False
        sa.event.listen(database, "before_cursor_execute", self.keep)

    def keep(self, connection, cursor, statement, parameters, context, executemany):
        if self.is_on and re.match(r"(SELECT|UPDATE|DELETE)\b", statement) and "chunks" in statement:
            self.kept.append((statement, parameters[0] if executemany else parameters))

    def leaves(self, session):
        read = set()
        for statement, parameters in self.kept:
            cursor = session.connection().connection.cursor()
            cursor.execute("EXPLAIN (FORMAT JSON) " + statement, parameters)
            read |= set(re.findall(r"'Relation Name': '(chunks_p\d+)'", str(cursor.fetchall())))
        return len(read)


def tried(function, database, side):
    """(why it failed, None), else ("", number of leaves that were read; None: nothing was measured)."""
    statements = Statements(database)
    with orm.Session(database) as session:
        try:
            measured = function(session, side)
            if measured:
                statements.is_on = True
                measured()
                statements.is_on = False
            leaves = statements.leaves(session) if statements.kept else None
            session.rollback()
            return "", leaves
        except (sa.exc.DBAPIError, psycopg2.Error) as error:
            session.rollback()
            return f"refused: {getattr(error, 'orig', error).pgcode}", None
        except Accepted as what:
            session.rollback()
            return str(what), None
        finally:
            sa.event.remove(database, "before_cursor_execute", statements.keep)


def code_of(refused):
    return refused.removeprefix("refused: ")


def cell(before, after):
    (refused, leaves), (refused_after, leaves_after) = before, after
    words = {None: "", 1: ", one leaf", LEAVES: ", every leaf"}
    if refused and refused_after:
        return refused if refused == refused_after else f"{refused}; recipe: {code_of(refused_after)}"
    if refused:
        return f"recipe{words[leaves_after]}; else {code_of(refused)}"
    if refused_after:
        return f"as it is{words[leaves]}; recipe: {code_of(refused_after)}"
    if leaves == leaves_after:
        return f"as it is{words[leaves]}"
    return f"as it is{words[leaves]}; recipe{words[leaves_after]}"


def replaced(text, *pairs):
    for old, new in pairs:
        assert old in text, old
        text = text.replace(old, new)
    return text


def models_after(mode, is_renumbered):
    """Those of the recipe; for this test's number of leaves, for a table with numbers from a sequence, and for one
    without the column."""
    def change(text):
        if mode in ("generated", "expression"):
            text = replaced(text, ("% 100", f"% {LEAVES}"))
        if mode == "expression":
            text = "\n".join(line for line in text.splitlines() if "not in mode expression" not in line)
        if is_renumbered:
            text = "from sqlalchemy import BigInteger\nfrom sqlalchemy.dialects.postgresql import JSONB\n" + replaced(
                text, ('Column(UUID(as_uuid=True), primary_key=True, server_default=text("gen_random_uuid()"))',
                       'Column(BigInteger, primary_key=True, server_default=text("nextval(\'chunks_id_seq\')"))'),
                ("meta = Column(JSON)", 'meta = Column("metadata", JSONB)'))
        return text
    scope = run_recipe("sqlalchemy" if mode in ("check", "none") else "sqlalchemy-generated", change=change)
    return scope["Collection"], scope["Document"], scope["Chunk"]


def converted(databases):
    """The databases of every mode and both tables, by those. Several windows at a time."""
    databases.make("application_before", (HERE / "schema.sql").read_text())
    names = {(mode, is_renumbered): f"application_{mode}_{'renumbered' if is_renumbered else 'kept'}"
             for mode in MODES for is_renumbered in (False, True)}
    for (mode, is_renumbered), name in names.items():
        databases.make(name, "CREATE SEQUENCE chunks_id_seq" if is_renumbered else None, "application_before")
    with futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda each: databases.window(each[0], *(RENUMBERED if each[1] else ()), database=names[each]), names))
    return names


def column_of(mode, is_renumbered):
    """The cells of one mode."""
    database = engine()
    before = Side(models_before(is_renumbered), False)
    after = Side(models_after(mode, is_renumbered), mode in ("check", "none"))
    cells = {said: cell(tried(function, database, before), tried(function, database, after))
             for said, function in OPERATIONS}
    without, left = (operations_left(database, after.Chunk.metadata, with_filter) for with_filter in (False, True))
    assert without and all(each.startswith("remove_") for each in without), without
    assert left == [], left
    cells["Alembic's autogenerate"] = "drops leaves and backup; recipe: nothing to do"
    return cells


def matrix(databases):
    names, columns = converted(databases), {}
    for mode in MODES:
        both = []
        for is_renumbered in (False, True):
            databases.use(names[mode, is_renumbered])
            both.append(column_of(mode, is_renumbered))
        kept, numbered = both
        assert kept == numbered, [(said, kept[said], numbered[said]) for said in kept if kept[said] != numbered[said]]
        columns[mode] = kept
    lines = ["| operation | " + " | ".join(f"`{mode}`" for mode in MODES) + " |", "|---" * (len(MODES) + 1) + "|"]
    for said in columns["check"]:
        lines.append(f"| {said} | " + " | ".join(columns[mode][said] for mode in MODES) + " |")
    return "\n".join(lines) + "\n"


def main():
    if len(sys.argv) == 4 and sys.argv[1] == "--check":
        printed = matrix(Databases(*sys.argv[2:]))
        if printed not in PAGE.read_text():
            sys.exit(f"{printed}\n{PAGE.name} has another matrix; {__file__} --write PGFANOUT writes this one")
    elif len(sys.argv) == 3 and sys.argv[1] == "--write":
        from states import Server
        with tempfile.TemporaryDirectory() as directory:
            server = Server(sys.argv[2], directory)
            try:
                printed = matrix(Databases(f"host={server.socket} user=postgres dbname=postgres", sys.argv[2]))
            finally:
                server.stop()
        head, rest = PAGE.read_text().split(BEGIN)
        PAGE.write_text(head + BEGIN + printed + END + rest.split(END)[1])
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
