// The journal of one maintenance window: its stages and their gates, the steps that are done, the
// facts of its fence, the statements that undo the swap, and the relations of the backup.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "copier/pg/connection.h"
#include "pgfanout/result.h"

namespace pgfanout {

struct StageRecord {
  std::string name;
  std::string status;  ///< running, ok, failed or interrupted.
  std::string started_at;
  double seconds = 0;  ///< So far, if it runs.
  std::string detail;
  bool is_waiting = false;   ///< Its gate waits for a person.
  std::string confirmed_by;  ///< Empty: not confirmed.
  std::string confirmed_at;  ///< The same.
};

/// The record of a rollback among the job's stages: from its beginning on nothing else may go on.
inline constexpr const char* kUndoStage = "undo";

/// A relation or routine that the swap set aside.
struct BackupRelation {
  std::string kind;  ///< As in DROP: "TABLE", "MATERIALIZED VIEW", "ROUTINE".
  std::uint32_t oid = 0;
  std::string schema;
  std::string name;
};

enum class UndoPhase : std::uint8_t {
  swap,   ///< Takes the swap back.
  made,   ///< Drops what was made beside tables.
  after,  ///< Undoes nothing: statements still to be run after the swap.
};

class WindowJournal {
 public:
  WindowJournal(Connection& connection, std::string job)
      : connection_(connection), job_(std::move(job)) {}

  Result<std::vector<StageRecord>> stages();
  Result<void> begin_stage(const std::string& stage);
  Result<void> end_stage(const std::string& stage, const std::string& status,
                         const std::string& detail);
  /// Records a stage that took `seconds` and was done before the job had a row.
  Result<void> record_stage(const std::string& stage, double seconds, const std::string& detail);
  Result<void> set_waiting(const std::string& stage);
  /// Records the session's user and its host as those who confirmed.
  Result<void> confirm(const std::string& stage);

  Result<std::vector<std::string>> steps_done();
  /// SQL that marks a step as done and keeps the statement that undoes it, if there is one. For the
  /// transaction of the step itself.
  [[nodiscard]] std::string mark_step_sql(const std::string& step, const std::string& undo) const;

  Result<void> set_fence(const std::string& side, const std::vector<std::string>& facts);
  Result<std::vector<std::string>> fence(const std::string& side);

  /// Appends statements; they are run last first.
  Result<void> add_undo(UndoPhase phase, const std::vector<std::string>& statements);
  /// The statements of a phase, in the order in which they are run.
  Result<std::vector<std::string>> undo(UndoPhase phase);
  /// Adds the statements to be run after the swap, in this order.
  Result<void> set_after(const std::vector<std::string>& statements);
  /// Deletes one of them, which is done.
  Result<void> strike_after(const std::string& sql);

  Result<void> set_swapped(const std::string& backup_name, std::uint32_t retention_days,
                           const std::vector<BackupRelation>& backup);
  /// In the order in which they are to be dropped.
  Result<std::vector<BackupRelation>> backup();
  Result<void> clear_swap();

 private:
  Result<void> run(std::string_view sql, std::vector<Parameter> parameters = {});
  Result<std::vector<std::string>> texts(std::string_view sql,
                                         std::vector<Parameter> parameters = {});

  Connection& connection_;
  const std::string job_;
};

}  // namespace pgfanout
