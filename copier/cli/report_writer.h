// Records a job, and writes its HTML report when the command has ended, however it ended.
#pragma once

#include <memory>

#include "copier/cli/invocation.h"
#include "copier/report/record/recorder.h"
#include "pgfanout/result.h"

namespace pgfanout {

class ReportWriter : public Recorder {
 public:
  /// Null if the call asks for none. Refuses a file that could not be written. `call` outlives it.
  static Result<std::unique_ptr<ReportWriter>> open(const Invocation& call);

  /// A report that cannot be written is a warning: what the job did is done.
  void job_finished(JobResult& result) override;

 private:
  explicit ReportWriter(const Invocation& call) : call_(call) {}

  const Invocation& call_;
};

}  // namespace pgfanout
