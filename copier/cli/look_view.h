// What status --watch sees of a job, as the live view shows it.
#pragma once

#include <deque>
#include <string>

#include "copier/report/live/job_view.h"
#include "copier/status/status_command.h"
#include "pgfanout/job.h"

namespace pgfanout {

class LookView {
 public:
  explicit LookView(const JobDescription& job) : job_(job) {}

  /// `seconds` since the watch began.
  JobView view(const JobSnapshot& look, double seconds);

 private:
  void show_stages(const JobSnapshot& look, JobView& view) const;
  void show_progress(const JobSnapshot& look, double seconds, JobView& view);

  const JobDescription& job_;
  std::string job_seen_;
  std::string stage_;  ///< That rates and counts belong to.
  std::uint64_t rows_before_ = 0;
  std::uint64_t bytes_before_ = 0;
  double seconds_then_ = 0;
  std::uint64_t rows_then_ = 0;
  std::deque<double> rates_;
  double rates_every_ = 1;
  RateWindow recent_;
};

}  // namespace pgfanout
