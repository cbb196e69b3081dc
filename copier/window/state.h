// The state that every command of a maintenance window begins with: sessions, the two tables, and
// the journal's entry of the job.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "copier/carry/carry_plan.h"
#include "copier/catalog/table.h"
#include "copier/journal/journal.h"
#include "copier/journal/window_journal.h"
#include "copier/pg/connection.h"
#include "copier/plan/copy_plan.h"
#include "copier/session/fence.h"
#include "copier/window/swap_script.h"
#include "pgfanout/cancellation.h"
#include "pgfanout/job.h"
#include "pgfanout/observer.h"
#include "pgfanout/result.h"

namespace pgfanout {

class WindowState {
 public:
  /// Connects to both sides, finds the table and the last job into its target. Without a `report`
  /// it only reads; else it claims the target for this session, so that no other command works on
  /// it, and ends sessions of the job that outlived their client. All arguments outlive it.
  /// `may_share_backend`: as in ConnectOptions.
  static Result<WindowState> open(const JobDescription& job, const Cancellation& cancellation,
                                  IssueSink report = {}, bool may_share_backend = false);

  [[nodiscard]] const JobDescription& job() const { return *job_; }
  [[nodiscard]] const Cancellation& cancellation() const { return *cancellation_; }
  void report(Issue issue) const { report_(std::move(issue)); }

  [[nodiscard]] Connection& source() { return same_connection_ ? *target_ : *source_; }
  [[nodiscard]] Connection& target() { return *target_; }
  [[nodiscard]] const RelationName& target_name() const { return target_name_; }
  [[nodiscard]] const std::string& target_qualified() const { return target_qualified_; }
  [[nodiscard]] bool same_database() const { return same_connection_; }
  /// The last job into this target, if there is one.
  [[nodiscard]] std::optional<JournalEntry>& entry() { return entry_; }
  [[nodiscard]] const std::string& job_id() const { return job_id_; }
  [[nodiscard]] WindowJournal journal() { return {*target_, job_id_}; }
  /// Gives the sessions the job's name and the right to pass its fences.
  Result<void> take_job(const std::string& job_id);

  /// A further session on the target's side. `stop` cancels its statements.
  [[nodiscard]] Result<Connection> connect_target(std::string_view role,
                                                  const Cancellation* stop = nullptr) const;

  /// The table that the job began with, by whatever name it has now.
  Result<Table> source_table();
  /// The table that the job made.
  Result<Table> target_table();
  /// The search_path of the source's application on the target's side, for SET.
  Result<std::string> application_path();

  /// Sides are "source", "target", and after the swap "live".
  [[nodiscard]] Fence fence(const std::string& side) const { return {job_id_, side}; }
  /// Where that side's fence is.
  [[nodiscard]] Connection& connection_of(std::string_view side) {
    return side == "source" ? source() : target();
  }
  /// Raises a fence, and journals the facts by which it is known.
  Result<void> raise_fence(const std::string& side, const Table& table);
  Result<void> lower_fence(const std::string& side);
  Result<bool> stands(const std::string& side);
  /// Reads the journal's entry again.
  Result<void> read_entry();
  [[nodiscard]] LockPatience patience() const;
  /// Whoever watches the job is told of waits for locks.
  void tell_waits(LockWaits& waits) { lock_waits_ = &waits; }

 private:
  WindowState(const JobDescription& job, const Cancellation& cancellation, IssueSink report)
      : job_(&job), cancellation_(&cancellation), report_(std::move(report)) {}

  const JobDescription* job_;
  const Cancellation* cancellation_;
  IssueSink report_;
  std::optional<Connection> source_;
  std::optional<Connection> target_;
  bool same_connection_ = false;
  RelationName target_name_;
  std::string target_qualified_;
  std::optional<JournalEntry> entry_;
  std::string job_id_;
  LockWaits* lock_waits_ = nullptr;
};

/// OID of the partitioned table that the job made; 0 if somebody dropped it.
Result<std::uint32_t> find_made_table(Connection& target, const JournalEntry& entry);

/// Quoted where needed, as the server does it.
Result<std::string> qualified_name(Connection& connection, const std::string& schema,
                                   const std::string& name);

/// The request for make_carry_plan() before the target exists.
[[nodiscard]] CarryRequest carry_request_of(const JobDescription& job, const CopyPlan& plan);

/// Those leaves of a table that bear the names that this tool gives them, its own or by `pattern`.
Result<std::vector<std::string>> own_leaf_names(const Table& table, const KeyExpression& key,
                                                std::string_view pattern);

/// The same of a job that has made its target. `key` must outlive the request.
struct MadeTarget {
  Table source;
  Table target;
  std::optional<KeyExpression> key;
  CarryPlan carry;
  SwapNames names;  ///< Without the stamp.
};
Result<MadeTarget> examine_made_target(WindowState& state, Table source);

}  // namespace pgfanout
