// Measures a job's servers, host and counters about once a second, and judges its limits. Not
// thread-safe, except that others may change the counters and read the pace.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "copier/base/pace.h"
#include "copier/watch/server_watch.h"
#include "copier/watch/thresholds.h"
#include "pgfanout/job.h"
#include "pgfanout/job_result.h"
#include "pgfanout/observer.h"
#include "pgfanout/result.h"

namespace pgfanout {

class JobWatch {
 public:
  using Moment = std::chrono::steady_clock::time_point;

  /// The job's present work.
  struct Doing {
    bool reads_back = false;  ///< Readers are on the target.
    bool swaps = false;       ///< Nothing slows, pauses or stops it.
  };

  /// All references outlive it. `ending` ends what waits for a server.
  JobWatch(const JobDescription& job, const std::string& job_id, const JobCounters& counters,
           Pace& pace, const Cancellation& ending);

  /// Connects. The issue names the limits that cannot be measured, why, and what to grant.
  [[nodiscard]] std::optional<Issue> begin(Moment now);
  /// Sets the pace, and fills in thresholds and waits of `shown`.
  [[nodiscard]] LimitWatch::Judgement sample(Doing doing, Moment now, WatchSample& shown);
  /// Waits that began, last or ended with the last sample.
  [[nodiscard]] const WaitNews& news() const { return news_; }
  /// Those that had not ended.
  [[nodiscard]] WaitNews last_news() { return waits_.last_news(); }
  /// One issue for each limit that was crossed since the job began.
  [[nodiscard]] std::vector<Issue> crossings() const { return limits_.crossings(); }

 private:
  [[nodiscard]] std::map<Measure, Reading> measure(Doing doing, Moment now, WatchSample& shown);
  bool prepare(Moment now);

  const JobDescription& job_;
  const JobCounters& counters_;
  Pace& pace_;
  LimitWatch limits_;
  ServerWatch target_;
  std::optional<ServerWatch> source_;  ///< Absent if it is the target's server.
  bool knows_sides_ = false;
  WaitJudge waits_;
  WaitNews news_;
};

}  // namespace pgfanout
