// Runs the stages of a window with their gates, and keeps the journal's record of each.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "copier/lifecycle/stage_clock.h"
#include "copier/lifecycle/window_journal.h"
#include "pgfanout/job.h"
#include "pgfanout/job_result.h"
#include "pgfanout/observer.h"
#include "pgfanout/result.h"

namespace pgfanout {

class WindowStages {
 public:
  /// Does a stage's work; what it returns is told to people and journaled.
  using Work = std::function<Result<std::string>()>;

  WindowStages(const JobDescription& job, JobResult& result, Observer& observer)
      : job_(job), result_(result), observer_(observer), clock_(result, observer) {}

  /// From now on stages are journaled. Takes over what was done in earlier calls, and confirms
  /// what this call confirms: refuses if nothing waits there.
  Result<void> open_journal(WindowJournal journal);
  /// The stage was done in an earlier call, or in this one.
  [[nodiscard]] bool is_done(std::string_view stage) const;
  /// Does the stage unless it is done. Then looks at its gate: false means that it waits for a
  /// person, and result.waiting_at says where.
  Result<bool> run(const std::string& stage, const Work& work);
  /// Without journal and gate: for a stage that ran before there was a job.
  Result<void> run_unrecorded(const std::string& stage, const Work& work);
  /// Records such a stage, and looks at its gate.
  Result<bool> record(const std::string& stage);

 private:
  Result<bool> pass_gate(const std::string& stage);
  [[nodiscard]] StageSummary* summary_of(std::string_view stage);

  const JobDescription& job_;
  JobResult& result_;
  Observer& observer_;
  StageClock clock_;
  std::vector<WindowJournal> journal_;  ///< At most one.
  std::vector<StageRecord> records_;
};

}  // namespace pgfanout
