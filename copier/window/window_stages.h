// Runs the stages of a window, and keeps the journal's record of each and of their gates.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "copier/journal/window_journal.h"
#include "copier/session/reporting_job.h"
#include "pgfanout/job.h"
#include "pgfanout/job_result.h"
#include "pgfanout/observer.h"
#include "pgfanout/result.h"

namespace pgfanout {

class WindowStages {
 public:
  /// Does a stage's work; the text that it returns is shown and journaled.
  using Work = std::function<Result<std::string>()>;

  WindowStages(const JobDescription& job, JobResult& result, Observer& observer)
      : job_(job), result_(result), observer_(observer), clock_(result, observer) {}

  /// From now on stages are journaled. Takes over what was done in earlier calls, and confirms
  /// what this call confirms: refuses if nothing waits there.
  Result<void> open_journal(WindowJournal journal);
  /// Of earlier calls and of this one.
  [[nodiscard]] const std::vector<StageRecord>& records() const { return records_; }
  Result<void> run(const std::string& stage, const Work& work);
  /// Without journal: for a stage that runs before there is a job.
  Result<void> run_unrecorded(const std::string& stage, const Work& work);
  /// Records such a stage.
  Result<void> record(const std::string& stage);
  /// The job waits for a person behind the stage.
  Result<void> wait_at(const std::string& stage);

 private:
  void set_done(const std::string& stage);
  [[nodiscard]] StageSummary* summary_of(std::string_view stage);

  const JobDescription& job_;
  JobResult& result_;
  Observer& observer_;
  StageClock clock_;
  std::vector<WindowJournal> journal_;  ///< At most one.
  std::vector<StageRecord> records_;
};

}  // namespace pgfanout
