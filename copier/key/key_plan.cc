#include "copier/key/key_plan.h"

#include <fmt/format.h>

#include <algorithm>

#include "copier/catalog/relation_name.h"
#include "copier/catalog/type_catalog.h"

namespace pgfanout {
std::vector<KeyColumn> key_columns_of(const Table& table) {
  std::vector<KeyColumn> columns;
  columns.reserve(table.columns.size());
  for (const Column& column : table.columns) {
    using Order = KeyColumn::Order;
    const KeyType type = key_type_of_oid(column.base_type_oid);
    const bool is_text =
        type == KeyType::text || type == KeyType::varchar || type == KeyType::bpchar;
    const bool is_plain = !is_text || column.collation == R"(pg_catalog."C")" ||
                          column.collation == R"(pg_catalog."POSIX")";
    columns.push_back({column.name, type, column.type_sql,
                       is_plain                  ? Order::bytes
                       : column.is_deterministic ? Order::equal_bytes
                                                 : Order::unknown});
  }
  return columns;
}

Result<std::string> key_sql_of(const TableRequest& job, const Table& source) {
  if (!job.key.empty()) return job.key;
  const std::uint32_t partitions = job.partitions.value_or(kDefaultPartitions);
  const auto first = std::ranges::find_if(source.partition_columns,
                                          [](const std::string& name) { return !name.empty(); });
  const bool is_none = first == source.partition_columns.end();
  // A column that is named as the one for the key is one already.
  const bool is_key = !is_none && source.strategy == 'l' &&
                      *first == (job.key_column.empty() ? kDefaultKeyColumn : job.key_column);
  if (is_none || is_key) {
    return refused(
        "no-key",
        is_key ? fmt::format("{} is partitioned by its key column {}, and how that is computed is "
                             "not known: no key is made from it",
                             source.qualified, display_name(*first))
               : fmt::format("{} is not partitioned by a column that a key could be made from",
                             source.qualified),
        fmt::format("say how: --key 'abs(hashtext(COLUMN::text)) % {}'", partitions),
        source.qualified);
  }
  return fmt::format("abs(hashtext({}::text)) % {}", source.find(*first)->quoted, partitions);
}

Result<KeyExpression> compile_key(const TableRequest& job, const Table& source) {
  PGFANOUT_TRY_ASSIGN(const std::string sql, key_sql_of(job, source));
  const std::vector<KeyColumn> columns = key_columns_of(source);
  PGFANOUT_TRY_ASSIGN(KeyExpression key, KeyExpression::compile(sql, columns));
  for (const std::size_t index : key.used_columns()) {
    const Column& column = source.columns[index];
    if (columns[index].order == KeyColumn::Order::unknown) {
      return refused("nondeterministic-collation",
                     fmt::format("column {} has a nondeterministic collation: the server hashes a "
                                 "sort key of it, not its bytes",
                                 column.quoted),
                     "make the key from another column", source.qualified);
    }
  }
  return key;
}

Result<void> check_key_functions(Connection& connection, const KeyExpression& key) {
  PGFANOUT_TRY_ASSIGN(
      const Rows missing,
      connection.query(
          "SELECT f FROM unnest($1::text[]) f WHERE NOT EXISTS (SELECT 1 FROM pg_proc p"
          " WHERE p.proname = f AND p.pronamespace = 'pg_catalog'::regnamespace)",
          {text_array(key.functions())}));
  if (missing.size() == 0) return {};
  return refused(
      "no-such-function",
      fmt::format("PostgreSQL {} at {} has no function {}", connection.server_version_text(),
                  connection.description(), missing.text(0, 0)),
      "it came with a newer version: use another one, for example hashtext()", key.sql());
}

bool is_key_integer(KeyType type) {
  return type == KeyType::int2 || type == KeyType::int4 || type == KeyType::int8;
}

std::string_view key_type_sql(KeyType type) {
  return type == KeyType::int2 ? "smallint" : type == KeyType::int8 ? "bigint" : "integer";
}

}  // namespace pgfanout
