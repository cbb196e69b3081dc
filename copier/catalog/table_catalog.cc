// describe_table() by OID: what pg_class, pg_attribute and pg_inherits know about a table. Names
// and expressions come out qualified, because every session has an empty search_path.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "copier/catalog/table.h"

namespace pgfanout {
namespace {

char first_char(const Rows& rows, int row, int column) {
  const std::string_view text = rows.text(row, column);
  return text.empty() ? '\0' : text.front();
}

std::uint64_t unsigned_of(const Rows& rows, int row, int column) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(0, rows.integer(row, column)));
}

/// "1 2 3" as numbers.
std::vector<std::int16_t> numbers_of(std::string_view text) {
  std::vector<std::int16_t> numbers;
  while (!text.empty()) {
    std::int16_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc()) break;
    numbers.push_back(number);
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    if (text.starts_with(' ')) text.remove_prefix(1);
  }
  return numbers;
}

constexpr const char* kTableSql =
    "SELECT n.nspname, c.relname, format('%I.%I', n.nspname, c.relname), c.relkind,"
    " c.relpersistence, pg_get_userbyid(c.relowner),"
    " row_security_active(c.oid), pg_has_role(c.relowner, 'USAGE'),"
    " p.partstrat, pg_get_partkeydef(c.oid)"
    " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " LEFT JOIN pg_partitioned_table p ON p.partrelid = c.oid WHERE c.oid = $1::oid";

constexpr const char* kColumnsSql =
    "SELECT a.attname, quote_ident(a.attname), a.attnum, a.atttypid, a.atttypmod,"
    " base.oid, format_type(a.atttypid, a.atttypmod), t.typtype, element.oid,"
    " element.typtype, a.attnotnull, pg_get_expr(d.adbin, d.adrelid), a.attidentity,"
    " a.attgenerated,"
    " CASE WHEN a.attcollation <> t.typcollation"
    "  THEN format('%I.%I', cn.nspname, co.collname) END,"
    " COALESCE(co.collisdeterministic, true), a.attstorage, t.typstorage, a.attcompression,"
    " COALESCE(a.attstattarget, -1),"
    // The expression depends on its inputs; on 14 the generated column itself does.
    " (SELECT string_agg(DISTINCT r.refobjsubid::text, ' ')"
    "   FROM pg_depend r WHERE a.attgenerated <> ''"
    "   AND (r.classid = 'pg_attrdef'::regclass AND r.objid = d.oid"
    "    OR r.classid = 'pg_class'::regclass AND r.objid = a.attrelid    AND r.objsubid = a.attnum)"
    "   AND r.refclassid = 'pg_class'::regclass"
    "   AND r.refobjid = a.attrelid AND r.refobjsubid NOT IN (0, a.attnum))"
    " FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid CROSS JOIN LATERAL ("
    "  WITH RECURSIVE under(oid, below, is_domain, depth) AS ("
    "   SELECT t.oid, t.typbasetype, t.typtype = 'd', 0 UNION ALL"
    "   SELECT b.oid, b.typbasetype, b.typtype = 'd', u.depth + 1"
    "   FROM under u JOIN pg_type b ON b.oid = u.below WHERE u.is_domain)"
    "  SELECT u.oid FROM under u ORDER BY u.depth DESC LIMIT 1) base"
    " LEFT JOIN pg_type element ON element.typarray = base.oid"
    " LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum"
    " LEFT JOIN pg_collation co ON co.oid = a.attcollation"
    " LEFT JOIN pg_namespace cn ON cn.oid = co.collnamespace"
    " WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum";

// The table itself where it has no partitions. Sizes are NULL for a leaf that was dropped
// meanwhile.
constexpr const char* kLeavesSql =
    "SELECT c.oid, n.nspname, c.relname, format('%I.%I', n.nspname, c.relname),"
    " c.relkind, am.amname, pg_get_expr(c.relpartbound, c.oid), i.inhparent,"
    " pg_relation_size(c.oid, 'main')  / current_setting('block_size')::int8,"
    " pg_table_size(c.oid), has_table_privilege(c.oid, 'SELECT'),"
    " has_table_privilege(c.oid, 'INSERT'), row_security_active(c.oid),"
    " GREATEST(c.reltuples, 0)::int8 FROM (SELECT $1::oid AS oid WHERE $2 <> 'p' UNION ALL"
    "  SELECT t.relid FROM pg_partition_tree($1::oid::regclass) t"
    "  WHERE $2 = 'p' AND t.isleaf AND t.level > 0) leaf JOIN pg_class c ON c.oid = leaf.oid"
    " JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_am am ON am.oid = c.relam"
    " LEFT JOIN pg_inherits i ON i.inhrelid = c.oid AND c.relispartition"
    " WHERE c.relkind <> 'p' ORDER BY n.nspname, c.relname";

constexpr const char* kHeirsSql =
    "SELECT format('%I.%I', n.nspname, c.relname), c.relispartition, c.relkind"
    " FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
    " JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE i.inhparent = $1::oid AND (NOT c.relispartition OR c.relkind = 'p') ORDER BY 1";

constexpr const char* kPartitionColumnsSql =
    "SELECT a.attname FROM pg_partitioned_table p"
    " CROSS JOIN LATERAL unnest(p.partattrs::int2[]) WITH ORDINALITY AS k(number, place)"
    " LEFT JOIN pg_attribute a ON a.attrelid = p.partrelid AND a.attnum = k.number"
    "  AND k.number > 0 WHERE p.partrelid = $1::oid ORDER BY k.place";

constexpr const char* kPrimaryKeySql =
    "SELECT a.attname FROM pg_index i"
    " CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k(number, place)"
    " JOIN pg_attribute a ON a.attnum = k.number"
    " WHERE i.indrelid = $1::oid AND a.attrelid = i.indrelid AND i.indisprimary"
    " AND k.place <= i.indnkeyatts ORDER BY k.place";

Column column_of(const Rows& rows, int row) {
  Column column;
  column.name = rows.str(row, 0);
  column.quoted = rows.str(row, 1);
  column.number = static_cast<std::int16_t>(rows.integer(row, 2));
  column.type_oid = rows.oid(row, 3);
  column.type_modifier = static_cast<std::int32_t>(rows.integer(row, 4));
  column.base_type_oid = rows.oid(row, 5);
  column.type_sql = rows.str(row, 6);
  column.type_type = first_char(rows, row, 7);
  column.element_type_oid = rows.oid(row, 8);
  column.element_type_type = first_char(rows, row, 9);
  column.is_not_null = rows.boolean(row, 10);
  column.default_sql = rows.str(row, 11);
  column.identity = first_char(rows, row, 12);
  column.generated = first_char(rows, row, 13);
  column.collation = rows.str(row, 14);
  column.is_deterministic = rows.boolean(row, 15);
  column.storage = first_char(rows, row, 16);
  column.type_storage = first_char(rows, row, 17);
  column.compression = first_char(rows, row, 18);
  column.statistics = static_cast<int>(rows.integer(row, 19));
  column.generated_from = numbers_of(rows.text(row, 20));
  return column;
}

Leaf leaf_of(const Rows& rows, int row) {
  Leaf leaf;
  leaf.oid = rows.oid(row, 0);
  leaf.schema = rows.str(row, 1);
  leaf.name = rows.str(row, 2);
  leaf.qualified = rows.str(row, 3);
  leaf.kind = first_char(rows, row, 4);
  leaf.access_method = rows.str(row, 5);
  leaf.bound = rows.str(row, 6);
  leaf.parent_oid = rows.oid(row, 7);
  leaf.blocks = unsigned_of(rows, row, 8);
  leaf.total_bytes = unsigned_of(rows, row, 9);
  leaf.may_select = rows.boolean(row, 10);
  leaf.may_insert = rows.boolean(row, 11);
  leaf.hides_rows = rows.boolean(row, 12);
  return leaf;
}

Result<void> read_relation(Connection& connection, const std::string& oid, Table& table) {
  PGFANOUT_TRY_ASSIGN(const Rows rows, connection.query(kTableSql, {oid}));
  if (rows.size() != 1) {
    return refused("no-such-table", fmt::format("there is no table with OID {}", oid),
                   "it was dropped a moment ago: run the command again");
  }
  table.schema = rows.str(0, 0);
  table.name = rows.str(0, 1);
  table.qualified = rows.str(0, 2);
  table.kind = first_char(rows, 0, 3);
  table.persistence = first_char(rows, 0, 4);
  table.owner = rows.str(0, 5);
  table.hides_rows = rows.boolean(0, 6);
  table.is_owner = rows.boolean(0, 7);
  table.strategy = first_char(rows, 0, 8);
  table.partition_key = rows.str(0, 9);
  return {};
}

Result<void> read_leaves(Connection& connection, const std::string& oid, Table& table) {
  PGFANOUT_TRY_ASSIGN(const Rows rows,
                      connection.query(kLeavesSql, {oid, std::string(1, table.kind)}));
  for (int row = 0; row < rows.size(); ++row) {
    table.leaves.push_back(leaf_of(rows, row));
    table.estimated_rows += unsigned_of(rows, row, 13);
    table.hides_rows = table.hides_rows || table.leaves.back().hides_rows;
  }
  PGFANOUT_TRY_ASSIGN(const Rows heirs, connection.query(kHeirsSql, {oid}));
  for (int row = 0; row < heirs.size(); ++row) {
    (heirs.boolean(row, 1) ? table.subpartitioned : table.heirs).push_back(heirs.str(row, 0));
  }
  return {};
}

Result<std::vector<std::string>> names(Connection& connection, const char* sql,
                                       const std::string& oid) {
  PGFANOUT_TRY_ASSIGN(const Rows rows, connection.query(sql, {oid}));
  std::vector<std::string> found;
  for (int row = 0; row < rows.size(); ++row) found.push_back(rows.str(row, 0));
  return found;
}

}  // namespace

const Column* Table::find(std::string_view column) const {
  const auto found = std::find_if(columns.begin(), columns.end(),
                                  [&](const Column& at) { return at.name == column; });
  return found == columns.end() ? nullptr : &*found;
}

Result<Table> describe_table(Connection& connection, std::uint32_t oid) {
  const std::string text = std::to_string(oid);
  Table table;
  table.oid = oid;
  PGFANOUT_TRY(read_relation(connection, text, table));
  PGFANOUT_TRY_ASSIGN(const Rows columns, connection.query(kColumnsSql, {text}));
  for (int row = 0; row < columns.size(); ++row) table.columns.push_back(column_of(columns, row));
  PGFANOUT_TRY(read_leaves(connection, text, table));
  PGFANOUT_TRY_ASSIGN(table.partition_columns, names(connection, kPartitionColumnsSql, text));
  PGFANOUT_TRY_ASSIGN(table.primary_key, names(connection, kPrimaryKeySql, text));
  return table;
}

}  // namespace pgfanout
