// The key of a table that exists, where nobody states it: found from what this tool, or a person,
// left in the catalog and in the journal. It serves as the key of later copies and comparisons.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "copier/catalog/table.h"
#include "copier/pg/connection.h"
#include "hashing/key_expression.h"
#include "pgfanout/job.h"
#include "pgfanout/job_result.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// The end of the comment by which the key function of a table is known:
/// "Computes partition_key of public.t for statements that insert".
inline constexpr std::string_view kKeyFunctionPurpose = "for statements that insert";

/// Of a table that is cut by LIST on its known key: a leaf for each key from 0 to leaves - 1, and
/// no others.
struct KeyedLeaves {
  std::uint32_t leaves = 0;
  KeyMode mode = KeyMode::check;
};

struct KnownKey {
  KeyExpression expression;           ///< Over the table's columns.
  std::optional<std::string> column;  ///< The column that stores it.
  std::string origin;                 ///< For people: "CHECK partition_key_check of public.t".
  std::optional<KeyedLeaves> layout;  ///< Absent: the table is cut in another way.
};

/// The job that filled a table, as the journal has it.
struct FillingJob {
  std::string job;
  std::uint32_t source_oid = 0;
  std::string key;  ///< Over the source's columns.
  std::optional<std::string> key_column;
};

struct TableKey {
  std::optional<KnownKey> known;
  std::optional<FillingJob> job;
  /// Sources that contradict each other, or the rows: then none of them is used.
  std::vector<Issue> doubts;
};

/// The expression to which a CHECK, as the server prints it, binds the column, whose name is quoted
/// where needed; empty: it does not.
[[nodiscard]] std::string_view bound_expression(std::string_view check, const std::string& column);

/// Looks at the CHECK on the key column, a generated column, the partition expression, the key
/// function and the journal. The last two are not enforced by the server: a sample of the table's
/// rows must agree. `key_column`: the column to look at where the table is not partitioned by one.
/// `connection` may read the table, and is in a transaction.
Result<TableKey> find_table_key(Connection& connection, const Table& table,
                                std::string_view key_column);

}  // namespace pgfanout
