// The decisions of a maintenance window, without a server. A command reads the facts, asks here
// what follows from them, and does it. All of it is pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "copier/journal/journal.h"
#include "copier/journal/window_journal.h"
#include "pgfanout/job.h"
#include "pgfanout/job_result.h"

namespace pgfanout {

[[nodiscard]] bool is_done(const std::vector<StageRecord>& records, std::string_view stage);

/// The stage as the journal has it.
[[nodiscard]] StageSummary summary_of_record(const StageRecord& record);

/// How a call of run begins. `entry`: the last job into the target, if there is one.
enum class RunStart : std::uint8_t {
  new_job,
  go_on,
  already_swapped,  ///< The same command again, after its swap.
  refuse_copy,      ///< A copy into this target was begun and not finished.
  replace_copy,     ///< The same with --restart.
  refuse_undone,    ///< A rollback of the window was begun and not finished.
  undo_and_begin,   ///< A window, with --restart.
};
[[nodiscard]] RunStart start_of_run(const std::optional<JournalEntry>& entry, bool restart,
                                    bool is_same_request);
/// The refusal that it amounts to, in run, swap and plan alike; absent: none. `target`: qualified.
[[nodiscard]] std::optional<Error> refusal_of(RunStart start, const JournalEntry& entry,
                                              const std::string& target);

/// Whether a call of run repeats the preflight before it resumes: until rows are copied.
[[nodiscard]] bool repeats_preflight(const std::vector<StageRecord>& records, bool copy_goes_on);

/// Whether the source must be as it was planned for: it was fenced for that plan, or a person has
/// confirmed it, or confirms it in this call. Else a repeated preflight makes another plan.
[[nodiscard]] bool is_plan_settled(const std::vector<StageRecord>& records,
                                   const WindowRequest& request);

/// A stage is done, and nobody has confirmed its gate: one that this call sets, or one at which an
/// earlier call has left the job waiting. What goes on from the stage is not done until then.
[[nodiscard]] bool gate_holds(const std::vector<StageRecord>& records, const WindowRequest& request,
                              std::string_view stage);
/// The first such stage before the swap; empty if there is none.
[[nodiscard]] std::string_view gate_before_swap(const std::vector<StageRecord>& records,
                                                const WindowRequest& request);
/// The same of the stage swap, once the tables are swapped: it is done then, however it ended.
[[nodiscard]] bool gate_behind_swap_holds(const std::vector<StageRecord>& records,
                                          const WindowRequest& request);
/// The first thing that is left to do. A stage that failed or was interrupted runs again.
struct NextStage {
  enum class Move : std::uint8_t { run, wait, finish };
  Move move = Move::finish;
  std::string_view stage;  ///< Empty: finish.
};
[[nodiscard]] NextStage next_stage(const std::vector<StageRecord>& records,
                                   const WindowRequest& request, bool copy_goes_on);

/// Which fences `run --release` lowers.
enum class Release : std::uint8_t { no_job, live, source_and_target };
[[nodiscard]] Release release_of(const std::optional<JournalEntry>& entry);

/// Whether the command swap may begin. `has_left`: an earlier swap was interrupted after its
/// commit.
enum class SwapStart : std::uint8_t { no_job, already_swapped, settle, swap };
[[nodiscard]] SwapStart start_of_swap(const std::optional<JournalEntry>& entry, bool has_left);
/// The first stage that the job has not passed before its swap; empty if it has passed all.
[[nodiscard]] std::string_view missing_before_swap(const std::vector<StageRecord>& records);

/// How a rollback begins. Undoing the swap means: find new rows, rename back, then undo the
/// rest.
enum class RollbackStart : std::uint8_t { no_job, backup_gone, undone, take_swap_back, undo };
[[nodiscard]] RollbackStart start_of_rollback(const std::optional<JournalEntry>& entry);

/// Facts about the live table that a rollback knows before it compares rows.
struct LiveTable {
  bool has_no_way_back = false;  ///< New rows do not fit into the old columns.
  bool keep_began = false;       ///< An earlier call began to apply new rows, and did not end.
  bool is_altered = false;       ///< Its columns were changed since the swap.
};
enum class LiveCheck : std::uint8_t {
  refuse_to_keep,     ///< New rows do not fit into the old columns.
  refuse_half_kept,   ///< Only --keep-new-rows resumes.
  refuse_alteration,  ///< A rollback loses it.
  lose_alteration,    ///< As --force asks for; rows are not compared.
  compare,
};
[[nodiscard]] LiveCheck check_live(const LiveTable& live, const WindowRequest& request);

/// The fate of rows written since the swap.
enum class NewRows : std::uint8_t { none, lose, refuse, keep, save };
[[nodiscard]] NewRows fate_of_new_rows(std::uint64_t count, const WindowRequest& request);

/// One of a table's backups.
struct KeptBackup {
  std::string state;          ///< Of its job.
  bool is_time_over = false;  ///< Its retention.
};
/// Those that cleanup may drop, by index. None: refuse.
[[nodiscard]] std::vector<std::size_t> backups_to_drop(const std::vector<KeptBackup>& backups,
                                                       bool force);

/// The refusal of a confirmation that no gate waits for.
[[nodiscard]] Error not_waiting(const std::string& stage);

/// The state of a stage that status shows: running, ok, failed, interrupted, waiting or confirmed.
/// `is_active`: the job has sessions.
[[nodiscard]] std::string shown_status(const StageRecord& record, bool is_active);
/// The next command from there.
[[nodiscard]] std::string next_command(const JournalEntry& entry,
                                       const std::vector<StageRecord>& records, bool is_active);

}  // namespace pgfanout
