// States of the source that the job carries over as they are: constraints that are not validated,
// sequences that are behind, triggers and rules that are disabled. They are no reason against the
// job, and a person should know them.
#include <fmt/format.h>

#include "copier/base/counted.h"
#include "copier/catalog/application_path.h"
#include "copier/catalog/relation_name.h"
#include "copier/catalog/timed_query.h"
#include "copier/pg/transaction.h"
#include "copier/preflight/preflight_checks.h"
#include "copier/schema/sequence_positions.h"

namespace pgfanout {
namespace {

constexpr std::chrono::milliseconds kPatience{1000};

/// {}: kRowCondition.
constexpr const char* kUnvalidatedSql = R"sql(
SELECT c.conname, CASE WHEN (to_jsonb(c) ->> 'conenforced') = 'false' THEN 'NOT ENFORCED'
  ELSE 'NOT VALID' END, {}
FROM pg_constraint c WHERE c.conrelid = $1::oid AND c.contype IN ('c', 'f', 'n')
  AND NOT c.convalidated AND NOT EXISTS (
    SELECT FROM pg_constraint up WHERE up.oid = c.conparentid AND up.conrelid = c.conrelid)
ORDER BY c.conname)sql";

constexpr const char* kDisabledSql = R"sql(
SELECT format('trigger %I', t.tgname) FROM pg_trigger t
WHERE t.tgrelid = $1::oid AND NOT t.tgisinternal AND t.tgenabled = 'D'
UNION ALL SELECT format('rule %I', r.rulename) FROM pg_rewrite r
WHERE r.ev_class = $1::oid AND r.ev_enabled = 'D' ORDER BY 1)sql";

/// Where counting them is quick and raises no error.
Result<std::optional<std::uint64_t>> violations(PreflightRun& run, std::string_view condition) {
  const std::string sql = fmt::format("SELECT pg_catalog.count(*) FROM {} AS t WHERE NOT ({})",
                                      run.plan.source.qualified, condition);
  const auto found = with_search_path(run.source, run.plan.source.application.sql,
                                      [&] { return query_in_time(run.source, sql, kPatience); });
  if (!found && !run.source.is_open()) return found.error();
  if (!found || !*found) return std::optional<std::uint64_t>();
  return std::optional(static_cast<std::uint64_t>((*found)->integer(0, 0)));
}

Result<void> tell_unvalidated(PreflightRun& run) {
  PGFANOUT_TRY_ASSIGN(const Rows rows, print_under(run.source, run.plan.source.application.sql,
                                                   fmt::format(kUnvalidatedSql, kRowCondition),
                                                   {std::to_string(run.plan.source.oid)}));
  for (int row = 0; row < rows.size(); ++row) {
    const std::string_view state = rows.text(row, 1);
    PGFANOUT_TRY_ASSIGN(const auto violated, violations(run, rows.text(row, 2)));
    std::string message = fmt::format("constraint {} is {}, and stays so on the target",
                                      display_name(rows.text(row, 0)), state);
    if (violated) {
      message += *violated == 0 ? "; no row violates it"
                                : "; " + counted(*violated, "row violates it", "rows violate it");
    }
    std::string hint;
    if (state == "NOT VALID") {
      hint = fmt::format("{}ALTER TABLE {} VALIDATE CONSTRAINT {}",
                         violated == 0U ? "" : "to have it validated, correct the rows, then ",
                         run.plan.source.qualified, quoted_name(rows.text(row, 0)));
    }
    run.add(Severity::warning, "constraint-not-valid", std::move(message),
            run.plan.source.qualified, std::move(hint));
  }
  return {};
}

Result<void> tell_sequences(PreflightRun& run) {
  PGFANOUT_TRY_ASSIGN(const auto positions,
                      read_sequence_positions(run.source, run.plan.source, kPatience));
  for (const SequencePosition& position : positions) {
    if (!position.is_behind) continue;
    run.add(Severity::warning, "sequence-behind",
            fmt::format("sequence {} would give values that column {} holds already (up to {})",
                        position.sequence, display_name(position.column), position.edge),
            run.plan.source.qualified,
            fmt::format("SELECT setval({}, {})", run.source.quote_literal(position.sequence),
                        position.edge));
  }
  return {};
}

}  // namespace

Result<void> check_states(PreflightRun& run) {
  PGFANOUT_TRY(tell_unvalidated(run));
  PGFANOUT_TRY(tell_sequences(run));
  PGFANOUT_TRY_ASSIGN(const Rows disabled, run.read(kDisabledSql));
  for (int row = 0; row < disabled.size(); ++row) {
    run.add(Severity::info, "disabled",
            fmt::format("{} is disabled, and stays so on the target", disabled.text(row, 0)),
            run.plan.source.qualified);
  }
  return {};
}

}  // namespace pgfanout
