// Whether a table that exists can take the copy: partitioned by LIST on the key, a leaf for every
// key, nothing in the way of writing straight to the leaves.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "copier/catalog/table.h"
#include "copier/pg/connection.h"
#include "copier/plan/copy_plan.h"
#include "hashing/key_expression.h"
#include "pgfanout/job.h"
#include "pgfanout/job_result.h"
#include "pgfanout/result.h"

namespace pgfanout {

struct ExistingTarget {
  Table table;
  std::vector<TargetLeaf> leaves;         ///< Those that take a key, by their first one.
  std::optional<std::size_t> key_column;  ///< Of the table's columns.
  bool key_is_generated = false;
  std::string list_expression;  ///< LIST key, if it is no plain column.
  std::vector<Issue> issues;
};

/// Refuses whatever would keep the copy from being right; names it, with a hint.
Result<ExistingTarget> examine_target(const JobDescription& job, const Table& source,
                                      Connection& target, std::uint32_t oid);

/// Refuses a target that is listed by another expression than the job's key. `key_sql` is that one,
/// qualified, over the target's columns.
Result<void> check_list_expression(Connection& target, const ExistingTarget& existing,
                                   const std::string& key_sql);

}  // namespace pgfanout
