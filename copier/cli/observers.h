// The observers of a command's job, as its options ask for: live view, report, metrics, events,
// hooks.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "copier/base/observer_list.h"
#include "copier/cli/invocation.h"
#include "copier/report/html/html_report.h"
#include "copier/report/live/progress.h"
#include "pgfanout/cancellation.h"
#include "pgfanout/job_result.h"
#include "pgfanout/observer.h"

namespace pgfanout {

/// "stage_finished=curl ...": the hook without the arguments of its command, which may hold a
/// token.
[[nodiscard]] std::string shown_hook(const std::string& hook);

/// All settings of a call, for its report. Of connection strings only the server's name, of hooks
/// only the program: neither can carry a secret.
[[nodiscard]] std::vector<ReportSetting> settings_of(const Invocation& call);

class Observers {
 public:
  /// Refuses a file or an address that cannot be used. All arguments outlive it.
  [[nodiscard]] static Result<std::unique_ptr<Observers>> open(const Invocation& call,
                                                               int message_fd,
                                                               const Cancellation& cancellation);
  ~Observers();
  Observers(const Observers&) = delete;
  Observers& operator=(const Observers&) = delete;

  [[nodiscard]] Observer& observer() { return all_; }
  /// Once, after the command: ends the live view, and tells all observers the result. Their
  /// failures become issues of it.
  void finish(JobResult& result);

 private:
  /// Forwards all but issues, for a command whose summary names all of them.
  class IssuesLater;

  Observers(const Invocation& call, int message_fd, const Cancellation& cancellation);
  Result<void> open_outputs(const Invocation& call, const Cancellation& cancellation);
  /// Prints the issue on standard error, above the live view; from any thread.
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
