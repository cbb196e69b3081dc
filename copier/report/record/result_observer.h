// An observer that also learns how the command ended.
#pragma once

#include "pgfanout/job_result.h"
#include "pgfanout/observer.h"

namespace pgfanout {

class ResultObserver : public Observer {
 public:
  /// Behind the command, whatever came of it, also if it never began a job. No callback follows.
  /// What could not be told to its end is added to the result's issues.
  virtual void job_finished(JobResult& result) = 0;
};

}  // namespace pgfanout
