// Records a job, and writes its HTML report when the command has ended, however it ended.
#pragma once

#include <memory>

#include "copier/cli/invocation.h"
#include "copier/report/record/recorder.h"
#include "copier/report/record/result_observer.h"
#include "pgfanout/result.h"

namespace pgfanout {

class ReportWriter : public ResultObserver {
 public:
  /// Null if the call asks for none. Refuses a file that could not be written. `call` outlives it.
  static Result<std::unique_ptr<ReportWriter>> open(const Invocation& call);

  void job_started(const std::string& job_id, const JobCounters& counters) override {
    recorder_.job_started(job_id, counters);
  }
  void stage_started(std::string_view stage) override { recorder_.stage_started(stage); }
  void stage_finished(const StageSummary& stage) override { recorder_.stage_finished(stage); }
  void issue_found(const Issue& issue) override { recorder_.issue_found(issue); }
  void gate_reached(std::string_view stage, bool is_waiting) override {
    recorder_.gate_reached(stage, is_waiting);
  }
  void sampled(const WatchSample& sample) override { recorder_.sampled(sample); }
  void threshold_changed(const ThresholdState& threshold) override {
    recorder_.threshold_changed(threshold);
  }
  /// A report that cannot be written is a warning: what the job did is done.
  void job_finished(JobResult& result) override;

 private:
  explicit ReportWriter(const Invocation& call) : call_(call) {}

  const Invocation& call_;
  Recorder recorder_;
};

}  // namespace pgfanout
