// The guard of every job that moves or reads rows: its counters, the pace of its readers, and one
// request to stop, by the user or by the job's watch (thresholds, deadline).
#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "copier/base/observer_list.h"
#include "copier/base/pace.h"
#include "copier/watch/job_deadline.h"
#include "copier/watch/job_watch.h"
#include "pgfanout/cancellation.h"
#include "pgfanout/job.h"
#include "pgfanout/job_result.h"
#include "pgfanout/observer.h"

namespace pgfanout {

class JobGuard {
 public:
  /// All references outlive it. `command`: run, copy, verify or swap.
  JobGuard(const JobDescription& job, std::string_view command, Observer& observer,
           const Cancellation& user);
  ~JobGuard();
  JobGuard(const JobGuard&) = delete;
  JobGuard& operator=(const JobGuard&) = delete;

  /// Passed to the job in place of the user's own.
  [[nodiscard]] Observer& observer() { return relay_; }
  [[nodiscard]] const Cancellation& cancellation() const { return stop_; }
  [[nodiscard]] JobCounters& counters() { return counters_; }
  [[nodiscard]] Pace& pace() { return pace_; }
  /// How long its stages will take, once that is known.
  void set_estimates(const std::vector<StageEstimate>& estimates);

  /// Ends watching, and lets a result that was stopped say by whom.
  [[nodiscard]] JobResult settled(JobResult result);

 private:
  /// Tells the user's observer, and follows the job's stages.
  class Relay : public ObserverList {
   public:
    Relay(JobGuard& guard, Observer& observer) : ObserverList(observer), guard_(guard) {}
    void job_started(const std::string& job_id, const JobCounters& counters) override;
    void stage_started(std::string_view stage) override;
    void stage_finished(const StageSummary& stage) override;
    Result<void> may_begin(std::string_view stage) override;

   private:
    JobGuard& guard_;
  };

  [[nodiscard]] TimePoint now() const;
  void begin(const std::string& job_id);
  void end();
  void watch();
  void look();
  void look_at_deadline(WatchSample& sample);
  void stop(Error error, bool at_once);
  void tell_pending();

  const JobDescription& job_;
  const Cancellation& user_;
  Cancellation stop_at_once_;
  Cancellation stop_;
  Cancellation ending_;  // for what the watcher waits for
  JobCounters counters_;
  Pace pace_;
  Relay relay_;
  std::optional<JobWatch> watch_;  // begin; then the watcher's until it has ended
  std::mutex mutex_;
  std::condition_variable ending_changed_;
  bool is_ending_ = false;               // guarded by mutex_
  std::optional<Error> stopped_by_;      // guarded by mutex_
  std::vector<std::string> stages_;      // guarded by mutex_: those that are open
  std::optional<JobDeadline> deadline_;  // guarded by mutex_
  bool has_told_deadline_ = false;       // guarded by mutex_
  std::vector<Issue> pending_;           // guarded by mutex_: for the job's own thread to tell
  std::vector<Issue> told_;              // of the job's own thread: for the result
  std::thread watcher_;                  // last: it uses all of the above
};

}  // namespace pgfanout
