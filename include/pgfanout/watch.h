// The watch over a running job: limits and what happens when one is crossed, the deadline, and what
// the servers' sessions wait for. Requests are part of the job description; states are told to the
// observer.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace pgfanout {

/// A quantity that is measured while a job runs.
enum class Measure : std::uint8_t {
  cpu,           ///< Of the target's host, percent of all processors.
  memory,        ///< Of the target's host, percent in use.
  errors,        ///< Rows set aside, percent of those read.
  lock_wait,     ///< Longest wait for a lock among the job's own sessions, seconds.
  replica_lag,   ///< Of the target's slowest standby, seconds behind.
  disk_free,     ///< Bytes left where the target keeps its files; crossed when below the limit.
  checkpoints,   ///< Requested checkpoints (WAL was full) a minute, on the target.
  session_wait,  ///< Longest wait of a session for something that is no work, locks left out, s.
  wal_waiting,   ///< Bytes of WAL that wait to be archived, on the target.
};

/// The action while a limit is crossed; it is undone when the limit is kept again, but a stop
/// stays. In the order of their strength.
enum class WatchAction : std::uint8_t {
  off,
  warn,
  shrink,  ///< Half the memory for row data, hence smaller batches.
  slow,
  pause,
  stop
};

/// One limit. Absent parts come from the profile.
struct ThresholdSetting {
  Measure measure = Measure::cpu;
  std::optional<double> limit;  ///< In the measure's unit.
  std::optional<WatchAction> action;
};

/// window: all speed, only stop conditions. polite: shares the server.
enum class WatchProfile : std::uint8_t { window, polite };

struct WatchRequest {
  WatchProfile profile = WatchProfile::window;
  std::vector<ThresholdSetting> thresholds;  ///< Each wins over the profile; the last one counts.
  /// The moment by which the job must be done; absent: none.
  std::optional<std::chrono::system_clock::time_point> finish_by;
  bool stop_at_deadline = false;  ///< Stop, resumable, at the last safe point.
  std::chrono::milliseconds sample_every{1000};
  /// The clock that the deadline is read on.
  std::function<std::chrono::system_clock::time_point()> clock = std::chrono::system_clock::now;
};

/// A threshold at one moment.
struct ThresholdState {
  Measure measure = Measure::cpu;
  WatchAction action = WatchAction::warn;
  double limit = 0;
  std::optional<double> value;  ///< Absent: not measured.
  bool is_crossed = false;      ///< With hysteresis: stays so until the value is well back.
  std::string detail;           ///< Who blocks, which standby; or why it cannot be measured.
};

/// Whether the job will make its deadline.
struct DeadlineState {
  enum class Outlook : std::uint8_t { unknown, makes_it, close, misses };
  std::chrono::system_clock::time_point finish_by;
  std::optional<double> seconds_left_low;   ///< Work that is left, best case.
  std::optional<double> seconds_left_high;  ///< Worst case.
  Outlook outlook = Outlook::unknown;
  /// Until when turning back (rollback, or lifting the fence) still ends before the deadline, and
  /// what to do then, in words.
  std::optional<std::chrono::system_clock::time_point> turn_back_by;
  std::string advice;
};

/// Sessions of the job on its servers, by what they wait for.
struct WaitCount {
  std::string side;   ///< "source" or "target".
  std::string event;  ///< "Lock/relation", "IO/DataFileRead", "cpu" for running ones.
  std::uint32_t sessions = 0;
};

/// Sessions of the job that have waited for a while for something that is no work.
struct SessionWait {
  std::string side;   ///< "source" or "target".
  std::string cause;  ///< "standby", "lock", "checkpoint", "archive" or "page".
  std::string event;  ///< "IPC/SyncRep".
  std::string what;   ///< "a synchronous standby to confirm a commit".
  int pid = 0;        ///< Of the session that has waited longest.
  std::string role;   ///< Of that session: "writer".
  std::uint32_t sessions = 1;
  double seconds = 0;
  std::string detail;  ///< Which standby, who blocks; empty: unknown.
  std::string help;    ///< What ends the wait.
};

enum class WaitChange : std::uint8_t { begins, lasts, ends };

/// How fast readers may go.
enum class Speed : std::uint8_t { full, slow, paused };

/// One sample of the servers.
struct WatchSample {
  std::vector<ThresholdState> thresholds;
  std::vector<WaitCount> waits;
  std::vector<SessionWait> session_waits;
  std::optional<DeadlineState> deadline;
  Speed speed = Speed::full;
};

[[nodiscard]] constexpr const char* name_of(Measure measure) {
  switch (measure) {
    case Measure::cpu:
      return "cpu";
    case Measure::memory:
      return "memory";
    case Measure::errors:
      return "errors";
    case Measure::lock_wait:
      return "lock_wait";
    case Measure::replica_lag:
      return "replica_lag";
    case Measure::disk_free:
      return "disk_free";
    case Measure::checkpoints:
      return "checkpoints";
    case Measure::session_wait:
      return "session_wait";
    case Measure::wal_waiting:
      return "wal_waiting";
  }
  return "";
}

[[nodiscard]] constexpr const char* name_of(WatchAction action) {
  switch (action) {
    case WatchAction::off:
      return "off";
    case WatchAction::warn:
      return "warn";
    case WatchAction::shrink:
      return "shrink";
    case WatchAction::slow:
      return "slow";
    case WatchAction::pause:
      return "pause";
    case WatchAction::stop:
      return "stop";
  }
  return "";
}

[[nodiscard]] constexpr const char* name_of(WaitChange change) {
  constexpr const char* kNames[] = {"begins", "lasts", "ends"};
  return kNames[static_cast<std::size_t>(change)];
}

}  // namespace pgfanout
