// The rules of the job file, tried on the source: what it violates already, the target would too.
#include <fmt/format.h>

#include "copier/pg/transaction.h"
#include "copier/preflight/preflight_checks.h"
#include "copier/queries/rule_checks.h"

namespace pgfanout {
namespace {

/// A plan takes seconds; the window has all the time that a rule needs.
constexpr std::chrono::seconds kPatienceForRule(10);
constexpr const char* kQueryCanceled = "57014";
constexpr const char* kUndefinedColumn = "42703";

/// Why the source could not be asked, although the rule may be right; empty: there is no such
/// reason.
std::string excuse_of(const PreflightRun& run, const Error& hindrance) {
  if (hindrance.sqlstate == kQueryCanceled) {
    return fmt::format("it takes longer than {} s on the source", kPatienceForRule.count());
  }
  const bool has_new_columns = run.plan.key.column || !run.job.map.empty();
  if (hindrance.sqlstate == kUndefinedColumn && has_new_columns) {
    return fmt::format("the source lacks a column of it: {}", hindrance.message);
  }
  return {};
}

}  // namespace

Result<void> check_own_rules(PreflightRun& run) {
  for (const RuleCheck& rule : run.job.verify.rules) {
    if (run.cancellation.is_set()) return interrupted("cancelled", "stopped on request");
    RuleOutcome outcome;
    const auto work = [&]() -> Result<void> {
      PGFANOUT_TRY_ASSIGN(outcome, try_rule(run.source, rule, run.plan.source, kPatienceForRule));
      return {};
    };
    PGFANOUT_TRY(in_transaction(run.source,
                                {"BEGIN TRANSACTION READ ONLY", TransactionEnd::roll_back}, work));
    const std::string excuse =
        outcome.hindrance ? excuse_of(run, *outcome.hindrance) : std::string();
    if (!excuse.empty()) {
      run.add(Severity::info, "rule-not-tried",
              fmt::format("rule '{}' was not tried on the source: {}", rule.name, excuse),
              run.plan.source.qualified, "run tries it on the target, in its stage verify");
      continue;
    }
    if (auto issue = issue_of(rule, outcome, run.plan.source)) {
      run.found.issues.push_back(*std::move(issue));
    }
  }
  return {};
}

}  // namespace pgfanout
