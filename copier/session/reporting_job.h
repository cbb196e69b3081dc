// The common base of jobs: an observer that is told at once, and a result that keeps everything.
#pragma once

#include <string_view>
#include <utility>

#include "copier/session/stage_clock.h"
#include "pgfanout/job_result.h"
#include "pgfanout/observer.h"

namespace pgfanout {

class ReportingJob {
 protected:
  ReportingJob(std::string_view command, Observer& observer)
      : observer_(observer), clock_(result_, observer) {
    result_.command = command;
  }

  void report(Issue issue) {
    observer_.issue_found(issue);
    result_.issues.push_back(std::move(issue));
  }

  Observer& observer_;
  JobResult result_;
  StageClock clock_;
};

}  // namespace pgfanout
