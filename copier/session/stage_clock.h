// Times the stages of a job, tells the observer, and adds up CPU time.
#pragma once

#include <chrono>
#include <string>
#include <utility>

#include "copier/base/cpu_usage.h"
#include "pgfanout/job_result.h"
#include "pgfanout/observer.h"

namespace pgfanout {

class StageClock {
 public:
  StageClock(JobResult& result, Observer& observer) : result_(result), observer_(observer) {}

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
    add_usage(summary, before, cpu_usage_now());
    result_.stages.push_back(summary);
    observer_.stage_finished(summary);
    return ended;
  }

 private:
  static void add_usage(StageSummary& summary, const CpuUsage& before, const CpuUsage& after) {
    summary.client_cpu_seconds = after.client_seconds - before.client_seconds;
    if (before.machine_busy_seconds && after.machine_busy_seconds) {
      summary.machine_cpu_seconds = *after.machine_busy_seconds - *before.machine_busy_seconds;
      summary.machine_idle_seconds = *after.machine_idle_seconds - *before.machine_idle_seconds;
    }
  }

  JobResult& result_;
  Observer& observer_;
};

}  // namespace pgfanout
