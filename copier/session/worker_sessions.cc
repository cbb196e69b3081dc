#include "copier/session/worker_sessions.h"

#include <algorithm>
#include <chrono>
#include <thread>
#include <vector>

#include "copier/base/pause.h"
#include "copier/base/stop.h"

namespace pgfanout {
namespace {

constexpr std::chrono::milliseconds kCheckEvery{10};

}  // namespace

void obey_pace(const WorkerSettings& settings, std::chrono::nanoseconds worked,
               const std::function<bool()>& is_over) {
  // The rest after a long build is bounded: it must not outlast its cause.
  constexpr std::chrono::nanoseconds kMostWorked = std::chrono::seconds(10);
  if (settings.pace == nullptr) return;
  const auto waited = settings.pace->hold_until(std::min(worked, kMostWorked), is_over);
  if (settings.pace_wait_ns == nullptr) return;
  settings.pace_wait_ns->fetch_add(static_cast<std::uint64_t>(waited.count()));
}

bool WorkerTurn::may_go_on() {
  obey_pace(settings, std::chrono::steady_clock::now() - step_began,
            [this] { return stop.is_set(); });
  step_began = std::chrono::steady_clock::now();
  return !stop.is_set();
}

bool WorkerTurn::wait_until(const std::function<bool()>& is_there) const {
  while (!is_there()) {
    if (stop.is_set()) return false;
    pause_for(kCheckEvery);
  }
  return !stop.is_set();
}

Result<void> run_on_workers(const WorkerSettings& settings, const Cancellation& cancellation,
                            const std::function<Result<void>(Connection&, WorkerTurn&)>& work,
                            const std::function<void()>& meanwhile) {
  Stop stop(cancellation);
  std::atomic<std::size_t> ended{0};
  const auto run = [&](std::size_t worker) -> Result<void> {
    PGFANOUT_TRY_ASSIGN(Connection connection, settings.connect(&stop.flag()));
    if (!settings.set_up.empty()) PGFANOUT_TRY(connection.run(settings.set_up));
    WorkerTurn turn{worker, stop.flag(), settings};
    return work(connection, turn);
  };
  std::vector<std::jthread> threads;
  stop.guard("the start of the workers", [&] {
    for (std::size_t worker = 0; worker < settings.workers; ++worker) {
      threads.emplace_back([&, worker] {
        stop.guard("the worker", [&] { return run(worker); });
        ++ended;
      });
    }
  });
  constexpr int kChecksPerMeanwhile = 50;
  for (int check = 1; ended < threads.size(); ++check) {
    pause_for(kCheckEvery);
    const bool is_stopping = stop.is_set();  // Sees the user's request, too.
    if (!meanwhile || is_stopping || check % kChecksPerMeanwhile != 0) continue;
    stop.guard("the workers' progress", meanwhile);
  }
  threads.clear();
  if (cancellation.is_set()) return interrupted("cancelled", "stopped on request");
  if (auto error = stop.error()) return *std::move(error);
  return {};
}

}  // namespace pgfanout
