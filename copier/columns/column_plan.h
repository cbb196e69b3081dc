// Which column of the target gets which value: the user's mappings, the columns left out, the types
// in between, the key column, and the way of the key's own columns into the target.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "copier/catalog/table.h"
#include "copier/columns/mapping.h"
#include "hashing/key_expression.h"
#include "pgfanout/job.h"
#include "pgfanout/job_result.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// How the copy treats a column of the target.
enum class ColumnRole : std::uint8_t {
  copied,    ///< Read from the source and written.
  compared,  ///< Computed by the target's server; the source's value proves it.
  left_out,  ///< Computed or defaulted by the target's server; nothing to compare with.
};

struct PlannedColumn {
  Column column;  ///< Of the target: as it is, or as it will be created.
  ColumnRole role = ColumnRole::copied;
  std::string source_sql;  ///< Its value on a source leaf, in the target's type.
  /// Of that value, as the source's server knows it; 0: the target's type, to be found by name.
  std::uint32_t stream_type_oid = 0;
  std::optional<std::size_t> source_column;  ///< The source column that it comes from, if just one.
  bool is_volatile = false;
  /// The job's own default, understood under the application's path; else empty.
  std::string new_default = {};
};

struct ColumnPlan {
  std::vector<PlannedColumn> columns;     ///< In the target's order, without the key column.
  std::optional<std::size_t> stored_key;  ///< Source column with a key to check.
  std::optional<Column> key_column;       ///< Of the target. Of a new one the type is still open.
  std::vector<Issue> issues;

  /// The columns that travel, in the stream's order: copied ones, then compared ones.
  [[nodiscard]] std::vector<const PlannedColumn*> streamed() const;
};

/// For a target that is to be created: the source's columns with their properties.
Result<ColumnPlan> plan_new_columns(const JobDescription& job, const Table& source,
                                    const Mappings& mappings);

/// For a target that exists. `key_column` is the target's, if it has one.
Result<ColumnPlan> plan_existing_columns(const TableRequest& job, const Table& source,
                                         const Mappings& mappings, const Table& target,
                                         const Column* key_column);

/// The job's key column as the catalog spells it; empty: the layout is one by plain columns.
[[nodiscard]] std::string key_column_name(const TableRequest& job, const Table& source);

/// The source's column of that name, to be checked against the recomputed key; absent if there is
/// none or it is skipped. Refuses one that holds no integers.
Result<std::optional<std::size_t>> find_stored_key(const Table& source, const Mappings& mappings,
                                                   std::string_view key_column);

/// Where the columns of the key expression arrive.
struct KeyCarriers {
  std::vector<std::string> target_names;     ///< Parallel to the source's columns.
  std::vector<std::uint16_t> stream_fields;  ///< Parallel to KeyExpression::used_columns().
  bool uses_generated = false;               ///< A carrier is a generated column of the target.
  bool uses_stored_key = false;
};

/// Refuses with "key-column-changed" if one does not reach the target, or not unchanged, and with
/// "nondeterministic-collation" where the target would hash it otherwise.
Result<KeyCarriers> find_key_carriers(const ColumnPlan& plan, const Table& source,
                                      const KeyExpression& key);

/// `sql`, a value of `from`'s type, in `to`'s type; unchanged where they are the same. Lengths are
/// enforced as by an INSERT: text that is too long is an error, never cut.
[[nodiscard]] std::string cast_sql(std::string_view sql, const Column& from, const Column& to);

/// Whether every value of `from` arrives in `to` with the same bytes: the same type, or text and
/// varchar of at least the same length.
[[nodiscard]] bool keeps_bytes(const Column& from, const Column& to);

}  // namespace pgfanout
