// What stands beside every job that moves or reads rows: its counters, the pace of its readers, and
// one wish to stop, of the user or of what watches over the job (thresholds, deadline).
#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "copier/base/pace.h"
#include "pgfanout/cancellation.h"
#include "pgfanout/job.h"
#include "pgfanout/job_result.h"
#include "pgfanout/observer.h"

namespace pgfanout {

class JobGuard {
 public:
  /// All references outlive it.
  JobGuard(const JobDescription& job, Observer& observer, const Cancellation& user);
  ~JobGuard();
  JobGuard(const JobGuard&) = delete;
  JobGuard& operator=(const JobGuard&) = delete;

  /// What the job is given in place of the user's own.
  [[nodiscard]] Observer& observer() { return relay_; }
  [[nodiscard]] const Cancellation& cancellation() const { return stop_; }
  [[nodiscard]] JobCounters& counters() { return counters_; }
  [[nodiscard]] Pace& pace() { return pace_; }

  /// Ends watching, and lets a result that was stopped say by whom.
  [[nodiscard]] JobResult settled(JobResult result);

 private:
  /// Tells the user's observer, and sees when the job has begun.
  class Relay : public Observer {
   public:
    Relay(JobGuard& guard, Observer& observer) : guard_(guard), observer_(observer) {}
    void job_started(const std::string& job_id, const JobCounters& counters) override;
    void stage_started(std::string_view stage) override;
    void stage_finished(const StageSummary& stage) override;
    void issue_found(const Issue& issue) override;
    Result<void> may_begin(std::string_view stage) override;
    void gate_reached(std::string_view stage, bool is_waiting) override;
    void sampled(const WatchSample& sample) override;
    void threshold_changed(const ThresholdState& threshold) override;

   private:
    JobGuard& guard_;
    Observer& observer_;
  };

  void begin(const std::string& job_id);
  void end();
  void watch();

  const JobDescription& job_;
  const Cancellation& user_;
  Cancellation stop_;
  JobCounters counters_;
  Pace pace_;
  Relay relay_;
  std::mutex mutex_;
  std::condition_variable ending_changed_;
  bool is_ending_ = false;           // guarded by mutex_
  std::optional<Error> stopped_by_;  // guarded by mutex_
  std::thread watcher_;              // last: it uses all of the above
};

}  // namespace pgfanout
