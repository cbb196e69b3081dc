// Commands that run at events, beside the job and one after another. Before a stage begins, the job
// waits for the hooks of earlier events. A hook that fails keeps the next stage from beginning, up
// to the swap; after that a failure is only reported.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "copier/report/events/event_stream.h"
#include "pgfanout/cancellation.h"

namespace pgfanout {

struct HookRequest {
  std::string event;    ///< One of kEvents.
  std::string command;  ///< For /bin/sh; the event is its standard input.
};

struct HookLimits {
  std::chrono::milliseconds time = std::chrono::seconds(60);  ///< Until SIGTERM.
  std::chrono::milliseconds grace = std::chrono::seconds(5);  ///< From SIGTERM to SIGKILL.
  unsigned lines = 100;                                       ///< Of its output that are shown.
  std::size_t line_bytes = 1000;                              ///< Shown of each line.
};

/// Shows a line of the command's output.
using ShowLine = std::function<void(std::string_view)>;

/// Runs `/bin/sh -c command` in a process group of its own, with the event's line on standard
/// input. Background processes of the command are left alone. Ends the command when `cancellation`
/// asks for a stop at once. Returns the failure, such as "ended with exit status 7"; empty: it
/// succeeded.
[[nodiscard]] std::string run_hook(const std::string& command, const Event& event,
                                   const HookLimits& limits, const ShowLine& show,
                                   const Cancellation& cancellation);

/// The environment of hooks: that of this process without the password, with PGFANOUT_EVENT,
/// PGFANOUT_JOB and PGFANOUT_STAGE.
[[nodiscard]] std::vector<std::string> hook_environment(const Event& event);

class Hooks : public EventSink {
 public:
  /// Reports an issue while the job runs; called from any thread.
  using Tell = std::function<void(const Issue&)>;

  /// `may_stop`: false for rollback and cleanup, which no hook may stop. `cancellation` outlives
  /// it.
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
    std::string name;            ///< program_of() the command.
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
  bool has_swap_begun_ = false;       // guarded by mutex_
  // Last: their threads use all of the above.
  std::unique_ptr<Queue> awaited_;  ///< Events that the job waits for before a stage.
  std::unique_ptr<Queue> samples_;  ///< progress and threshold: the job does not wait for these.
};

/// "tell-pager" of "TOKEN=x /usr/bin/tell-pager --loud": the part of a command that a message may
/// quote. Its arguments may hold secrets.
[[nodiscard]] std::string program_of(std::string_view command);

}  // namespace pgfanout
