"""The table that is moved: its name, its key, and the check of a copy."""

from lib.failure import Failure

PARTITIONS = 100


class Table:
    """A loaded source table, its target `<name>_new`, and the facts that every copy is compared with."""

    def __init__(self, database, shape):
        self.database = database
        self.name = shape.table
        self.target = f"{self.name}_new"
        self.key = f"abs(hashtext({shape.key_of})) % {PARTITIONS}"
        self.columns = database.value(
            "SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute"
            f" WHERE attrelid = '{self.name}'::regclass AND attnum > 0 AND NOT attisdropped")
        self.expected = self.checksum(database, self.name, "0")

    @staticmethod
    def leaves(database, name):
        return database.query(f"SELECT relid::regclass FROM pg_partition_tree('{name}') WHERE isleaf"
                              " ORDER BY pg_table_size(relid) DESC")

    def checksum(self, database, name, wrong_keys):
        """Rows, the sum of the hashes of their hashes (peers/common.sh says why), and rows with a wrong key."""
        lines = database.query_dealt(
            ["SELECT count(*), coalesce(sum(hash_record_extended(ROW(int8send(hash_record_extended("
             f"ROW({self.columns}), 0))), 0)), 0), {wrong_keys} FROM {leaf};" for leaf in self.leaves(database, name)])
        return tuple(map(sum, zip(*(map(int, line.split("|")) for line in lines))))

    def check_target(self, where=None, has_key=True):
        """Raises unless the target holds the source's rows, each under the key that the server computes, if it has one."""
        found = self.checksum(where or self.database, self.target,
                              f"count(*) FILTER (WHERE partition_key IS DISTINCT FROM {self.key})" if has_key else "0")
        if found != self.expected:
            raise Failure(f"{self.target} is not {self.name}: rows, checksum and wrong keys are {found} instead of"
                          f" {self.expected}")

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
SELECT 'not as many indexes' WHERE (SELECT count(*) FROM pg_index WHERE indrelid = '{target}'::regclass AND indisvalid)
    < (SELECT count(*) FROM pg_index WHERE indrelid = '{source}'::regclass)
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
