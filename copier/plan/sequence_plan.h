// Sequences behind identity columns and nextval() defaults: what a new target needs so that rows
// inserted later continue counting where the source stood.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "copier/catalog/table.h"
#include "copier/columns/column_plan.h"
#include "copier/pg/connection.h"
#include "pgfanout/job_result.h"
#include "pgfanout/result.h"

namespace pgfanout {

struct SequencePlan {
  /// "START WITH 1 INCREMENT BY 1 ..." by the target's identity column.
  std::map<std::string, std::string> identity_options;
  std::vector<std::string> before_tables;
  std::vector<std::string> after_tables;
  std::vector<std::string> at_the_end;  ///< Values, as the source's sequences have them now.
  std::vector<Issue> issues;
};

/// `target_qualified` is the parent to be created. In the same database a default goes on using the
/// source's own sequence; in another one it is made unless it is
/// there; `is_made`: what belongs to the target already is the job's own.
Result<SequencePlan> plan_sequences(Connection& source, Connection& target, const Table& table,
                                    const ColumnPlan& columns, const std::string& target_qualified,
                                    bool is_same_database, bool is_made);

}  // namespace pgfanout
