// Commands that are run at events. They run beside the job, one after another; only at the start of
// a stage does the job wait for those of the events before it. One that fails keeps the next stage
// from beginning, up to the swap; after it a failure is only reported.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "copier/report/events/event_sink.h"
#include "copier/report/events/hook_process.h"
#include "copier/report/record/output_request.h"
#include "pgfanout/cancellation.h"

namespace pgfanout {

class Hooks : public EventSink {
 public:
  /// Takes the issues to report while the job runs, from any thread.
  using Tell = std::function<void(const Issue&)>;

  /// `may_stop`: false for commands that undo or tidy, which no hook may keep from it.
  /// `cancellation` outlives it.
  Hooks(std::vector<HookRequest> hooks, bool may_stop, Tell tell, const Cancellation& cancellation,
        const HookLimits& limits = {});
  ~Hooks() override;
  Hooks(const Hooks&) = delete;
  Hooks& operator=(const Hooks&) = delete;

  void take(const Event& event) override;
  Result<void> may_begin(std::string_view stage) override;
  void settle(JobResult& result) override;

 private:
  class Queue;
  struct Hook {
    HookRequest request;
    std::string name;            ///< Of the program that it runs.
    std::uint64_t failures = 0;  // guarded by mutex_
    std::string last_failure;    // guarded by mutex_; as a sentence
    std::string last_stage;      // guarded by mutex_
  };

  void run(Hook& hook, const Event& event);
  void note_failure(Hook& hook, const Event& event, const std::string& what);

  const bool may_stop_;
  const Tell tell_;
  const Cancellation& cancellation_;
  const HookLimits limits_;
  std::mutex mutex_;
  std::vector<Hook> hooks_;
  const Hook* stopped_by_ = nullptr;  // guarded by mutex_; kept a stage from beginning
  bool is_behind_swap_ = false;       // guarded by mutex_; or in the midst of it
  // Last: their threads use all of the above.
  std::unique_ptr<Queue> steps_;  ///< Of the job's own events.
  std::unique_ptr<Queue> looks_;  ///< Of what is watched: the job does not wait for these.
};

/// "tell-pager" of "TOKEN=x /usr/bin/tell-pager --loud": what a message may say of a command, whose
/// arguments may hold secrets.
[[nodiscard]] std::string program_of(std::string_view command);

}  // namespace pgfanout
