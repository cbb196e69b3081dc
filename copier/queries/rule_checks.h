// The user's own rules about a table: SQL that finds rows which break them. Run under the
// application's search_path, in transactions that read only.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "copier/catalog/table.h"
#include "copier/pg/connection.h"
#include "pgfanout/job.h"
#include "pgfanout/job_result.h"
#include "pgfanout/result.h"

namespace pgfanout {

struct RuleOutcome {
  std::vector<std::string> rows;   ///< Violations: some of them, each on one line.
  bool has_more = false;           ///< Than these.
  std::optional<Error> hindrance;  ///< The server's complaint: the rule was not checked.
};

/// The query whose rows are the violations, each as one text, up to `most`.
[[nodiscard]] std::string rule_sql(const RuleCheck& rule, const Table& table, std::size_t most);

/// `connection` is in a transaction that reads only. `patience`: 0: as long as it takes.
Result<RuleOutcome> try_rule(Connection& connection, const RuleCheck& rule, const Table& table,
                             std::chrono::milliseconds patience);

/// That it is violated, or could not be checked; absent: neither.
[[nodiscard]] std::optional<Issue> issue_of(const RuleCheck& rule, const RuleOutcome& outcome,
                                            const Table& table);

}  // namespace pgfanout
