#include "copier/catalog/table.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "copier/base/lists.h"
#include "copier/catalog/catalog_query.h"
#include "copier/catalog/partition_bound.h"
#include "copier/catalog/type_catalog.h"
#include "copier/pg/transaction.h"

namespace pgfanout {
namespace {

constexpr const char* kTableSql =
    "SELECT n.nspname, c.relname, format('%I.%I', n.nspname, c.relname), c.relkind,"
    " c.relpersistence, pg_get_userbyid(c.relowner),"
    " row_security_active(c.oid), pg_has_role(c.relowner, 'USAGE'),"
    " p.partstrat, pg_get_partkeydef(c.oid)"
    " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " LEFT JOIN pg_partitioned_table p ON p.partrelid = c.oid WHERE c.oid = $1::oid";

/// {}: kBaseType.
constexpr const char* kColumnsSql =
    "SELECT a.attname, quote_ident(a.attname), a.attnum, a.atttypid, a.atttypmod,"
    " base.oid, format_type(a.atttypid, a.atttypmod), t.typtype, element.oid,"
    " element.typtype, a.attnotnull AND COALESCE(nn.convalidated, true),"
    " CASE WHEN nn.convalidated THEN nn.conname END, pg_get_expr(d.adbin, d.adrelid), "
    "a.attidentity,"
    " a.attgenerated,"
    " CASE WHEN a.attcollation <> t.typcollation"
    "  THEN format('%I.%I', cn.nspname, co.collname) END,"
    " COALESCE(co.collisdeterministic, true), a.attstorage, t.typstorage, a.attcompression,"
    " COALESCE(a.attstattarget, -1),"
    // The expression depends on its inputs; on 14 the generated column itself does.
    " (SELECT string_agg(DISTINCT r.refobjsubid::text, ' ')"
    "   FROM pg_depend r WHERE a.attgenerated <> ''"
    "   AND (r.classid = 'pg_attrdef'::regclass AND r.objid = d.oid"
    "    OR r.classid = 'pg_class'::regclass AND r.objid = a.attrelid AND r.objsubid = a.attnum)"
    "   AND r.refclassid = 'pg_class'::regclass"
    "   AND r.refobjid = a.attrelid AND r.refobjsubid NOT IN (0, a.attnum))"
    " FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid CROSS JOIN LATERAL {}"
    " LEFT JOIN pg_type element ON element.typarray = base.oid"
    " LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum"
    " LEFT JOIN pg_constraint nn ON nn.conrelid = a.attrelid AND nn.contype = 'n'"
    "  AND nn.conkey = ARRAY[a.attnum]"
    " LEFT JOIN pg_collation co ON co.oid = a.attcollation"
    " LEFT JOIN pg_namespace cn ON cn.oid = co.collnamespace"
    " WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum";

/// {}: kTableTree. Sizes are NULL for a leaf that is dropped meanwhile.
constexpr const char* kLeavesSql =
    "SELECT c.oid, n.nspname, c.relname, format('%I.%I', n.nspname, c.relname),"
    " c.relkind, am.amname, pg_get_expr(c.relpartbound, c.oid), i.inhparent,"
    " pg_relation_size(c.oid, 'main') / current_setting('block_size')::int8,"
    " pg_table_size(c.oid), has_schema_privilege(n.oid, 'USAGE'),"
    " has_table_privilege(c.oid, 'SELECT'),"
    " has_table_privilege(c.oid, 'INSERT'), row_security_active(c.oid),"
    " GREATEST(c.reltuples, 0)::int8 FROM {} JOIN pg_class c ON c.oid = tree.oid"
    " JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_am am ON am.oid = c.relam"
    " LEFT JOIN pg_inherits i ON i.inhrelid = c.oid AND c.relispartition"
    " WHERE c.relkind <> 'p' ORDER BY n.nspname, c.relname";

constexpr const char* kSubpartitionedSql =
    "SELECT c.oid::regclass::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
    " WHERE i.inhparent = $1::oid AND c.relkind = 'p' ORDER BY 1";

/// A NOT NULL of the parent does not bind its heirs: before version 18 each may drop it.
constexpr const char* kNullableSql =
    "SELECT DISTINCT a.attname FROM pg_attribute a"
    " WHERE a.attrelid = ANY ($1::oid[]) AND a.attnum > 0 AND NOT a.attnotnull";

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
  read_row(rows, row, column.name, column.quoted, column.number, column.type_oid,
           column.type_modifier, column.base_type_oid, column.type_sql, column.type_type,
           column.element_type_oid, column.element_type_type, column.is_not_null,
           column.not_null_name, column.default_sql, column.identity, column.generated,
           column.collation, column.is_deterministic, column.storage, column.type_storage,
           column.compression, column.statistics, column.generated_from);
  return column;
}

Result<void> read_relation(Connection& connection, const std::string& oid, Table& table) {
  PGFANOUT_TRY_ASSIGN(const Rows rows, connection.query(kTableSql, {oid}));
  if (rows.size() != 1) {
    return refused("no-such-table", fmt::format("there is no table with OID {}", oid),
                   "it was dropped meanwhile: run the command again");
  }
  read_row(rows, 0, table.schema, table.name, table.qualified, table.kind, table.persistence,
           table.owner, table.hides_rows, table.is_owner, table.strategy, table.partition_key);
  return {};
}

Result<void> read_leaves(Connection& connection, const std::string& oid, Table& table) {
  PGFANOUT_TRY_ASSIGN(const Rows rows,
                      connection.query(fmt::format(kLeavesSql, kTableTree), {oid}));
  for (int row = 0; row < rows.size(); ++row) {
    Leaf& leaf = table.leaves.emplace_back();
    std::uint64_t estimated_rows = 0;
    read_row(rows, row, leaf.oid, leaf.schema, leaf.name, leaf.qualified, leaf.kind,
             leaf.access_method, leaf.bound, leaf.parent_oid, leaf.blocks, leaf.total_bytes,
             leaf.may_use_schema, leaf.may_select, leaf.may_insert, leaf.hides_rows,
             estimated_rows);
    table.estimated_rows += estimated_rows;
    table.hides_rows = table.hides_rows || leaf.hides_rows;
  }
  PGFANOUT_TRY_ASSIGN(const Rows parents, connection.query(kSubpartitionedSql, {oid}));
  table.subpartitioned = parents.column(0);
  if (!table.has_heirs()) return {};
  PGFANOUT_TRY_ASSIGN(const Rows nullable, connection.query(kNullableSql, {table.leaf_oids()}));
  for (const std::string& name : nullable.column(0)) {
    for (Column& column : table.columns) {
      if (column.name == name) column.is_not_null = false;
    }
  }
  return {};
}

/// A bound's value for `column`, as two items to sort by: MINVALUE and MAXVALUE, then the value.
std::string sort_items(const Connection& connection, const BoundValue& value,
                       const Column& column) {
  using Kind = BoundValue::Kind;
  const int rank = value.kind == Kind::minimum ? -1 : value.kind == Kind::maximum ? 1 : 0;
  const std::string literal = rank == 0 ? connection.quote_literal(value.text) : "NULL";
  return fmt::format(", {}, CAST({} AS {}){}", rank, literal, column.type_sql,
                     column.collation.empty() ? "" : " COLLATE " + column.collation);
}

/// The server sorts the leaves of RANGE by their lower bounds.
Result<void> read_places(Connection& connection, Table& table) {
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < table.leaves.size(); ++at) {
    PGFANOUT_TRY_ASSIGN(const PartitionBound bound, parse_partition_bound(table.leaves[at].bound));
    table.leaves[at].place = static_cast<std::uint32_t>(table.leaves.size() - 1);
    if (bound.kind != PartitionBound::Kind::range) continue;
    std::string line = std::to_string(at);
    for (std::size_t column = 0; column < bound.from.size(); ++column) {
      line +=
          sort_items(connection, bound.from[column], *table.find(table.partition_columns[column]));
    }
    lines.push_back("(" + line + ")");
  }
  if (lines.empty()) return {};
  PGFANOUT_TRY_ASSIGN(const Rows sorted,
                      connection.query(fmt::format(
                          "SELECT column1 FROM (VALUES {}) AS v ORDER BY {}", joined(lines, ", "),
                          joined(2 * table.partition_columns.size(), ", ",
                                 [](std::size_t at) { return fmt::format("column{}", at + 2); }))));
  for (int row = 0; row < sorted.size(); ++row) {
    std::size_t leaf = 0;
    read_row(sorted, row, leaf);
    table.leaves[leaf].place = static_cast<std::uint32_t>(row);
  }
  return {};
}

constexpr const char* kFindSql =
    "SELECT c.oid, c.relkind, c.relpersistence,"
    " n.nspname IN ('pg_catalog', 'information_schema', 'pg_toast')"
    " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace";

Result<FoundRelation> found_in(Result<Rows> answer) {
  PGFANOUT_TRY_ASSIGN(const Rows rows, std::move(answer));
  FoundRelation found;
  if (rows.size() > 0) {
    read_row(rows, 0, found.oid, found.kind, found.persistence, found.is_system);
  }
  return found;
}

/// Tables whose name is like `name`, in schemas that the role may use.
Result<std::string> hint_for_missing(Connection& connection, const RelationName& name) {
  PGFANOUT_TRY_ASSIGN(
      const Rows rows,
      connection.query("SELECT n.nspname, c.relname FROM pg_class c"
                       " JOIN pg_namespace n ON n.oid = c.relnamespace"
                       " WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition"
                       " AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pgfanout')"
                       " AND n.nspname !~ '^pg_(toast|temp)'"
                       " AND has_schema_privilege(n.oid, 'USAGE') LIMIT 10000"));
  std::vector<std::string> names;
  std::string elsewhere;
  for (int row = 0; row < rows.size(); ++row) {
    const std::string written =
        fmt::format("{}.{}", display_name(rows.text(row, 0)), display_name(rows.text(row, 1)));
    if (rows.text(row, 1) == name.name && elsewhere.empty()) elsewhere = written;
    if (name.schema.empty() || rows.text(row, 0) == name.schema) names.push_back(rows.str(row, 1));
  }
  if (!elsewhere.empty()) return fmt::format("{} exists: write the schema too", elsewhere);
  std::string hint = near_names_hint(name.name, names);
  if (hint.empty()) hint = "check the database, the schema and the spelling";
  return hint;
}

}  // namespace

const Column* Table::find(std::string_view column) const {
  return find_by(columns, &Column::name, column);
}

bool Table::is_plainly_partitioned() const {
  if (kind != 'p' || contains(partition_columns, "")) return false;
  const std::string plain = joined(partition_columns, ", ",
                                   [this](const std::string& each) { return find(each)->quoted; });
  return partition_key.ends_with(" (" + plain + ")");
}

std::string Table::leaf_oids() const {
  return oid_array(parts_of(leaves, &Leaf::oid));
}

std::vector<LeafSize> Table::leaf_sizes() const {
  return parts_of(leaves, [](const Leaf& leaf) { return LeafSize{leaf.blocks, leaf.total_bytes}; });
}

Result<Table> describe_table(Connection& connection, std::uint32_t oid) {
  const std::string text = std::to_string(oid);
  Table table;
  table.oid = oid;
  PGFANOUT_TRY(read_relation(connection, text, table));
  PGFANOUT_TRY_ASSIGN(const Rows columns,
                      connection.query(fmt::format(kColumnsSql, kBaseType), {text}));
  for (int row = 0; row < columns.size(); ++row) table.columns.push_back(column_of(columns, row));
  PGFANOUT_TRY(read_leaves(connection, text, table));
  PGFANOUT_TRY_ASSIGN(const Rows parts, connection.query(kPartitionColumnsSql, {text}));
  table.partition_columns = parts.column(0);
  PGFANOUT_TRY_ASSIGN(const Rows key, connection.query(kPrimaryKeySql, {text}));
  table.primary_key = key.column(0);
  if (table.strategy == 'r' && table.subpartitioned.empty() && table.is_plainly_partitioned()) {
    PGFANOUT_TRY(read_places(connection, table));
  }
  return table;
}

std::string_view kind_name(char kind) {
  using Kind = std::pair<char, std::string_view>;
  constexpr Kind kKinds[] = {
      {'r', "a table"},          {'p', "a partitioned table"}, {'v', "a view"},
      {'f', "a foreign table"},  {'m', "a materialized view"}, {'S', "a sequence"},
      {'c', "a composite type"}, {'t', "a TOAST table"},       {'i', "an index"},
      {'I', "an index"}};
  const Kind* found = find_by(kKinds, &Kind::first, kind);
  return found == nullptr ? "no table" : found->second;
}

Result<FoundRelation> find_relation(Connection& connection, const RelationName& name) {
  if (!name.schema.empty()) {
    return found_in(
        connection.query(fmt::format("{} WHERE n.nspname = $1 AND c.relname = $2", kFindSql),
                         {name.schema, name.name}));
  }
  PGFANOUT_TRY_ASSIGN(
      const Rows named, with_search_path(connection, "DEFAULT", [&] {
        return connection.query(
            "SELECT pg_catalog.to_regclass(pg_catalog.quote_ident($1))::pg_catalog.oid",
            {name.name});
      }));
  if (named.is_null(0, 0)) return FoundRelation();
  return found_in(
      connection.query(fmt::format("{} WHERE c.oid = $1", kFindSql), {named.str(0, 0)}));
}

Result<void> check_is_table(const FoundRelation& found, const RelationName& name,
                            std::string_view written) {
  const std::string where(written);
  if (found.persistence == 't') {
    return refused(
        "temporary-table",
        fmt::format("{} is a temporary table, which other sessions cannot read", written),
        "copy it into an ordinary table first", where);
  }
  if (found.kind == 'r' || found.kind == 'p') {
    if (!found.is_system) return {};
    return refused("system-table", fmt::format("{} is a system table", written),
                   "name a table of your own", where);
  }
  std::string hint = "name a table or a partitioned table";
  if (found.kind == 'v' || found.kind == 'm' || found.kind == 'f') {
    const auto sql_of = [&](std::string_view relation) {
      return name.schema.empty() ? quoted_name(relation) : quoted_name(name.schema, relation);
    };
    hint = fmt::format(
        "it is not read by pages: make a table of its rows, and name that: CREATE "
        "TABLE {} AS TABLE {}",
        sql_of(suffixed_name(name.name, "_rows")), sql_of(name.name));
  }
  return refused("not-a-table", fmt::format("{} is {}", written, kind_name(found.kind)),
                 std::move(hint), where);
}

Result<Table> describe_table(Connection& connection, std::string_view written) {
  PGFANOUT_TRY_ASSIGN(const RelationName name, parse_relation_name(written));
  PGFANOUT_TRY_ASSIGN(const FoundRelation found, find_relation(connection, name));
  if (found.oid == 0) {
    PGFANOUT_TRY_ASSIGN(std::string hint, hint_for_missing(connection, name));
    return refused("no-such-table",
                   fmt::format("there is no table {} in {}", written, connection.description()),
                   std::move(hint), std::string(written));
  }
  PGFANOUT_TRY(check_is_table(found, name, written));
  return describe_table(connection, found.oid);
}

}  // namespace pgfanout
