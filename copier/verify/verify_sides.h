// The two sides of a comparison while it runs: sessions that hold snapshots, and the streams that
// are opened under them.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "copier/base/pace.h"
#include "copier/pg/connection.h"
#include "copier/pipeline/compare_sides.h"
#include "copier/plan/verify_plan.h"
#include "copier/session/source_session.h"
#include "pgfanout/cancellation.h"
#include "pgfanout/job.h"
#include "pgfanout/result.h"

namespace pgfanout {

struct FoundDifferences;

/// The two tables to compare, and the job whose sessions do it.
struct VerifyInput {
  const Endpoints& endpoints;
  const TableRequest& tables;
  const RowRequest& rows;
  VerifyRequest request;
  bool dry_run = false;
  std::string job_id;
  /// The sessions pass the job's fences. Sequences are not compared, since their positions change
  /// hands at the swap.
  bool is_in_window = false;
  /// Called with the rows that differ, if any do, while neither table can be rewritten.
  std::function<Result<void>(const VerifyPlan&, const FoundDifferences&)> use_differences = {};
  /// Foreign keys, as display_name() has them, that the target has as NOT VALID on purpose.
  std::set<std::string> unvalidated = {};
};

struct SideLocks {
  TableLock source;
  TableLock target;
  friend bool operator==(const SideLocks&, const SideLocks&) = default;
};
/// One snapshot shows both sides of one database, so that only rewrites must be kept out. Two
/// databases have two snapshots, so that writes must be, unless the user says that there are no
/// writes. A repair locks the source against writes in any case, and the target never: it writes
/// there.
[[nodiscard]] SideLocks locks_for(bool is_same_database, bool assume_quiet, bool is_repair);

class VerifySides {
 public:
  /// All outlive it.
  VerifySides(const VerifyInput& input, const Cancellation& cancellation, const Pace& pace)
      : input_(input), cancellation_(cancellation), pace_(pace) {}

  /// Plans, then takes the snapshots under locks_for(): one for both sides of one database, else
  /// one a side. `plan` then describes the tables as they are under the locks.
  Result<void> open(std::optional<VerifyPlan>& plan);
  /// Both sides' streams, for one pass over `plan`, which must be the one that open() made.
  Result<BothSides> streams(const VerifyPlan& plan);

  /// In the transaction that holds the side's snapshot.
  [[nodiscard]] Connection& connection(Side side) {
    return side == Side::target && target_ ? target_->connection() : source_->connection();
  }
  /// One more connection under the side's snapshot, read only.
  [[nodiscard]] Result<Connection> join_snapshot(Side side) const;
  /// The same for one that reads rows, so under the application's path.
  [[nodiscard]] Result<Connection> open_reader(const VerifyPlan& plan, Side side) const;
  /// From now on only those leaves of the target are streamed.
  void keep_target_leaves(const std::vector<bool>& leaves);
  [[nodiscard]] const std::vector<SourceRange>& ranges(Side side) const {
    return side == Side::source ? source_ranges_ : target_ranges_;
  }
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
  [[nodiscard]] const std::string& version(Side side) const {
    return side == Side::source ? source_version_ : target_version_;
  }
  /// Ends the transactions. False if a side may have been written to meanwhile.
  [[nodiscard]] bool close_and_check_unchanged();
  [[nodiscard]] Result<Connection> connect(Side side, std::string_view role) const;

 private:
  [[nodiscard]] const SourceSession& session(Side side) const {
    return side == Side::target && target_ ? *target_ : *source_;
  }
  Result<std::vector<std::unique_ptr<RangeSource>>> open_sources(const VerifyPlan& plan, Side side);

  const VerifyInput& input_;
  const Cancellation& cancellation_;
  const Pace& pace_;
  std::optional<SourceSession> source_;
  std::optional<SourceSession> target_;  ///< Absent: both sides share the source's.
  std::vector<SourceRange> source_ranges_;
  std::vector<SourceRange> target_ranges_;
  std::string source_version_;
  std::string target_version_;
  std::uint64_t bytes_ = 0;
};

}  // namespace pgfanout
