// status --watch: shows a job until it ends.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include "copier/cli/invocation.h"
#include "copier/cli/session.h"
#include "copier/report/live/job_view.h"
#include "copier/status/status_command.h"
#include "pgfanout/cancellation.h"
#include "pgfanout/job_result.h"

namespace pgfanout {

/// The live view of a job that runs elsewhere: rates are differences between two of its states.
class StatusView {
 public:
  explicit StatusView(const JobDescription& job) : job_(job) {}

  /// `seconds` since the watch began.
  JobView view(const JobSnapshot& snapshot, double seconds);

 private:
  void show_stages(const JobSnapshot& snapshot, JobView& view) const;
  void show_progress(const JobSnapshot& snapshot, double seconds, JobView& view);

  const JobDescription& job_;
  std::optional<std::string> job_id_;  ///< That the rates belong to.
  std::string stage_;                  ///< That the counts belong to.
  std::uint64_t rows_before_ = 0;
  std::uint64_t bytes_before_ = 0;
  double seconds_ = 0;  ///< Of the last state.
  double rates_every_ = 1;
  RateSeries rates_;
  RateWindow recent_;
};

/// Shows the job until it is over, and returns the result of status then; absent: interrupted. With
/// --json, each state is one line on the result's descriptor, the last one too. Reads the state
/// once a second for a terminal, else every `line_every`.
std::optional<JobResult> watch_status(
    const Invocation& call, const std::function<Result<JobSnapshot>()>& snapshot,
    const OutputStreams& streams, const Cancellation& cancellation,
    std::chrono::milliseconds line_every = std::chrono::seconds(2));

}  // namespace pgfanout
