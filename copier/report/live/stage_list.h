// The stages of a job as a list that is known beforehand, with what has become of each.
#pragma once

#include <string>
#include <vector>

#include "copier/report/live/job_view.h"
#include "pgfanout/job_result.h"

namespace pgfanout {

class StageList {
 public:
  explicit StageList(const std::vector<std::string>& expected);

  /// Stages that stand in the list before it were done by an earlier call.
  void started(const std::string& stage);
  void finished(const StageSummary& stage);
  void set_gate(const std::string& stage, bool is_waiting);
  /// With the time that the running one has taken so far.
  [[nodiscard]] std::vector<JobView::Stage> stages(double running_seconds) const;

 private:
  JobView::Stage& stage(const std::string& name);

  std::vector<JobView::Stage> stages_;
};

}  // namespace pgfanout
