// The guard of every job that moves or reads rows: its counters, the pace of its readers, and one
// request to stop, set by the user, a threshold or the deadline.
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
#include "copier/watch/deadline.h"
#include "copier/watch/job_watch.h"
#include "pgfanout/cancellation.h"
#include "pgfanout/job.h"
#include "pgfanout/job_result.h"
#include "pgfanout/observer.h"

namespace pgfanout {

class JobGuard {
 public:
  /// All references outlive it. `command`: run, copy, verify, swap, rollback or cleanup.
  JobGuard(const JobDescription& job, std::string_view command, Observer& observer,
           const Cancellation& user);
  ~JobGuard();
  JobGuard(const JobGuard&) = delete;
  JobGuard& operator=(const JobGuard&) = delete;

  /// For the job, in place of the user's own.
  [[nodiscard]] Observer& observer() { return relay_; }
  [[nodiscard]] const Cancellation& cancellation() const { return stop_; }
  [[nodiscard]] JobCounters& counters() { return counters_; }
  [[nodiscard]] Pace& pace() { return pace_; }
  /// Takes the estimates of its stages, once they are known.
  void set_estimates(const std::vector<StageEstimate>& estimates);

  /// Ends watching, and adds its issues, and the reason of a stop, to the result.
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
  void sample();
  void judge_deadline_of(WatchSample& sample);
  void stop(Error error, bool at_once);
  void tell_pending();

  const JobDescription& job_;
  const bool is_way_back_;  // rollback and cleanup: nothing slows or stops them
  const Cancellation& user_;
  Cancellation stop_at_once_;
  Cancellation stop_;
  Cancellation ending_;  // ends the watcher's own waits
  JobCounters counters_;
  Pace pace_;
  Relay relay_;
  std::optional<JobWatch> watch_;  // of begin(), then of the watcher until that has ended
  std::mutex mutex_;
  std::condition_variable ending_changed_;
  bool is_ending_ = false;               // guarded by mutex_
  std::optional<Error> stopped_by_;      // guarded by mutex_
  std::vector<std::string> stages_;      // guarded by mutex_: those that are open
  std::optional<JobDeadline> deadline_;  // guarded by mutex_
  bool has_told_deadline_ = false;       // guarded by mutex_
  std::optional<Error> not_watched_;     // guarded by mutex_: why the watch has ended
  std::vector<Issue> pending_;           // guarded by mutex_: the job's own thread reports them
  std::vector<Issue> told_;              // of the job's own thread: for the result
  std::thread watcher_;                  // last: it uses all of the above
};

}  // namespace pgfanout
