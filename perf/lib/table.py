"""The table that is moved: its name, its key, and the check of a copy."""

from lib.failure import Failure

PARTITIONS = 100


class Table:
    """A loaded source table, its target `<name>_new`, and the facts that every copy is compared with."""

    def __init__(self, database, name="public.chunks", key_of="collection_id::text"):
        self.database = database
        self.name = name
        self.target = f"{name}_new"
        self.key = f"abs(hashtext({key_of})) % {PARTITIONS}"
        self.columns = database.value(
            "SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute"
            f" WHERE attrelid = '{name}'::regclass AND attnum > 0 AND NOT attisdropped")
        self.expected = self.checksum(database, name)
        self.rows = self.expected[0]

    @staticmethod
    def leaves(database, name):
        return database.query(f"SELECT relid::regclass FROM pg_partition_tree('{name}') WHERE isleaf"
                              " ORDER BY pg_table_size(relid) DESC")

    def checksum(self, database, name):
        """Rows, and the sum of their hashes."""
        lines = database.query_dealt(
            [f"SELECT count(*), coalesce(sum(hash_record_extended(ROW({self.columns}), 0)), 0) FROM {leaf};"
             for leaf in self.leaves(database, name)])
        pairs = [tuple(map(int, line.split("|"))) for line in lines]
        return sum(pair[0] for pair in pairs), sum(pair[1] for pair in pairs)

    def check_target(self, where=None):
        """Raises unless the target holds the source's rows, each under the key that the server computes."""
        database = where or self.database
        found = self.checksum(database, self.target)
        wrong = int(database.value(f"SELECT count(*) FROM {self.target} WHERE partition_key <> {self.key}"))
        if found != self.expected or wrong:
            raise Failure(f"{self.target} is not {self.name}: rows and hash {found} instead of {self.expected},"
                          f" {wrong} rows with a wrong key")

    def drop_target(self, where=None):
        database = where or self.database
        database.query("SET client_min_messages = warning;"
                       f" DROP TABLE IF EXISTS {self.target}, {self.target}_rejects CASCADE;"
                       " DROP SCHEMA IF EXISTS pgfanout CASCADE")
        database.settle()

    def check_finished(self):
        """Raises unless the target is finished as after a window: keys, foreign keys, frozen pages, statistics."""
        lacks = self.database.query(FINISHED.format(source=self.name, target=self.target))
        if lacks:
            raise Failure(f"{self.target} is not finished: {'; '.join(lacks)}")

    def size(self, name, where=None):
        """Bytes of a table with its TOAST, and with its indexes as well."""
        line = (where or self.database).value(
            "SELECT sum(pg_table_size(relid)), sum(pg_total_relation_size(relid)), sum(pg_relation_size(relid))"
            f" FROM pg_partition_tree('{name}') WHERE isleaf")
        table, total, heap = map(int, line.split("|"))
        return {"table_bytes": table, "total_bytes": total, "heap_bytes": heap}


# Lists in words what an unfinished target lacks. Pages that two inserting sessions added at the same time and
# did not fill are never all-visible; in small leaves they are many.
FINISHED = """
WITH leaf AS (SELECT c.* FROM pg_partition_tree('{target}') AS t JOIN pg_class AS c ON c.oid = t.relid WHERE t.isleaf)
SELECT 'no primary key' WHERE NOT EXISTS (SELECT FROM pg_constraint AS k JOIN pg_index AS i ON i.indexrelid = k.conindid
    WHERE k.conrelid = '{target}'::regclass AND k.contype = 'p' AND i.indisvalid)
UNION ALL
SELECT 'not as many foreign keys' WHERE (SELECT count(*) FROM pg_constraint WHERE conrelid = '{target}'::regclass
    AND contype = 'f' AND convalidated) < (SELECT count(*) FROM pg_constraint WHERE conrelid = '{source}'::regclass
    AND contype = 'f')
UNION ALL
SELECT format('%s leaves are not frozen, such as %s: %s of %s pages all-visible, age %s', count(*), min(relname),
              min(relallvisible), min(relpages), max(age(relfrozenxid))) FROM leaf
WHERE relpages > 0 AND (relallvisible < 0.5 * relpages - 40 OR age(relfrozenxid) > 10000) HAVING count(*) > 0
UNION ALL
SELECT 'leaves without statistics: ' || count(*) FROM leaf
WHERE reltuples > 0 AND NOT EXISTS (SELECT FROM pg_statistic WHERE starelid = leaf.oid)
   OR reltuples < 0 HAVING count(*) > 0
UNION ALL
SELECT 'no statistics of the whole' WHERE NOT EXISTS (SELECT FROM pg_statistic
    WHERE starelid = '{target}'::regclass AND stainherit)
"""
