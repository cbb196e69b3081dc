// The catalog queries behind read_schema_inventory(). Each takes the table's OID as $1 and returns
// name (NULL: the definition is the name), definition, detail and whether the object is valid.
#pragma once

#include <string>
#include <vector>

namespace pgfanout {

struct SchemaQuery {
  const char* kind;
  std::string sql;
  bool definition_is_sql = true;  ///< The table may be mentioned in it; else it is plain text.
  bool name_is_sql = false;
};

/// Columns, their types and their attributes.
[[nodiscard]] std::vector<SchemaQuery> column_queries();
/// Rules on its rows and ways to them: constraints, indexes, triggers, rules, statistics.
[[nodiscard]] std::vector<SchemaQuery> constraint_queries();
/// Who may do what with it, and what is said about it.
[[nodiscard]] std::vector<SchemaQuery> access_queries();
/// Objects that use it or that it uses: functions, views, publications.
[[nodiscard]] std::vector<SchemaQuery> dependency_queries(int server_version);

/// FROM item: the table itself where it is not partitioned, else its leaves.
inline constexpr const char* kSchemaLeaves =
    "(SELECT $1::oid AS oid WHERE NOT EXISTS"
    "  (SELECT 1 FROM pg_partitioned_table WHERE partrelid = $1::oid) UNION ALL SELECT t.relid::oid"
    "  FROM pg_partition_tree($1::oid::regclass) t WHERE t.isleaf AND t.level > 0"
    "  AND EXISTS (SELECT 1 FROM pg_partitioned_table WHERE partrelid = $1::oid)) leaf";

/// FROM item: the table with all of its partitions.
inline constexpr const char* kSchemaTree =
    "(SELECT $1::oid AS oid UNION SELECT t.relid::oid"
    "  FROM pg_partition_tree($1::oid::regclass) t) tree";

}  // namespace pgfanout
