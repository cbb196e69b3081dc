#include "copier/session/worker_sessions.h"

#include <algorithm>
#include <chrono>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "copier/base/pause.h"

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
  Cancellation stop(nullptr, &cancellation);
  std::mutex mutex;
  std::optional<Error> failure;  // guarded by mutex; the first
  std::atomic<std::size_t> running{settings.workers};
  const auto run = [&](std::size_t worker) -> Result<void> {
    PGFANOUT_TRY_ASSIGN(Connection connection, settings.connect());
    connection.set_cancellation(&stop);
    if (!settings.set_up.empty()) PGFANOUT_TRY(connection.run(settings.set_up));
    WorkerTurn turn{worker, stop, settings};
    return work(connection, turn);
  };
  std::vector<std::thread> threads;
  for (std::size_t worker = 0; worker < settings.workers; ++worker) {
    threads.emplace_back([&, worker] {
      if (auto done = run(worker); !done) {
        const std::lock_guard lock(mutex);
        if (!failure) failure = std::move(done).error();
        stop.set();
      }
      --running;
    });
  }
  constexpr int kChecksPerMeanwhile = 50;
  for (int check = 1; running > 0; ++check) {
    pause_for(kCheckEvery);
    if (meanwhile && check % kChecksPerMeanwhile == 0) meanwhile();
  }
  for (std::thread& thread : threads) thread.join();
  if (cancellation.is_set()) return interrupted("cancelled", "stopped on request");
  if (failure) return *std::move(failure);
  return {};
}

}  // namespace pgfanout
