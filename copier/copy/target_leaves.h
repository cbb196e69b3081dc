// The target's leaves: made, written, locked and attached, each on its server. Nothing here depends
// on how many servers there are.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "copier/catalog/source_range.h"
#include "copier/journal/copy_journal.h"
#include "copier/journal/journal.h"
#include "copier/pg/connection.h"
#include "copier/plan/copy_plan.h"
#include "copier/session/lock_attempts.h"
#include "copier/session/quiet_server.h"
#include "copier/stage/lane_writer.h"
#include "pgfanout/cancellation.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// The job's own session on each server: for catalogs, locks, and the journal's statements.
class LeafSessions {
 public:
  /// In the order of CopyTarget::servers, so the coordinator's is the first. They outlive this.
  explicit LeafSessions(std::vector<Connection*> sessions) : sessions_(std::move(sessions)) {}

  [[nodiscard]] const std::vector<Connection*>& all() const { return sessions_; }
  [[nodiscard]] Connection& of(const TargetLeaf& leaf) const { return *sessions_.at(leaf.server); }
  /// Runs the same on each, the coordinator first; the first error ends it.
  Result<void> run(std::string_view sql) const;

 private:
  std::vector<Connection*> sessions_;
};

/// A row for each of the `names`, which are quoted, in their order: `columns` over `name`.
Result<Rows> query_each(Connection& connection, std::string_view columns,
                        const std::vector<std::string>& names);

/// Creates parent and standalone leaves, if the plan says so, and journals them in the same
/// transaction, with what is to be read. Fills plan.target.leaves[i].oid.
Result<void> create_target(Connection& connection, CopyPlan& plan, const JournalEntry& entry,
                           const CopyProgress& progress, const LockAttempts& attempts,
                           const Cancellation& cancellation);

/// Gives new leaves their checks before they are loaded: COPY checks a row for less than a scan
/// afterwards would cost. Those that have them stay as they are; an earlier version added them
/// last.
Result<void> add_checks(Connection& connection, const CopyPlan& plan);

/// The server of each of `count` channels, given the server of each lane: every server with lanes
/// has one at least, none more than it has lanes, and the rest goes where channels have most lanes.
[[nodiscard]] std::vector<std::size_t> share_channels(
    const std::vector<std::size_t>& server_of_lane, std::size_t count);
/// The channel of each lane: one of its server's, which take its lanes one after the other.
[[nodiscard]] std::vector<std::size_t> bind_lanes(
    const std::vector<std::size_t>& server_of_lane,
    const std::vector<std::size_t>& server_of_channel);

/// Opens `count` connections that write, side by side, on the leaves' servers. `options` has
/// all but the server.
Result<LaneChannels> open_writers(const CopyTarget& target, std::size_t count,
                                  const ConnectOptions& options, const Cancellation& cancellation);

/// The tables that each lane writes. Leaves that this job made, and that are committed as a whole,
/// are emptied first, so that COPY may FREEZE.
[[nodiscard]] std::vector<LaneTarget> lane_targets(const CopyPlan& plan,
                                                   const CopyProgress& progress);

/// How the leaves are kept as they are while they are read back.
class LeafLock {
 public:
  /// Begins a transaction in each session that holds SHARE on the server's leaves, so that the rows
  /// that are read back are those that will be attached. Without the privilege (on leaves of
  /// others) they stay unlocked, and only the server's transactions tell whether they were changed.
  static Result<LeafLock> take(const LeafSessions& sessions, const CopyTarget& target,
                               const LockAttempts& attempts, const Cancellation& cancellation);

  /// Absent: nobody could write to the leaves. Else an INFO, if no transaction wrote on their
  /// server, or a CRITICAL, since they may have changed.
  [[nodiscard]] std::optional<Issue> doubt(const LeafSessions& sessions,
                                           const CopyTarget& target) const;

 private:
  std::vector<std::optional<QuietServer>> unlocked_;  ///< By server; absent: locked.
  std::string role_;                                  ///< Quoted: the one without the right.
};

/// Sizes of the target's leaves now, in their order.
Result<std::vector<LeafSize>> leaf_sizes(const LeafSessions& sessions, const CopyTarget& target);

/// Attaches the leaves that this job made, and sets what comes last (sequences). In the transaction
/// that lock_leaves() began; the caller commits.
Result<void> attach_leaves(Connection& connection, const TargetDdl& ddl, LockAttempts attempts,
                           const Cancellation& cancellation);

}  // namespace pgfanout
