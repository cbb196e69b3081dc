// State that the stages of one copy share.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "copier/base/pace.h"
#include "copier/copy/target_leaves.h"
#include "copier/journal/copy_journal.h"
#include "copier/journal/journal.h"
#include "copier/pg/connection.h"
#include "copier/plan/copy_plan.h"
#include "copier/reconcile/ledger.h"
#include "copier/session/job_connections.h"
#include "copier/session/source_session.h"
#include "copier/stage/rejects.h"
#include "pgfanout/cancellation.h"
#include "pgfanout/job.h"
#include "pgfanout/observer.h"

namespace pgfanout {

/// A member is set by the stage named in its comment.
struct CopyState {
  const JobDescription& job;
  const Cancellation& cancellation;
  JobCounters& counters;
  Pace& pace;
  IssueSink report;

  std::string job_id = {};                 // claim
  std::optional<Connection> target = {};   // claim: journal, DDL, locks on the target
  std::optional<JournalEntry> entry = {};  // claim: of the job that goes on; else prepare
  /// A refusal ends the job, lifts its fence and drops its tables. Not so before a resumed job is
  /// at work again.
  bool may_undo = false;
  std::optional<SourceSession> source = {};  // preflight
  std::optional<CopyPlan> plan = {};         // preflight
  CopyProgress progress = {};                // preflight, brought up to date by copy
  bool is_resumed = false;                   // preflight: tables are there from an earlier call
  std::optional<Ledger> ledger = {};         // copy
  std::optional<Rejects> rejects = {};       // copy

  /// Then the window has claimed the target and keeps the journal's entry.
  [[nodiscard]] bool is_part_of_window() const { return !job.within_job.empty(); }
  /// Whether this copy puts a fence around the source itself.
  [[nodiscard]] bool raises_fence() const {
    return job.fence && !job.assume_quiet && !job.dry_run && !is_part_of_window();
  }
  /// All rows are in, proven, and their leaves attached.
  [[nodiscard]] bool is_attached() const { return entry && !entry->digest.empty(); }
  [[nodiscard]] ConnectOptions connect_options(const std::string& dsn,
                                               std::string_view role) const {
    return pgfanout::connect_options(job, dsn, "pgfanout/" + job_id + "/" + std::string(role));
  }
  /// In the order of CopyTarget::servers, of which there is one: the target's own.
  [[nodiscard]] LeafSessions leaf_sessions() { return LeafSessions({&*target}); }
  [[nodiscard]] std::vector<std::string> leaf_names() const {
    std::vector<std::string> names;
    for (const TargetLeaf& leaf : plan->target.leaves) names.push_back(leaf.qualified);
    return names;
  }
};

inline Result<void> stop_if_cancelled(const CopyState& state) {
  if (state.cancellation.is_set()) return interrupted("cancelled", "stopped on request");
  return {};
}

}  // namespace pgfanout
