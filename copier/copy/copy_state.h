// State that the stages of one copy share.
#pragma once

#include <fmt/format.h>

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "copier/base/lists.h"
#include "copier/base/pace.h"
#include "copier/catalog/relation_name.h"
#include "copier/copy/target_leaves.h"
#include "copier/journal/copy_journal.h"
#include "copier/journal/job_request.h"
#include "copier/journal/journal.h"
#include "copier/pg/connection.h"
#include "copier/plan/copy_plan.h"
#include "copier/reconcile/ledger.h"
#include "copier/session/job_connections.h"
#include "copier/session/lock_attempts.h"
#include "copier/session/source_session.h"
#include "copier/stage/rejects.h"
#include "pgfanout/cancellation.h"
#include "pgfanout/job.h"
#include "pgfanout/observer.h"

namespace pgfanout {

/// The caller sets the first group; a member of the second is set by the stage in its comment.
struct CopyState {
  const JobDescription& job;
  const Cancellation& cancellation;
  JobCounters& counters;
  Pace& pace;
  IssueSink report;
  /// False in a window, which has its own fence, tells the plan, and keeps the journal's entry.
  bool stands_alone = true;
  std::string job_id = {};
  std::optional<Connection> target = {};   ///< Journal, DDL, locks on the target.
  std::optional<JournalEntry> entry = {};  ///< Of a job that is resumed; else set by prepare.
  /// Adds to the plan what only the caller knows; may be empty.
  std::function<Result<void>(CopyPlan&)> amend = {};
  std::vector<std::uint32_t> referenced = {};  ///< amend: tables that the target's leaves refer to.

  /// A refusal ends the job, lifts its fence and drops its tables. False for a resumed job until
  /// it copies rows.
  bool may_undo = false;
  std::optional<SourceSession> source = {};  // preflight
  std::optional<CopyPlan> plan = {};         // preflight
  CopyProgress progress = {};                // preflight, brought up to date by copy
  bool is_resumed = false;                   // preflight: tables are there from an earlier call
  std::optional<Ledger> ledger = {};         // copy
  std::optional<Rejects> rejects = {};       // copy

  /// Whether this copy puts a fence around the source itself.
  [[nodiscard]] bool raises_fence() const {
    return job.fence && !job.assume_quiet && !job.dry_run && stands_alone;
  }
  /// Whether a fence stands around the source: one of its own, or that of its window.
  [[nodiscard]] bool is_fenced() const { return raises_fence() || !stands_alone; }
  /// All rows are in, proven, and their leaves attached.
  [[nodiscard]] bool is_attached() const { return entry && !entry->digest.empty(); }
  [[nodiscard]] LockPatience patience() const {
    return {std::chrono::milliseconds(500), job.lock_timeout, &counters.lock_waits};
  }
  [[nodiscard]] ConnectOptions connect_options(const std::string& dsn,
                                               std::string_view role) const {
    return pgfanout::connect_options(job, dsn, "pgfanout/" + job_id + "/" + std::string(role));
  }
  /// In the order of CopyTarget::servers, of which there is one: the target's own.
  [[nodiscard]] LeafSessions leaf_sessions() { return LeafSessions({&*target}); }
  [[nodiscard]] std::vector<std::string> leaf_names() const {
    return parts_of(plan->target.leaves, &TargetLeaf::qualified);
  }
};

/// The entry of a new job, without its state and request.
[[nodiscard]] inline JournalEntry new_entry(std::string job_id, const Connection& connection,
                                            const Table& source, const RelationName& target,
                                            std::string key) {
  JournalEntry entry;
  entry.job = std::move(job_id);
  entry.source = fmt::format("{} {}", connection.description(), source.qualified);
  entry.source_schema = source.schema;
  entry.source_name = source.name;
  entry.source_oid = source.oid;
  entry.target_schema = target.schema;
  entry.target_name = target.name;
  entry.key = std::move(key);
  return entry;
}

/// The key as the plan settled it, and the request with it.
inline void record_key(const CopyPlan& plan, const JobDescription& job, JournalEntry& entry) {
  entry.request = request_of(as_recorded(job, plan.job_key), plan.job_key.sql);
  entry.key_sql_on_target = plan.key.sql_on_target;
  entry.key_column = plan.key.column;
}

inline Result<void> stop_if_cancelled(const CopyState& state) {
  if (state.cancellation.is_set()) return cancelled();
  return {};
}

}  // namespace pgfanout
