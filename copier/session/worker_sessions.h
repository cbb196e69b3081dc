// Statements that run in parallel, each on a connection of its own, until all are done, one of them
// fails, or the user stops them.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "copier/base/pace.h"
#include "copier/pg/connection.h"
#include "pgfanout/cancellation.h"
#include "pgfanout/result.h"

namespace pgfanout {

struct WorkerSettings {
  /// To the target; the request cancels the session's statements. May be null.
  std::function<Result<Connection>(const Cancellation*)> connect;
  std::uint32_t workers = 2;
  std::string set_up;          ///< Run by each worker first: "SET maintenance_work_mem = ...".
  const Pace* pace = nullptr;  ///< Obeyed between two steps; absent: full speed.
  std::atomic<std::uint64_t>* pace_wait_ns = nullptr;  ///< Counts the waiting for it.
};

/// Waits between two steps, the last of which took `worked`: not at full speed, in proportion to
/// `worked` when the job is slow, until the end of the pause when it is paused. Ends soon after
/// `is_over` says so.
void obey_pace(const WorkerSettings& settings, std::chrono::nanoseconds worked,
               const std::function<bool()>& is_over);

/// A worker's view of the run.
struct WorkerTurn {
  std::size_t worker = 0;    ///< From 0.
  const Cancellation& stop;  ///< Set when another worker failed, or the user stops.
  const WorkerSettings& settings;
  std::chrono::steady_clock::time_point step_began = std::chrono::steady_clock::now();

  /// Between two steps: obeys the job's pace. Returns false once the worker must stop.
  [[nodiscard]] bool may_go_on();
  /// Waits until `is_there` says so. Returns false if the worker must stop.
  [[nodiscard]] bool wait_until(const std::function<bool()>& is_there) const;
};

/// Runs `work` in `workers` threads. When one fails, or the user stops, the statements of the
/// others are cancelled. `meanwhile` is called about twice a second, in the calling thread. Returns
/// the first failure.
Result<void> run_on_workers(const WorkerSettings& settings, const Cancellation& cancellation,
                            const std::function<Result<void>(Connection&, WorkerTurn&)>& work,
                            const std::function<void()>& meanwhile = {});

}  // namespace pgfanout
