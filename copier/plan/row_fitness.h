// Whether the target's rules take the source's rows: NOT NULL, domains, CHECKs, foreign keys and
// unique keys, tried on a sample by the target's server. Reads only.
#pragma once

#include <string>
#include <vector>

#include "copier/pg/connection.h"
#include "copier/plan/copy_plan.h"
#include "pgfanout/job_result.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// A condition over the target's columns that is true of a row which the target would refuse.
struct RowRule {
  std::string name;  ///< "constraint c", quoted where needed.
  std::string broken;
  std::string code = "constraint";
};

/// CHECKs, foreign keys and unique keys of a table, in force for new rows; `only_valid`: those that
/// hold for all of its rows.
Result<std::vector<RowRule>> read_row_rules(Connection& connection, std::uint32_t table,
                                            bool only_valid);

/// NOT NULL and domains of the target's columns, if asked for, then `rules`; a rule that cannot be
/// tried says nothing. An error "constraint" or "not-unique" for each that sampled rows break, with
/// the first such row.
Result<std::vector<Issue>> find_refused_rows(Connection& source, Connection& target,
                                             const CopyPlan& plan,
                                             const std::vector<RowRule>& rules, bool of_columns);

}  // namespace pgfanout
