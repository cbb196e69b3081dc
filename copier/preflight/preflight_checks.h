// Context that the checks of a preflight share, and their list. For preflight*.cc only.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "copier/carry/carry_plan.h"
#include "copier/catalog/server_facts.h"
#include "copier/pg/connection.h"
#include "copier/plan/copy_plan.h"
#include "copier/preflight/preflight.h"
#include "pgfanout/cancellation.h"
#include "pgfanout/job.h"
#include "pgfanout/job_result.h"
#include "pgfanout/result.h"

namespace pgfanout {

struct PreflightContext {
  const JobDescription& job;
  const CopyPlan& plan;
  const CarryPlan& carry;
  Connection& source;
  Connection& target;
  const Cancellation& cancellation;
  ServerFacts source_facts;
  ServerFacts target_facts;
  Preflight found;

  void add(Severity severity, std::string code, std::string message, std::string where,
           std::string hint = {}) {
    found.issues.push_back(
        {severity, std::move(code), std::move(message), std::move(where), std::move(hint)});
  }
  /// Whether a fence will stand on the source.
  [[nodiscard]] bool fences() const { return !job.assume_quiet; }
  /// Ownership and the like: without fence and swap only a later command needs it.
  [[nodiscard]] Severity if_changed() const {
    return fences() || job.window.swap ? Severity::error : Severity::warning;
  }
};

// Each appends what it finds; an error is that it could not look.
Result<void> check_rights(PreflightContext& context);
Result<void> check_related_rights(PreflightContext& context);
Result<void> check_settings(PreflightContext& context);
Result<void> check_links(PreflightContext& context);
Result<void> check_connections(PreflightContext& context);
Result<void> check_row_security(PreflightContext& context);
Result<void> check_replication(PreflightContext& context);
Result<void> check_columns(PreflightContext& context);
Result<void> check_space(PreflightContext& context);
Result<void> check_wal_keepers(PreflightContext& context);
Result<void> check_swap_locks(PreflightContext& context);
Result<void> check_blockers(PreflightContext& context);
Result<void> check_prepared_transactions(PreflightContext& context);
Result<void> check_wraparound(PreflightContext& context);
Result<void> check_snapshots(PreflightContext& context);
Result<void> check_skew(PreflightContext& context);
Result<void> check_carry(PreflightContext& context);
Result<void> check_impact(PreflightContext& context);
Result<void> check_times(PreflightContext& context);

/// Whether the job writes WAL that amounts to something.
[[nodiscard]] inline bool writes_wal(const ServerFacts& facts) {
  return facts.wal_level != "minimal";
}

/// Bytes that the load and the index builds will write: of rows (heap and TOAST) and of indexes.
struct LoadSize {
  std::uint64_t rows = 0;
  std::uint64_t indexes = 0;
  [[nodiscard]] std::uint64_t all() const { return rows + indexes; }
};
Result<LoadSize> load_size(Connection& source, const Table& table);

/// Condition on pg_stat_activity a: not this session, and none of the same job.
inline constexpr const char* kOthersSessions =
    "a.pid <> pg_backend_pid() AND NOT (a.application_name LIKE 'pgfanout/%'"
    " AND split_part(a.application_name, '/', 2)"
    " = split_part(current_setting('application_name'), '/', 2))";

}  // namespace pgfanout
