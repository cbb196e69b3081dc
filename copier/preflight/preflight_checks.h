// The checks of a preflight, and what they share. For preflight*.cc only.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "copier/carry/carry_plan.h"
#include "copier/catalog/catalog_query.h"
#include "copier/catalog/server_facts.h"
#include "copier/pg/connection.h"
#include "copier/plan/copy_plan.h"
#include "copier/preflight/preflight.h"
#include "pgfanout/cancellation.h"
#include "pgfanout/job.h"
#include "pgfanout/job_result.h"
#include "pgfanout/result.h"

namespace pgfanout {

struct PreflightRun {
  const JobDescription& job;
  const CopyPlan& plan;
  const CarryPlan& carry;
  Connection& source;
  Connection& target;
  const Cancellation& cancellation;
  ServerFacts source_facts;
  ServerFacts target_facts;
  std::string source_role;  ///< Of the session on the source, quoted for SQL.
  std::string target_role;
  Preflight found;
  bool is_resumed = false;  ///< A part of the target is made already.

  void add(Severity severity, std::string code, std::string message, std::string where,
           std::string hint = {}) {
    found.issues.push_back(
        {severity, std::move(code), std::move(message), std::move(where), std::move(hint)});
  }
  /// A catalog query with the source's OID as $1.
  Result<Rows> read(std::string_view sql) {
    return source.query(sql, {std::to_string(plan.source.oid)});
  }
  /// Whether the job will fence the source.
  [[nodiscard]] bool fences() const { return !job.assume_quiet; }
  /// Of a right that only fence and swap need: a job without them may go.
  [[nodiscard]] Severity if_changed() const {
    return fences() || job.window.swap ? Severity::error : Severity::warning;
  }
  /// Of rows that the copy cannot take: a warning if it may set that many aside.
  [[nodiscard]] Severity unless_rejected(std::uint64_t rows) const {
    const bool may = rows <= rows_to_set_aside(job.reject_limit, plan.source.estimated_rows);
    return may ? Severity::warning : Severity::error;
  }
};

// Each appends what it finds; an error means that the check could not be made.
Result<void> check_rights(PreflightRun& run);
Result<void> check_related_rights(PreflightRun& run);
Result<void> check_tables(PreflightRun& run);
/// Settings of the server that rows are written to.
Result<void> check_target_settings(PreflightRun& run);
Result<void> check_standbys(PreflightRun& run);
Result<void> check_links(PreflightRun& run);
Result<void> check_connections(PreflightRun& run);
Result<void> check_row_security(PreflightRun& run);
Result<void> check_replication(PreflightRun& run);
Result<void> check_columns(PreflightRun& run);
Result<void> check_user_code(PreflightRun& run);
Result<void> check_application_queries(PreflightRun& run);
/// The layouts that the table could have, for the application's queries.
Result<void> check_layouts(PreflightRun& run);
Result<void> check_index_lists(PreflightRun& run);
Result<void> check_space(PreflightRun& run);
Result<void> check_wal_keepers(PreflightRun& run);
Result<void> check_swap_locks(PreflightRun& run);
Result<void> check_blockers(PreflightRun& run);
Result<void> check_prepared_transactions(PreflightRun& run);
Result<void> check_wraparound(PreflightRun& run);
Result<void> check_snapshots(PreflightRun& run);
Result<void> check_rules(PreflightRun& run);
Result<void> check_own_rules(PreflightRun& run);
Result<void> check_parents(PreflightRun& run);
Result<void> check_migration_tools(PreflightRun& run);
Result<void> check_skew(PreflightRun& run);
Result<void> check_states(PreflightRun& run);
Result<void> check_stored_keys(PreflightRun& run);
Result<void> check_times(PreflightRun& run);

}  // namespace pgfanout
