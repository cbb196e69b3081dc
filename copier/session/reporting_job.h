// The common base of commands: an observer that is told at once, a result that keeps everything,
// and a clock for the stages.
#pragma once

#include <chrono>
#include <exception>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "copier/base/caught.h"
#include "copier/base/cpu_usage.h"
#include "pgfanout/job_result.h"
#include "pgfanout/observer.h"

namespace pgfanout {

/// Times the stages of a job, tells the observer, and adds up CPU time.
class StageClock {
 public:
  /// Both outlive it. `stages` gets what each stage took.
  StageClock(std::vector<StageSummary>& stages, Observer& observer)
      : stages_(stages), observer_(observer) {}

  /// Runs one stage; its error becomes the stage's status.
  template <class Stage>
  Result<void> run(const std::string& name, Stage&& stage) {
    observer_.stage_started(name);
    const auto began = std::chrono::steady_clock::now();
    const CpuUsage before = cpu_usage_now();
    Result<void> ended = observer_.may_begin(name);
    if (ended) ended = std::forward<Stage>(stage)();
    StageSummary summary;
    summary.name = name;
    summary.seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
    if (!ended) {
      summary.status =
          ended.error().consequence == Consequence::interrupt ? "interrupted" : "failed";
    }
    const CpuUsage after = cpu_usage_now();
    summary.client_cpu_seconds = after.client_seconds - before.client_seconds;
    if (before.machine_busy_seconds && after.machine_busy_seconds) {
      summary.machine_cpu_seconds = *after.machine_busy_seconds - *before.machine_busy_seconds;
      summary.machine_idle_seconds = *after.machine_idle_seconds - *before.machine_idle_seconds;
    }
    stages_.push_back(summary);
    observer_.stage_finished(summary);
    return ended;
  }

 private:
  std::vector<StageSummary>& stages_;
  Observer& observer_;
};

class ReportingJob {
 protected:
  ReportingJob(std::string_view command, Observer& observer)
      : observer_(observer), result_(command), clock_(result_.stages, observer) {}

  void report(Issue issue) {
    observer_.issue_found(issue);
    result_.issues.push_back(std::move(issue));
  }

  Observer& observer_;
  JobResult result_;
  StageClock clock_;
};

/// An exception is a defect, so nothing is proven.
inline Error internal_error(const std::exception& exception) {
  Error error = error_of_exception("pgfanout", exception);
  error.consequence = Consequence::unproven;
  return error;
}

/// The result of `run`, or of a command that an exception ended.
template <class Run>
JobResult without_exceptions(std::string_view command, Run run) {
  try {
    return run();
  } catch (const std::exception& exception) {
    JobResult result(command);
    result.error = internal_error(exception);
    return result;
  }
}

}  // namespace pgfanout
