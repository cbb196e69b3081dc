// The work of a maintenance window's stages, up to the swap. Gates and their order are not known
// here.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "copier/base/pace.h"
#include "copier/window/window_state.h"
#include "pgfanout/cancellation.h"
#include "pgfanout/job.h"
#include "pgfanout/job_result.h"
#include "pgfanout/observer.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// One window's work. `state` is open before any of it is called. Figures, issues and verdict go
/// into `result`; each function returns a line for people.
class WindowWork {
 public:
  WindowWork(const JobDescription& job, std::optional<WindowState>& state, JobResult& result,
             JobCounters& counters, Pace& pace, Observer& observer,
             const Cancellation& cancellation)
      : job_(job),
        state_(state),
        result_(result),
        counters_(counters),
        pace_(pace),
        observer_(observer),
        cancellation_(cancellation) {}

  /// Go, or refused with the number of reasons not to. The tables of an interrupted copy are
  /// dropped.
  Result<std::string> preflight();
  /// The same job is called with the same settings.
  Result<void> check_request();
  /// Writes the job down in the journal. After preflight().
  Result<void> begin_job();
  /// Raises the fence around the source.
  Result<std::string> prepare();
  Result<std::string> copy();
  Result<std::string> verify();
  /// Then the table is tried as an application would.
  Result<std::string> swap();
  /// Runs the statements that a swap left for later, also a swap that was interrupted.
  Result<void> finish_swap();
  [[nodiscard]] bool is_swapped() const { return is_swapped_; }
  /// How long the stages take, once that is known.
  [[nodiscard]] const std::vector<StageEstimate>& estimates() const { return estimates_; }

  void report(Issue issue) {
    observer_.issue_found(issue);
    result_.issues.push_back(std::move(issue));
  }

 private:
  void take_copy(JobResult copied);

  const JobDescription& job_;
  std::optional<WindowState>& state_;
  JobResult& result_;
  JobCounters& counters_;
  Pace& pace_;
  Observer& observer_;
  const Cancellation& cancellation_;
  std::string key_sql_;                    // preflight
  std::string key_sql_on_target_;          // preflight
  std::optional<std::string> key_column_;  // preflight
  std::vector<StageEstimate> estimates_;   // preflight
  bool is_swapped_ = false;                // swap
};

}  // namespace pgfanout
