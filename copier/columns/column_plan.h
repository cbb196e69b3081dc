// Which column of the target gets which value: the user's mappings, the columns left out, the key
// column, and the types in between.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "copier/catalog/table.h"
#include "copier/columns/mapping.h"
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
};

struct ColumnPlan {
  std::vector<PlannedColumn> columns;     ///< In the target's order, without the key column.
  std::optional<std::size_t> stored_key;  ///< Source column with a key to check.
  std::optional<Column> key_column;       ///< Of the target. Of a new one the type is still open.
  std::vector<Issue> issues;
};

/// For a target that is to be created: the source's columns with their properties.
Result<ColumnPlan> plan_new_columns(const JobDescription& job, const Table& source,
                                    const Mappings& mappings);

/// For a target that exists. `key_column` is the target's, if it has one.
Result<ColumnPlan> plan_existing_columns(const JobDescription& job, const Table& source,
                                         const Mappings& mappings, const Table& target,
                                         const Column* key_column);

/// The job's key column as the catalog spells it.
[[nodiscard]] std::string key_column_name(const JobDescription& job, const Table& source);

}  // namespace pgfanout
