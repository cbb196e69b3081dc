#include "copier/schema/schema_inventory.h"

#include <fmt/format.h>

#include "copier/catalog/sql_text.h"
#include "copier/schema/schema_queries.h"

namespace pgfanout {
namespace {

SchemaObject object_of(const Rows& rows, int row, const SchemaQuery& query, const Table& table) {
  const auto text = [&](int column, bool is_sql) {
    return is_sql ? without_own_name(rows.text(row, column), table.schema, table.name)
                  : rows.str(row, column);
  };
  SchemaObject object;
  object.kind = query.kind;
  object.definition = text(1, query.definition_is_sql);
  object.name = rows.is_null(row, 0) ? object.definition : text(0, query.name_is_sql);
  object.detail = rows.str(row, 2);
  object.is_valid = rows.boolean(row, 3);
  return object;
}

std::string_view strategy_name(char strategy) {
  switch (strategy) {
    case 'h':
      return "hash";
    case 'l':
      return "list";
    default:
      return "range";
  }
}

SchemaObject layout_of(const Table& table) {
  SchemaObject layout{"partition", "partitioning", "not partitioned", "", true};
  if (table.strategy == 0) return layout;
  const std::size_t leaves = table.leaves.size();
  layout.definition =
      fmt::format("{}, {} {}", without_own_name(table.partition_key, table.schema, table.name),
                  leaves, leaves == 1 ? "leaf" : "leaves");
  layout.detail = fmt::format("by {}", strategy_name(table.strategy));
  if (!table.subpartitioned.empty()) {
    layout.detail += fmt::format(", {} partitioned further", table.subpartitioned.size());
  }
  for (const Leaf& leaf : table.leaves) {
    if (leaf.bound == "DEFAULT") layout.detail += ", default " + leaf.qualified;
  }
  return layout;
}

}  // namespace

Result<std::vector<SchemaObject>> read_schema_inventory(Connection& connection,
                                                        const Table& table) {
  std::vector<SchemaObject> objects;
  objects.push_back(layout_of(table));
  for (const auto& queries : {column_queries(), constraint_queries(), access_queries(),
                              dependency_queries(connection.server_version())}) {
    for (const SchemaQuery& query : queries) {
      PGFANOUT_TRY_ASSIGN(const Rows rows,
                          connection.query(query.sql, {std::to_string(table.oid)}));
      for (int row = 0; row < rows.size(); ++row) {
        objects.push_back(object_of(rows, row, query, table));
      }
    }
  }
  return objects;
}

}  // namespace pgfanout
