// One run of a hook's command: started, fed, listened to, and ended if it takes too long.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "copier/report/events/event_sink.h"
#include "pgfanout/cancellation.h"

namespace pgfanout {

struct HookLimits {
  std::chrono::milliseconds time = std::chrono::seconds(60);  ///< Then SIGTERM.
  std::chrono::milliseconds grace = std::chrono::seconds(5);  ///< Then SIGKILL.
  unsigned lines = 100;                                       ///< Of its output that are shown.
  std::size_t line_bytes = 1000;                              ///< Of each.
};

/// Takes a line of the command's output.
using ShowLine = std::function<void(std::string_view)>;

/// `/bin/sh -c command`, in a process group of its own, with the event's line on standard input;
/// what it leaves running in the background is left alone. Ends it when `cancellation` asks for a
/// stop at once. Returns what went wrong, such as "ended with exit status 7"; empty: nothing.
[[nodiscard]] std::string run_hook(const std::string& command, const Event& event,
                                   const HookLimits& limits, const ShowLine& show,
                                   const Cancellation& cancellation);

/// The environment of hooks: this process's own, less the password, and PGFANOUT_EVENT,
/// PGFANOUT_JOB and PGFANOUT_STAGE.
[[nodiscard]] std::vector<std::string> hook_environment(const Event& event);

}  // namespace pgfanout
