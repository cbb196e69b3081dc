// All who are told about one command's job, as its options ask for.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "copier/base/observer_list.h"
#include "copier/cli/invocation.h"
#include "copier/report/live/progress.h"
#include "pgfanout/cancellation.h"
#include "pgfanout/job_result.h"
#include "pgfanout/observer.h"

namespace pgfanout {

class Observers {
 public:
  /// Before anything is done: a file or an address that cannot be used is a refusal. All arguments
  /// outlive it.
  [[nodiscard]] static Result<std::unique_ptr<Observers>> open(const Invocation& call,
                                                               int message_fd,
                                                               const Cancellation& cancellation);
  ~Observers();
  Observers(const Observers&) = delete;
  Observers& operator=(const Observers&) = delete;

  [[nodiscard]] Observer& observer() { return all_; }
  /// Behind the command, once: ends the live view, and tells the result to whoever wants it. What
  /// they could not do becomes issues of the result.
  void finish(JobResult& result);

 private:
  /// Passes all on but issues, for a command whose report names every one of them.
  class IssuesLater;

  Observers(const Invocation& call, int message_fd, const Cancellation& cancellation);
  Result<void> open_outputs(const Invocation& call, const Cancellation& cancellation);
  /// On standard error, above the live view; from any thread.
  void tell(const Issue& issue);
  void add(std::unique_ptr<Observer> observer);

  const int message_fd_;
  Progress progress_;
  std::mutex mutex_;
  bool is_live_over_ = false;      // guarded by mutex_
  std::vector<std::string> told_;  // guarded by mutex_; messages
  std::unique_ptr<IssuesLater> quiet_progress_;
  std::vector<std::unique_ptr<Observer>> owned_;
  ObserverList all_;
};

}  // namespace pgfanout
